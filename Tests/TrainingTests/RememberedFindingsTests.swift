import Foundation
import SwitchbackInterchange
import SwitchbackMonitoring
import SwitchbackTraining
import Testing

/// Finds something in each evaluation.
private struct Judge: Rule {
  let name = "judge"

  func observe(_ rows: ProbeRows) -> Finding? { nil }
  func observe(_ evaluation: EvaluationFacts) -> Finding? {
    Finding(rule: name, severity: .warning, step: evaluation.step, layers: [], evidence: [:], message: "Judged.")
  }
}

/// Two epochs of four batches.
@Suite("Findings of a run that goes on") struct RememberedFindingsTests {
  private let runs = temporaryRun()

  private func loop(_ overrides: [String] = []) throws -> TrainingLoop {
    try makeLoop(
      smallRun, ["training.epochs=2", "training.runs=\"\(runs)\"", "monitor.check_share=0"] + overrides,
      rules: [At(steps: [4]), Judge()])
  }

  /// A run that ends where it is told to, or else in an error; its folder is free then.
  private func ended(_ overrides: [String] = [], at end: String? = nil) throws -> RunFolder {
    let loop = try loop(overrides)
    let recorder = try RunRecorder(loop)
    let crash = EventHandler(watching: {
      if case .finding(let finding) = $0, finding.rule == end { throw CancellationError() }
    })
    do { _ = try loop.run(callbacks: [recorder, crash]) } catch is CancellationError {}
    return recorder.folder
  }

  private func goOn(_ run: RunFolder, _ overrides: [String] = []) throws -> RunSummary {
    let lock = try FolderLock(run.path)
    let start = try #require(CheckpointStore(run: run.path).newestComplete())
    let loop = try loop(overrides)
    return try loop.run(from: start, callbacks: [RunRecorder(resuming: lock, loop, from: start)])
  }

  /// Rule and step of each line.
  private func findings(of run: RunFolder) throws -> [String] {
    try String(contentsOfFile: run.path(of: .findings), encoding: .utf8).split(separator: "\n").map {
      guard let finding = try? JSONText.decoder.decode(Finding.self, from: Data($0.utf8)) else { return String($0) }
      return "\(finding.rule) \(finding.step)"
    }
  }

  @Test("what an evaluation found behind the last checkpoint is found again, and stands there once")
  func crashed() throws {
    let run = try ended(at: "judge")
    #expect(try findings(of: run) == ["at 4", "judge 4"])
    let lines = try LineFile(run.path(of: .findings), keeping: { _ in true })
    try lines.append("a note of somebody's own")
    let summary = try goOn(run)
    #expect(try findings(of: run) == ["at 4", "a note of somebody's own", "judge 4", "judge 8"])
    #expect(summary.findings.map { "\($0.rule) \($0.step)" } == ["at 4", "judge 4", "judge 8"])
  }

  @Test("what was found where a run ended within an epoch goes with that end")
  func endedWithin() throws {
    let run = try ended(["training.steps=6"])
    #expect(try findings(of: run) == ["at 4", "judge 4", "judge 6"])
    _ = try goOn(run)
    #expect(try findings(of: run) == ["at 4", "judge 4", "judge 8"])
  }
}
