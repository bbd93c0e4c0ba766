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
    /// ‖a − b‖₂ / ‖a‖₂ of the worst parameter's gradient, and its name.
    public var gradientDifference: Double
    public var parameter: String
    /// Elements of gradients that are exactly 0 on the first, and not on the second: noise, of which an optimizer that
    /// divides by the gradient's size makes steps.
    public var lostZeros: Int
    /// The gradient's relative L2 between the reference in Float32 and itself in Float64, of the parameter where it is
    /// largest: what rounding alone explains. Nil in steps where nobody measured it.
    public var roundingDifference: Double?
  }

  private var executors: [ProgramExecutor]
  private var stepValues: [StepValueFeed]
  private let chains: [BackendChain]
  private let training: TrainingProgram
  private let inputName: String
  private let seed: Int64
  private let isFresh: Bool
  private var steps = 0

  /// `isFresh`: both chains compile anew for each step, so that nothing that an executable keeps reaches the next.
  public init(
    _ step: TrainingStep, batchSize: Int, seed: Int, on first: BackendChain, and second: BackendChain,
    isFresh: Bool = false
  ) throws {
    let training = try step.build(batchSize: batchSize) { (builder, trace) throws(ProgramError) in
      for parameter in trace.parameters { builder.output("gradient/" + parameter.parameter.name, parameter.gradient) }
    }
    let program = training.program
    self.training = training
    chains = [first, second]
    executors = try chains.map { try ProgramExecutor(program, on: $0, states: StateStore()) }
    stepValues = try executors.map { try StepValueFeed(training.stepValues, for: $0) }
    (inputName, self.seed, self.isFresh) = (step.inputName, Int64(seed), isFresh)
    for state in training.states {
      let values = state.values(seed: Int64(seed))
      try executors[0].states.withMutableBytes(of: state.name) { bytes in
        values.withUnsafeBytes { bytes.copyMemory(from: $0) }
      }
    }
  }

  /// The program that both run.
  public var program: Program { training.program }

  /// That program, and the numbers of its operands before the next step on these samples.
  public func operands(_ dataset: any Dataset, _ indices: ArraySlice<Int32>) throws -> (Program, [String: [Double]]) {
    // From the data and the states themselves: where runs overlap, what an executor shows is of another run.
    var values: [String: [Double]] = [:]
    func memory(_ name: String) -> (TensorType, UnsafeMutableRawBufferPointer)? {
      guard let id = program.value(named: name) else { return nil }
      let type = program.values[id].type
      return (type, .allocate(byteCount: type.byteCount, alignment: 64))
    }
    if let (type, samples) = memory(inputName), let (targetType, targets) = memory("labels") {
      defer {
        samples.deallocate()
        targets.deallocate()
      }
      try dataset.gather(
        indices, samples: samples.bindMemory(to: Float.self).baseAddress!, targets: targets.baseAddress!)
      values[inputName] = Self.numbers(UnsafeRawBufferPointer(samples), type)
      values["labels"] = Self.numbers(UnsafeRawBufferPointer(targets), targetType)
    }
    values.merge(training.stepValues.numbers(at: StepPosition(update: steps, seed: seed))) { $1 }
    for id in program.values(.state) {
      let (name, type) = (program.values[id].name, program.values[id].type)
      // One that no operation uses has no memory.
      guard executors[0].states.states[name] != nil else { continue }
      values[name] = try executors[0].states.withBytes(of: name) { Self.numbers($0, type) }
    }
    return (program, values)
  }

  private static func numbers(_ bytes: UnsafeRawBufferPointer, _ type: TensorType) -> [Double] {
    (0..<type.shape.elementCount).map { e in
      switch type.elementType {
      case .int32: Double(bytes.load(fromByteOffset: 4 * e, as: Int32.self))
      case .int64: Double(bytes.load(fromByteOffset: 8 * e, as: Int64.self))
      case .uint8, .bool: Double(bytes[e])
      default: Double(bytes.load(fromByteOffset: 4 * e, as: Float.self))
      }
    }
  }

  /// One step of both from the first's states. With a chain of the reference alone the row says what rounding explains,
  /// for which the step runs there twice more, once in Float64.
  public func advance(
    _ dataset: any Dataset, _ indices: ArraySlice<Int32>, roundingOn reference: BackendChain? = nil
  ) throws -> Row {
    let rounding = try reference.map { try self.rounding(dataset, indices, on: $0) }
    if isFresh, steps > 0 {
      executors = [
        try ProgramExecutor(program, on: chains[0], states: executors[0].states),
        try ProgramExecutor(program, on: chains[1], states: StateStore()),
      ]
      stepValues = try executors.map { try StepValueFeed(training.stepValues, for: $0) }
    }
    let (a, b) = (executors[0], executors[1])
    for name in a.states.states.keys {
      let bytes = try a.states.withBytes(of: name) { Array($0) }
      try b.states.withMutableBytes(of: name) { $0.copyBytes(from: bytes) }
    }
    for (executor, stepValues) in zip(executors, stepValues) {
      try prepare(executor, dataset, indices)
      try stepValues.fill(at: StepPosition(update: steps, seed: seed))
      try executor.run()
    }
    steps += 1
    let losses = try executors.map { Double(try $0.withOutput("loss") { $0.load(as: Float.self) }) }
    var row = Row(
      step: steps, losses: losses, lossDifference: abs(losses[0] - losses[1]) / max(abs(losses[0]), 1e-30),
      gradientDifference: 0, parameter: "", lostZeros: 0, roundingDifference: rounding)
    for parameter in training.parameters where parameter.isTrainable {
      let (difference, lostZeros) = try self.difference("gradient/" + parameter.name)
      row.lostZeros += lostZeros
      // A difference that is no number is the worst of all.
      if !(difference <= row.gradientDifference) {
        (row.gradientDifference, row.parameter) = (difference, parameter.name)
      }
    }
    return row
  }

  private func rounding(
    _ dataset: any Dataset, _ indices: ArraySlice<Int32>, on reference: BackendChain
  ) throws -> Double {
    let (program, values) = try operands(dataset, indices)
    let single = try ProgramEvaluation(program, values, on: reference).outputs
    let double = try ProgramEvaluation(try program.converted(to: .float64), values, on: reference).outputs
    var worst = 0.0
    for parameter in training.parameters where parameter.isTrainable {
      let name = "gradient/" + parameter.name
      var (squares, norm) = (0.0, 0.0)
      for (exact, rounded) in zip(double[name] ?? [], single[name] ?? []) {
        squares += (exact - rounded) * (exact - rounded)
        norm += exact * exact
      }
      let difference = (squares / max(norm, 1e-30)).squareRoot()
      if !(difference <= worst) { worst = difference }
    }
    return worst
  }

  private func difference(_ output: String) throws -> (relative: Double, lostZeros: Int) {
    try executors[0].withOutput(output) { first in
      try executors[1].withOutput(output) { second in
        let (a, b) = (first.bindMemory(to: Float.self), second.bindMemory(to: Float.self))
        var (squares, norm) = (0.0, 0.0)
        var lostZeros = 0
        for e in a.indices {
          let difference = Double(a[e]) - Double(b[e])
          squares += difference * difference
          norm += Double(a[e]) * Double(a[e])
          if a[e] == 0, b[e] != 0 { lostZeros += 1 }
        }
        return ((squares / max(norm, 1e-30)).squareRoot(), lostZeros)
      }
    }
  }

  private func prepare(_ executor: ProgramExecutor, _ dataset: any Dataset, _ indices: ArraySlice<Int32>) throws {
    try executor.withInput(inputName) { images in
      try executor.withInput("labels") { labels in
        try dataset.gather(
          indices, samples: images.bindMemory(to: Float.self).baseAddress!, targets: labels.baseAddress!)
      }
    }
  }
}
