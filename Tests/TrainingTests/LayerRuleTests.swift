import SwitchbackMonitoring
import Testing

/// A layer of 64 units whose gate passes so much, and the one that reads it.
private func gated(
  _ step: Int, passes: Double, function: String = "tanh", isRead: Bool = true, inputs: Double? = nil, loss: Double = 1,
  beganTrained: Bool = false
) -> ProbeRows {
  var (before, after) = (
    Probe(kind: .deltaBeforeGate, path: "a", gate: 0), Probe(kind: .deltaAfterGate, path: "a", gate: 0)
  )
  (before.function, after.function) = (function, function)
  var facts = StepFacts()
  facts.beganTrained = beganTrained
  if let inputs { facts.inputs = [StepFacts.Input(field: "images", rms: inputs, absMax: inputs)] }
  return ProbeRows(
    step: step, loss: loss,
    rows: [
      (before, TensorStatistics(count: 64, l2: 2)), (after, TensorStatistics(count: 64, l2: 2 * passes)),
      (Probe(kind: .deltaAfterGate, path: "b", gate: 1, sources: isRead ? [0] : []), TensorStatistics(count: 4, l2: 1)),
    ], facts: facts)
}

@Suite("Layers that do not take part, and what they read") struct LayerRuleTests {
  // MARK: Saturation

  @Test("a layer that has been flat for ninety steps is named, with what made it so")
  func saturated() throws {
    for resumed in [false, true] {
      let weights = findings(by: Saturation(), in: looks(to: 300).map { gated($0, passes: 0.1) }, resumed: resumed)
      #expect(weights.map(\.step) == [100] && weights[0].layers == ["a"] && weights[0].cause == "weights")
      #expect(
        abs(weights[0].evidence["share"]! - 0.99) < 1e-9 && weights[0].message.hasPrefix("99 % of a is saturated"))
      let updates = findings(
        by: Saturation(), in: looks(to: 300).map { gated($0, passes: $0 < 40 ? 0.8 : 0.1) }, resumed: resumed)
      #expect(updates.map(\.step) == [130] && updates[0].cause == "updates")
      let inputs = findings(
        by: Saturation(), in: looks(to: 300).map { gated($0, passes: 0.1, inputs: $0 < 4 ? 80 : nil) }, resumed: resumed
      )
      #expect(inputs.map(\.cause) == ["inputs"])
    }
    let sigmoid = findings(by: Saturation(), in: looks(to: 300).map { gated($0, passes: 0.05, function: "sigmoid") })
    #expect(sigmoid.map(\.step) == [100])
  }

  @Test("healthy gates, relu, outputs and what passes by are none")
  func notSaturated() {
    func none(_ row: (Int) -> ProbeRows) -> Bool { findings(by: Saturation(), in: looks(to: 300).map(row)).isEmpty }
    #expect(none { gated($0, passes: 0.5) })
    #expect(none { gated($0, passes: 0.2, function: "sigmoid") })
    #expect(none { gated($0, passes: 0.1, function: "relu") })
    #expect(none { gated($0, passes: 0.1, isRead: false) })
    #expect(none { gated($0, passes: $0 % 80 == 0 ? 0.5 : 0.1) })
    // What has learnt is certain.
    #expect(none { gated($0, passes: $0 < 40 ? 0.8 : 0.25) })
    #expect(none { gated($0, passes: $0 < 40 ? 0.8 : 0.1, loss: $0 < 40 ? 1 : 0.4) })
  }

  @Test("weights that were loaded may be certain; what becomes flat later is named as updates'")
  func loaded() {
    for resumed in [false, true] {
      func named(_ passes: (Int) -> Double) -> [Finding] {
        findings(
          by: Saturation(), in: looks(to: 400).map { gated($0, passes: passes($0), beganTrained: true) },
          resumed: resumed)
      }
      #expect(named { _ in 0.1 }.isEmpty)
      let later = named { $0 < 40 ? 0.8 : 0.1 }
      #expect(later.map(\.step) == [130] && later[0].cause == "updates")
      // Flat at first, then not, then flat for good.
      #expect(named { $0 < 40 ? 0.1 : $0 < 60 ? 0.8 : 0.1 }.map(\.step) == [150])
    }
  }

  // MARK: Units

  @Test("units with the same weights behind the first updates are named; drawn ones and unmoved ones are not")
  func symmetric() throws {
    func rows(_ spread: Double, update: Double = 1e-3) -> [ProbeRows] {
      (1...8).map { step in
        seen(step, update: update) {
          if (3...5).contains(step) {
            $0.spreads = [StepFacts.UnitSpread(parameter: "layers.0.dense/kernel", units: 8, spread: spread)]
          }
        }
      }
    }
    for resumed in [false, true] {
      let found = findings(by: SymmetricUnits(), in: rows(1e-8), resumed: resumed)
      #expect(found.map(\.step) == [4] && found[0].layers == ["layers.0.dense"] && found[0].evidence["units"] == 8)
    }
    #expect(findings(by: SymmetricUnits(), in: rows(0.5)).isEmpty)
    #expect(findings(by: SymmetricUnits(), in: rows(0, update: 0)).isEmpty)
  }

  @Test("how far units are from each other")
  func spread() {
    func spread(_ kernel: [Float], units: Int) -> Double {
      kernel.withUnsafeBufferPointer { StepFacts.UnitSpread(parameter: "k", kernel: $0, units: units).spread }
    }
    #expect(spread([2, 2, 2, -1, -1, -1], units: 3) == 0)
    #expect(abs(spread([1, 3, 0, 0], units: 2) - 2.0.squareRoot()) < 1e-12)
    #expect(spread([], units: 0) == 0 && spread([1], units: 2) == 0)
  }

  // MARK: Inputs

  @Test(
    "inputs far above 1 or next to nothing are named at the second look; pictures, rows of ones and zeros are not",
    arguments: [(80, 255, "large"), (3e-5, 1e-4, "small"), (0.4, 1, nil), (0.01, 1, nil), (0, 0, nil)]
      as [(Double, Double, String?)])
  func inputs(rms: Double, absMax: Double, cause: String?) {
    let rows = (1...8).map { step in
      seen(step) { if step < 4 { $0.inputs = [StepFacts.Input(field: "images", rms: rms, absMax: absMax)] } }
    }
    for resumed in [false, true] {
      let found = findings(by: InputScale(), in: rows, resumed: resumed)
      #expect(found.map(\.cause) == (cause == nil ? [] : [cause]), "\(found)")
      #expect(
        found.allSatisfy { $0.step == 2 && $0.subject == "images" && $0.message.contains("{rescaling: {scale: ") })
    }
  }

  @Test("the size of a field behind its scale")
  func size() throws {
    let input = try #require(StepFacts.Input(field: "x", [0, 2] as [Float], factor: 2, offset: -1))
    #expect(abs(input.rms - 5.0.squareRoot()) < 1e-12 && input.absMax == 3)
    #expect(StepFacts.Input(field: "x", [] as [Float], factor: 1, offset: 0) == nil)
    #expect(StepFacts.Input(field: "x", [.nan] as [Float], factor: 1, offset: 0) == nil)
  }
}
