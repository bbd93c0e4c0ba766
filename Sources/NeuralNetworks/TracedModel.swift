import SwitchbackPrograms

/// A model traced with the types of its inputs: the program so far and what the layers declared.
struct TracedModel {
  var builder: ProgramBuilder
  /// The model's results, the first of which is what a model with one answers.
  let results: [Value]
  var output: Value { results[0] }
  let parameters: [Parameter]
  let activations: [ActivationRecord]
  let outputs: [(path: String, value: Value)]
  /// The states that layers replace, and by what.
  let replacements: [(parameter: Parameter, value: Value)]

  init(
    _ model: any Layer, inputs: [ModelInput], batchSize: Int, programName: String, isTraining: Bool
  ) throws(ProgramError) {
    var context = LayerContext(builder: ProgramBuilder(name: programName), isTraining: isTraining)
    var values: [Value] = []
    for input in inputs {
      guard batchSize > 0, input.type.shape.extents.allSatisfy({ $0 > 0 }) else {
        throw ProgramError("a batch of \(batchSize) samples of \(input.type.shape) has no element")
      }
      values.append(
        context.builder.input(input.name, input.type.with(shape: Shape([batchSize] + input.type.shape.extents))))
    }
    results = try context.callModel(model, zip(inputs, values).map { ($0.name, $1) })
    builder = context.builder
    parameters = context.parameters
    replacements = context.replacements.sorted { $0.key < $1.key }.map { (context.parameters[$0.key], $0.value) }
    activations = context.activations
    outputs = context.outputs
    var names: Set<String> = []
    for parameter in parameters where !names.insert(parameter.name).inserted {
      throw ProgramError("two weights are called \(parameter.name)", path: parameter.path)
    }
  }

  /// What the model says to the outside: its output, behind the gate that a loss of logits implies.
  mutating func answer(to loss: (any Loss)?) throws(ProgramError) -> Value {
    guard let gate = loss?.impliedGate else { return output }
    let outer = builder.path
    defer { builder.path = outer }
    builder.path = "loss"
    return try gate(output, in: &builder)
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
