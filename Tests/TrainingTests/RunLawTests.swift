import SwitchbackBackendKit
import SwitchbackDatasets
import SwitchbackMonitoring
import SwitchbackNeuralNetworks
import SwitchbackOpenBLAS
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import Synchronization
import Testing

// TrainCheck's errors of one process (Jiang et al., OSDI 2025, table 3), planted on our own loop through a backend, a data
// set, a layer, an optimizer or a callback of the test's own.

/// Two dense layers on ten classes of sixteen numbers, ten batches of 32 an epoch.
private let small = """
  version: 1
  model:
    layers:
      - flatten
      - dense: {units: 8, activation: tanh}
      - dense: {units: 10, activation: softmax}
  data: {dataset: mnist}
  training: {epochs: 2, batch_size: 32, optimizer: {type: sgd, learning_rate: 0.1}}
  backend: {name: spoiled}
  monitor: {check_share: 0}
  """

private let normalized = [
  "model.layers=[flatten, {dense: {units: 8, activation: tanh}}, batch_normalization, "
    + "{dense: {units: 10, activation: softmax}}]"
]

/// 4 × 4 pictures; every label has its own, with noise.
private func madePictures() throws -> ByteDataset {
  let pixels = (0..<320 * 16).map { (place: Int) -> UInt8 in
    let sample = place / 16
    return UInt8((place * 37 + sample % 10 * 11 + sample) % 251)
  }
  return try ByteDataset(
    sampleShape: [4, 4, 1], classNames: (0...9).map { "\($0)" }, samples: pixels,
    labels: (0..<320).map { Int32($0 % 10) })
}

private func parts(_ train: (any Dataset)? = nil) throws -> DatasetParts {
  let data = try madePictures()
  return DatasetParts(train: train ?? data, test: data.subset(0..<64))
}

/// The findings of laws, in their order.
private func broken(
  _ overrides: [String] = [], on backend: any ComputeBackend = SpoiledBackend(), data: DatasetParts? = nil,
  callbacks: [any TrainingCallback] = [], change: (inout Configuration) -> Void = { _ in }
) throws -> [Finding] {
  var configuration = try Configuration(text: small, file: "test.yaml", overrides: overrides)
  change(&configuration)
  let loop = try TrainingLoop(
    configuration, data: try data ?? parts(),
    registry: BackendRegistry(linked: [backend, ReferenceBackend()], folders: []),
    host: try HostServices(workers: 2))
  let names = Set(LawCatalog.all.map(\.name))
  return try loop.run(callbacks: callbacks).findings.filter { names.contains($0.rule) }
}

/// What lay in memory when it was last seen, by its address.
private final class Memory: Sendable {
  private let contents = Mutex<[UInt: [Float]]>([:])

  /// Gives what lay there, and what is to lie there, to `change`.
  func change(
    _ numbers: UnsafeMutableBufferPointer<Float>, _ change: (_ old: [Float]?, _ new: [Float]) -> [Float]
  ) {
    guard let start = numbers.baseAddress else { return }
    let new = contents.withLock { contents in
      // Memory may be given away again.
      let old = contents[UInt(bitPattern: start)].flatMap { $0.count == numbers.count ? $0 : nil }
      let new = change(old, Array(numbers))
      contents[UInt(bitPattern: start)] = new
      return new
    }
    for index in numbers.indices { numbers[index] = new[index] }
  }
}

/// Adam whose count of updates stops.
private struct StoppedAdam: Optimizer {
  var adam = Adam()
  var name: String { "stoppedAdam" }
  var learningRate: Schedule { adam.learningRate }
  var weightDecay: Double { 0 }
  var weightDecayExclusions: [String] { [] }
  func update(weightDecay: Double) -> any OptimizerUpdate { adam.update(weightDecay: weightDecay) }
  func correction(atUpdate update: Int) -> Double { adam.correction(atUpdate: min(update, 4)) }
}

/// Multiplies with a weight that there is in evaluation alone.
private struct LateScale: UnaryLayer {
  var kind: String { "lateScale" }
  func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    guard !context.isTraining else { return input }
    let scale = try context.parameter("scale", [input.shape[1]], initializer: .ones)
    return try context.append(Binary(.multiply), input, scale)
  }
}

/// Noise in training and in evaluation.
private struct AlwaysNoise: UnaryLayer {
  var kind: String { "alwaysNoise" }
  func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.append(Binary(.add), input, context.random(.uniform, input.shape))
  }
}

/// Says and does of reading what it is told.
private struct OtherData: Dataset {
  let base: any Dataset
  var draws: @Sendable (Int) -> UInt64? = { _ in nil }
  /// Whether a batch is its first sample again and again.
  var collapses = false

  var count: Int { base.count }
  var fields: [Field] { base.fields }
  var classNames: [String] { base.classNames }
  var isInMemory: Bool { true }
  func randomNumbers(of index: Int) -> UInt64? { draws(index) }
  func read(_ index: Int, row: Int, into batch: BatchMemory) throws(DatasetError) {
    try base.read(index, row: row, into: batch)
  }
  func fill(_ indices: ArraySlice<Int32>, into batch: BatchMemory) throws(DatasetError) {
    for (row, index) in indices.enumerated() {
      try base.read(Int(collapses ? indices[indices.startIndex] : index), row: row, into: batch)
    }
  }
}

private func isGradientOfKernel(_ call: Program.Call) -> Bool {
  (call.operation as? MatrixMultiplication)?.transposeA == true
}

@Suite("Laws while a run trains") struct RunLawTests {
  private func only(_ findings: [Finding], _ rule: String, _ sourceLocation: SourceLocation = #_sourceLocation) throws
    -> Finding
  {
    #expect(Set(findings.map(\.rule)) == [rule], "\(findings.map(\.message))", sourceLocation: sourceLocation)
    return try #require(findings.first, sourceLocation: sourceLocation)
  }

  @Test("an optimizer that holds stale weights writes nothing: at the first look of a weight")
  func stale() throws {
    let memory = Memory()
    // What is there after the first step stays, as where the optimizer updates a copy.
    let backend = SpoiledBackend { call, numbers in
      if call.operation is SGDUpdate { memory.change(numbers) { old, new in old ?? new } }
    }
    let found = try only(broken(on: backend), "updateLaw")
    #expect(found.step == 2 && found.proof?.verdict == .backend)
  }

  @Test("all layers but normalization frozen: within one rotation")
  func almostAllFrozen() throws {
    let memory = Memory()
    let backend = SpoiledBackend { call, numbers in
      guard call.operation is SGDUpdate, !call.path.contains("ormalization") else { return }
      memory.change(numbers) { old, new in old ?? new }
    }
    let found = try only(broken(normalized, on: backend), "updateLaw")
    #expect(found.step <= 8 && found.layers.allSatisfy { $0.contains("dense") }, "\(found)")
  }

  @Test("the optimizer's step count stops: at the next look")
  func stepCount() throws {
    let found = try only(broken { $0.training.optimizer = StoppedAdam() }, "updateLaw")
    #expect(found.cause == "stepCount" && found.step == 6 && found.evidence["update"] == 6, "\(found)")
  }

  @Test("sums of accumulated gradients that nobody clears: at the first look")
  func sums() throws {
    let memory = Memory()
    let backend = SpoiledBackend { call, numbers in
      guard call.operation is Assign else { return }
      memory.change(numbers) { old, new in new.allSatisfy { $0 == 0 } ? old ?? new : new }
    }
    let found = try broken(["training.optimizer.gradient_accumulation_steps=2"], on: backend)
    #expect(found.first?.rule == "updateLaw" && found.first?.step == 2, "\(found)")
  }

  @Test("gradients that nobody clears: where the step is run again")
  func gradients() throws {
    let memory = Memory()
    let backend = SpoiledBackend { call, numbers in
      guard isGradientOfKernel(call) else { return }
      memory.change(numbers) { old, new in old.map { zip($0, new).map { $0 + $1 } } ?? new }
    }
    let found = try only(broken(["monitor.check_share=0.001"], on: backend), "gradientOfBatch")
    #expect(found.step == 5 && found.cause != nil, "\(found)")
  }

  @Test("a state used in evaluation that nothing initializes: before the first step")
  func uninitialized() throws {
    let found = try only(broken { $0.model.nodes.insert(GraphNode(LateScale()), at: 2) }, "oneInitialization")
    #expect(found.step == 0 && found.cause == "notInitialized" && found.message.contains("An evaluation reads"))
  }

  @Test("weights initialized twice, and one that a callback writes: before the next step", arguments: [false, true])
  func twice(isAgain: Bool) throws {
    let first = Mutex<[String: [UInt8]]>([:])
    let hook = StepHook { step, session in
      let weights = session.states.states.keys.filter { $0.hasPrefix("layers.") }
      for name in weights {
        if step == 0 { first.withLock { $0[name] = (try? session.states.withBytes(of: name) { Array($0) }) ?? [] } }
        guard step == 7, let bytes = first.withLock({ $0[name] }) else { continue }
        try session.states.withMutableBytes(of: name) { target in
          if isAgain { target.copyBytes(from: bytes) } else { target.bindMemory(to: Float.self)[0] += 0.5 }
        }
      }
    }
    let found = try only(broken(callbacks: [hook]), "weightsContinue")
    #expect(found.step == 7 && found.cause == (isAgain ? "initializedAgain" : "written"), "\(found)")
    #expect(found.severity == (isAgain ? .error : .warning))
  }

  @Test("the same augmentation from every worker, and in every epoch: at the end of the epoch")
  func augmentation() throws {
    func found(_ draws: @escaping @Sendable (Int) -> UInt64?) throws -> [Finding] {
      try broken(data: parts(OtherData(base: madePictures(), draws: draws)))
    }
    // Two workers that begin with one seed.
    let workers = try found { UInt64($0 % 160) }
    #expect(
      workers.map(\.cause) == ["sameAugmentation", "repeatedAugmentation"] && workers[0].step == 10, "\(workers)")
    let epochs = try only(found { UInt64($0) }, "eachSampleOnce")
    #expect(epochs.cause == "repeatedAugmentation" && epochs.step == 20, "\(epochs)")
  }

  @Test("dropout left on in evaluation: before the first step, and where only the backend does it at the validation")
  func dropout() throws {
    let noise = try only(broken { $0.model.nodes.insert(GraphNode(AlwaysNoise()), at: 2) }, "sureEvaluation")
    #expect(noise.step == 0 && noise.cause == "random")
    let runs = Mutex(0)
    let backend = SpoiledBackend { call, numbers in
      // Evaluations have other batches than training.
      guard call.operation is Softmax, numbers.count != 320, !numbers.isEmpty else { return }
      numbers[0] = Float(
        runs.withLock { runs in
          runs += 1; return runs
        } % 7)
    }
    let left = try only(broken(on: backend), "sureEvaluation")
    #expect(left.step == 10 && left.cause == "notRepeated" && left.subject == "predictions", "\(left)")
  }

  @Test("a frozen weight that something writes: within one rotation")
  func frozen() throws {
    let hook = StepHook { step, session in
      guard step == 4 else { return }
      try session.states.withMutableBytes(of: "layers.1.dense/kernel") { $0.bindMemory(to: Float.self)[3] += 1 }
    }
    let layers =
      "model.layers=[flatten, {dense: {units: 8, activation: tanh, trainable: false}}, "
      + "{dense: {units: 10, activation: softmax}}]"
    let found = try broken([layers], callbacks: [hook])
    #expect(Set(found.map(\.rule)) == ["weightsContinue", "frozenWeights"], "\(found)")
    let changed = try #require(found.first { $0.rule == "frozenWeights" })
    #expect(changed.cause == "changed" && changed.subject == "layers.1.dense/kernel" && changed.step <= 6)
  }

  @Test("1 % of the bytes handed between two backends zeroed: the operation is named, within one rotation")
  func transfer() throws {
    let backend = SpoiledBackend { call, numbers in
      guard call.label == "layers.1.dense/tanh" else { return }
      for index in stride(from: 0, to: numbers.count, by: 100) { numbers[index] = 0 }
    }
    var configuration = try Configuration(
      text: small, file: "test.yaml",
      overrides: ["monitor.check_share=1", "monitor.probe_interval=1", "training.epochs=6"])
    configuration.training.steps = 60
    let loop = try TrainingLoop(
      configuration, data: try parts(), registry: BackendRegistry(linked: [backend, ReferenceBackend()], folders: []),
      host: try HostServices(workers: 2))
    let found = try loop.run().findings.filter { $0.severity == .error }
    #expect(found.first?.rule == "wrongOperation" && found.first?.subject == "layers.1.dense/tanh", "\(found)")
  }

  @Test("a batch collapsed to one sample, and data that is one sample: at the first look")
  func collapsed() throws {
    let found = try only(broken(data: parts(OtherData(base: madePictures(), collapses: true))), "batchOfSamples")
    #expect(found.cause == "oneSample" && found.step == 1 && found.severity == .error)
    let same = try ByteDataset(
      sampleShape: [4, 4, 1], classNames: ["a", "b"], samples: [UInt8](repeating: 9, count: 320 * 16),
      labels: [Int32](repeating: 1, count: 320))
    let one = try only(broken(data: parts(same)), "batchOfSamples")
    #expect(one.cause == "oneSample" && one.severity == .warning)
  }

  @Test(
    "clipping that is configured and not applied: at the first look",
    arguments: ["clipvalue", "clipnorm", "global_clipnorm"])
  func clipping(kind: String) throws {
    let backend = SpoiledBackend { call, numbers in
      switch call.operation {
      // The factor that all gradients get.
      case let binary as Binary where binary.function == .divide && numbers.count == 1: numbers[0] = 1
      case let binary as Binary where [.minimum, .maximum].contains(binary.function) && numbers.count > 1:
        numbers[0] = 1
      default: break
      }
    }
    let setting = ["training.optimizer.\(kind)=0.001"]
    let found = try only(broken(setting, on: backend), "clippingApplies")
    #expect(found.step <= 2 && found.severity == .error, "\(found)")
    #expect(try broken(setting).isEmpty)
  }

  @Test("running statistics that stand still: within one rotation")
  func statistics() throws {
    let backend = SpoiledBackend { call, numbers in
      guard call.operation is Assign else { return }
      for index in numbers.indices { numbers[index] = 0.5 }
    }
    let found = try only(broken(normalized, on: backend), "runningStatistics")
    #expect(found.step <= 8 && found.layers == ["layers.2.batchNormalization"], "\(found)")
  }
}

/// Before the first step, and behind each.
private final class StepHook: TrainingCallback {
  private let body: (Int, TrainingSession) throws -> Void
  init(_ body: @escaping (Int, TrainingSession) throws -> Void) { self.body = body }

  func handle(_ event: TrainingEvent, in loop: TrainingLoop) throws -> TrainingDecision {
    switch event {
    case .started: try body(0, loop.session)
    case .step(let report): try body(report.step, loop.session)
    default: break
    }
    return .proceed
  }
}

/// What networks and settings no law has anything to say of.
private let healthy: [[String]] = [
  [], ["training.optimizer.momentum=0.9", "training.optimizer.nesterov=true"], ["training.optimizer={type: adam}"],
  ["training.optimizer={type: adamw, exclude_from_weight_decay: [bias]}"],
  ["training.optimizer={type: rmsprop, centered: true, momentum: 0.5}"], ["training.optimizer={type: adagrad}"],
  ["training.optimizer.gradient_accumulation_steps=3", "training.optimizer.clipvalue=0.01"],
  ["training.optimizer.clipnorm=0.1"], ["training.optimizer.global_clipnorm=0.1", "training.last_batch=drop"],
  ["training.optimizer.ema_momentum=0.9"], ["data.augmentation={random_flip: horizontal, random_crop: 1}"],
  ["data.prefetch=true", "data.augmentation={mixup: {alpha: 0.4}}"],
  normalized, normalized + ["training.optimizer.gradient_accumulation_steps=2"],
  [
    "model.layers=[{conv2d: {filters: 4, kernel_size: 3, activation: relu}}, batch_normalization, "
      + "{max_pooling2d: {pool_size: 2}}, flatten, {dropout: {rate: 0.3}}, {dense: {units: 10, activation: softmax}}]",
    "training.optimizer={type: adam, learning_rate: 0.01}",
  ],
  [
    "model.layers=[{reshape: {target_shape: [4, 4]}}, {lstm: {units: 6, stateful: true}}, "
      + "{dense: {units: 10, activation: softmax}}]", "training.batch_size=32",
  ],
  [
    "model.layers=[flatten, {dense: {units: 8, activation: tanh, trainable: false}}, "
      + "{dense: {units: 10, activation: softmax}}]"
  ],
]

@Suite("Runs that break no law") struct HealthyRunLawTests {
  private func made(_ overrides: [String], going start: Checkpoint? = nil) throws -> TrainingLoop {
    let backend = hasOpenBLAS ? "openblas" : "reference"
    let usual = ["backend.name=\(backend)", "training.batch_size=30", "monitor.check_share=0.005"]
    return try makeLoop(
      small, usual + overrides, data: parts(), linked: hasOpenBLAS ? [OpenBLASBackend()] : [], going: start)
  }

  @Test("none is broken, and the weights have equal bits with the monitor and without", arguments: healthy)
  func bits(overrides: [String]) throws {
    let names = Set(LawCatalog.all.map(\.name))
    let watched = try made(overrides + ["monitor.probe_interval=1"])
    let found = try watched.run().findings.filter { names.contains($0.rule) }
    #expect(found.isEmpty, "\(found.map(\.message))")
    let plain = try made(overrides + ["monitor.enabled=false"])
    _ = try plain.run()
    #expect(try watched.session.bytes() == plain.session.bytes())
  }

  @Test("nor is one by a run that was interrupted, in the middle of an epoch and of an accumulation")
  func goingOn() throws {
    let settings = [
      "training.optimizer={type: adam, gradient_accumulation_steps: 2}", "data.augmentation={random_crop: 1}",
    ]
    let start = try interrupted(made(settings), after: 5)
    let loop = try made(settings, going: start)
    let names = Set(LawCatalog.all.map(\.name))
    let found = try loop.run(from: start).findings.filter { names.contains($0.rule) }
    #expect(found.isEmpty, "\(found.map(\.message))")
  }
}
