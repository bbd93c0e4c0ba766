import Foundation
import SwitchbackBackendKit
import SwitchbackDatasets
import SwitchbackReference
import SwitchbackTraining
import Testing

private let text = """
  version: 1
  model:
    layers:
      - flatten
      - dense: {units: 10, activation: softmax}
  data: {dataset: mnist}
  training: {epochs: 6, batch_size: 64, optimizer: {type: sgd, learning_rate: 0.1}}
  backend: {name: reference}
  """

private func configuration(_ overrides: [String] = []) throws -> Configuration {
  try Configuration(text: text, file: "test.yaml", overrides: overrides)
}

/// Made data with every fifth label wrong: to be sure of an answer costs more the more the network is trained.
private struct Mislabelled: Dataset {
  let base: any Dataset
  var count: Int { base.count }
  var fields: [Field] { base.fields }
  var classNames: [String] { base.classNames }

  func read(_ index: Int, row: Int, into batch: BatchMemory) throws(DatasetError) {
    try base.read(index, row: row, into: batch)
    let target = batch[1, row]
    if index % 5 == 0 { target.storeBytes(of: (target.load(as: Int32.self) + 1) % 10, as: Int32.self) }
  }
}

private func testData() throws -> any Dataset { Mislabelled(base: try madeData().subset(0..<64)) }

/// Ten batches an epoch.
private func loop(_ overrides: [String] = []) throws -> TrainingLoop {
  try makeLoop(text, overrides, data: DatasetParts(train: madeData(), test: testData()))
}

/// What a run said.
private final class Record: TrainingCallback {
  var rates: [Double] = []
  var messages: [String] = []
  var losses: [Double] = []
  var last: Checkpoint?
  private let end: Int

  init(interruptedAfter end: Int = .max) { self.end = end }

  func handle(_ event: TrainingEvent, in loop: TrainingLoop) -> TrainingDecision {
    switch event {
    case .step(let report):
      rates.append(report.learningRate)
      if report.step == end { return .interrupt }
    case .message(let text): messages.append(text)
    case .epoch(let report): losses.append(report.validationLoss ?? .nan)
    case .checkpoint(let checkpoint): last = checkpoint
    default: break
    }
    return .proceed
  }
}

private func interrupted(_ overrides: [String], after step: Int, _ store: CheckpointStore? = nil) throws -> Checkpoint {
  let record = Record(interruptedAfter: step)
  do {
    var callbacks: [any TrainingCallback] = [record]
    if let store { callbacks.append(CheckpointSaver(store)) }
    _ = try loop(overrides).run(callbacks: callbacks)
    Issue.record("the run was not interrupted")
  } catch TrainingLoop.Stop.interrupted {}
  return try #require(record.last)
}

private func resumed(_ overrides: [String], _ start: Checkpoint) throws -> Record {
  let record = Record()
  _ = try loop(overrides).run(from: start, callbacks: [record])
  return record
}

@Suite struct ResumeSettingsTests {
  // Nothing improves by a thousand, so after the second epoch each further one reduces.
  private let plateau = ["training.reduce_on_plateau={factor: 0.5, patience: 1, min_delta: 1000}"]

  @Test("another reduce_on_plateau is used from there on, with what was reduced and observed so far")
  func changedPlateau() throws {
    let start = try interrupted(plateau, after: 25)
    #expect(start.position.plateau?.scale == 0.5)
    let same = try resumed(plateau, start)
    #expect([same.rates[0], same.rates[5], same.rates[15]] == [0.05, 0.025, 0.0125])
    let other = try resumed(["training.reduce_on_plateau={factor: 0.1, patience: 2, min_delta: 1000}"], start)
    #expect(abs(other.rates[0] - 0.05) < 1e-12 && abs(other.rates[5] - 0.05) < 1e-12)
    #expect(abs(other.rates[15] - 0.005) < 1e-12, "\(other.rates)")
  }

  @Test("reduce_on_plateau removed at a resume gives the schedule's rate and says so; added, it begins")
  func addedAndRemoved() throws {
    let removed = try resumed([], try interrupted(plateau, after: 25))
    #expect(removed.rates.allSatisfy { $0 == 0.1 })
    #expect(removed.messages.contains { $0.contains("is its schedule's again, not 0.5 times it") })
    let null = try resumed(["training.reduce_on_plateau=null"], try interrupted(plateau, after: 25))
    #expect(null.rates == removed.rates)
    let added = try resumed(plateau, try interrupted([], after: 25))
    #expect([added.rates[0], added.rates[15], added.rates.last!] == [0.1, 0.05, 0.025])
  }

  @Test("a reduction says the new rate; what the minimum holds is no reduction")
  func words() throws {
    let record = Record()
    _ = try loop(["training.reduce_on_plateau={factor: 0.5, patience: 1, min_delta: 1000, min_learning_rate: 0.03}"])
      .run(callbacks: [record])
    let said = record.messages.filter { $0.contains("learning rate is reduced") }
    #expect(said.map { $0.split(separator: " ").last! } == ["0.05", "0.03"], "\(record.messages)")
    #expect(record.rates.last == 0.03)
  }

  @Test("learning rate, class weights and the average's momentum of the resumed configuration are used")
  func used() throws {
    let weights = "training.class_weights=[1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"
    let start = try interrupted([weights, "training.optimizer.ema_momentum=0.5"], after: 15)
    func weightsAfter(_ overrides: [String]) throws -> [String: [UInt8]] {
      let loop = try loop([weights, "training.optimizer.ema_momentum=0.5"] + overrides)
      _ = try loop.run(from: start)
      return try loop.session.bytes()
    }
    let plain = try weightsAfter([])
    let name = "layers.1.dense/kernel"
    #expect(try weightsAfter(["training.optimizer.learning_rate=0.01"])[name] != plain[name])
    #expect(try weightsAfter(["training.class_weights=[9, 1, 1, 1, 1, 1, 1, 1, 1, 1]"])[name] != plain[name])
    let slower = try weightsAfter(["training.optimizer.ema_momentum=0.99"])
    #expect(slower[name] == plain[name] && slower["ema/" + name] != plain["ema/" + name])
  }

  @Test("the monitor may be switched off, or on, at a resume: the same weights")
  func monitor() throws {
    let whole = try loop()
    _ = try whole.run()
    for (first, second) in [("true", "false"), ("false", "true")] {
      let start = try interrupted(["monitor.enabled=\(first)"], after: 15)
      let loop = try loop(["monitor.enabled=\(second)"])
      _ = try loop.run(from: start)
      #expect(try loop.session.bytes() == whole.session.bytes())
    }
  }

  @Test("what only says how a run starts cannot change at a resume, and is refused by name")
  func refused() throws {
    let adagrad = "training.optimizer={type: adagrad}"
    let cases = [
      ("model.layers.1.dense.kernel_initializer=he_normal", "model.layers.1.dense.kernel_initializer: he_normal"),
      ("model.layers.1.dense.bias_initializer=ones", "bias_initializer: ones"),
      ("model.layers.1.dense.kernel_initializer={type: random_normal, stddev: 1}", "kernel_initializer.stddev: 1"),
      ("training.optimizer.initial_accumulator_value=0.5", "initial_accumulator_value: 0.5, not 0.1"),
    ]
    for (override, words) in cases {
      let refused = try configuration([adagrad, override]).changesRefusedAtResume(since: configuration([adagrad]))
      #expect(refused.contains { $0.contains(words) }, "\(refused)")
    }
    let measuring = try configuration(["backend=auto", "backend.tuning_seconds=3"])
      .changesRefusedAtResume(since: configuration(["backend=auto"]))
    #expect(measuring.count == 1)
    #expect(
      try configuration(["training.epochs=9", "training.optimizer.learning_rate=1"])
        .changesRefusedAtResume(since: configuration()).isEmpty)
  }

  @Test("every other number of the optimizer, the loss and the network is of the plan, which refuses it")
  func ofThePlan() throws {
    let start = try interrupted(["training.optimizer={type: adam}"], after: 1)
    for override in [
      "training.optimizer.beta_1=0.5", "training.optimizer.weight_decay=0.1", "training.optimizer.clipnorm=1",
      "training.optimizer.gradient_accumulation_steps=2", "training.optimizer.ema_momentum=0.9",
      "training.loss.label_smoothing=0.1", "model.layers.1.dense.kernel_regularizer={l2: 0.1}",
      "training.batch_size=32", "training.seed=2", "training.class_weights=[2, 1, 1, 1, 1, 1, 1, 1, 1, 1]",
    ] {
      let loop = try loop(["training.optimizer={type: adam}", override])
      #expect(throws: (any Error).self, "\(override)") { try loop.check(start) }
    }
  }

  // MARK: The best weights

  /// The rate grows from epoch to epoch, so that a middle one is the best.
  private let growing = [
    "training.optimizer.learning_rate={type: exponential, initial_learning_rate: 0.02, decay_steps: 10, decay_rate: 30, staircase: true}"
  ]

  @Test("restore_best tests and hands over the weights of the lowest validation loss; checkpoints keep the last")
  func restoreBest() throws {
    let (plain, best) = (Record(), Record())
    let first = try loop(growing)
    let last = try first.run(callbacks: [plain])
    let lowest = try #require(plain.losses.min())
    #expect(plain.losses.count == 6 && plain.losses.last! > lowest && plain.losses[0] > lowest, "\(plain.losses)")
    let second = try loop(growing + ["training.restore_best=true"])
    let restored = try second.run(callbacks: [best])
    #expect(last.testLoss == plain.losses.last && restored.testLoss == lowest)
    #expect(best.messages.contains { $0.contains("epoch \(plain.losses.firstIndex(of: lowest)! + 1)") })
    #expect(try second.session.evaluate(testData()).loss == lowest)
    // The last checkpoints are alike.
    let (a, b) = (try session(from: plain.last), try session(from: best.last))
    #expect(try a.bytes() == b.bytes() && a.bytes() != second.session.bytes())
    #expect(restored.steps == 60)
  }

  private func session(from checkpoint: Checkpoint?) throws -> TrainingSession {
    let loop = try loop(growing)
    try loop.session.restore(try #require(checkpoint))
    return loop.session
  }

  @Test("resumed after its best epoch, a run takes the best of its store, or says that it is not at hand")
  func restoreStored() throws {
    let plain = Record()
    _ = try loop(growing).run(callbacks: [plain])
    let lowest = try #require(plain.losses.min())
    let end = 10 * (plain.losses.firstIndex(of: lowest)! + 1) + 3
    let store = CheckpointStore(run: temporaryRun())
    let settings = growing + ["training.restore_best=true"]
    let start = try interrupted(settings, after: end, store)
    #expect(try loop(settings).run(from: start, best: store.best()).testLoss == lowest)
    let without = Record()
    let summary = try loop(settings).run(from: start, callbacks: [without])
    #expect(summary.testLoss == plain.losses.last)
    #expect(without.messages.contains { $0.contains("not at hand") })
  }

  @Test("stopped early, the run says which weights it uses and how to take the best")
  func stoppedEarly() throws {
    for (restores, words) in [
      ("false", "the last weights are used (evaluate --best"), ("true", "using the weights of"),
    ] {
      let record = Record()
      _ = try loop(growing + ["training.early_stopping_patience=1", "training.restore_best=\(restores)"])
        .run(callbacks: [record])
      #expect(record.messages.contains { $0.hasPrefix("stopped early") })
      #expect(record.messages.contains { $0.contains(words) }, "\(record.messages)")
    }
  }

  // MARK: Weights that an update breaks

  @Test("an update that overflows ends the run, and its weights are in no checkpoint", arguments: [1, 2])
  func brokenWeights(samples: Int) throws {
    // Finite gradients of 2·10³⁰ times the rate of 10⁹.
    let data = try ArrayDataset(
      [Float](repeating: 1e15, count: samples), shape: [1], targets: [Float](repeating: 0, count: samples))
    let configuration = try configuration([
      "model.layers=[dense: {units: 1, kernel_initializer: ones}]", "training.loss=mean_squared_error",
      "training.batch_size=1", "training.optimizer.learning_rate=1e9",
    ])
    let loop = try TrainingLoop(
      configuration, data: DatasetParts(train: data, test: data),
      registry: BackendRegistry(linked: [ReferenceBackend()]), host: try HostServices(workers: 1))
    let record = Record()
    do {
      _ = try loop.run(callbacks: [record])
      Issue.record("the run went on")
    } catch TrainingLoop.Stop.brokenWeights(let names, let step) {
      #expect(names.contains("layers.0.dense/kernel") && step == samples)
    }
    #expect(record.last == nil)
  }
}
