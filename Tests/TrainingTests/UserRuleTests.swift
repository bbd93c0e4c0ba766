import SwitchbackBackendKit
import SwitchbackMonitoring
import SwitchbackReference
import SwitchbackTraining
import Testing

/// A rule of a user's own: the loss is above a bound in some looks in a row, and so is that of a validation.
private struct HighLoss: Rule {
  let name = "highLoss"
  var bound: Double
  private var persistence = Persistence(needed: 3)

  init(bound: Double) { self.bound = bound }

  var memory: [String: Int] {
    get { persistence.memory() }
    set { persistence.recall(newValue) }
  }

  mutating func observe(_ rows: ProbeRows) -> Finding? {
    guard persistence.opens(rows.loss > bound) else { return nil }
    return Finding(
      rule: name, severity: .error, step: rows.step, layers: [], evidence: ["loss": rows.loss], message: "It is high.")
  }

  mutating func observe(_ evaluation: EvaluationFacts) -> Finding? {
    guard evaluation.outputs[0].loss > bound else { return nil }
    return Finding(
      rule: name, severity: .warning, step: evaluation.step, layers: [], evidence: [:], message: "It is still high.")
  }
}

/// One that says no more than it must.
private struct Looks: Rule {
  let name = "looks"

  func observe(_ rows: ProbeRows) -> Finding? {
    rows.step == 2
      ? Finding(rule: name, severity: .warning, step: 2, layers: [], evidence: [:], message: "The second.") : nil
  }
}

private func makeLoop(_ rules: [any Rule], _ overrides: [String] = []) throws -> TrainingLoop {
  try TrainingLoop(
    try Configuration(text: smallRun, file: "test.yaml", overrides: overrides), data: madeParts(),
    registry: BackendRegistry(linked: [ReferenceBackend()], folders: []), host: HostServices(workers: 2), rules: rules)
}

@Suite("A user's own rules") struct UserRuleTests {
  @Test("they look beside those of the catalogue, at steps and at validations, and the summary has what they found")
  func watch() throws {
    let found = try makeLoop([HighLoss(bound: 0), Looks()], ["training.epochs=1"]).run().findings
    #expect(found.filter { $0.rule == "highLoss" }.map(\.step) == [3, 13] && found.contains { $0.rule == "looks" })
    #expect(try makeLoop([HighLoss(bound: 100)], ["training.epochs=1"]).run().findings.isEmpty)
    #expect(try makeLoop([HighLoss(bound: 0)], ["training.epochs=1", "monitor.enabled=false"]).run().findings.isEmpty)
  }

  @Test("with action: stop an error of theirs ends the run")
  func stop() throws {
    let loop = try makeLoop([HighLoss(bound: 0)], ["monitor.action=stop"])
    do {
      _ = try loop.run()
      Issue.record("the run did not stop")
    } catch TrainingLoop.Stop.finding(let finding) { #expect(finding.rule == "highLoss" && finding.step == 3) }
  }

  @Test("what they remember goes into checkpoints, and the weights are the same without them")
  func memory() throws {
    let checkpoint = try interrupted(makeLoop([HighLoss(bound: 0)]), after: 2)
    let loop = try makeLoop([HighLoss(bound: 0)])
    let summary = try loop.run(from: checkpoint)
    #expect(summary.findings.first?.step == 3)
    let plain = try makeLoop([])
    _ = try plain.run()
    #expect(try loop.session.bytes() == plain.session.bytes())
  }
}
