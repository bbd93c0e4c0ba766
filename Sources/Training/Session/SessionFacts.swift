import SwitchbackExecution
import SwitchbackMonitoring
import SwitchbackNeuralNetworks
import SwitchbackPrograms

/// What a finished step knows besides its probes. Asked at probed steps alone.
extension TrainingSession {
  /// Updates at the start whose inputs are looked at, and those whose kernels are.
  private static let inputLooks = 1...3
  private static let kernelLooks = 3...5

  /// Before another step is finished: it reads that step's batch. `rows` are its probes.
  func facts(
    of result: StepResult, step number: Int, _ rows: [(probe: Probe, statistics: TensorStatistics)]
  ) throws -> StepFacts {
    var facts = StepFacts()
    facts.learningRate = result.learningRate
    facts.beganTrained = beganTrained
    if step.accumulationSteps == 1 { facts.clipping = step.clipping.map { StepFacts.Clipping($0) } }
    facts.classes = try classes(of: result)
    let update = number / step.accumulationSteps
    if Self.inputLooks.contains(update) { facts.inputs = try inputs(of: result.executor.executor) }
    if Self.kernelLooks.contains(update) { facts.spreads = try spreads(rows) }
    return facts
  }

  // MARK: Labels

  private func classes(of result: StepResult) throws -> StepFacts.Classes? {
    guard step.objectives.count == 1, let right = result.correct else { return nil }
    let objective = step.objectives[0]
    let executor = result.executor.executor
    guard objective.targets == .classes, objective.classWeights.isEmpty, objective.sampleWeight == nil,
      objective.mixing == nil,
      let labels = executor.inputs.first(where: { $0.name == objective.target }), labels.type.shape.rank == 1,
      labels.type.elementType == .int32
    else { return nil }
    let counts = try executor.withValue(of: labels) { bytes in
      // Hostile labels are refused long before; a count for each that there could be takes no memory.
      var counts = [Int](repeating: 0, count: 256)
      var largest = -1
      for label in bytes.bindMemory(to: Int32.self) {
        guard counts.indices.contains(Int(label)) else { return [Int]() }
        counts[Int(label)] += 1
        largest = max(largest, Int(label))
      }
      return Array(counts.prefix(largest + 1))
    }
    guard !counts.isEmpty else { return nil }
    var classes = StepFacts.Classes(counts: counts, right: right)
    // Of two classes the mean over one or two outputs is the same.
    classes.isJudgedByEntropy =
      objective.loss is CategoricalCrossentropy || objective.loss is SparseCategoricalCrossentropy
      || objective.loss is BinaryCrossentropy && counts.count <= 2
    return classes
  }

  // MARK: Inputs

  private func inputs(of executor: ProgramExecutor) throws -> [StepFacts.Input] {
    let names = Set(step.inputs.map(\.name))
    return try executor.inputs.filter { names.contains($0.name) }.compactMap { input in
      guard let scale = executor.program.scaleBeforeWeights(of: input.name) else { return nil }
      return try executor.withValue(of: input) { bytes in
        switch input.type.elementType {
        case .float32:
          StepFacts.Input(
            field: input.name, bytes.bindMemory(to: Float.self), factor: scale.factor, offset: scale.offset)
        case .uint8:
          StepFacts.Input(
            field: input.name, bytes.lazy.map { Float($0) }, factor: scale.factor, offset: scale.offset)
        default: nil
        }
      }
    }
  }

  // MARK: Kernels

  /// Of layers that another layer reads; a recurrent one's units differ by their gates.
  private func spreads(
    _ rows: [(probe: Probe, statistics: TensorStatistics)]
  ) throws -> [StepFacts.UnitSpread] {
    let gates = rows.map(\.probe).filter { $0.kind == .deltaAfterGate }
    let isRead = Set(gates.flatMap(\.sources))
    let hidden = Set(gates.filter { isRead.contains($0.gate ?? -1) }.map(\.path))
    return try parameters.compactMap { parameter in
      guard parameter.isTrainable, hidden.contains(parameter.path), parameter.name == parameter.path + "/kernel",
        parameter.type.elementType == .float32, let units = parameter.type.shape.extents.last,
        parameter.type.shape.rank >= 2
      else { return nil }
      return try states.withBytes(of: parameter.name) {
        StepFacts.UnitSpread(parameter: parameter.name, kernel: $0.bindMemory(to: Float.self), units: units)
      }
    }
  }
}

extension StepFacts.Clipping {
  init(_ clipping: GradientClipping) {
    self =
      switch clipping {
      case .value(let limit): .value(limit)
      case .norm(let limit): .norm(limit)
      case .globalNorm(let limit): .globalNorm(limit)
      }
  }
}

extension TrainingSession {
  /// Of the normalization that keeps most of its statistics at each update; nil where none moves any.
  var runningStatistics: EvaluationFacts.RunningStatistics? {
    get throws {
      let slowest = try plan.program.runningStatistics.max { $0.momentum < $1.momentum }
      return slowest.map {
        EvaluationFacts.RunningStatistics(layer: $0.layer, momentum: $0.momentum, updates: batches)
      }
    }
  }
}

extension Program {
  /// The layers whose running variance moves, with what it keeps at each step: the constant that it is multiplied with.
  var runningStatistics: [(layer: String, momentum: Double)] {
    let ending = "/movingVariance"
    var constants: [Int: Double] = [:]
    return calls.compactMap { call in
      if let fill = call.operation as? Fill, let output = call.outputs.first ?? nil { constants[output] = fill.value }
      guard (call.operation as? Binary)?.function == .multiply,
        let state = call.inputs.first(where: { values[$0].role == .state && values[$0].name.hasSuffix(ending) }),
        let momentum = call.inputs.compactMap({ constants[$0] }).first
      else { return nil }
      return (String(values[state].name.dropLast(ending.count)), momentum)
    }
  }

  /// What a field is multiplied with, and what is added then, before weights read it; nil where no weights do, or where
  /// anything else reads it before them: a normalization, a gather.
  func scaleBeforeWeights(of field: String) -> (factor: Double, offset: Double)? {
    guard let start = value(named: field), values[start].role == .input else { return nil }
    var scales: [Int: (factor: Double, offset: Double)] = [start: (1, 0)]
    var constants: [Int: Double] = [:]
    for call in calls {
      if let fill = call.operation as? Fill, let output = call.outputs.first ?? nil {
        if fill.shape.isEmpty { constants[output] = fill.value }
        continue
      }
      guard let place = call.inputs.firstIndex(where: { scales[$0] != nil }), let scale = scales[call.inputs[place]]
      else { continue }
      let result = call.outputs.first ?? nil
      switch call.operation {
      case is Reshape, is Transpose, is Cast:
        if let result { scales[result] = scale }
      case let binary as Binary:
        // The constant is read second.
        guard let result, place == 0, call.inputs.count == 2, let constant = constants[call.inputs[1]] else { continue }
        switch binary.function {
        case .multiply: scales[result] = (scale.factor * constant, scale.offset * constant)
        case .add: scales[result] = (scale.factor, scale.offset + constant)
        default: continue
        }
      case is MatrixMultiplication, is Convolution2D:
        if call.inputs.contains(where: { values[$0].role == .state }) { return scale }
      default: continue
      }
    }
    return nil
  }
}
