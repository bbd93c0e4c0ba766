import SwitchbackConformance
import SwitchbackNeuralNetworks
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import Testing

/// A layer of a configuration in a training step: its results, the sum `loss` of them times numbers, and that sum's gradients.
private func traced(_ entry: String, _ shape: [Int]) throws -> (program: Program, values: [String: [Double]]) {
  let text = """
    version: 1
    model: {layers: [\(entry)]}
    data: {dataset: mnist}
    training: {optimizer: sgd}
    """
  let layer = try #require(Configuration(text: text, file: "test.yaml").model.nodes.first?.layer)
  var context = LayerContext(builder: ProgramBuilder(name: "random"), isTraining: true)
  let x = context.builder.input("x", .float32(Shape(shape)))
  let result = try context.call(layer, at: "layer", [x])[0]
  var builder = context.builder
  let product = try builder.append(Binary(.multiply), result, builder.input("upstream", result.type))
  let loss = try builder.append(Reduce(.sum, axes: Array(0..<result.shape.rank)), product)
  builder.output("result", result)
  builder.output("loss", loss)
  let trained = context.parameters.filter(\.isTrainable)
  let gradients = try builder.gradients(of: loss, for: trained.map(\.value) + [x])
  for parameter in trained { builder.output("d/" + parameter.name, try #require(gradients[parameter.value.id])) }
  builder.output("d/x", try #require(gradients[x.id]))
  let program = builder.build()
  var values: [String: [Double]] = [:]
  for value in program.values where value.role != .temporary {
    let count = value.type.shape.elementCount
    // None is 0, where slopes change.
    values[value.name] = (0..<count).map { (place: Int) -> Double in Double((place * 7 + 3) % 11) / 8 - 0.6 }
  }
  return (program, values)
}

@Suite("Gradients of what a training step draws or keeps")
struct RandomGradientTests {
  @Test(
    "gradients of layers that draw numbers are finite differences of the numbers that the step draws",
    arguments: [
      ("{dropout: {rate: 0.4}}", [4, 5]), ("{spatial_dropout2d: {rate: 0.4}}", [2, 2, 3, 4]),
      ("{spatial_dropout1d: {rate: 0.4}}", [3, 2, 4]), ("{gaussian_noise: {stddev: 0.3}}", [3, 4]),
      ("{gaussian_dropout: {rate: 0.3}}", [3, 4]),
      ("{residual: {layers: [{dense: {units: 3, activation: tanh}}], stochastic_depth: 0.4}}", [6, 3]),
      ("{simple_rnn: {units: 3, dropout: 0.4}}", [2, 4, 3]),
      ("{simple_rnn: {units: 3, recurrent_dropout: 0.4}}", [2, 4, 3]),
      ("{lstm: {units: 3, dropout: 0.4, recurrent_dropout: 0.3, return_sequences: true}}", [2, 3, 3]),
      ("{gru: {units: 3, dropout: 0.4, recurrent_dropout: 0.3}}", [2, 3, 3]),
      ("{gru: {units: 3, recurrent_dropout: 0.3, reset_after: false, return_sequences: true}}", [2, 3, 2]),
      ("{bidirectional: {layer: {lstm: {units: 2, dropout: 0.4, recurrent_dropout: 0.3}}}}", [2, 3, 2]),
      ("{multi_head_attention: {num_heads: 2, key_dim: 2, dropout: 0.3}}", [2, 3, 4]),
      ("{transformer_encoder: {intermediate_dim: 3, num_heads: 2, dropout: 0.3, activation: gelu}}", [2, 3, 4]),
    ])
  func drawn(entry: String, shape: [Int]) throws {
    let (program, made) = try traced(entry, shape)
    var values = made
    values["randomKey"] = [5, 9]
    try expectDifferences(of: program, values, entry)
    // It does draw: another step has other numbers.
    func result() throws -> [Double]? {
      try ProgramEvaluation(program, values, on: chain(ReferenceBackend())).outputs["result"]
    }
    let first = try result()
    values["randomKey"] = [5, 10]
    #expect(try result() != first)
  }

  @Test(
    "gradients behind states that the batch before left are finite differences",
    arguments: ["simple_rnn", "lstm", "gru"])
  func kept(word: String) throws {
    let entry = "{\(word): {units: 2, stateful: true, return_sequences: true}}"
    let (program, made) = try traced(entry, [2, 3, 2])
    var values = made
    try expectDifferences(of: program, values, entry)
    func result() throws -> [Double]? {
      try ProgramEvaluation(program, values, on: chain(ReferenceBackend())).outputs["result"]
    }
    // It does begin with them.
    let first = try result()
    let states = program.values.filter { $0.role == .state && $0.type.shape == [2, 2] }.map(\.name)
      .filter { !$0.hasSuffix("ernel") }
    #expect(!states.isEmpty)
    for name in states { values[name] = [0, 0, 0, 0] }
    #expect(try result() != first)
  }
}
