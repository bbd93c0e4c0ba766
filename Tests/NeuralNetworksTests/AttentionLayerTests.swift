import SwitchbackNeuralNetworks
import SwitchbackPrograms
import Testing

@Suite("Attention, transformers, positions, and dense layers of sequences")
struct AttentionLayerTests {
  private func shape(_ input: Shape, _ layer: any Layer) throws -> Shape { try Networks.outputShape(input, layer) }

  private func network(_ sample: Shape, _ layers: any Layer...) throws -> InferenceProgram {
    try InferenceProgram.build(Sequential(layers), sampleShape: sample, batchSize: 2)
  }

  private func weights(_ sample: Shape, _ layer: any Layer) throws -> [String: Shape] {
    let parameters = try network(sample, layer).parameters
    let start = "layers.0.\(layer.kind)".count + 1
    return Dictionary(uniqueKeysWithValues: parameters.map { (String($0.name.dropFirst(start)), $0.type.shape) })
  }

  @Test("a dense layer of a sequence is one product for all its tokens")
  func tokens() throws {
    #expect(try shape([3, 5, 4], Dense(7)) == [3, 5, 7])
    let program = try network([5, 4], Dense(7, activation: .tanh), Dense(3)).program
    let products = program.calls.filter { $0.operation is MatrixMultiplication }
    #expect(products.map { program.values[$0.inputs[0]].type.shape } == [[10, 4], [10, 7]])
    // Nothing stands between the two layers.
    let tanh = try #require(program.calls.first { $0.name == "tanh" })
    #expect(tanh.outputs.compactMap(\.self) == [products[1].inputs[0]])
    #expect(Networks.message([5, 4, 3], Dense(2)).contains("put a flatten between"))
  }

  @Test("an encoder goes from rows of tokens to heads and back, and nowhere else")
  func reshapes() throws {
    func moves(_ isFirst: Bool) throws -> [Shape] {
      let layer = TransformerEncoder(intermediateDim: 5, numHeads: 2, normalizeFirst: isFirst)
      let program = try network([3, 4], layer).program
      let read = Set(program.calls.flatMap(\.inputs))
      return program.calls.filter { $0.operation is Reshape && read.contains($0.outputs[0] ?? -1) }
        .map { program.values[$0.inputs[0]].type.shape }
    }
    // The input, query, key and value, what the heads give.
    let expected: [Shape] = [[2, 3, 4], [6, 4], [6, 4], [6, 4], [2, 3, 2, 2]]
    #expect(try moves(true) == expected)
    #expect(try moves(false) == expected)
  }

  @Test("attention keeps the steps, and its weights have the names and sizes of its projections")
  func attention() throws {
    #expect(try shape([2, 5, 6], MultiHeadAttention(numHeads: 3, keyDim: 4)) == [2, 5, 6])
    #expect(try shape([2, 5, 6], MultiHeadAttention(numHeads: 3, keyDim: 4, outputShape: 7)) == [2, 5, 7])
    #expect(
      try weights([5, 6], MultiHeadAttention(numHeads: 3, keyDim: 4, valueDim: 2)) == [
        "query/kernel": [6, 12], "query/bias": [12], "key/kernel": [6, 12], "key/bias": [12], "value/kernel": [6, 6],
        "value/bias": [6], "attentionOutput/kernel": [6, 6], "attentionOutput/bias": [6],
      ])
    #expect(
      try weights([5, 6], MultiHeadAttention(numHeads: 2, keyDim: 3, useBias: false)).keys.sorted() == [
        "attentionOutput/kernel", "key/kernel", "query/kernel", "value/kernel",
      ])
  }

  @Test("a step of several heads is moved once for each projection, and of one head not at all")
  func moves() throws {
    func count(_ heads: Int) throws -> Int? {
      try network([5, 6], MultiHeadAttention(numHeads: heads, keyDim: 2)).program.counts["transpose"]
    }
    #expect(try count(3) == 4)
    #expect(try count(1) == nil)
    let masked = try network([5, 6], MultiHeadAttention(numHeads: 1, keyDim: 2, useCausalMask: true)).program
    #expect(masked.counts["select"] == 1)
    #expect(
      try network([1, 6], MultiHeadAttention(numHeads: 1, keyDim: 2, useCausalMask: true)).program.counts["select"]
        == nil)
  }

  @Test("attention to another sequence takes its steps and features, and a third gives the keys")
  func several() throws {
    func build(_ query: Shape, _ value: Shape, _ key: Shape? = nil) throws -> Shape {
      let inputs = [ModelInput("query", .float32(query)), ModelInput("value", .float32(value))]
      let keys = key.map { [ModelInput("key", .float32($0))] } ?? []
      let names = (inputs + keys).map(\.name)
      let model = Graph([GraphNode(MultiHeadAttention(numHeads: 2, keyDim: 3), inputs: names)])
      let program = try InferenceProgram.build(model, inputs: inputs + keys, batchSize: 2).program
      return program.values[try #require(program.output(named: "predictions"))].type.shape
    }
    #expect(try build([4, 5], [7, 3]) == [2, 4, 5])
    #expect(try build([4, 5], [7, 3], [7, 2]) == [2, 4, 5])
    let message = errorText { _ = try build([4, 5], [7, 3], [6, 2]) }
    #expect(
      message.contains("attends from [2,7,3] of value to [2,6,2] of key: each step of the value has a key"),
      "\(message)")
  }

  @Test("an encoder's parts have names, and each dropout its numbers")
  func encoder() throws {
    let layer = TransformerEncoder(intermediateDim: 5, numHeads: 2)
    #expect(try shape([2, 3, 4], layer) == [2, 3, 4])
    let found = try weights([3, 4], layer)
    #expect(found.count == 16)
    for name in [
      "selfAttention.query/kernel", "selfAttention.attentionOutput/bias", "selfAttentionNormalization/gamma",
      "feedforwardIntermediate/kernel", "feedforwardOutput/kernel", "feedforwardNormalization/beta",
    ] { #expect(found[name] != nil, "\(name)") }
    let step = TrainingStep(
      model: Sequential([
        TransformerEncoder(intermediateDim: 5, numHeads: 2, dropout: 0.1), GlobalAveragePooling1D(), Dense(2),
      ]), sampleShape: [3, 4], loss: CategoricalCrossentropy(fromLogits: true), optimizer: SGD())
    #expect(try step.build(batchSize: 2).program.counts["random"] == 3)
    #expect(try step.inference(batchSize: 2).program.counts["random"] == nil)
  }

  @Test("an encoder normalizes behind the sums, or before what is added")
  func order() throws {
    func last(_ isFirst: Bool) throws -> [String] {
      let layer = TransformerEncoder(intermediateDim: 5, numHeads: 2, normalizeFirst: isFirst)
      return try network([3, 4], layer).program.calls.map(\.name).filter { ["normalize", "softmax"].contains($0) }
    }
    #expect(try last(false) == ["softmax", "normalize", "normalize"])
    #expect(try last(true) == ["normalize", "softmax", "normalize"])
  }

  @Test("the sines of a position are those of the paper's formula")
  func sines() throws {
    let parameters = try network([3, 5], SinePositionEncoding(maxWavelength: 100)).parameters
    #expect(parameters.map(\.name) == ["layers.0.sinePositionEncoding/encoding"])
    let encoding = try #require(parameters.first)
    #expect(!encoding.isTrainable && encoding.type.shape == [3, 5])
    // sin t, cos t, sin(t/100^(2/5)), cos(t/100^(2/5)), sin(t/100^(4/5)) for t = 0, 1, 2.
    let known: [Float] = [
      0, 1, 0, 1, 0, 0.8414710, 0.5403023, 0.1578266, 0.9874669, 0.0251162, 0.9092974, -0.4161468, 0.3116970, 0.9501816,
      0.0502166,
    ]
    let values = encoding.initializer.values(shape: [3, 5], seed: 1, name: "")
    #expect(zip(values, known).allSatisfy { abs($0 - $1) < 1e-6 }, "\(values)")
  }

  @Test("learned positions may be more than a sequence has steps, and not fewer")
  func rows() throws {
    #expect(try shape([2, 3, 5], PositionEmbedding(3)) == [2, 3, 5])
    #expect(try weights([3, 5], PositionEmbedding(7)) == ["embeddings": [7, 5]])
    #expect(
      Networks.message([4, 5], PositionEmbedding(3))
        == "layers.0.positionEmbedding: takes sequences of at most 3 steps, as sequence_length says, but gets [64,4,5] "
        + "from the model's input; later places have no row")
  }

  @Test("a width that the heads do not divide is an error that names both")
  func heads() {
    #expect(
      Networks.message([3, 65], TransformerEncoder(intermediateDim: 5, numHeads: 4))
        == "layers.0.transformerEncoder: takes sequences whose width num_heads, 4, divides, but gets [64,3,65] from the "
        + "model's input; 65 is no multiple of it")
  }

  @Test("what does not fit and what makes no sense is said with the layer's path")
  func wrong() {
    func says(_ words: String, _ sample: Shape, _ layer: any Layer) {
      let message = Networks.message(sample, layer)
      #expect(message.contains(words) && message.hasPrefix("layers.0.\(layer.kind)"), "\(message)")
    }
    for layer: any Layer in [
      MultiHeadAttention(numHeads: 1, keyDim: 2), TransformerEncoder(intermediateDim: 3, numHeads: 1),
      SinePositionEncoding(), PositionEmbedding(9),
    ] { says("takes sequences [N, T, C], but gets [64,7]", [7], layer) }
    says("num_heads must be positive, not 0", [3, 4], MultiHeadAttention(numHeads: 0, keyDim: 2))
    says("key_dim must be positive, not -1", [3, 4], MultiHeadAttention(numHeads: 1, keyDim: -1))
    says("value_dim must be positive, not 0", [3, 4], MultiHeadAttention(numHeads: 1, keyDim: 1, valueDim: 0))
    says("units must be positive, not 0", [3, 4], MultiHeadAttention(numHeads: 1, keyDim: 1, outputShape: 0))
    says("the rate must lie in 0 ..< 1, not be 1.0", [3, 4], MultiHeadAttention(numHeads: 1, keyDim: 1, dropout: 1))
    says("num_heads must be positive, not 0", [3, 4], TransformerEncoder(intermediateDim: 1, numHeads: 0))
    says("intermediate_dim must be positive", [3, 4], TransformerEncoder(intermediateDim: 0, numHeads: 1))
    says("the rate must lie in 0 ..< 1", [3, 4], TransformerEncoder(intermediateDim: 1, numHeads: 1, dropout: -0.5))
    says("epsilon must be", [3, 4], TransformerEncoder(intermediateDim: 1, numHeads: 1, layerNormEpsilon: 0))
    says("max_wavelength must be a number between 1.0 and", [3, 4], SinePositionEncoding(maxWavelength: 0))
    says("sequence_length must be positive, not 0", [3, 4], PositionEmbedding(0))
  }

  @Test("defaults are Keras's")
  func defaults() {
    let attention = MultiHeadAttention(numHeads: 2, keyDim: 3)
    #expect(attention.valueDim == nil && attention.outputShape == nil && attention.dropout == 0)
    #expect(attention.useBias && !attention.useCausalMask)
    #expect(attention.kernelInitializer == .glorotUniform && attention.biasInitializer == .zeros)
    let encoder = TransformerEncoder(intermediateDim: 4, numHeads: 2)
    #expect(encoder.dropout == 0 && encoder.activation == .relu && encoder.layerNormEpsilon == 1e-5)
    #expect(!encoder.normalizeFirst && encoder.kernelInitializer == .glorotUniform)
    #expect(SinePositionEncoding().maxWavelength == 10_000 && PositionEmbedding(4).initializer == .glorotUniform)
  }
}
