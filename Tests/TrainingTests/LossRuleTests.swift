import SwitchbackMonitoring
import Testing

/// A batch of 60 of ten classes.
private func guessing(
  _ step: Int, loss: Double = 2.31, right: Double = 6, counts: [Int] = [Int](repeating: 6, count: 10),
  update: Double = 1e-3, first: Double = 1, courses: [(probe: Probe, course: TimeCourse)] = []
) -> ProbeRows {
  seen(step, loss: loss, update: update, first: first, courses: courses) {
    $0.classes = StepFacts.Classes(counts: counts, right: right)
  }
}

@Suite("Losses that stay or rise") struct LossRuleTests {
  // MARK: At chance

  @Test("labels that say nothing are named after twenty looks of 190 steps, once until the loss has fallen")
  func atChance() throws {
    let steps = looks(to: 620)
    for resumed in [false, true] {
      let all = findings(by: LossAtChance(), in: steps.map { guessing($0) }, resumed: resumed)
      #expect(all.map(\.step) == [220])
      #expect(all[0].cause == "labels" && all[0].severity == .warning && all[0].evidence["since"] == 30)
      #expect(abs(all[0].evidence["chance"]! - 2.302585) < 1e-3 && abs(all[0].evidence["accuracy"]! - 0.1) < 1e-9)
      let again = steps.map { guessing($0, right: (230...420).contains($0) ? 30 : 6) }
      #expect(findings(by: LossAtChance(), in: again, resumed: resumed).map(\.step) == [220, 620])
    }
  }

  @Test(
    "right answers, a loss below, a loss that falls, no updates, lost gradients and one class alone are other matters")
  func notAtChance() {
    func none(_ row: (Int) -> ProbeRows) -> Bool { findings(by: LossAtChance(), in: looks(to: 620).map(row)).isEmpty }
    #expect(none { guessing($0, right: 20) })
    #expect(none { guessing($0, loss: 2.0) })
    #expect(none { guessing($0, loss: 2.5 - 0.0005 * Double($0)) })
    #expect(none { guessing($0, update: 5e-5) })
    #expect(none { guessing($0, first: 0.09) })
    #expect(none { guessing($0, loss: 0.2, right: 57, counts: [57, 3]) })
    // Another loss than the cross-entropy has another number for chance.
    #expect(
      none { step in
        var row = guessing(step)
        row.facts.classes?.isJudgedByEntropy = false
        return row
      })
    // Steps of one after the other are too few.
    #expect(findings(by: LossAtChance(), in: (1...200).map { guessing($0) }).isEmpty)
  }

  @Test("recurrent networks have thrice the time")
  func recurrent() {
    let course = [Float](repeating: 1, count: 4).withUnsafeBufferPointer {
      TimeCourse(squares: $0, steps: 4, isReversed: false)
    }
    let rows = looks(to: 620).map { step in
      guessing(step, courses: [(probe: Probe(kind: .deltaOverTime, path: "layers.0.lstm"), course: course)])
    }
    #expect(findings(by: LossAtChance(), in: rows).map(\.step) == [620])
  }

  // MARK: Rising

  private func rising(_ loss: (Int) -> Double, resumed: Bool = false) -> [Finding] {
    findings(by: RisingLoss(), in: looks(to: 400).map { seen($0, loss: loss($0)) }, resumed: resumed)
  }

  @Test("a loss that has risen by half of its first one and stays there is named")
  func risen() throws {
    for resumed in [false, true] {
      let found = rising({ $0 <= 20 ? 2 : $0 <= 220 ? 0.4 : 2 }, resumed: resumed)
      #expect(found.map(\.step) == [310] && found[0].cause == "rise" && found[0].subject == "loss")
      #expect(abs(found[0].evidence["lowest"]! - 0.4) < 0.01)
    }
    // From the start.
    #expect(rising { Double($0) }.map(\.cause) == ["rise"])
  }

  @Test("what is next to 0 may double, a restart gives back a part, and the first updates may go up and down")
  func notRisen() {
    #expect(rising { $0 <= 20 ? 2 : $0 <= 220 ? 1e-3 : 1e-2 }.isEmpty)
    #expect(rising { $0 <= 20 ? 2 : $0 <= 220 ? 0.4 : 1.1 }.isEmpty)
    #expect(rising { (3...9).contains($0) ? 9 : 1 }.isEmpty)
    #expect(rising { $0 % 2 == 0 ? 0.1 : 0.9 }.isEmpty)
  }

  @Test("three batches of another order are spikes, and again when they come back after a calm")
  func spikes() throws {
    let steps = looks(to: 600)
    let losses = steps.indices.map { [11, 14, 17, 50, 53, 56].contains($0) ? 50.0 : 1 }
    for resumed in [false, true] {
      let found = findings(
        by: RisingLoss(), in: zip(steps, losses).map { seen($0, loss: $1) }, resumed: resumed)
      #expect(found.map(\.step) == [steps[17], steps[56]] && found.allSatisfy { $0.cause == "spikes" })
    }
    #expect(rising { $0 % 7 == 0 ? 9 : 1 }.isEmpty)
  }
}
