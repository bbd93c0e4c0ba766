import SwitchbackMonitoring
import Testing

/// A watched gate: its name, the gates that it reads from, ‖δ‖ after it and before it.
private struct Gate {
  var name: String
  var sources: [Int]
  var after: Double
  var before: Double?

  init(_ name: String, _ sources: [Int], _ after: Double, before: Double? = nil) {
    (self.name, self.sources, self.after, self.before) = (name, sources, after, before)
  }
}

private func rows(_ gates: [Gate], step: Int = 10) -> ProbeRows {
  var rows: [(probe: Probe, statistics: TensorStatistics)] = []
  for (place, gate) in gates.enumerated() {
    func watch(_ kind: ProbeKind, _ norm: Double) {
      let probe = Probe(kind: kind, path: gate.name, gate: place, sources: gate.sources)
      rows.append((probe, TensorStatistics(count: 4, l2: norm)))
    }
    if let before = gate.before { watch(.deltaBeforeGate, before) }
    watch(.deltaAfterGate, gate.after)
  }
  return ProbeRows(step: step, loss: 1, rows: rows)
}

/// What a rule says of the same rows, seen often enough.
private func finding(_ rule: some Rule, _ gates: [Gate]) -> Finding? {
  var rule = rule
  return (1...10).compactMap { rule.observe(rows(gates, step: $0)) }.first
}

@Suite struct GradientFlowTests {
  private let chain = [
    Gate("a", [], 1e-5, before: 1e-3), Gate("b", [0], 1e-2, before: 1e-1), Gate("c", [1], 1),
  ]

  @Test("on a chain gates and weights take all that is lost, in decades")
  func chainOfLayers() {
    let flow = rows(chain).flow
    #expect(flow.isChain && flow.first?.path == "a" && flow.first?.length == 3)
    #expect(abs(flow.lostDecades - 5) < 1e-12)
    #expect(abs(flow.gateDecades! + 3) < 1e-12 && abs(flow.weightDecades! + 2) < 1e-12)
    #expect(flow.layers.map(\.sources) == [[], [0], [1]])
    #expect(flow.starved(below: 2).map(\.path) == ["a", "b"] && flow.starved(below: 4).map(\.path) == ["a"])
  }

  @Test("where layers branch and join, D is that of the first layer, and nobody is said to take it")
  func residual() {
    let gates = [
      Gate("stem", [], 1e-4, before: 1e-3), Gate("one", [0], 1e-2), Gate("two", [1], 1e-1), Gate("join", [0, 2], 1),
    ]
    let flow = rows(gates).flow
    #expect(!flow.isChain && flow.gateDecades == nil && flow.weightDecades == nil)
    #expect(flow.first?.path == "stem" && flow.first?.length == 4 && abs(flow.lostDecades - 4) < 1e-12)
    let found = finding(VanishingGradient(), gates)
    #expect(found?.layers == ["stem"])
    #expect(found?.evidence["decades"] == 4 && found?.evidence["gateDecades"] == nil)
    #expect(found?.message.contains("Activation gates take") == false)
  }

  @Test("of two inputs each has its own first layer and its own D")
  func twoInputs() {
    // Beside the way of `table` the other one has a larger δ: that is none of its loss.
    let gates = [
      Gate("images", [], 50), Gate("table", [], 1e-3), Gate("side", [1], 1e-2), Gate("join", [0, 2], 1e-1),
    ]
    let flow = rows(gates).flow
    #expect(flow.first?.path == "table" && abs(flow.lostDecades - 2) < 1e-12)
    #expect(flow.peak == 50 && abs(flow.largest - 0.1) < 1e-12)
    #expect(finding(VanishingGradient(), gates) == nil)
    let starved = [Gate("images", [], 1), Gate("table", [], 1e-5), Gate("side", [1], 1e-3), Gate("join", [0, 2], 1)]
    #expect(finding(VanishingGradient(), starved)?.layers == ["table", "side"])
  }

  @Test("of two outputs a δ grows above the larger one that it comes from, not above the smaller")
  func twoOutputs() {
    let quiet = [Gate("stem", [], 2), Gate("digit", [0], 1), Gate("ink", [0], 1e-6)]
    #expect(abs(rows(quiet).flow.grownDecades - 0.30103) < 1e-5)
    #expect(finding(ExplodingGradient(), quiet) == nil)
    let loud = [Gate("stem", [], 2e4), Gate("digit", [0], 1), Gate("ink", [0], 1e-6)]
    #expect(finding(ExplodingGradient(), loud)?.layers == ["stem"])
    #expect(finding(ExplodingGradient(), loud)?.message.contains("weights ") == true)
    let beside = [Gate("images", [], 2e4), Gate("table", [], 0.9), Gate("join", [0, 1], 1), Gate("dead", [2], 0)]
    let found = finding(ExplodingGradient(), Array(beside.prefix(3)))
    #expect(found?.layers == ["images"] && found?.message.contains("loss and images") == true)
    #expect(rows(beside).flow.grown(above: 3).isEmpty)
  }

  @Test("no watched gate, one gate, and a gate without any gradient")
  func edges() {
    #expect(rows([]).flow.first == nil && rows([]).flow.lostDecades == 0 && rows([]).flow.grownDecades == 0)
    #expect(rows([Gate("a", [], 3)]).flow.lostDecades == 0)
    let dead = [Gate("a", [], 0), Gate("b", [0], 1)]
    #expect(rows(dead).flow.lostDecades == .infinity)
    #expect(finding(VanishingGradient(), dead)?.message.contains("switched off") == true)
  }
}
