import SwitchbackExecution
import SwitchbackMonitoring
import SwitchbackNeuralNetworks
import SwitchbackPrograms

/// Reads some elements of one trainable weight and its slots, or of one running statistic, before and behind each probed
/// step: another one each time.
///
/// Where steps overlap, the states behind a step are read before the next one is started: later they would be that one's.
struct StateSampler {
  /// What a step shows of the states that were read.
  enum Evidence {
    case update(SampledUpdate)
    case state(SampledState)
  }

  private enum Kind {
    /// Its update, the sum of its accumulated gradients, and its place among the trainable weights.
    case weight(any OptimizerUpdate, accumulator: State?, place: Int)
    /// Its place among the statistics that the step answers.
    case statistic(place: Int)
  }

  private struct Target {
    let weight: StepDescription.Weight
    let kind: Kind
    /// The weight's or statistic's, and those of slots.
    let states: [State]
  }

  private struct Sample {
    let step: Int
    /// Of the update.
    let number: Int
    let target: Target
    let elements: [Int]
    let before: [[Double]]
    var after: [[Double]]?
    var accumulator: [Double] = []
  }

  private static let mostElements = 64

  private var targets: [Target]?
  private var samples: [Sample] = []
  /// Which target is next.
  var turn = 0

  /// Forgets steps that were not finished.
  mutating func forget() { samples = [] }

  /// Before the next step, which is probed.
  mutating func readBefore(_ session: TrainingSession, number: Int) throws {
    let targets = try targets ?? Self.targets(in: session)
    self.targets = targets
    guard !targets.isEmpty else { return }
    let target = targets[turn % targets.count]
    let elements = Self.elements(of: target.states[0].type.shape.elementCount, turn: turn)
    samples.append(
      Sample(
        step: session.batches + 1, number: number, target: target, elements: elements,
        before: try target.states.map { try Self.read($0, elements) }))
  }

  /// Once a step was handed over: one that could not begin has no turn.
  mutating func begin(step: Int) {
    if samples.last?.step == step { turn = (turn + 1) & 0xFFFF_FFFF }
  }

  /// Behind the step that was started last, before another one is.
  mutating func readAfter() throws {
    for index in samples.indices where samples[index].after == nil {
      let (target, elements) = (samples[index].target, samples[index].elements)
      samples[index].after = try target.states.map { try Self.read($0, elements) }
      if case .weight(_, let accumulator?, _) = target.kind {
        samples[index].accumulator = try Self.read(accumulator, elements)
      }
    }
  }

  /// What a finished step shows, before another one is finished; nil where nothing was read.
  mutating func evidence(
    _ result: TrainingSession.StepResult, _ rows: ProbeRows, in session: TrainingSession
  ) throws -> Evidence? {
    try readAfter()
    samples.removeAll { $0.step < rows.step }
    guard let sample = samples.first, sample.step == rows.step else { return nil }
    samples.removeFirst()
    switch sample.target.kind {
    case .weight(let operation, _, let place):
      return try update(sample, operation, place, result, rows, in: session).map { .update($0) }
    case .statistic(let place): return try state(sample, place, result, in: session).map { .state($0) }
    }
  }

  private func update(
    _ sample: Sample, _ operation: any OptimizerUpdate, _ place: Int, _ result: TrainingSession.StepResult,
    _ rows: ProbeRows, in session: TrainingSession
  ) throws -> SampledUpdate? {
    guard let after = sample.after else { return nil }
    let (step, executor) = (result.executor, result.executor.executor)
    var update = SampledUpdate(
      step: sample.step, number: sample.number, weight: sample.target.weight, operation: operation,
      isApplied: result.isFinite, before: sample.before, after: after, gradient: nil,
      // As the program has it.
      learningRate: Double(Float(result.learningRate)),
      correction: try step.correction.map { correction in
        try executor.withValue(of: correction) { Double($0.load(as: Float.self)) }
      })
    update.accumulator = sample.accumulator
    guard step.gradients.indices.contains(place), let gradient = step.gradients[place] else { return update }
    let limit = session.step.clipping.map { StepFacts.Clipping($0) }
    try executor.withOutput(gradient) { bytes in
      let numbers = bytes.bindMemory(to: Float.self)
      update.gradient = sample.elements.map { Double(numbers[$0]) }
      update.clipping = limit.map { SampledUpdate.Clipping($0, of: numbers) }
    }
    // Of accumulated batches the probes see the last one alone.
    guard session.step.accumulationSteps == 1, update.clipping != nil else { return update }
    let norms = rows.rows.filter { $0.probe.kind == .parameterGradient }
    update.clipping?.normBefore = norms.first { $0.probe.path == update.weight.name }?.statistics.l2
    update.clipping?.totalBefore = norms.reduce(0) { $0 + $1.statistics.l2 * $1.statistics.l2 }.squareRoot()
    return update
  }

  private func state(
    _ sample: Sample, _ place: Int, _ result: TrainingSession.StepResult, in session: TrainingSession
  ) throws -> SampledState? {
    let statistics = result.executor.statistics
    // Of accumulated batches each moves them, and nobody says whether this one was allowed to.
    guard let after = sample.after, statistics.indices.contains(place),
      result.isFinite || session.step.accumulationSteps == 1
    else { return nil }
    let (statistic, output) = statistics[place]
    let batch = try result.executor.executor.withOutput(output) { bytes in
      let numbers = bytes.bindMemory(to: Float.self)
      return sample.elements.map { Double(numbers[$0]) }
    }
    return SampledState(
      step: sample.step, weight: sample.target.weight,
      .moving(
        .init(
          before: sample.before[0], after: after[0], batch: batch, momentum: statistic.momentum,
          share: statistic.share, isApplied: result.isFinite)))
  }

  // MARK: What is read

  private static func targets(in session: TrainingSession) throws -> [Target] {
    let training = session.training
    var operations: [String: any OptimizerUpdate] = [:]
    for call in training.program.calls {
      guard let operation = call.operation as? any OptimizerUpdate else { continue }
      operations[training.program.values[call.inputs[0]].name] = operation
    }
    func states(_ names: [String]) -> [State]? {
      let found = names.compactMap { session.states.states[$0] }
      return found.count == names.count && found.allSatisfy { $0.type == found[0].type } ? found : nil
    }
    let (gradients, statistics) = try session.answeredBySteps
    let weights: [Target] = training.trace.parameters.enumerated().compactMap { place, trace in
      let name = trace.parameter.name
      guard gradients.indices.contains(place), gradients[place] != nil, let operation = operations[name],
        let states = states([name] + operation.slotNames.map { "optimizer/\(name)/\($0)" })
      else { return nil }
      return Target(
        weight: .init(name: name, layer: trace.parameter.path),
        kind: .weight(operation, accumulator: session.states.states["accumulator/\(name)"], place: place),
        states: states)
    }
    return weights
      + statistics.enumerated().compactMap { place, statistic in
        states([statistic.state]).map {
          Target(weight: .init(stateNamed: statistic.state), kind: .statistic(place: place), states: $0)
        }
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

extension SampledUpdate.Clipping {
  fileprivate init(_ limit: StepFacts.Clipping, of gradient: UnsafeBufferPointer<Float>) {
    var (squares, largest) = (0.0, Float(0))
    for number in gradient {
      squares += Double(number) * Double(number)
      largest = max(largest, abs(number))
    }
    self.init(limit: limit, norm: squares.squareRoot(), absMax: Double(largest))
  }
}
