import Foundation
import SwitchbackBackendKit
import SwitchbackDatasets
import SwitchbackOpenBLAS
import SwitchbackReference
import SwitchbackTraining
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
}
