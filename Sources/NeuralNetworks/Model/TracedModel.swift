import SwitchbackPrograms

/// A model traced with the types of its inputs: the program so far and what the layers declared.
struct TracedModel {
  var builder: ProgramBuilder
  /// The fields that the model reads, by their names, as its layers read them.
  private let fields: [String: Value]
  /// The model's results, the first of which is what a model with one answers.
  let results: [Value]
  private let resultNames: [String]
  let parameters: [Parameter]
  private(set) var gates: [Gate]
  /// The values whose gradients tell who takes it.
  let points: [WayPoint]
  let outputs: [(path: String, value: Value)]
  /// Which steps of a value are valid, by its number.
  private let masks: [Int: Value]
  /// The states that layers replace, and by what.
  let replacements: [(parameter: Parameter, value: Value)]

  init(
    _ model: any Layer, inputs: [ModelInput], batchSize: Int, programName: String, isTraining: Bool
  ) throws(ProgramError) {
    var context = LayerContext(builder: ProgramBuilder(name: programName), isTraining: isTraining)
    let read: [(name: String, value: Value)]
    (read, results) = try Self.trace(model, inputs, batchSize, in: &context)
    fields = Dictionary(read.map { ($0.name, $0.value) }) { first, _ in first }
    resultNames = model.resultNames
    (builder, masks) = (context.builder, context.masks)
    parameters = context.parameters
    replacements = context.replacements.sorted { $0.key < $1.key }.map { (context.parameters[$0.key], $0.value) }
    gates = context.gates
    gates.connect(in: builder.program)
    points = [WayPoint](gates, context.passages, in: builder.program)
    outputs = context.outputs
    var names: Set<String> = []
    for parameter in parameters where !names.insert(parameter.name).inserted {
      throw ProgramError("two weights are called \(parameter.name)", path: parameter.path)
    }
  }

  /// What layers read of the fields, and the model's results.
  private static func trace(
    _ model: any Layer, _ inputs: [ModelInput], _ batchSize: Int, in context: inout LayerContext
  ) throws(ProgramError) -> (read: [(name: String, value: Value)], results: [Value]) {
    var read: [(name: String, value: Value)] = []
    for input in inputs {
      guard batchSize > 0, input.type.shape.extents.allSatisfy({ $0 > 0 }) else {
        throw ProgramError("a batch of \(batchSize) samples of \(input.type.shape) has no element")
      }
      read.append((input.name, try context.builder.read(input, batchSize: batchSize)))
    }
    // Behind all inputs, since a mask may be one of them.
    for (place, input) in inputs.enumerated() {
      guard let mask = input.mask else { continue }
      let value = read[place].value
      let steps = try context.builder.read(mask, of: input, batchSize: batchSize)
      context.masks[value.id] = steps
      // A NaN of the padding would be one in the gradient of every weight that multiplies it, although times 0.
      guard input.type.elementType == .float32 else { continue }
      context.builder.path = input.name
      defer { context.builder.path = "" }
      read[place].value = try context.masked(value)
      context.masks[read[place].value.id] = steps
    }
    return (read, try context.callModel(model, read))
  }

  /// Everything that is wrong with the layers of a model, but for what follows from something else; empty where nothing is.
  static func faults(of model: any Layer, inputs: [ModelInput], batchSize: Int) -> [ProgramError] {
    var context = LayerContext(builder: ProgramBuilder(name: "faults"), isTraining: false)
    do throws(ProgramError) {
      _ = try trace(model, inputs, batchSize, in: &context)
      return []
    } catch {
      return context.faults.contains(error) ? context.faults : [error]
    }
  }

  /// The program, whose operands each have a name of their own.
  static func finish(_ builder: ProgramBuilder) throws(ProgramError) -> Program {
    let program = builder.build()
    if let name = program.repeatedName {
      throw ProgramError("two operands of the program are called \(name): give the field or layer another name")
    }
    return program
  }

  /// The result that an objective judges.
  private func output(of objective: Objective) throws(ProgramError) -> Value {
    guard let name = objective.output else { return results[0] }
    guard let place = resultNames.firstIndex(of: name) else {
      let known = resultNames.isEmpty ? "one, without a name" : resultNames.joined(separator: ", ")
      throw ProgramError("an objective judges \(name), and the model has no such output (it has \(known))")
    }
    return results[place]
  }

  /// Appends the losses of every objective on its result.
  mutating func judge(
    _ objectives: [Objective]
  ) throws(ProgramError) -> [(calls: ObjectiveCalls, result: ObjectiveCalls.Result)] {
    var judged: [(ObjectiveCalls, ObjectiveCalls.Result)] = []
    for calls in try named(objectives) {
      judged.append((calls, try calls(output(of: calls.objective), in: &builder)))
    }
    return judged
  }

  /// Each objective with what stands before its names, where there are several.
  private func named(_ objectives: [Objective]) throws(ProgramError) -> [ObjectiveCalls] {
    var calls: [ObjectiveCalls] = []
    for objective in objectives {
      guard NumberRange.factor.contains(objective.weight) else {
        throw ProgramError("the weight of an objective is a number\(NumberRange.factor.words), not \(objective.weight)")
      }
      let name = objective.outputName(among: resultNames)
      guard objectives.count == 1 || name != nil else {
        throw ProgramError("of several objectives each names the output that it judges")
      }
      let prefix = objectives.prefix(of: objective, among: resultNames)
      guard !calls.contains(where: { $0.prefix == prefix }) else {
        throw ProgramError("two objectives judge \(name ?? "")")
      }
      calls.append(ObjectiveCalls(objective: objective, prefix: prefix, fields: fields, masks: masks))
    }
    guard objectives.isEmpty || objectives.contains(where: { $0.weight > 0 }) else {
      throw ProgramError("all objectives have weight 0: nothing would be learned")
    }
    return calls
  }

  /// What the model says to the outside: each objective's result behind the gate that a loss of logits implies; without
  /// objectives all results as they are.
  mutating func answers(
    to objectives: [Objective]
  ) throws(ProgramError) -> [(calls: ObjectiveCalls?, prefix: String, output: Value, answer: Value)] {
    guard !objectives.isEmpty else {
      let prefixes = results.count == 1 ? [""] : resultNames.map { $0 + "/" }
      return zip(prefixes, results).map { (nil, $0, $1, $1) }
    }
    let outer = builder.path
    defer { builder.path = outer }
    var answers: [(ObjectiveCalls?, String, Value, Value)] = []
    for calls in try named(objectives) {
      let output = try output(of: calls.objective)
      builder.path = calls.prefix + "loss"
      let answer = try calls.objective.loss.impliedGate.map { gate throws(ProgramError) in
        try gate(output, in: &builder)
      }
      answers.append((calls, calls.prefix, output, answer ?? output))
    }
    return answers
  }

  /// The sum of all regularizers, `nil` where there is none.
  mutating func penalty() throws(ProgramError) -> Value? {
    let outer = builder.path
    defer { builder.path = outer }
    var total: Value?
    for parameter in parameters {
      guard let regularizer = parameter.regularizer else { continue }
      builder.path = parameter.path
      for penalty in try regularizer.penalties(of: parameter.value, in: &builder) {
        total = if let total { try builder.append(Binary(.add), total, penalty) } else { penalty }
      }
    }
    return total
  }
}

extension ProgramBuilder {
  /// A field of a batch as layers read it. What bytes stand for is computed here, so that a batch is bytes.
  fileprivate mutating func read(_ input: ModelInput, batchSize: Int) throws(ProgramError) -> Value {
    let stored = self.input(input.name, input.type.with(shape: Shape([batchSize] + input.type.shape.extents)))
    guard let factor = input.scale else { return stored }
    path = input.name
    defer { path = "" }
    return try scale(try append(Cast(to: .float32), stored), by: Double(factor))
  }

  /// Which steps of a field are valid: bool `[N, T]`.
  mutating func read(
    _ mask: ModelInput.Mask, of input: ModelInput, batchSize: Int
  ) throws(ProgramError) -> Value {
    if let fault = mask.fault(of: input.type) { throw ProgramError("the mask of \(input.name): \(fault)") }
    let type = mask.type.with(shape: Shape([batchSize] + mask.type.shape.extents))
    let stored: Value
    if let id = program.value(named: mask.name), program.values[id].role == .input {
      stored = value(id)
      guard stored.type == type else {
        throw ProgramError("the mask of \(input.name) is \(mask.name) \(type), which the model reads as \(stored.type)")
      }
    } else {
      stored = self.input(mask.name, type)
    }
    path = mask.name
    defer { path = "" }
    if mask.isLengths { return try append(SequenceMask(steps: input.type.shape[0]), stored) }
    return type.elementType == .bool ? stored : try append(Cast(to: .bool), stored)
  }
}
