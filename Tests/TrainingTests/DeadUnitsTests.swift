import Foundation
import SwitchbackMonitoring
import SwitchbackReference
import SwitchbackTraining
import Testing

/// A layer of 50 units of which some rest, and the one behind it.
private func rows(
  _ step: Int, resting: Double, function: String? = "relu", arriving: Double = 1, first: Double = 1,
  parameter: String = "a/bias"
) -> ProbeRows {
  var before = Probe(kind: .deltaBeforeGate, path: "a", gate: 0)
  before.function = function
  return ProbeRows(
    step: step, loss: 1,
    rows: [
      (before, TensorStatistics(count: 50, l2: arriving)),
      (Probe(kind: .deltaAfterGate, path: "a", gate: 0), TensorStatistics(count: 50, l2: first)),
      (Probe(kind: .deltaAfterGate, path: "b", gate: 1, sources: [0]), TensorStatistics(count: 10, l2: 1)),
      (Probe(kind: .parameterGradient, path: parameter), TensorStatistics(count: 50, l2: 1, zeros: resting)),
      (Probe(kind: .parameterGradient, path: "b/bias"), TensorStatistics(count: 10, l2: 1, zeros: 10)),
    ])
}

private func findings(_ rows: [ProbeRows]) -> [Finding] {
  var rule = DeadUnits()
  return rows.compactMap { rule.observe($0) }
}

@Suite("Units that rest") struct DeadUnitsTests {
  @Test("a layer that is dead but for a tenth is named once, with its units and what its activation does")
  func dead() throws {
    let found = findings((1...40).map { rows($0, resting: 45) })
    #expect(found.map(\.step) == [10] && found[0].layers == ["a"] && found[0].severity == .warning)
    #expect(found[0].evidence == ["share": 0.9, "units": 50] && found[0].cause == "off")
    #expect(found[0].message.hasPrefix("45 of the 50 units of a are switched off for every sample, in 10 looks"))
    let saturated = try #require(findings((1...10).map { rows($0, resting: 50, function: "tanh") }).first)
    #expect(saturated.cause == "saturated" && saturated.message.contains("smaller weights"))
  }

  @Test("half of a layer, single batches, a loss of zero, layers without an activation and other weights are none")
  func healthy() {
    #expect(findings((1...40).map { rows($0, resting: 35) }).isEmpty)
    #expect(findings((1...40).map { rows($0, resting: $0 % 10 == 0 ? 20 : 50) }).isEmpty)
    #expect(findings((1...40).map { rows($0, resting: 50, arriving: 0) }).isEmpty)
    #expect(findings((1...40).map { rows($0, resting: 50, parameter: "a/alpha") }).isEmpty)
    // Another rule says that nothing arrives.
    #expect(findings((1...40).map { rows($0, resting: 50, first: 0) }).isEmpty)
  }

  @Test(
    "what rests in a network is counted by its activation and its bias",
    arguments: [("relu", -1e3, 8), ("relu", 1e3, 0), ("tanh", 1e3, 8), ("linear", 1e3, nil)] as [(String, Double, Int?)]
  )
  func counted(activation: String, bias: Double, resting: Int?) throws {
    // The layer before it hands the gradient on another way, so that some of it arrives.
    let text = """
      version: 1
      model:
        layers:
          - flatten
          - dense: {units: 8, name: first}
          - dense: {units: 8, activation: \(activation), bias_initializer: {type: constant, value: \(bias)}, name: second}
          - add: {inputs: [first, second]}
          - dense: {units: 10, activation: softmax}
      data: {dataset: mnist}
      training: {batch_size: 16, optimizer: {type: sgd, learning_rate: 0.001}}
      """
    let data = try madeData(count: 16)
    let step = try Configuration(text: text, file: "test.yaml").trainingStep(on: data.layout)
    let session = try TrainingSession(
      step: step, batchSize: 16, seed: 1, on: try chain(ReferenceBackend()), probeInterval: 1)
    let seen = try session.probeRows(of: session.train(data, Array(0..<16)[...]), step: 1).restingUnits
    #expect(seen.map { Int(($0.share * 8).rounded()) } == (resting.map { [$0] } ?? []), "\(seen)")
    #expect(seen.allSatisfy { $0.function == activation && $0.count == 8 })
  }
}
