import SwitchbackExecution
import SwitchbackMonitoring
import SwitchbackNeuralNetworks
import SwitchbackPrograms

/// Reads some elements of one trainable weight and its slots before and behind each probed step, another weight each time.
///
/// Where steps overlap, the states behind a step are read before the next one is started: later they would be that one's.
struct UpdateSampler {
  /// A weight whose gradient the step answers.
  private struct Target {
    let weight: StepDescription.Weight
    let operation: any OptimizerUpdate
    /// The weight's, and those of its slots.
    let states: [State]
    let accumulator: State?
    /// Its place among the trainable weights.
    let place: Int
  }

  private struct Sample {
    let step: Int
    /// Of the update.
    let number: Int
    let target: Int
    let elements: [Int]
    let before: [[Double]]
    var after: [[Double]]?
    var accumulator: [Double] = []
  }

  private static let mostElements = 64

  private var targets: [Target]?
  private var samples: [Sample] = []
  /// Which weight is next.
  var turn = 0

  /// Forgets steps that were not finished.
  mutating func forget() { samples = [] }

  /// Before the next step, which is probed.
  mutating func readBefore(_ session: TrainingSession, number: Int) throws {
    let targets = try targets ?? Self.targets(in: session)
    self.targets = targets
    guard !targets.isEmpty else { return }
    let target = turn % targets.count
    let count = targets[target].weight.count(in: session)
    let elements = Self.elements(of: count, turn: turn)
    samples.append(
      Sample(
        step: session.batches + 1, number: number, target: target, elements: elements,
        before: try targets[target].states.map { try Self.read($0, elements) }))
    turn = (turn + 1) & 0xFFFF_FFFF
  }

  /// Behind the step that was started last, before another one is.
  mutating func readAfter() throws {
    guard let targets else { return }
    for index in samples.indices where samples[index].after == nil {
      let (target, elements) = (targets[samples[index].target], samples[index].elements)
      samples[index].after = try target.states.map { try Self.read($0, elements) }
      samples[index].accumulator = try target.accumulator.map { try Self.read($0, elements) } ?? []
    }
  }

  /// What a finished step shows, before another one is finished; nil where its weight was not read.
  mutating func update(
    _ result: TrainingSession.StepResult, _ rows: ProbeRows, in session: TrainingSession
  ) throws -> SampledUpdate? {
    try readAfter()
    samples.removeAll { $0.step < rows.step }
    guard let targets, let first = samples.first, first.step == rows.step, let after = first.after else { return nil }
    samples.removeFirst()
    let target = targets[first.target]
    let executor = result.executor.executor
    var update = SampledUpdate(
      step: rows.step, number: first.number, weight: target.weight, operation: target.operation,
      isApplied: result.isFinite, before: first.before, after: after, gradient: nil,
      // As the program has it.
      learningRate: Double(Float(result.learningRate)),
      correction: try result.executor.correction.map { correction in
        try executor.withValue(of: correction) { Double($0.load(as: Float.self)) }
      })
    update.accumulator = first.accumulator
    guard result.executor.gradients.indices.contains(target.place),
      let gradient = result.executor.gradients[target.place]
    else { return update }
    let limit = session.step.clipping.map { StepFacts.Clipping($0) }
    try executor.withOutput(gradient) { bytes in
      let numbers = bytes.bindMemory(to: Float.self)
      update.gradient = first.elements.map { Double(numbers[$0]) }
      update.clipping = limit.map { limit in
        var (squares, largest) = (0.0, Float(0))
        for number in numbers {
          squares += Double(number) * Double(number)
          largest = max(largest, abs(number))
        }
        return SampledUpdate.Clipping(limit: limit, norm: squares.squareRoot(), absMax: Double(largest))
      }
    }
    // Of accumulated batches the probes see the last one alone.
    guard session.step.accumulationSteps == 1, update.clipping != nil else { return update }
    let norms = rows.rows.filter { $0.probe.kind == .parameterGradient }
    update.clipping?.normBefore = norms.first { $0.probe.path == target.weight.name }?.statistics.l2
    update.clipping?.totalBefore = norms.reduce(0) { $0 + $1.statistics.l2 * $1.statistics.l2 }.squareRoot()
    return update
  }

  // MARK: What is read

  private static func targets(in session: TrainingSession) throws -> [Target] {
    let training = session.training
    var operations: [String: any OptimizerUpdate] = [:]
    for call in training.program.calls {
      guard let operation = call.operation as? any OptimizerUpdate else { continue }
      operations[training.program.values[call.inputs[0]].name] = operation
    }
    let answered = try session.answeredGradients
    return training.trace.parameters.enumerated().compactMap { place, trace in
      let parameter = trace.parameter
      guard answered.indices.contains(place), answered[place] != nil, let operation = operations[parameter.name] else {
        return nil
      }
      let names = [parameter.name] + operation.slotNames.map { "optimizer/\(parameter.name)/\($0)" }
      let states = names.compactMap { session.states.states[$0] }
      guard states.count == names.count, states.allSatisfy({ $0.type == parameter.type }) else { return nil }
      return Target(
        weight: .init(name: parameter.name, layer: parameter.path), operation: operation, states: states,
        accumulator: session.states.states["accumulator/\(parameter.name)"], place: place)
    }
  }

  /// All of a few; of many the first, the last and others by the turn.
  private static func elements(of count: Int, turn: Int) -> [Int] {
    guard count > mostElements else { return Array(0..<count) }
    let draw = Philox(seed: 0x1A3)
    var elements = [0, count - 1]
    for block in 0..<(mostElements - 2) / 4 {
      let bits = draw.bits(block: block, stream: 0, step: Int64(turn))
      for word in 0..<4 { elements.append(Int(bits[word]) % count) }
    }
    return elements
  }

  private static func read(_ state: State, _ elements: [Int]) throws -> [Double] {
    try state.withBytes { bytes in
      let numbers = bytes.bindMemory(to: Float.self)
      return elements.map { Double(numbers[$0]) }
    }
  }
}
