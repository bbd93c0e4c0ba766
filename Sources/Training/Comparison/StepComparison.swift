import SwitchbackConformance
public import SwitchbackDatasets
public import SwitchbackExecution
public import SwitchbackNeuralNetworks
public import SwitchbackPrograms

/// The same training steps on two chains of backends, each step from the same weights and slots: those of the first.
///
/// Left to themselves two right backends part ways (one unit in the last place flips a pooling tie), so free runs of a
/// convolutional network prove nothing.
public final class StepComparison {
  /// How far one step was apart.
  public struct Row: Sendable, Codable {
    /// From 1.
    public var step: Int
    public var losses: [Double]
    /// |a − b| / |a|
    public var lossDifference: Double
    /// ‖a − b‖₂ / ‖a‖₂ of the worst parameter's gradient, and its name; see `StepComparison.leastShare`.
    public var gradientDifference: Double
    public var parameter: String
    /// Elements of gradients that are exactly 0 on the first, and not on the second: noise, of which an optimizer that
    /// divides by the gradient's size makes steps.
    public var lostZeros: Int
    /// What rounding alone explains: how far the gradient of the reference in Float64 is (relative L2, the parameter where
    /// it is farthest) from that in Float32, and from that with weights changed by `StepComparison.nudge`, whichever is more.
    /// A deep network of relu is apart by much after one gate. Nil in steps where nobody measured it.
    public var roundingDifference: Double?
  }

  private var subjects: [Subject]
  private let chains: [BackendChain]
  private let training: TrainingProgram
  private let seed: Int64
  private let isFresh: Bool
  private var steps = 0

  /// The step on one of the chains.
  private struct Subject {
    let executor: ProgramExecutor
    let feed: StepFeed

    init(_ training: TrainingProgram, on chain: BackendChain, states: StateStore) throws {
      executor = try ProgramExecutor(training.program, on: chain, states: states)
      feed = try StepFeed(executor, training.stepValues)
    }
  }

  /// `isFresh`: both chains compile anew for each step, so that nothing that an executable keeps reaches the next.
  public init(
    _ step: TrainingStep, batchSize: Int, seed: Int, on first: BackendChain, and second: BackendChain,
    isFresh: Bool = false
  ) throws {
    let training = try step.build(batchSize: batchSize) { (builder, trace) throws(ProgramError) in
      for parameter in trace.parameters { builder.output("gradient/" + parameter.parameter.name, parameter.gradient) }
    }
    self.training = training
    chains = [first, second]
    subjects = try chains.map { try Subject(training, on: $0, states: StateStore()) }
    (self.seed, self.isFresh) = (Int64(seed), isFresh)
    for state in training.states {
      let values = state.values(seed: Int64(seed))
      try subjects[0].executor.states.withMutableBytes(of: state.name) { bytes in
        values.withUnsafeBytes { bytes.copyMemory(from: $0) }
      }
    }
  }

  /// The program that both run.
  public var program: Program { training.program }

  /// That program, and the numbers of its operands before the next step on these samples.
  public func operands(_ dataset: any Dataset, _ indices: ArraySlice<Int32>) throws -> (Program, [String: [Double]]) {
    // From the data and the states themselves: where runs overlap, what an executor shows is of another run.
    var values = try dataset.numbers(indices, asStored: true).filter { name, _ in program.value(named: name) != nil }
    for id in program.values(.input) where Field.isOfMixing(program.values[id].name) {
      // A data set whose samples are not mixed says nothing of it.
      let value = program.values[id]
      if values[value.name] == nil { values[value.name] = [Double](repeating: 0, count: value.type.shape.elementCount) }
    }
    values.merge(training.stepValues.numbers(at: StepPosition(update: steps, seed: seed))) { $1 }
    let states = subjects[0].executor.states
    for id in program.values(.state) {
      let (name, type) = (program.values[id].name, program.values[id].type)
      // One that no operation uses has no memory.
      guard states.states[name] != nil else { continue }
      values[name] = try states.withBytes(of: name) { ProgramEvaluation.load($0, type) }
    }
    return (program, values)
  }

  /// By so much of itself a weight is changed to see what a network makes of rounding: two units in the last place of a
  /// Float32, as the sum of some hundred terms is off.
  public static let nudge = 0x1p-22

  /// A parameter's gradient counts as at least so much of that of all. What is smaller may be roundings and nothing else, such
  /// as the gradient of an attention's bias of keys, which is 0: apart by more than itself, it would explain everything.
  public static let leastShare = 0x1p-20

  /// One step of both from the first's states. With a chain of the reference alone the row says what rounding explains,
  /// for which the step runs there three times more, twice in Float64.
  public func advance(
    _ dataset: any Dataset, _ indices: ArraySlice<Int32>, roundingOn reference: BackendChain? = nil
  ) throws -> Row {
    let rounding = try reference.map { try self.rounding(dataset, indices, on: $0) }
    if isFresh, steps > 0 {
      subjects = [
        try Subject(training, on: chains[0], states: subjects[0].executor.states),
        try Subject(training, on: chains[1], states: StateStore()),
      ]
    }
    let (a, b) = (subjects[0].executor, subjects[1].executor)
    for name in a.states.states.keys {
      let bytes = try a.states.withBytes(of: name) { Array($0) }
      try b.states.withMutableBytes(of: name) { $0.copyBytes(from: bytes) }
    }
    for subject in subjects {
      try subject.feed.fill(dataset, indices, at: StepPosition(update: steps, seed: seed))
      try subject.executor.run()
    }
    steps += 1
    let losses = try [a, b].map { Double(try $0.withOutput(StepOutput.loss) { $0.load(as: Float.self) }) }
    var row = Row(
      step: steps, losses: losses, lossDifference: abs(losses[0] - losses[1]) / max(abs(losses[0]), 1e-30),
      gradientDifference: 0, parameter: "", lostZeros: 0, roundingDifference: rounding)
    let parameters = training.parameters.filter(\.isTrainable)
    let gradients = try parameters.map { try gradientsApart("gradient/" + $0.name) }
    row.lostZeros = gradients.reduce(0) { $0 + $1.lostZeros }
    if let worst = Self.worst(gradients.map(\.apart)) {
      (row.gradientDifference, row.parameter) = (worst.difference, parameters[worst.place].name)
    }
    return row
  }

  private func rounding(
    _ dataset: any Dataset, _ indices: ArraySlice<Int32>, on reference: BackendChain
  ) throws -> Double {
    let (program, values) = try operands(dataset, indices)
    let single = try ProgramEvaluation(program, values, on: reference).outputs
    let wide = try program.converted(to: .float64)
    let double = try ProgramEvaluation(wide, values, on: reference).outputs
    var nudged = values
    for parameter in training.parameters {
      // Up or down by a bit of a hash, so that sums do not cancel it.
      nudged[parameter.name] = values[parameter.name]?.enumerated().map { element, weight in
        let isUp = (UInt32(truncatingIfNeeded: element) &* 2_654_435_761) >> 31 == 0
        return weight * (isUp ? 1 + Self.nudge : 1 - Self.nudge)
      }
    }
    let moved = try ProgramEvaluation(wide, nudged, on: reference).outputs
    let differences = [single, moved].map { worstDifference(double, $0) }
    return differences.contains(where: \.isNaN) ? .nan : differences.max() ?? 0
  }

  /// Relative L2 of the gradient that is farthest.
  private func worstDifference(_ exact: [String: [Double]], _ rounded: [String: [Double]]) -> Double {
    let gradients = training.parameters.filter(\.isTrainable).map { parameter in
      let name = "gradient/" + parameter.name
      return Apart(exact[name] ?? [], rounded[name] ?? [])
    }
    return Self.worst(gradients)?.difference ?? 0
  }

  private func gradientsApart(_ output: String) throws -> (apart: Apart, lostZeros: Int) {
    try subjects[0].executor.withOutput(output) { first in
      try subjects[1].executor.withOutput(output) { second in
        let (a, b) = (first.bindMemory(to: Float.self), second.bindMemory(to: Float.self))
        let lostZeros = a.indices.count { a[$0] == 0 && b[$0] != 0 }
        return (Apart(a.lazy.map(Double.init), b.lazy.map(Double.init)), lostZeros)
      }
    }
  }

  /// ‖a − b‖² and ‖a‖² of a gradient.
  private struct Apart {
    var squares = 0.0
    var norm = 0.0

    init(_ a: some Sequence<Double>, _ b: some Sequence<Double>) {
      for (a, b) in zip(a, b) {
        squares += (a - b) * (a - b)
        norm += a * a
      }
    }
  }

  /// ‖a − b‖₂ / ‖a‖₂ of the gradient that is farthest, and its place; nil where none is apart.
  private static func worst(_ gradients: [Apart]) -> (difference: Double, place: Int)? {
    let all = gradients.map(\.norm).filter(\.isFinite).reduce(0, +)
    let least = max(leastShare * leastShare * all, 1e-30)
    var worst: (difference: Double, place: Int)?
    for (place, gradient) in gradients.enumerated() {
      let difference = (gradient.squares / max(gradient.norm, least)).squareRoot()
      // A difference that is no number is the worst of all.
      if !(difference <= worst?.difference ?? 0) { worst = (difference, place) }
    }
    return worst
  }
}
