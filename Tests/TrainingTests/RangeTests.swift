import Foundation
import SwitchbackBackendKit
import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackNeuralNetworks
import SwitchbackOpenBLAS
import SwitchbackOpenCL
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import TestFiles
import Testing

private let text = """
  version: 1
  model:
    layers:
      - dense: {units: 3, activation: softmax, kernel_initializer: zeros}
  data: {dataset: mnist}
  training: {batch_size: 6, optimizer: sgd}
  """

private let hasOpenCL = (try? OpenCLBackend().devices()) != nil

/// Those that this machine has.
private var backends: [any ComputeBackend] {
  var backends: [any ComputeBackend] = [ReferenceBackend()]
  if hasOpenBLAS { backends.append(OpenBLASBackend()) }
  if hasOpenCL { backends.append(OpenCLBackend()) }
  return backends
}

/// A case of `Golden/ranges.json`: the weights after 500 updates in Float64.
private struct GoldenRange: Decodable, Sendable, CustomTestStringConvertible {
  let optimizer: [String: Setting]
  let loss: [String: Double]?
  let classWeights: [Double]?
  let regularizer: [String: Double]?
  /// Of `scale`, or of the largest weight.
  let tolerance: Double
  let scale: Double?
  let isPyTorchs: Bool
  let kernel: [Double]
  let bias: [Double]
  let average: [Double]?

  private enum CodingKeys: String, CodingKey {
    case optimizer, loss, regularizer, tolerance, scale, isPyTorchs, kernel, bias, average
    case classWeights = "class_weights"
  }

  enum Setting: Decodable, CustomStringConvertible {
    case bool(Bool), whole(Int), number(Double), word(String), section([String: Setting])

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let value = try? container.decode(Bool.self) {
        self = .bool(value)
      } else if let value = try? container.decode(Int.self) {
        self = .whole(value)
      } else if let value = try? container.decode(Double.self) {
        self = .number(value)
      } else if let value = try? container.decode(String.self) {
        self = .word(value)
      } else {
        self = .section(try container.decode([String: Setting].self))
      }
    }

    var description: String {
      switch self {
      case .bool(let value): "\(value)"
      case .whole(let value): "\(value)"
      case .number(let value): "\(value)"
      case .word(let value): value
      case .section(let keys): "{" + keys.map { "\($0): \($1)" }.sorted().joined(separator: ", ") + "}"
      }
    }
  }

  private func mapping(_ numbers: [String: Double]) -> String {
    "{" + numbers.map { "\($0): \($1)" }.sorted().joined(separator: ", ") + "}"
  }

  var overrides: [String] {
    var result = ["training.optimizer=\(Setting.section(optimizer))"]
    if let loss { result.append("training.loss=" + mapping(loss)) }
    if let classWeights { result.append("training.class_weights=\(classWeights)") }
    if let regularizer { result.append("model.layers.0.dense.kernel_regularizer=" + mapping(regularizer)) }
    return result
  }
  var testDescription: String { overrides.joined(separator: " ") }
  var accumulationSteps: Int {
    if case .whole(let steps)? = optimizer["gradient_accumulation_steps"] { steps } else { 1 }
  }

  static let all: [GoldenRange] = {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden/ranges.json")
    return (try? JSONDecoder().decode([GoldenRange].self, from: Data(contentsOf: file))) ?? []
  }()
}

private func goldenData() throws -> ByteDataset {
  var bytes: [UInt8] = []
  for i in 0..<12 {
    for j in 0..<4 {
      let value: Int = 37 * i * i + 91 * j + 13 * i * j
      bytes.append(UInt8(value % 256))
    }
  }
  return try ByteDataset(
    sampleShape: [4], classNames: ["a", "b", "c"], samples: bytes, labels: [0, 0, 0, 0, 1, 2, 1, 1, 1, 1, 0, 2])
}

extension TrainingSession {
  fileprivate func numbers(_ name: String) throws -> [Double] {
    try states.withBytes(of: name) { $0.bindMemory(to: Float.self).map { Double($0) } }
  }
}

@Suite struct RangeTests {
  @Test("every optimizer and key of a range has a golden case")
  func complete() {
    let types = Set(GoldenRange.all.compactMap { $0.optimizer["type"]?.description })
    #expect(types == ["sgd", "rmsprop", "adagrad", "adam", "adamw"])
    let keys = Set(GoldenRange.all.flatMap(\.optimizer.keys))
    #expect(
      keys.isSuperset(of: [
        "momentum", "nesterov", "rho", "centered", "epsilon", "initial_accumulator_value", "beta_1", "beta_2",
        "weight_decay", "clipvalue", "clipnorm", "global_clipnorm", "ema_momentum", "gradient_accumulation_steps",
      ]))
    #expect(GoldenRange.all.filter(\.isPyTorchs).count > 30)
  }

  @Test(
    "500 updates at the ends of ranges are finite and those of Float64, on every backend", arguments: GoldenRange.all)
  fileprivate func golden(golden: GoldenRange) throws {
    let data = try goldenData()
    let configuration = try Configuration(text: text, file: "ranges.yaml", overrides: golden.overrides)
    // A step of so small a network is all launches on OpenCL: of four cases one is asked there, in the long tests each.
    let place = GoldenRange.all.firstIndex { $0.testDescription == golden.testDescription } ?? 0
    for backend in backends where runsLongTests || place % 4 == 0 || backend.identity.name != "opencl" {
      let session = try TrainingSession(
        step: configuration.trainingStep(on: DatasetLayout(sampleShape: [4], targets: .classes)), batchSize: 6, seed: 1,
        on: try chain(backend), probeInterval: nil)
      var isFinite = true
      for batch in 0..<500 * golden.accumulationSteps {
        let first = Int32(6 * (batch % 2))
        isFinite = try session.train(data, Array(first..<first + 6)[...]).isFinite && isFinite
      }
      #expect(isFinite, "\(backend.identity.name)")
      #expect(session.updates == 500)
      var pairs = [
        (try session.numbers("layers.0.dense/kernel"), golden.kernel),
        (try session.numbers("layers.0.dense/bias"), golden.bias),
      ]
      if let average = golden.average { pairs.append((try session.numbers("ema/layers.0.dense/kernel"), average)) }
      let largest = golden.scale ?? (golden.kernel + golden.bias).map { abs($0) }.max() ?? 0
      for (found, expected) in pairs {
        let worst = zip(found, expected).map { abs($0 - $1) }.max() ?? .infinity
        // What is smaller than a normal number may be 0 on a device.
        #expect(
          worst <= golden.tolerance * largest + 1e-37, "\(backend.identity.name): \(found) and \(expected)")
      }
    }
  }

  @Test(
    "what cannot train is refused by the reader",
    arguments: [
      "training.optimizer={type: adam, beta_1: 1}", "training.optimizer={type: adam, beta_2: 1}",
      "training.optimizer={type: adamw, beta_1: 1.0}", "training.optimizer={type: adamw, beta_2: 0.9999999999}",
      "training.optimizer={type: rmsprop, rho: 1}", "training.optimizer={type: rmsprop, momentum: 1}",
      "training.optimizer={type: sgd, momentum: 1}", "training.optimizer={type: sgd, momentum: -0.1}",
      "training.optimizer={type: adam, epsilon: 0}", "training.optimizer={type: rmsprop, epsilon: 0}",
      "training.optimizer={type: adagrad, epsilon: 1e-50}", "training.optimizer={type: adam, epsilon: .inf}",
      "training.optimizer={type: adagrad, initial_accumulator_value: -1}",
      "training.optimizer={type: adagrad, initial_accumulator_value: .inf}",
      "training.optimizer={type: sgd, clipnorm: 0}", "training.optimizer={type: sgd, clipvalue: 0}",
      "training.optimizer={type: sgd, global_clipnorm: 0}", "training.optimizer={type: sgd, clipnorm: .inf}",
      "training.optimizer={type: sgd, clipnorm: .nan}", "training.optimizer={type: sgd, clipvalue: 1e-60}",
      "training.optimizer={type: sgd, learning_rate: .nan}", "training.optimizer={type: sgd, learning_rate: 1e10}",
      "training.optimizer={type: sgd, learning_rate: -0.1}", "training.optimizer={type: sgd, learning_rate: .inf}",
      "training.optimizer={type: sgd, learning_rate: 0.01, weight_decay: 101}",
      "training.optimizer={type: adamw, learning_rate: 1e9}", "training.optimizer={type: sgd, weight_decay: .inf}",
      "training.optimizer={type: sgd, ema_momentum: 1}", "training.optimizer={type: sgd, ema_momentum: 0.99999999}",
      "training.optimizer={type: sgd, learning_rate: {type: cosine, initial_learning_rate: .inf, decay_steps: 1}}",
      "training.optimizer={type: sgd, learning_rate: {type: exponential, initial_learning_rate: 1, decay_steps: 1, decay_rate: .inf}}",
      "training.optimizer={type: sgd, learning_rate: {type: step, initial_learning_rate: 1, every: 0}}",
      "training.optimizer={type: sgd, learning_rate: {type: one_cycle, maximum_learning_rate: 1, total_steps: 9, divisor: 0}}",
      "training.optimizer={type: sgd, learning_rate: {type: linear_warmup, steps: 9, from: .nan}}",
      "training.reduce_on_plateau={factor: 1}", "training.reduce_on_plateau={min_delta: .inf}",
      "training.reduce_on_plateau={min_learning_rate: .inf}", "training.reduce_on_plateau={patience: 0}",
      "training.loss={type: categorical_crossentropy, label_smoothing: 1.1}", "training.loss={type: huber, delta: 0}",
      "training.loss={type: huber, delta: .inf}", "training.class_weights=[1, .inf, 1]",
      "training.class_weights=[1, -1, 1]", "model.layers.0.dense.kernel_regularizer={l2: .inf}",
      "model.layers.0.dense.kernel_initializer={type: constant, value: .inf}",
      "model.layers.0.dense.kernel_initializer={type: random_normal, stddev: 1e39}",
      "model.layers=[dropout: {rate: 1}, dense: {units: 3}]", "model.layers=[rescaling: {scale: .nan}]",
    ])
  func refused(override: String) {
    #expect(throws: ConfigurationError.self) {
      _ = try Configuration(text: text, file: "ranges.yaml", overrides: [override])
    }
  }

  @Test("the words name the key, its range and what was given")
  func words() {
    func words(_ override: String) -> String {
      do {
        _ = try Configuration(text: text, file: "ranges.yaml", overrides: [override])
        return ""
      } catch { return error.problems.map(\.message).joined(separator: "\n") }
    }
    #expect(
      words("training.optimizer={type: adam, beta_1: 1}")
        == "training.optimizer.beta_1 must be a number of at least 0.0 and below 1.0, not \"1\"")
    #expect(
      words("training.optimizer={type: sgd, clipnorm: 0}")
        == "training.optimizer.clipnorm must be a number above 0.0, not \"0\"")
    #expect(
      words("training.optimizer={type: sgd, clipnorm: .inf}")
        == "training.optimizer.clipnorm must be a finite number above 0.0, not \".inf\"")
    #expect(words("training.optimizer={type: sgd, weight_decay: 101}").contains("more than the whole weight away"))
  }

  @Test("null is an absent key: no plateau, no steps, no clipping, no average, no regularizer")
  func null() throws {
    let plain = try Configuration(text: text, file: "ranges.yaml", overrides: ["training.optimizer.momentum=0.5"])
    let keys = [
      "training.reduce_on_plateau", "training.steps", "training.early_stopping_patience", "training.checkpoint_steps",
      "training.class_weights", "training.optimizer.clipnorm", "training.optimizer.clipvalue",
      "training.optimizer.global_clipnorm", "training.optimizer.ema_momentum", "training.loss", "backend.device",
      "backend.candidates", "model.layers.0.dense.kernel_regularizer", "model.layers.0.dense.name", "data.path",
      "training.restore_best",
    ]
    for key in keys {
      let given = try Configuration(
        text: text, file: "ranges.yaml", overrides: ["training.optimizer.momentum=0.5", "\(key)=null"])
      #expect(given.resolvedText == plain.resolvedText, "\(key)")
      #expect(given.training.plateau == nil && given.training.steps == nil)
    }
  }

  // MARK: From Swift

  private func fault(
    _ optimizer: any Optimizer = SGD(), clipping: GradientClipping? = nil, loss: any Loss = CategoricalCrossentropy(),
    classWeights: [Double] = [], averageMomentum: Double? = nil, layer: any Layer = Dense(3, activation: .softmax)
  ) -> String {
    do throws(ProgramError) {
      _ = try TrainingStep(
        model: Sequential([layer]), sampleShape: [4], loss: loss, optimizer: optimizer, classWeights: classWeights,
        clipping: clipping, averageMomentum: averageMomentum
      ).build(batchSize: 2)
      return ""
    } catch { return "\(error)" }
  }

  @Test("from Swift, build refuses the same by name")
  func refusedInSwift() {
    #expect(fault() == "")
    #expect(fault(Adam(beta1: 1)).contains("beta1 of adam must be a number of at least 0.0 and below 1.0, not 1.0"))
    #expect(fault(Adam(beta2: 1)).contains("beta2 of adam"))
    #expect(fault(AdamW(beta1: .nan)).contains("beta1 of adamw"))
    #expect(fault(RMSprop(rho: 1)).contains("rho of rmsprop"))
    #expect(fault(RMSprop(momentum: 1)).contains("momentum of rmsprop"))
    #expect(fault(SGD(momentum: 1)).contains("momentum of sgd"))
    #expect(fault(Adagrad(initialAccumulatorValue: -1)).contains("initialAccumulatorValue of adagrad"))
    for optimizer in [RMSprop(epsilon: 0), Adagrad(epsilon: 0), Adam(epsilon: 0), AdamW(epsilon: 0)] as [any Optimizer]
    {
      #expect(fault(optimizer).contains("epsilon of \(optimizer.name)"))
    }
    #expect(fault(SGD(weightDecay: .infinity)).contains("weightDecay of sgd"))
    #expect(fault(SGD(learningRate: 0.5, weightDecay: 2.5)).contains("more than the whole weight"))
    #expect(fault(SGD(learningRate: .constant(.nan))).contains("the learning rate of update 0"))
    #expect(fault(SGD(learningRate: -1)).contains("the learning rate of update 0"))
    for clipping in [.value(0), .norm(0), .globalNorm(.infinity), .norm(.nan)] as [GradientClipping] {
      #expect(fault(clipping: clipping).contains("must be positive"))
    }
    #expect(fault(averageMomentum: 1).contains("averageMomentum"))
    #expect(fault(classWeights: [0, 0, 0]).contains("nothing would be learned"))
    #expect(fault(classWeights: [1, 1]).contains("there are 3 classes"))
    #expect(fault(loss: CategoricalCrossentropy(labelSmoothing: .nan)).contains("labelSmoothing"))
    #expect(fault(layer: Dense(3, kernelInitializer: .constant(.infinity))).contains("finite"))
    #expect(fault(layer: Dense(3, kernelRegularizer: .l2(.nan))).contains("l2 must be a number"))
  }

  @Test("a schedule that leaves its range ends the run at that update, not in NaN")
  func schedules() throws {
    let data = try goldenData()
    let step = TrainingStep(
      model: Sequential([Dense(3, activation: .softmax)]), sampleShape: [4], loss: CategoricalCrossentropy(),
      optimizer: SGD(learningRate: Schedule { $0 < 3 ? 0.1 : .nan }))
    let session = try TrainingSession(step: step, batchSize: 6, seed: 1, on: try chain(ReferenceBackend()))
    for _ in 0..<3 { _ = try session.train(data, [0, 1, 2, 3, 4, 5]) }
    let error = #expect(throws: ProgramError.self) { _ = try session.train(data, [0, 1, 2, 3, 4, 5]) }
    #expect(error?.message.contains("the learning rate of update 3") == true)
    let growing = Schedule.exponential(initialLearningRate: 0.1, decaySteps: 1, decayRate: 10)
    #expect(growing(3) == 100 && growing(5000) == 1e9)
    #expect(Schedule.exponential(initialLearningRate: 0, decaySteps: 1, decayRate: 10)(5000) == 0)
  }

  // MARK: Formulas

  @Test("centered RMSprop under a constant gradient is finite, and with a large ε Float64's", arguments: [1e-7, 0.1])
  func centered(epsilon: Double) throws {
    // The gradient of |11·w − 10⁶| is −11: in Float32 v − a² falls below −ε after 136 updates.
    let data = try ArrayDataset([11], shape: [1], targets: [1e6])
    // By the formulas of Keras 3 in Float64.
    var (v, a, expected) = (0.0, 0.0, 0.0)
    for _ in 0..<500 {
      v = 0.9 * v + 0.1 * 121
      a = 0.9 * a - 0.1 * 11
      expected += 0.001 * 11 / (max(v - a * a, 0) + epsilon).squareRoot()
    }
    for backend in backends {
      let step = TrainingStep(
        model: Sequential([Dense(1, useBias: false, kernelInitializer: .zeros)]), sampleShape: [1],
        loss: MeanAbsoluteError(), optimizer: RMSprop(epsilon: epsilon, centered: true))
      let session = try TrainingSession(step: step, batchSize: 1, seed: 1, on: try chain(backend))
      for _ in 0..<500 { _ = try session.train(data, [0]) }
      let weight = try session.numbers("layers.0.dense/kernel")[0]
      #expect(weight.isFinite, "\(backend.identity.name)")
      if epsilon == 0.1 { #expect(abs(weight - expected) <= 2e-3 * expected, "\(weight) and \(expected)") }
    }
  }

  @Test(
    "a norm that overflows Float32 is clipped, not blamed on a gradient",
    arguments: [GradientClipping.norm(1), .globalNorm(1), .norm(1e-6)])
  func norms(clipping: GradientClipping) throws {
    // The gradient of the square of 10¹⁰·w is 2·10²⁰·w: its square is above 3.4·10³⁸.
    let data = try ArrayDataset([1e10, 1e10], shape: [2], targets: [0])
    let bound = clipping == .norm(1e-6) ? 1e-6 : 1
    for backend in backends {
      let step = TrainingStep(
        model: Sequential([Dense(1, useBias: false, kernelInitializer: .ones)]), sampleShape: [2],
        loss: MeanSquaredError(), optimizer: SGD(learningRate: .constant(0.125 / bound)), clipping: clipping)
      let session = try TrainingSession(step: step, batchSize: 1, seed: 1, on: try chain(backend))
      for _ in 0..<4 { #expect(try session.train(data, [0]).isFinite) }
      // As large a step whatever the bound is: a step of 0 must show.
      let expected = 1 - 4 * 0.125 / 2.0.squareRoot()
      for weight in try session.numbers("layers.0.dense/kernel") {
        #expect(abs(weight - expected) <= 1e-5, "\(backend.identity.name): \(weight), not \(expected)")
      }
    }
  }

  @Test(
    "ordinary norms are clipped to the same bits as before",
    arguments: [GradientClipping.norm(0.01), .globalNorm(0.01)])
  func sameBits(clipping: GradientClipping) throws {
    let data = try goldenData()
    for backend in backends {
      let weights = try [true, false].map { scalesNorms in
        var step = TrainingStep(
          model: Sequential([Dense(5, activation: .tanh), Dense(3, activation: .softmax)]), sampleShape: [4],
          loss: CategoricalCrossentropy(), optimizer: Adam(), clipping: clipping)
        step.scalesNorms = scalesNorms
        let session = try TrainingSession(step: step, batchSize: 6, seed: 1, on: try chain(backend))
        for _ in 0..<50 { _ = try session.train(data, [0, 1, 2, 3, 4, 5]) }
        return try session.bytes()
      }
      #expect(weights[0] == weights[1], "\(backend.identity.name)")
    }
  }
}
