import Foundation
import SwitchbackBackendKit
import SwitchbackDatasets
import SwitchbackInference
import SwitchbackInterchange
import SwitchbackOpenBLAS
import SwitchbackReference
import SwitchbackTraining
import TestFiles
import Testing

/// A run of `Golden/mlp.json`: the losses PyTorch reaches in Float64 from Switchback's own start.
private struct GoldenRun: Decodable, Sendable, CustomTestStringConvertible {
  let optimizer: [String: Setting]
  let seed: Int
  let losses: [Double]

  enum Setting: Decodable, CustomStringConvertible {
    case bool(Bool), number(Double), word(String)
    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let value = try? container.decode(Bool.self) {
        self = .bool(value)
      } else if let value = try? container.decode(Double.self) {
        self = .number(value)
      } else {
        self = .word(try container.decode(String.self))
      }
    }

    var description: String {
      switch self {
      case .bool(let value): "\(value)"
      case .number(let value): "\(value)"
      case .word(let value): value
      }
    }
  }

  /// As the config writes it.
  var setting: String { "{" + optimizer.map { "\($0): \($1)" }.sorted().joined(separator: ", ") + "}" }
  var testDescription: String { "\(setting), seed \(seed), \(losses.count) steps" }

  static let all: [GoldenRun] = {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden/mlp.json")
    return (try? JSONDecoder().decode([GoldenRun].self, from: Data(contentsOf: file))) ?? []
  }()
}

@Suite(.enabled(if: hasMNIST, "the real MNIST is not beside the checkout")) struct PyTorchTests {
  @Test("there are runs of three seeds, and of every optimizer")
  func complete() {
    #expect(Set(GoldenRun.all.filter { $0.losses.count == 50 }.map(\.seed)) == [1, 2, 3])
    let types = GoldenRun.all.filter { $0.losses.count == 100 }.map { $0.optimizer["type"]!.description }
    #expect(Set(types) == ["sgd", "rmsprop", "adagrad", "adam", "adamw"])
  }

  @Test("the MLP's losses are PyTorch's to 1e-5, with every optimizer", arguments: GoldenRun.all)
  fileprivate func losses(golden: GoldenRun) throws {
    let data = try NamedDataset.named("mnist").load(given: mnistFolder).train
    let backends: [any ComputeBackend] = [ReferenceBackend()] + (hasOpenBLAS ? [OpenBLASBackend()] : [])
    for backend in backends {
      let overrides = ["training.optimizer=\(golden.setting)", "training.seed=\(golden.seed)"]
      let session = try session("mnist-mlp", on: backend, overrides)
      let found = try session.train(data, steps: golden.losses.count)
      let worst = zip(found, golden.losses).map { abs($0 - $1) / $1 }.max() ?? .infinity
      #expect(worst <= 1e-5, "\(backend.identity.name)")
      #expect(golden.losses.last! < golden.losses[0])
    }
  }

  /// What `Golden/lockstep.py` prints of a step.
  private struct StepErrors: Decodable {
    let loss: Double
    let gradients: [String: Double]
  }

  @Test(
    "lockstep on the CNN: losses and gradients are PyTorch's",
    .enabled(if: runsLongTests && python != nil, "a long test that needs PyTorch: make test-all installs it"),
    arguments: [1, 2, 3])
  func lockstep(seed: Int) throws {
    let data = try NamedDataset.named("mnist").load(given: mnistFolder).train
    let configuration = try configuration("mnist-cnn", ["training.seed=\(seed)"])
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("lockstep-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }

    let (executor, program) = try trainingExecutor(configuration, on: try chain(ReferenceBackend()))
    for state in program.states {
      let values = state.values(seed: Int64(seed))
      try executor.states.withMutableBytes(of: state.name) { bytes in
        values.withUnsafeBytes { bytes.copyMemory(from: $0) }
      }
    }
    let order = BatchOrder(count: data.count, batchSize: 64, seed: Int64(seed), epoch: 1)
    let feed = try ProgramFeed(executor)
    for index in 0..<50 {
      func tensor(_ name: String, _ type: String, _ shape: [Int], _ bytes: [UInt8]) -> Safetensors.Tensor {
        Safetensors.Tensor(name: name, type: type, shape: shape, bytes: Data(bytes))
      }
      var tensors: [Safetensors.Tensor] = []
      for parameter in program.parameters {
        let bytes = try executor.states.withBytes(of: parameter.name) { Array($0) }
        tensors.append(tensor(parameter.name, "F32", parameter.type.shape.extents, bytes))
      }
      try feed.fill(data, order.batch(index))
      try executor.withInput("images") { tensors.append(tensor("images", "F32", [64, 28, 28, 1], Array($0))) }
      try executor.withInput("labels") { tensors.append(tensor("labels", "I32", [64], Array($0))) }
      try executor.withInput("learningRate") { $0.storeBytes(of: 0.001, as: Float.self) }
      try executor.run()
      tensors.append(tensor("loss", "F32", [], try executor.withOutput("loss") { Array($0) }))
      for parameter in program.parameters {
        let bytes = try executor.withOutput("gradient/" + parameter.name) { Array($0) }
        tensors.append(tensor("gradient/" + parameter.name, "F32", parameter.type.shape.extents, bytes))
      }
      try Safetensors(tensors).encoded().write(to: folder.appendingPathComponent("step-\(index).safetensors"))
    }

    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: try #require(python))
    process.arguments = [root + "/Tests/TrainingTests/Golden/lockstep.py", folder.path]
    process.standardOutput = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    let steps = try text.split(separator: "\n").map { try JSONDecoder().decode(StepErrors.self, from: Data($0.utf8)) }
    #expect(steps.count == 50)
    #expect(steps.allSatisfy { $0.gradients.count == program.parameters.count })
    #expect(steps.allSatisfy { $0.loss <= 1e-5 })
    let worst = steps.map { $0.gradients.values.max() ?? .infinity }
    #expect(worst.filter { $0 <= 1e-4 }.count >= 46, "\(worst)")
    #expect(worst.allSatisfy { $0 <= 1e-2 }, "\(worst)")
    #expect(worst.sorted()[25] <= 1e-5, "\(worst)")
  }
}

/// A Python that has PyTorch: `$SWITCHBACK_PYTHON`, or the one `make bench` and `make test-all` set up.
private let python: String? = {
  let candidates = [ProcessInfo.processInfo.environment["SWITCHBACK_PYTHON"], root + "/.venv-bench/bin/python"]
  return candidates.compactMap { $0 }.first { FileManager.default.isExecutableFile(atPath: $0) }
}()
