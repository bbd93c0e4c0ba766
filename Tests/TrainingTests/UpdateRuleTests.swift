import SwitchbackMonitoring
import Testing

@Suite("Updates that are too large, too small or clipped away") struct UpdateRuleTests {
  @Test("first updates that blow the loss up are named where it is still up at the twentieth")
  func blown() throws {
    func rows(_ later: Double) -> [ProbeRows] {
      looks(to: 200).map { step in
        let isEarly = (2...4).contains(step)
        return seen(step, loss: step == 1 ? 1 : isEarly ? 6 : later, update: isEarly ? 0.5 : 0.01) {
          $0.learningRate = 0.3
        }
      }
    }
    for resumed in [false, true] {
      let found = findings(by: LargeUpdates(), in: rows(0.8), resumed: resumed)
      #expect(found.map(\.step) == [20] && found[0].layers == ["layers.0.dense"] && found[0].cause == "rate")
      #expect(found[0].message.contains("training.optimizer.learning_rate: 0.03"))
    }
    // It has learnt by then.
    #expect(findings(by: LargeUpdates(), in: rows(0.3)).isEmpty)
  }

  @Test(
    "large updates at a loss above the first one are named at the tenth look behind the warm-up; where it falls, never")
  func stuck() {
    func rows(_ loss: Double, update: Double = 0.2) -> [ProbeRows] {
      looks(to: 300).map { seen($0, loss: $0 == 1 ? 1 : loss, update: update) }
    }
    for resumed in [false, true] {
      #expect(findings(by: LargeUpdates(), in: rows(1.2), resumed: resumed).map(\.step) == [120])
    }
    #expect(findings(by: LargeUpdates(), in: rows(0.9)).isEmpty)
    #expect(findings(by: LargeUpdates(), in: rows(1.2, update: 0.05)).isEmpty)
    // Closed by a calm, it opens again.
    let twice = looks(to: 600).map { seen($0, update: (230...420).contains($0) ? 1e-3 : 0.2) }
    #expect(findings(by: LargeUpdates(), in: twice).map(\.step) == [120, 520])
  }

  @Test("how many times the limit a gradient is, for each kind of clipping")
  func clippedBy() throws {
    func times(_ clipping: StepFacts.Clipping?) -> Double? { seen(1) { $0.clipping = clipping }.clippedBy }
    #expect(times(.globalNorm(0.01)) == 100 && times(.norm(0.5)) == 2 && times(nil) == nil)
    #expect(abs(try #require(times(.value(0.001))) - 100) < 1e-9)
    #expect(ProbeRows(step: 1, loss: 1, rows: [], facts: seen(1) { $0.clipping = .norm(1) }.facts).clippedBy == nil)
  }

  @Test(
    "a limit that leaves nothing of the updates is named with a better one; one that holds back what it should is not")
  func clipped() throws {
    func rows(gradient: Double = 1, update: Double = 1e-5) -> [ProbeRows] {
      looks(to: 400).map { seen($0, update: update, gradient: gradient) { $0.clipping = .globalNorm(0.01) } }
    }
    for resumed in [false, true] {
      let found = findings(by: AlwaysClipped(), in: rows(), resumed: resumed)
      #expect(found.map(\.step) == [280] && found[0].cause == "clipping" && found[0].subject == "global_clipnorm")
      #expect(found[0].evidence["times"] == 100 && found[0].message.contains("global_clipnorm: 1.0"))
    }
    #expect(findings(by: AlwaysClipped(), in: rows(gradient: 0.4)).isEmpty)
    // A rate that was raised to fit.
    #expect(findings(by: AlwaysClipped(), in: rows(update: 1e-3)).isEmpty)
    let twice = looks(to: 900).map { step in
      seen(step, update: (290...480).contains(step) ? 1e-3 : 1e-5) { $0.clipping = .globalNorm(0.01) }
    }
    #expect(findings(by: AlwaysClipped(), in: twice).map(\.step) == [280, 660])
  }

  @Test(
    "updates of nothing have a cause: the rate, its decay, the gradient, or clipping",
    arguments: [
      (1e-8, 1.0, nil, "rate"), (0.1, 1e-8, nil, "gradient"), (0.1, 1, StepFacts.Clipping.globalNorm(1e-6), "clipping"),
    ] as [(Double, Double, StepFacts.Clipping?, String)])
  func causes(rate: Double, gradient: Double, clipping: StepFacts.Clipping?, cause: String) {
    func row(_ step: Int, rate: Double, update: Double) -> ProbeRows {
      seen(step, update: update, gradient: gradient) { ($0.learningRate, $0.clipping) = (rate, clipping) }
    }
    let rows = looks(to: 200).map { row($0, rate: rate, update: 1e-9) }
    #expect(findings(by: SmallUpdates(), in: rows).map(\.cause) == [cause])
    #expect(findings(by: SmallUpdates(), in: rows, resumed: true).map(\.cause) == [cause])
    guard cause == "rate" else { return }
    let decayed =
      looks(to: 100).map { row($0, rate: 0.1, update: 1e-3) }
      + stride(from: 110, through: 400, by: 10).map { row($0, rate: 1e-8, update: 1e-9) }
    for resumed in [false, true] {
      let found = findings(by: SmallUpdates(), in: decayed, resumed: resumed)
      #expect(found.map(\.cause) == ["rate"] && found[0].severity == .warning)
    }
  }

  @Test("kernels of which a tenth is left are named, again after they had grown; half of them, and growth, are healthy")
  func shrinking() {
    func steps(_ weights: (Int) -> Double, resumed: Bool = false) -> [Int] {
      let found = findings(
        by: ShrinkingWeights(), in: looks(to: 300).map { seen($0, weights: weights($0)) }, resumed: resumed)
      #expect(found.allSatisfy { $0.cause == "regularizer" && $0.layers == ["layers.0.dense"] })
      return found.map(\.step)
    }
    for resumed in [false, true] {
      #expect(steps({ $0 <= 20 ? 1 : 0.05 }, resumed: resumed) == [70])
      #expect(steps({ $0 <= 20 || (110...160).contains($0) ? 1 : 0.05 }, resumed: resumed) == [70, 210])
    }
    #expect(steps { $0 <= 20 ? 1 : 0.5 } == [] && steps { Double($0) } == [] && steps { _ in 0 } == [])
  }
}
