import Foundation
import SwitchbackDatasets
import SwitchbackMonitoring
import SwitchbackReference
import SwitchbackTraining
import Testing

/// What is seen of δ whose norms of each sample's steps are these.
private func course(_ norms: [[Double]], isReversed: Bool = false) -> TimeCourse {
  let squares = norms.flatMap { $0.map { Float($0 * $0 * 0x1p64) } }
  return squares.withUnsafeBufferPointer { TimeCourse(squares: $0, steps: norms[0].count, isReversed: isReversed) }
}

/// Norms of so many steps, each so many decades below the one after it.
private func falling(_ steps: Int, by decades: Double, end: Double = 1) -> [Double] {
  (1...steps).map { end * pow(10, -decades * Double(steps - $0)) }
}

private func rows(_ step: Int, _ courses: [(Probe, TimeCourse)], depth: Double = 1) -> ProbeRows {
  let gates = [depth, 1].enumerated().map { place, norm in
    (
      Probe(kind: .deltaAfterGate, path: "layers.\(place)", gate: place, sources: place == 0 ? [] : [0]),
      TensorStatistics(count: 4, l2: norm)
    )
  }
  return ProbeRows(step: step, loss: 1, rows: gates, courses: courses)
}

private func probe(_ path: String, isGated: Bool = false) -> Probe {
  Probe(kind: .deltaOverTime, path: path, isGated: isGated)
}

private func finding(
  _ rule: some Rule, _ courses: [(Probe, TimeCourse)], steps: ClosedRange<Int> = 101...120, depth: Double = 1
) -> Finding? {
  var rule = rule
  return steps.compactMap { rule.observe(rows($0, courses, depth: depth)) }.first
}

/// What the probes of a layer on the adding problem see in the first steps.
private func watched(_ layer: String, length: Int, steps: Int = 1) throws -> [ProbeRows] {
  let text = """
    version: 1
    model: {layers: [\(layer), {dense: {units: 1}}]}
    data: {dataset: adding-problem, sequence_length: \(length)}
    training: {batch_size: 8, loss: mean_squared_error, optimizer: {type: sgd, learning_rate: 0.0001}}
    """
  let data = try AddingProblem(sequenceLength: length, count: 80).open().train
  let step = try Configuration(text: text, file: "test.yaml").trainingStep(on: data.layout)
  let session = try TrainingSession(
    step: step, batchSize: 8, seed: 1, on: chain(ReferenceBackend()), probeInterval: 1)
  return try (1...steps).map { number in
    let first = Int32(number - 1) * 8 % 64
    return try session.probeRows(of: session.train(data, Array(first..<first + 8)[...]), step: number)
  }
}

@Suite("The gradient along time") struct TimeCourseTests {
  @Test(
    "of a linear layer δ changes by the singular value of its recurrent weights at each step",
    arguments: [0.5, 1, 1.5], [false, true])
  func singularValues(gain: Double, isReversed: Bool) throws {
    let layer =
      "{simple_rnn: {units: 6, activation: linear, go_backwards: \(isReversed), recurrent_initializer: {type: orthogonal, "
      + "gain: \(gain)}}}"
    let rows = try watched(layer, length: 12)[0]
    let (probe, course) = try #require(rows.courses.first)
    #expect(rows.courses.count == 1 && probe.path == "layers.0.simpleRnn" && !probe.isGated)
    #expect(course.norms.count == 12 && course.last == (isReversed ? 1 : 12))
    for (later, earlier) in zip(course.norms, course.norms.dropFirst()) {
      #expect(abs(earlier / later - gain) < 1e-5 * gain)
    }
    // All steps together are what the layer's δ is.
    let whole = rows.rows.first { $0.probe.kind == .deltaAfterGate && $0.probe.path == probe.path }
    let sum = course.norms.reduce(0) { $0 + $1 * $1 }
    #expect(abs(sum.squareRoot() / (whole?.statistics.l2 ?? 0) - 1) < 1e-5)
  }

  @Test("over 100 steps σ_w² = ½ is named with its steps, orthogonal weights are not")
  func vanishing() throws {
    func observed(_ initializer: String) throws -> (finding: Finding?, fall: TimeCourse.Change) {
      let rows = try watched("{simple_rnn: {units: 64, recurrent_initializer: \(initializer)}}", length: 100, steps: 5)
      var rule = VanishingGradient(warmUp: 0)
      return (rows.compactMap { rule.observe($0) }.first, try #require(rows.last?.courses.first).course.fall)
    }
    let bad = try observed("{type: random_normal, stddev: 0.08838834764831845}")  // √(½ / 64)
    let found = try #require(bad.finding)
    #expect((11...19).contains(bad.fall.decades), "\(bad.fall)")
    #expect(found.rule == "vanishingGradient" && found.layers == ["layers.0.simpleRnn"])
    #expect(found.evidence["fromStep"] == 100 && (found.evidence["toStep"] ?? 100) <= 3)
    #expect(found.message.contains("between step 100 and step "), "\(found.message)")
    let good = try observed("orthogonal")
    #expect(good.finding == nil && good.fall.decades < 4, "\(good.fall)")
  }

  @Test("steps count back from each sequence's own end; masked steps are none")
  func masks() {
    // Lengths 4, 2 and 0, padded behind.
    let padded = course([[1e-3, 1e-2, 1e-1, 1], [1e-1, 1, 0, 0], [0, 0, 0, 0]])
    #expect(padded.last == nil && padded.norms.count == 4)
    for (norm, expected) in zip(padded.norms, [1.41421356, 0.141421356, 1e-2, 1e-3]) {
      #expect(abs(norm / expected - 1) < 1e-6)
    }
    // The other direction begins at each sequence's own end, and ends at its first step.
    let backward = course([[1, 1e-1, 1e-2, 1e-3], [1, 1e-1, 0, 0]], isReversed: true)
    #expect(backward.last == 1 && backward.norms.count == 4 && abs(backward.fall.decades - 3.15) < 0.01)
    // Padded before: nothing arrives there.
    let before = course([[0, 0, 1e-1, 1]])
    #expect(before.last == 4 && before.norms.count == 2 && before.fall.steps == 1)
    #expect(
      course([[0, 0]]).norms.isEmpty && course([[0, 0]]).fall.decades == 0 && course([[0, 0]]).rise.decades == 0)
    #expect(course([[5.0]]).fall.decades == 0)
  }

  @Test("what is far too small to be squared is seen")
  func small() {
    let course = course([[1e-27, 1e-15, 1e-3, 1]])
    #expect(abs(course.fall.decades - 27) < 1e-4 && course.fall.to == 3)
  }

  @Test("the finding says layer, steps, decades, how far the layer remembers, and what cures it")
  func words() throws {
    let bad = course([falling(101, by: 0.155)])
    let found = try #require(finding(VanishingGradient(), [(probe("layers.0.simpleRnn"), bad)]))
    #expect(found.step == 105 && found.severity == .error && found.layers == ["layers.0.simpleRnn"])
    #expect(
      found.message.contains("3.2e15× between step 101 and step 1 (15.5 decades over 100 steps)."), "\(found.message)")
    #expect(found.message.contains("What lies 46 steps back or more moves no weight."), "\(found.message)")
    for word in ["lstm, gru", "orthogonal", "learning_rate"] { #expect(found.message.contains(word)) }
    #expect(abs((found.evidence["decadesPerStep"] ?? 0) - 0.155) < 1e-6 && found.evidence["reach"] == 46)
    let short = falling(40, by: 0.25)
    let apart = course([short, Array(short.dropFirst(4)) + [0, 0, 0, 0]])
    let ends = try #require(finding(VanishingGradient(), [(probe("a", isGated: true), apart)]))
    #expect(ends.message.contains("between the end of each sequence and 39 steps before it"), "\(ends.message)")
    #expect(ends.message.contains("unit_forget_bias"))
  }

  @Test("a fall that is short or slow, of gates that open, or in the first steps is no finding")
  func healthy() {
    let rule = VanishingGradient()
    #expect(finding(rule, [(probe("a"), course([falling(28, by: 0.15)]))]) == nil)
    #expect(finding(rule, [(probe("a"), course([falling(200, by: 0.1)]))]) == nil)
    let gates = course([falling(101, by: 0.15)])
    #expect(finding(rule, [(probe("a", isGated: true), gates)]) == nil)
    #expect(finding(rule, [(probe("a"), gates)], steps: 1...104) == nil)
    #expect(finding(rule, [(probe("a", isGated: true), course([falling(101, by: 0.25)]))])?.layers == ["a"])
  }

  @Test("two findings of one step come one behind the other, and a memory of before goes on")
  func together() {
    var rule = VanishingGradient(observations: 5)
    let bad = [(probe("a"), course([falling(101, by: 0.15)]))]
    let found = (101...120).compactMap { rule.observe(rows($0, bad, depth: 1e-5)) }
    #expect(found.map(\.step) == [105, 106] && found.map(\.layers) == [["layers.0"], ["a"]])
    var (other, older) = (VanishingGradient(observations: 5), VanishingGradient(observations: 5))
    other.memory = rule.memory
    #expect(other.observe(rows(121, bad, depth: 1e-5)) == nil)
    older.memory = ["streak": 20, "calm": 0, "open": 1]
    #expect((121...140).compactMap { older.observe(rows($0, bad, depth: 1e-5)) }.map(\.step) == [125])
  }

  @Test("a gradient that grows along time is named, with clipping as the cure")
  func exploding() throws {
    let grown = course([falling(50, by: 0.1, end: 1e5).reversed()])
    let found = try #require(finding(ExplodingGradient(), [(probe("layers.0.simpleRnn"), grown)], steps: 1...9))
    #expect(found.step == 5 && found.layers == ["layers.0.simpleRnn"] && found.evidence["toStep"] == 1)
    #expect(
      found.message.contains("grows 79000× between step 50 and step 1 (4.9 decades over 49 steps)"), "\(found.message)")
    #expect(found.message.contains("global_clipnorm"))
    #expect(finding(ExplodingGradient(), [(probe("a"), course([falling(50, by: 0.05).reversed()]))]) == nil)
    #expect(finding(VanishingGradient(), [(probe("a"), grown)]) == nil)
  }

  @Test("where nothing arrives nothing grows, whatever counts as growth")
  func nothing() {
    var rule = ExplodingGradient(decades: 0)
    let found = (1...9).compactMap { rule.observe(rows($0, [(probe("a"), course([[0, 0]]))])) }
    #expect(!found.contains { $0.layers.contains("a") })
  }

  @Test("a row of the run says the norms of recurrent layers, and one without such a layer is what it was")
  func json() {
    let course = course([[0.25, 0.5]])
    #expect(rows(3, [(probe("a"), course)]).json.hasSuffix("],\"overTime\":[{\"path\":\"a\",\"norms\":[0.5,0.25]}]}"))
    #expect(!rows(3, []).json.contains("overTime"))
  }
}
