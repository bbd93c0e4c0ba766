import Foundation
import SwitchbackBackendKit
import SwitchbackDatasets
import SwitchbackInterchange
import SwitchbackMonitoring
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import Testing

/// Finds a divergence in some steps, as long as the rate is above a bound.
struct At: Rule {
  let name = "at"
  var steps: [Int]
  var rate = 0.0

  func observe(_ rows: ProbeRows) -> Finding? {
    guard steps.contains(rows.step), rows.facts.learningRate ?? 0 > rate else { return nil }
    return Finding(
      rule: name, severity: .error, step: rows.step, layers: [], cause: "divergence", evidence: [:], message: "Here.")
  }
}

/// A loop over four batches an epoch with rules of one's own.
func makeLoop(
  _ text: String, _ overrides: [String], data: DatasetParts? = nil, rules: [any Rule]
) throws -> TrainingLoop {
  try TrainingLoop(
    Configuration(text: text, file: "test.yaml", overrides: overrides), data: data ?? madeParts(count: 200),
    registry: BackendRegistry(linked: [ReferenceBackend()], folders: []), host: HostServices(workers: 2), rules: rules)
}

/// The rate of each step in the order in which they came, and what was said.
private final class Watcher: TrainingCallback {
  private(set) var rates: [(step: Int, rate: Double)] = []
  private(set) var messages: [String] = []

  func handle(_ event: TrainingEvent, in loop: TrainingLoop) -> TrainingDecision {
    if case .step(let step) = event { rates.append((step.step, step.learningRate)) }
    if case .message(let text) = event { messages.append(text) }
    return .proceed
  }
}

private let settings = ["training.epochs=3", "monitor.check_share=0"]

@Suite("monitor.action: lower_rate") struct LowerRateTests {
  private func loop(_ overrides: [String] = [], steps: [Int] = [3]) throws -> TrainingLoop {
    try makeLoop(smallRun, settings + ["monitor.action=lower_rate"] + overrides, rules: [At(steps: steps)])
  }

  @Test("the rate is lowered from the step after the next on, said, and in the summary")
  func lowered() throws {
    let watcher = Watcher()
    let summary = try loop(steps: [3, 4]).run(callbacks: [watcher])
    #expect(watcher.rates.map(\.step) == Array(1...12))
    let rates = watcher.rates.map(\.rate)
    #expect(rates.prefix(4).allSatisfy { $0 == 0.001 } && rates[4] == 0.0005)
    #expect(rates.dropFirst(5).allSatisfy { $0 == 0.00025 })
    #expect(
      watcher.messages.contains(
        "because of at the learning rate is 0.5 times that of its schedule from step 5 on (1 of 5)"))
    let actions = try #require(summary.actions)
    #expect(actions.map(\.action) == ["lower_rate", "lower_rate"] && actions.map(\.step) == [3, 4])
    #expect(actions.map(\.scale) == [0.5, 0.25] && actions.allSatisfy { $0.rule == "at" && $0.to == nil })
  }

  @Test("not below its minimum, and not more often than it may")
  func limits() throws {
    let watcher = Watcher()
    _ = try loop(
      ["monitor.action_min_learning_rate=0.0008", "monitor.action_factor=0.9", "monitor.action_max_count=2"],
      steps: [1, 2, 3, 4]
    ).run(callbacks: [watcher])
    let rates: [Double] = watcher.rates.map(\.rate)
    let once: Double = 0.001 * 0.9
    let twice: Double = 0.001 * (0.9 * 0.9)
    #expect(rates[1] == 0.001 && rates[2] == once)
    #expect(rates.dropFirst(3).allSatisfy { $0 == twice })
    #expect(watcher.messages.count { $0.contains("is not lowered again: it was 2 times") } == 2)
    let low = Watcher()
    _ = try loop(["monitor.action_min_learning_rate=0.0008"]).run(callbacks: [low])
    #expect(low.rates.last?.rate == 0.0008)
  }

  @Test("a run that goes on has the same bits, wherever it was interrupted", arguments: [2, 3, 4, 6])
  func resumed(after step: Int) throws {
    let whole = try loop()
    let summary = try whole.run()
    let checkpoint = try interrupted(loop(), after: step)
    let rest = try loop()
    let again = try rest.run(from: checkpoint)
    #expect(try rest.session.bytes() == whole.session.bytes())
    #expect(again.actions == summary.actions)
  }

  @Test("a warning that is no divergence, and action: warn, change no rate")
  func unchanged() throws {
    let watcher = Watcher()
    let summary = try loop(["monitor.action=warn"]).run(callbacks: [watcher])
    #expect(summary.findings.count == 1 && summary.actions == nil)
    #expect(watcher.rates.allSatisfy { $0.rate == 0.001 })
    #expect(
      !Finding(rule: "nonFinite", severity: .error, step: 1, layers: [], cause: "input", evidence: [:], message: "")
        .isOfDivergence)
    #expect(
      !Finding(rule: "overfitting", severity: .warning, step: 1, layers: [], evidence: [:], message: "")
        .isOfDivergence)
    var backend = Finding(rule: "explodingGradient", severity: .error, step: 1, layers: [], evidence: [:], message: "")
    #expect(backend.isOfDivergence)
    // Whether there is a proof depends on time and memory, and weights do not.
    backend.add(.backend("opencl", checked: 3, unchecked: 0))
    #expect(backend.isOfDivergence && backend.cause == "backend" && backend.ruleCause == nil)
    for (rule, cause, isOfDivergence) in [
      ("at", "divergence", true), ("risingLoss", "spikes", false), ("nonFinite", "input", false),
    ] {
      var finding = Finding(
        rule: rule, severity: .error, step: 1, layers: [], cause: cause, evidence: [:], message: "")
      #expect(finding.isOfDivergence == isOfDivergence)
      finding.add(.backend("opencl", checked: 3, unchecked: 0))
      #expect(finding.isOfDivergence == isOfDivergence && finding.ruleCause == cause && finding.cause == "backend")
    }
  }

  @Test("the rate is lowered whatever a proof says of the backend")
  func proofless() throws {
    let backend = SpoiledBackend { call, result in if call.operation is MatrixMultiplication { result[0] += 1 } }
    let loop = try TrainingLoop(
      Configuration(
        text: smallRun, file: "test.yaml",
        overrides: settings + ["monitor.action=lower_rate", "backend.name=spoiled"]),
      data: madeParts(count: 200), registry: BackendRegistry(linked: [backend, ReferenceBackend()], folders: []),
      host: HostServices(workers: 2), rules: [At(steps: [3])])
    let summary = try loop.run()
    #expect(summary.findings.first { $0.rule == "at" }?.proof?.verdict == .backend)
    #expect(summary.actions?.map(\.step) == [3])
  }

  @Test("a forged position is none")
  func forged() throws {
    let checkpoint = try interrupted(loop(), after: 6)
    let file = try Safetensors(decoding: checkpoint.encoded())
    let position = try #require(file.metadata["position"])
    for (right, wrong) in [
      ("\"scale\":0.5,\"scaleBefore\"", "\"scale\":-1,\"scaleBefore\""), ("\"minimum\":0", "\"minimum\":\"nan\""),
    ] {
      var forged = file
      #expect(position.contains(right), "\(position)")
      forged.metadata["position"] = position.replacingOccurrences(of: right, with: wrong)
      forged.metadata["checksum"] = nil
      forged.metadata["checksum"] = Checkpoint.checksum(forged)
      let data = try forged.encoded()
      #expect(errorText { _ = try Checkpoint(decoding: data) }.contains("its position is none"))
    }
  }
}

@Suite("monitor.action: rollback") struct RollbackTests {
  private func loop(_ overrides: [String] = [], steps: [Int] = [6], rate: Double = 0.0008) throws -> TrainingLoop {
    try makeLoop(
      smallRun, settings + ["monitor.action=rollback"] + overrides, rules: [At(steps: steps, rate: rate)])
  }

  @Test("the run goes back to the last good checkpoint, and on from there as if it had had the lower rate")
  func goesBack() throws {
    let store = CheckpointStore(run: temporaryRun(), keeping: 9)
    let (watcher, loop) = (Watcher(), try loop())
    let summary = try loop.run(callbacks: [watcher, CheckpointSaver(store)])
    #expect(watcher.rates.map(\.step) == [1, 2, 3, 4, 5, 6] + Array(5...12))
    #expect(watcher.rates.prefix(6).allSatisfy { $0.rate == 0.001 })
    #expect(watcher.rates.dropFirst(6).allSatisfy { $0.rate == 0.0005 })
    #expect(watcher.messages.contains { $0.contains("because of at in step 6 the run goes back to step 4") })
    #expect(summary.findings.map(\.step) == [6] && summary.steps == 12)
    #expect(summary.actions?.map(\.to) == [4] && summary.actions?.map(\.scale) == [0.5])
    // The same run by hand.
    let checkpoint = try interrupted(makeLoop(smallRun, settings, rules: []), after: 4)
    let plain = try makeLoop(smallRun, settings + ["training.optimizer.learning_rate=0.0005"], rules: [])
    _ = try plain.run(from: checkpoint)
    #expect(try loop.session.bytes() == plain.session.bytes())
  }

  @Test("without a checkpoint it goes back to the first weights")
  func toTheStart() throws {
    let watcher = Watcher()
    let loop = try loop(steps: [2])
    _ = try loop.run(callbacks: [watcher])
    #expect(watcher.rates.map(\.step) == [1, 2] + Array(1...12))
    let plain = try makeLoop(smallRun, settings + ["training.optimizer.learning_rate=0.0005"], rules: [])
    _ = try plain.run()
    #expect(try loop.session.bytes() == plain.session.bytes())
  }

  @Test("beyond its count the run ends with the finding, in the state of the last good checkpoint")
  func ends() throws {
    let (watcher, loop) = (Watcher(), try loop(["monitor.action_max_count=2"], rate: 0))
    do {
      _ = try loop.run(callbacks: [watcher])
      Issue.record("the run did not end")
    } catch TrainingLoop.Stop.finding(let finding) { #expect(finding.step == 6) }
    #expect(watcher.rates.map(\.step) == [1, 2, 3, 4, 5, 6, 5, 6, 5, 6] && loop.session.batches == 4)
    let plain = try interrupted(makeLoop(smallRun, settings, rules: []), after: 4)
    let other = try makeLoop(smallRun, settings, rules: [])
    try other.begin(from: plain)
    #expect(try loop.session.bytes() == other.session.bytes())
  }

  @Test("a run that goes on has the same bits, before and behind a rollback", arguments: [5, 7, 9])
  func resumed(after step: Int) throws {
    let whole = try loop()
    let summary = try whole.run()
    let store = CheckpointStore(run: temporaryRun(), keeping: 9)
    let checkpoint = try interrupted(loop(), after: step, store)
    #expect(store.good()?.position.batches == (step == 9 ? 8 : 4))
    let rest = try loop()
    let again = try rest.run(from: checkpoint, good: store.good())
    #expect(try rest.session.bytes() == whole.session.bytes())
    #expect(again.actions == summary.actions && again.findings.map(\.step) == [6])
  }

  @Test("the run's folder has each step once, the finding, its recording and the rollback")
  func folder() throws {
    let loop = try loop([
      "training.runs=\"\(temporaryRun())\"", "monitor.period=1", "monitor.sinks=[jsonl, csv, binary, tensorboard]",
    ])
    let recorder = try RunRecorder(loop)
    _ = try loop.run(callbacks: [recorder])
    let run = recorder.folder
    func steps(_ file: RunFolder.File, _ word: String) throws -> [Int] {
      try String(contentsOfFile: run.path(of: file), encoding: .utf8).split(separator: "\n")
        .filter { $0.contains(word) }.compactMap { LineFile.number("step", in: Data($0.utf8)) }
    }
    #expect(try steps(.metrics, "stepInEpoch") == Array(1...12))
    #expect(try steps(.metrics, "\"epochs\"") == [4, 8, 12])
    #expect(try steps(.gradients, "probes") == Array(1...12))
    #expect(try steps(.findings, "at") == [6])
    let rows = try RowFileContents(run.path + "/" + SinkKind.binary.path)
    #expect(rows.looks.map(\.step) == Array(1...12) && rows.fault == nil)
    let events = try EventReader(run.path + "/" + SinkKind.tensorboard.path)
    #expect(events.scalars["learning_rate"]?[5] == Double(Float(0.0005)))
    #expect(FileManager.default.fileExists(atPath: run.path + "/flight-at-6.json"))
    let summary = try String(contentsOfFile: run.path(of: .summary), encoding: .utf8)
    #expect(summary.contains(#""actions":[{"action":"rollback","rule":"at","scale":0.5,"step":6,"to":4}]"#))
    #expect(CheckpointStore(run: run.path).good()?.position.batches == 12)
  }

  @Test("a checkpoint that saw the first sign is none to go back to")
  func good() throws {
    var monitor = GradientMonitor(rules: [ExplodingGradient()])
    #expect(monitor.state.isCalm)
    _ = monitor.observe(seen(1, first: 1e4))
    #expect(!monitor.state.isCalm)
    _ = monitor.observe(seen(2))
    #expect(monitor.state.isCalm)
  }
}
