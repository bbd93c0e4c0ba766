import Foundation
import SwitchbackMonitoring
import SwitchbackReference
import SwitchbackTraining
import Testing

/// δ of two layers at a step: `lost` decades from the last to the first, which an update changes by a share of its weights.
private func look(_ step: Int, lost: Double, ratio: Double) -> ProbeRows {
  ProbeRows(
    step: step, loss: 1,
    rows: [
      (Probe(kind: .parameter, path: "layers.0.dense/kernel", rank: 2), TensorStatistics(count: 10, l2: 1)),
      (Probe(kind: .parameterUpdate, path: "layers.0.dense/kernel", rank: 2), TensorStatistics(count: 10, l2: ratio)),
      (
        Probe(kind: .deltaAfterGate, path: "layers.0.dense", gate: 0), TensorStatistics(count: 10, l2: pow(10, -lost))
      ),
      (Probe(kind: .deltaAfterGate, path: "layers.1.dense", gate: 1, sources: [0]), TensorStatistics(count: 10, l2: 1)),
    ])
}

/// The steps at which a rule opens a finding, where each is looked at up to the twentieth, and then every tenth.
private func opened(
  _ rule: some Rule, resumedAt resumed: Int = 0, ratio: Double = 1e-7, _ lost: (Int) -> Double
) -> [Int] {
  var rule = rule
  return (Array(1...20) + stride(from: 30, through: 200, by: 10)).compactMap { step in
    if step == resumed {
      let memory = rule.memory
      rule.memory = [:]
      rule.memory = memory
    }
    return rule.observe(look(step, lost: lost(step), ratio: ratio))?.step
  }
}

@Suite("The first updates of a run") struct FirstLooksTests {
  @Test("a gradient that is lost from the start is named at the tenth update, an explosion at the fifth")
  func fromTheStart() {
    #expect(opened(VanishingGradient()) { _ in 4 } == [10])
    #expect(opened(ExplodingGradient()) { _ in -4 } == [5])
    // Batches differ.
    #expect(opened(VanishingGradient()) { 4 + ($0 % 2 == 0 ? 0.1 : 0) } == [10])
  }

  @Test("behind an output layer of zeros the gradient comes with the updates, and nothing is said")
  func outputOfZeros() {
    func lost(_ step: Int) -> Double { step == 1 ? .infinity : 4.5 - log10(Double(step)) }
    #expect(opened(VanishingGradient(), lost) == [])
    #expect(opened(ExplodingGradient()) { -4.5 + 0.06 * Double($0) } == [])
  }

  @Test("an optimizer that moves what hardly any gradient reaches has a hundred updates to mend it")
  func moving() {
    #expect(opened(VanishingGradient(), ratio: 1e-2) { $0 < 60 ? 4 : 2.5 } == [])
    #expect(opened(VanishingGradient(), ratio: 1e-2) { _ in 4 } == [100])
    // What moves where nothing arrives is momentum.
    #expect(opened(VanishingGradient(), ratio: 1e-2) { _ in .infinity } == [10])
  }

  @Test("what shrinks for too long, or comes back, is said all the same; a resumed run says what it would have said")
  func patience() {
    for resumed in [0, 5, 50] {
      #expect(opened(VanishingGradient(), resumedAt: resumed) { 9 - 0.03 * Double($0) } == [100], "\(resumed)")
      #expect(opened(VanishingGradient(), resumedAt: resumed) { $0 < 15 ? 5 - 0.1 * Double($0) : 5 } == [15])
    }
  }

  @Test("a rate that warms up begins below a millionth, and nothing is said of that")
  func warmUp() {
    func rows(_ step: Int) -> ProbeRows {
      let update = step < 30 ? 1e-8 : 1e-3
      return ProbeRows(
        step: step, loss: 1,
        rows: [
          (Probe(kind: .parameter, path: "a/kernel", rank: 2), TensorStatistics(count: 10, l2: 1)),
          (Probe(kind: .parameterUpdate, path: "a/kernel", rank: 2), TensorStatistics(count: 10, l2: update)),
        ])
    }
    var rule = SmallUpdates()
    let found = (Array(1...20) + stride(from: 30, through: 200, by: 10)).compactMap { rule.observe(rows($0)) }
    #expect(found.isEmpty, "\(found)")
  }

  @Test("a run's first twenty updates are watched, then every tenth; of a session nobody asks for the first")
  func watched() throws {
    let data = try madeData(count: 64)
    func steps(_ firstLooks: Int) throws -> [Int] {
      let step = try makeLoop().session.step
      let session = try TrainingSession(
        step: step, batchSize: 16, seed: 1, on: try chain(ReferenceBackend()), firstLooks: firstLooks)
      return try (1...32).filter { number in
        // The third is of fewer samples.
        let size: Int32 = number == 3 ? 8 : 16
        return try session.train(data, Array(0..<size)[...]).isProbed
      }
    }
    #expect(try steps(TrainingSession.usualFirstLooks) == (1...20).filter { $0 != 3 } + [30])
    #expect(try steps(0) == [10, 20, 30])
  }
}
