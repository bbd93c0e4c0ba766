import Foundation
import SwitchbackDatasets
import SwitchbackMonitoring
import SwitchbackReference
import SwitchbackTraining
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

private func isNear(_ value: Double?, _ expected: Double, within bound: Double = 1e-12) -> Bool {
  value.map { abs($0 - expected) <= bound } ?? false
}

/// What the probes of a network see in its first step on made images, or on the adding problem.
private func watched(_ layers: String, isAdding: Bool = false, steps: Int = 1) throws -> [ProbeRows] {
  let loss = isAdding ? "loss: mean_squared_error, " : ""
  let text = """
    version: 1
    model: {layers: [\(layers)]}
    data: {dataset: \(isAdding ? "adding-problem, sequence_length: 20" : "mnist")}
    training: {batch_size: 16, \(loss)optimizer: {type: sgd, learning_rate: 0.0001}}
    """
  let data: any Dataset =
    isAdding ? try AddingProblem(sequenceLength: 20, count: 80).open().train : try madeData(count: 80)
  let step = try Configuration(text: text, file: "test.yaml").trainingStep(on: data.layout)
  let session = try TrainingSession(
    step: step, batchSize: 16, seed: 1, on: chain(ReferenceBackend()), probeInterval: 1)
  return try (1...steps).map { number in
    let first = Int32(number - 1) * 16 % 64
    return try session.probeRows(of: session.train(data, Array(first..<first + 16)[...]), step: number)
  }
}

@Suite struct GradientFlowTests {
  private let chain = [
    Gate("a", [], 1e-5, before: 1e-3), Gate("b", [0], 1e-2, before: 1e-1), Gate("c", [1], 1),
  ]

  @Test("on a chain gates and weights take all that is lost, in decades")
  func chainOfLayers() throws {
    let flow = rows(chain).flow
    let fall = try #require(flow.fall)
    #expect(flow.isChain && flow.first?.path == "a" && fall.layers == 3 && fall.from == "c" && fall.to == "a")
    #expect(isNear(flow.lostDecades, 5) && isNear(fall.whole, -5))
    #expect(isNear(fall.decades[.gate], -3) && isNear(fall.decades[.weights], -2) && fall.decades.count == 2)
    #expect(flow.layers.map(\.sources) == [[], [0], [1]])
    #expect(flow.starved(below: 2).map(\.path) == ["a", "b"] && flow.starved(below: 4).map(\.path) == ["a"])
    #expect(flow.fallsFromTheEnd && fall.mostTaking == .gate)
  }

  @Test("where the largest δ lies in the middle, the sentence and its sums are of the way from there")
  func peakInTheMiddle() throws {
    // Behind the peak a gate takes 3 decades, before it the weights do.
    let gates = [
      Gate("a", [], 1e-3, before: 2e-3), Gate("b", [0], 1, before: 1), Gate("c", [1], 1e-3, before: 1),
      Gate("d", [2], 1e-2),
    ]
    let fall = try #require(rows(gates).flow.fall)
    #expect(fall.from == "b" && fall.to == "a" && fall.layers == 2)
    #expect(isNear(fall.decades[.weights], log10(2e-3)) && isNear(fall.decades[.gate], log10(0.5)))
    #expect(isNear(fall.whole, -3))
    let found = try #require(finding(VanishingGradient(), gates))
    #expect(
      found.message.hasPrefix(
        "Between b, where it is largest, and a the gradient shrinks 1000× (3.0 decades over 2 layers). Weights take 2.7 "
          + "decades, activation gates 0.3."), "\(found.message)")
    #expect(found.message.contains("The weights are too small"))
    #expect(isNear(found.evidence["weightDecades"], log10(2e-3)) && found.evidence["layers"] == 2)
    // c lies 3 decades below b, but the loss gives it no less than all it has.
    #expect(found.layers == ["a"])
  }

  @Test(
    "four relu layers with weights of 0.01 before four of 0.8: the weights take it, between the fifth and the first")
  func smallBeforeLarge() throws {
    func layer(_ deviation: Double) -> String {
      "{dense: {units: 64, activation: relu, kernel_initializer: {type: random_normal, stddev: \(deviation)}}}"
    }
    let network =
      ["flatten"] + (0..<8).map { layer($0 < 4 ? 0.01 : 0.8) } + ["{dense: {units: 10, activation: softmax}}"]
    let rows = try watched(network.joined(separator: ", "))[0]
    let fall = try #require(rows.flow.fall)
    #expect(fall.from == "layers.4.dense" && fall.to == "layers.1.dense" && fall.layers == 4)
    #expect((3.3...4.2).contains(rows.flow.lostDecades), "\(fall)")
    #expect(isNear(fall.whole, -rows.flow.lostDecades, within: 1e-6))
    #expect(fall.decades[.weights]! < 0.8 * fall.whole)
    // Towards the loss it has grown since: the exploding rule sums up that part.
    let rise = try #require(rows.flow.rise)
    #expect(rise.from == "layers.9.dense" && rise.to == "layers.4.dense")
    #expect(isNear(rise.whole, rows.flow.grownDecades, within: 1e-6) && rise.mostGiving == .weights)
  }

  @Test("a mean over an image takes the root of its cells, and is booked as pooling")
  func pooling() throws {
    let rows = try watched(
      """
      {conv2d: {filters: 4, kernel_size: 3, padding: same, activation: relu}}, {max_pooling2d: {pool_size: 2}},
      {conv2d: {filters: 4, kernel_size: 3, padding: same, activation: relu}}, global_average_pooling2d,
      {dense: {units: 10, activation: softmax}}
      """)[0]
    let fall = try #require(rows.flow.fall)
    #expect(fall.from == "layers.4.dense" && fall.to == "layers.0.conv2d", "\(fall)")
    #expect(isNear(fall.whole, -rows.flow.lostDecades, within: 1e-6))
    // Max pooling of windows side by side hands each number of δ on to one cell.
    #expect(isNear(fall.decades[.pooling], -log10(14), within: 1e-4), "\(fall)")
  }

  @Test(
    "the terms add up to what is lost and to what is grown, whatever the network is made of",
    arguments: [
      """
      flatten, {dense: {units: 32, activation: tanh}},
      {repeat: {times: 3, layers: [{residual: {layers: [{dense: {units: 32, activation: relu}}, {dense: {units: 32}}]}}]}},
      {dense: {units: 10, activation: softmax}}
      """,
      """
      {conv2d: {filters: 4, kernel_size: 3, strides: 4}}, batch_normalization, relu, {dropout: {rate: 0.4}},
      {residual: {layers: [{conv2d: {filters: 4, kernel_size: 3, padding: same}}, batch_normalization],
      activation: relu}}, flatten, layer_normalization, {dense: {units: 10, activation: softmax}}
      """,
    ])
  func sums(layers: String) throws {
    for rows in try watched(layers, steps: 3) {
      let (fall, rise) = (try #require(rows.flow.fall), try #require(rows.flow.rise))
      #expect(isNear(fall.whole, -rows.flow.lostDecades, within: 1e-6), "\(fall)")
      #expect(isNear(rise.whole, rows.flow.grownDecades, within: 1e-6), "\(rise)")
    }
  }

  @Test("of recurrent layers the steps take their part, and the terms add up")
  func recurrent() throws {
    let layers = "{lstm: {units: 8, return_sequences: true}}, {gru: {units: 8}}, {dense: {units: 1}}"
    for rows in try watched(layers, isAdding: true, steps: 3) {
      let flow = rows.flow
      let fall = try #require(flow.fall)
      #expect(isNear(fall.whole, -flow.lostDecades, within: 1e-6), "\(fall)")
      #expect(flow.first?.path == "layers.0.lstm" && fall.from != fall.to)
      #expect(fall.decades[.recurrence] != nil && fall.decades[.gate] == nil)
    }
  }

  @Test("where layers branch and join, the way takes the branch with the larger δ, and its terms add up")
  func residual() throws {
    let gates = [
      Gate("stem", [], 1e-4, before: 1e-3), Gate("one", [0], 1e-2), Gate("two", [1], 1e-1), Gate("join", [0, 2], 1),
    ]
    let flow = rows(gates).flow
    let fall = try #require(flow.fall)
    #expect(!flow.isChain && flow.first?.path == "stem" && fall.layers == 4)
    #expect(isNear(fall.decades[.gate], -1) && isNear(fall.decades[.weights], -3) && isNear(fall.whole, -4))
    let found = finding(VanishingGradient(), gates)
    #expect(found?.layers == ["stem"])
    #expect(found?.evidence["decades"] == 4 && isNear(found?.evidence["gateDecades"], -1))
    // The other branch has more here.
    let other = [Gate("stem", [], 1e-3), Gate("one", [0], 1e-5), Gate("join", [0, 1], 1)]
    #expect(rows(other).flow.fall?.layers == 2)
  }

  @Test("of two inputs each has its own first layer and its own D")
  func twoInputs() {
    // Beside the way of `table` the other one has a larger δ: that is none of its loss.
    let gates = [
      Gate("images", [], 50), Gate("table", [], 1e-3), Gate("side", [1], 1e-2), Gate("join", [0, 2], 1e-1),
    ]
    let flow = rows(gates).flow
    #expect(flow.first?.path == "table" && abs(flow.lostDecades - 2) < 1e-12)
    #expect(flow.peak == 50 && abs(flow.largest - 0.1) < 1e-12 && flow.fall?.from == "join")
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
    let found = finding(ExplodingGradient(), loud)
    #expect(found?.layers == ["stem"] && rows(loud).flow.rise?.from == "digit")
    #expect(isNear(found?.evidence["weightDecades"], log10(2e4)))
    #expect(found?.message.contains("Weights give 4.3 decades.") == true, "\(found?.message ?? "")")
    let beside = [Gate("images", [], 2e4), Gate("table", [], 0.9), Gate("join", [0, 1], 1), Gate("dead", [2], 0)]
    let alone = finding(ExplodingGradient(), Array(beside.prefix(3)))
    #expect(alone?.layers == ["images"] && alone?.message.contains("loss and images") == true)
    #expect(rows(beside).flow.grown(above: 3).isEmpty)
  }

  @Test("a δ that grows in the middle and falls again is said of the layer where it is largest")
  func growthInTheMiddle() throws {
    let gates = [
      Gate("a", [], 1), Gate("b", [0], 1e5, before: 1e5), Gate("c", [1], 1e2, before: 2e2), Gate("d", [2], 1),
    ]
    let found = try #require(finding(ExplodingGradient(), gates))
    #expect(
      found.message.hasPrefix(
        "Between the loss and b the gradient grows 100000× (5.0 decades over 3 layers). Weights give 5.3 decades, "
          + "activation gates -0.3."), "\(found.message)")
    #expect(found.layers == ["b"])
  }

  @Test("no watched gate, one gate, and a gate without any gradient")
  func edges() {
    #expect(rows([]).flow.first == nil && rows([]).flow.lostDecades == 0 && rows([]).flow.grownDecades == 0)
    #expect(rows([]).flow.fall == nil && rows([]).flow.rise == nil)
    #expect(rows([Gate("a", [], 3)]).flow.lostDecades == 0 && rows([Gate("a", [], 3)]).flow.fall?.decades == [:])
    let dead = [Gate("a", [], 0, before: 0), Gate("b", [0], 0, before: 1), Gate("c", [1], 1)]
    #expect(rows(dead).flow.lostDecades == .infinity && rows(dead).flow.fall?.whole == -.infinity)
    #expect(rows(dead).flow.fall?.stop?.part == .gate && rows(dead).flow.fall?.stop?.path == "b")
    #expect(finding(VanishingGradient(), dead)?.message.contains("switched off") == true)
  }
}
