import SwitchbackMonitoring
import SwitchbackPrograms
import Testing

private let weight = StepDescription.Weight(name: "a/w", layer: "a")

/// A weight of two elements with slots behind an update, as its optimizer's law has it: closed forms at round numbers.
private struct Example: CustomStringConvertible, Sendable {
  var description: String
  var operation: any OptimizerUpdate
  var before: [[Double]]
  var after: [[Double]]
  var correction: Double?

  /// With g = (2, −4) and the rate 0.1 at update 1.
  func update(
    after other: [[Double]]? = nil, correction given: Double? = nil, number: Int = 0, isApplied: Bool = true
  ) -> SampledUpdate {
    SampledUpdate(
      step: 3, number: number, weight: weight, operation: operation, isApplied: isApplied, before: before,
      after: other ?? after, gradient: [2, -4], learningRate: 0.1, correction: given ?? correction)
  }
}

private let examples: [Example] = [
  Example(description: "SGD", operation: SGDUpdate(), before: [[1, 2]], after: [[0.8, 2.4]]),
  Example(
    description: "weight decay", operation: SGDUpdate(weightDecay: 0.5), before: [[1, 2]], after: [[0.75, 2.3]]),
  // m = 0.5 · (0.4, 0.2) − 0.1 · g
  Example(
    description: "momentum", operation: SGDUpdate(momentum: 0.5), before: [[1, 2], [0.4, 0.2]],
    after: [[1, 2.5], [0, 0.5]]),
  Example(
    description: "Nesterov", operation: SGDUpdate(momentum: 0.5, nesterov: true), before: [[1, 2], [0.4, 0.2]],
    after: [[0.8, 2.65], [0, 0.5]]),
  // v = 0.75 · (4, 16) + 0.25 · g² = g²
  Example(
    description: "RMSprop", operation: RMSpropUpdate(rho: 0.75, epsilon: 0), before: [[1, 2], [4, 16]],
    after: [[0.9, 2.1], [4, 16]]),
  // a = 0.25 · g, s = 4 − 0.25 and 16 − 1
  Example(
    description: "centered RMSprop with momentum",
    operation: RMSpropUpdate(rho: 0.75, momentum: 0.5, epsilon: 0, centered: true),
    before: [[1, 2], [4, 16], [0, 0], [0.2, 0.2]],
    after: [
      [1 - 0.1 - 0.2 / 3.75.squareRoot(), 2 - 0.1 + 0.4 / 15.0.squareRoot()], [4, 16], [0.5, -1],
      [0.1 + 0.2 / 3.75.squareRoot(), 0.1 - 0.4 / 15.0.squareRoot()],
    ]),
  // a = (5, 9) + g²
  Example(
    description: "Adagrad", operation: AdagradUpdate(epsilon: 0), before: [[1, 2], [5, 9]],
    after: [[1 - 0.2 / 3, 2.08], [9, 25]]),
  // From zeros the first update is one rate long: c · m / √v = sign g
  Example(
    description: "Adam", operation: AdamUpdate(beta1: 0.5, beta2: 0.75, epsilon: 0),
    before: [[1, 2], [0, 0], [0, 0]],
    after: [[0.9, 2.1], [1, -2], [1, 4]], correction: 1),
  Example(
    description: "AdamW", operation: AdamUpdate(beta1: 0.5, beta2: 0.75, epsilon: 0, weightDecay: 0.5),
    before: [[1, 2], [0, 0], [0, 0]], after: [[0.85, 2.0], [1, -2], [1, 4]], correction: 1),
]

private func causes(_ findings: [Finding]) -> [String] { findings.map { $0.cause ?? "" } }

@Suite("The law of an update") struct OptimizerLawTests {
  @Test(
    "what the optimizer's formula gives breaks no law, and a hundredth more or less of it does", arguments: examples)
  fileprivate func holds(example: Example) {
    #expect(UpdateLaw().breaches(in: example.update()).isEmpty)
    for factor in [0.99, 1.01] {
      var other = example.after
      for element in 0..<2 {
        other[0][element] = example.before[0][element] + factor * (other[0][element] - example.before[0][element])
      }
      #expect(causes(UpdateLaw().breaches(in: example.update(after: other))) == ["otherUpdate"])
    }
    for slot in 1..<example.after.count {
      var other = example.after
      other[slot][1] += 0.1
      #expect(causes(UpdateLaw().breaches(in: example.update(after: other))) == ["otherUpdate"], "slot \(slot)")
    }
  }

  @Test("a weight that stays is not written, unless its update was held back", arguments: examples)
  fileprivate func notWritten(example: Example) throws {
    var other = example.after
    other[0] = example.before[0]
    guard other != example.after, example.after[0][0] != example.before[0][0] else { return }
    let found = try #require(UpdateLaw().breaches(in: example.update(after: other)).first)
    #expect(found.cause == "notWritten" && found.layers == ["a"] && found.subject == "a/w" && found.step == 3)
    #expect(UpdateLaw().breaches(in: example.update(after: example.before, isApplied: false)).isEmpty)
    #expect(causes(UpdateLaw().breaches(in: example.update(isApplied: false))) == ["notHeldBack"])
  }

  @Test("an update with the bias correction of another one says so, with both")
  func stepCount() throws {
    let adam = try #require(examples.first { $0.description == "Adam" })
    // At update 3: √(1 − 0.75³) / (1 − 0.5³); what was given is that of update 1.
    let found = try #require(UpdateLaw().breaches(in: adam.update(number: 2)).first)
    #expect(found.cause == "stepCount" && found.evidence["correction"] == 1 && found.evidence["update"] == 3)
    #expect(abs(try #require(found.evidence["expected"]) - (1 - 0.421875).squareRoot() / 0.875) < 1e-12)
  }

  @Test("sums of gradients are 0 behind their update")
  func accumulators() {
    var update = examples[0].update()
    update.accumulator = [0, 0]
    #expect(UpdateLaw().breaches(in: update).isEmpty)
    update.accumulator = [0, 1e-9]
    #expect(causes(UpdateLaw().breaches(in: update)) == ["notCleared"])
  }

  @Test("rounding is no breach: steps far below the last bit of a weight, and what is below Float32's normal numbers")
  func rounding() {
    func update(_ before: Double, _ after: Double, gradient: Double) -> SampledUpdate {
      SampledUpdate(
        step: 1, number: 0, weight: weight, operation: SGDUpdate(), before: [[before]], after: [[after]],
        gradient: [gradient], learningRate: 0.1)
    }
    #expect(UpdateLaw().breaches(in: update(1, 1, gradient: 1e-9)).isEmpty)
    #expect(UpdateLaw().breaches(in: update(0, 0, gradient: 1e-38)).isEmpty)
    #expect(causes(UpdateLaw().breaches(in: update(1, 1, gradient: 1e-3))) == ["notWritten"])
    // Without a gradient nothing can be said.
    var unknown = update(1, 1, gradient: 1)
    unknown.gradient = nil
    #expect(UpdateLaw().breaches(in: unknown).isEmpty)
  }
}

@Suite("Laws of what training shows") struct StepLawTests {
  @Test("what the optimizer gets is within the limit")
  func clipping() {
    func found(_ limit: StepFacts.Clipping, norm: Double, absMax: Double, before: Double?, total: Double?) -> [String] {
      var update = examples[0].update()
      update.clipping = .init(limit: limit, norm: norm, absMax: absMax, normBefore: before, totalBefore: total)
      return causes(ClippingApplies().breaches(in: update))
    }
    #expect(found(.value(0.5), norm: 9, absMax: 0.5, before: nil, total: nil).isEmpty)
    #expect(found(.value(0.5), norm: 9, absMax: 0.51, before: nil, total: nil) == ["aboveLimit"])
    #expect(found(.norm(1), norm: 1.0000001, absMax: 1, before: nil, total: nil).isEmpty)
    #expect(found(.norm(1), norm: 1.1, absMax: 1, before: nil, total: nil) == ["aboveLimit"])
    // A tenth of this one is a tenth of all: 1 of 10.
    #expect(found(.globalNorm(1), norm: 0.4, absMax: 1, before: 4, total: 10).isEmpty)
    #expect(found(.globalNorm(1), norm: 4, absMax: 1, before: 4, total: 10) == ["aboveLimit"])
    #expect(found(.globalNorm(1), norm: 4, absMax: 1, before: nil, total: nil).isEmpty)
  }

  @Test("a frozen state keeps its bits")
  func frozen() {
    func found(_ now: UInt64) -> [String] {
      causes(FrozenWeights().breaches(in: SampledState(step: 1, weight: weight, .frozen(first: 7, now: now))))
    }
    #expect(found(7).isEmpty && found(8) == ["changed"])
  }

  @Test("running statistics move by their momentum, or not at all")
  func statistics() {
    func found(_ after: Double, isApplied: Bool = true) -> [String] {
      let moving = SampledState.Moving(
        before: [1], after: [after], batch: [3], momentum: 0.75, share: 0.25, isApplied: isApplied)
      return causes(RunningStatistics().breaches(in: SampledState(step: 1, weight: weight, .moving(moving))))
    }
    #expect(found(1.5).isEmpty && found(1, isApplied: false).isEmpty)
    #expect(found(1) == ["notMoved"] && found(2.5) == ["otherMove"] && found(1.5, isApplied: false) == ["otherMove"])
  }

  @Test("an epoch sees each sample once, changed by numbers of its own")
  func epoch() {
    func found(_ change: (inout EpochSamples) -> Void = { _ in }) -> [String] {
      var epoch = EpochSamples(
        step: 10, epoch: 2, count: 100, expected: 100, changes: 10, distinctChanges: 10, compared: 10, repeated: 0)
      change(&epoch)
      return causes(EachSampleOnce().breaches(in: epoch))
    }
    #expect(found().isEmpty)
    #expect(found { $0.count = 99 } == ["otherSamples"] && found { $0.areExpected = false } == ["otherSamples"])
    #expect(found { $0.distinctChanges = 5 } == ["sameAugmentation"])
    #expect(found { $0.repeated = 1 } == ["repeatedAugmentation"])
  }

  @Test("a batch is its samples; equal ones are an error where the data has others, else a warning once they are many")
  func batch() {
    func found(_ samples: Int, equal: Bool, before: Int = 0, own: Bool?) -> [Finding] {
      BatchOfSamples().breaches(
        in: SampledBatch(step: 1, samples: samples, areEqual: equal, equalBefore: before, isItsSample: own))
    }
    #expect(found(8, equal: false, own: true).isEmpty && found(8, equal: true, own: true).isEmpty)
    #expect(found(1, equal: true, own: nil).isEmpty)
    #expect(causes(found(8, equal: false, own: false)) == ["otherSample"])
    #expect(causes(found(8, equal: true, own: false)) == ["oneSample"])
    #expect(found(8, equal: true, own: false)[0].severity == .error)
    let many = found(8, equal: true, before: 24, own: true)
    #expect(causes(many) == ["oneSample"] && many[0].severity == .warning)
  }

  @Test("a gradient comes again where its step does")
  func gradient() {
    func found(_ again: Double) -> [String] {
      causes(
        GradientOfBatch().breaches(
          in: RepeatedStep(step: 5, gradients: [.init(weight: weight, norm: 2, again: again)])))
    }
    #expect(found(2).isEmpty && found(2.0001).isEmpty && found(1) == ["notAlone"] && found(4) == ["notAlone"])
  }

  @Test("states that somebody writes between steps: a warning, and an error where they begin anew")
  func writes() {
    #expect(WeightsContinue().breaches(in: StateWrites(step: 1, written: [])).isEmpty)
    let written = WeightsContinue().breaches(in: StateWrites(step: 1, written: [weight]))
    #expect(causes(written) == ["written"] && written[0].severity == .warning)
    let again = WeightsContinue().breaches(in: StateWrites(step: 1, written: [weight], initialized: [weight]))
    #expect(causes(again) == ["initializedAgain"] && again[0].severity == .error)
  }

  @Test("a batch evaluated twice has equal answers")
  func evaluation() {
    #expect(SureEvaluation().breaches(in: RepeatedEvaluation(step: 1, numbers: 10)).isEmpty)
    let found = SureEvaluation().breaches(
      in: RepeatedEvaluation(step: 1, numbers: 10, different: 2, output: "predictions"))
    #expect(causes(found) == ["notRepeated"] && found[0].subject == "predictions")
  }
}
