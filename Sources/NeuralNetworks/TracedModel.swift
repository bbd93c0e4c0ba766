import SwitchbackPrograms

/// A model traced with an input shape: the program so far and what the layers declared.
struct TracedModel {
  var builder: ProgramBuilder
  let output: Value
  let parameters: [Parameter]
  let activations: [ActivationRecord]
  let outputs: [(path: String, value: Value)]

  init(
    _ model: Sequential, sampleShape: Shape, batchSize: Int, inputName: String, programName: String, isTraining: Bool
  ) throws(ProgramError) {
    guard batchSize > 0, sampleShape.extents.allSatisfy({ $0 > 0 }) else {
      throw ProgramError("a batch of \(batchSize) samples of \(sampleShape) has no element")
    }
    var builder = ProgramBuilder(name: programName)
    let input = builder.input(inputName, .float32(Shape([batchSize] + sampleShape.extents)))
    var context = LayerContext(builder: builder, isTraining: isTraining)
    output = try model(input, in: &context)
    self.builder = context.builder
    parameters = context.parameters
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
