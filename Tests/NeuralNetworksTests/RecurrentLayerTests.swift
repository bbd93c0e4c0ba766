import SwitchbackNeuralNetworks
import SwitchbackPrograms
import Testing

@Suite("Recurrent layers")
struct RecurrentLayerTests {
  private func parameters(_ layer: any Layer, _ sample: Shape = [7, 3]) throws -> [String: Shape] {
    let network = try InferenceProgram.build(Sequential([layer]), sampleShape: sample, batchSize: 2)
    let names = network.parameters.map { $0.name.replacing("layers.0.", with: "") }
    return Dictionary(uniqueKeysWithValues: zip(names, network.parameters.map(\.type.shape)))
  }

  /// A training step of numbers on sequences.
  private func training(
    _ sample: Shape = [7, 3], batchSize: Int = 4, _ layers: any Layer...
  ) throws(ProgramError) -> TrainingProgram {
    try TrainingStep(
      model: Sequential(layers + [Dense(1)]), sampleShape: sample, loss: MeanSquaredError(),
      optimizer: SGD(learningRate: 0.1), inputName: "sequence"
    ).build(batchSize: batchSize)
  }

  @Test("weights have Keras's shapes and names, and results are of the last step or of all")
  func shapes() throws {
    #expect(
      try parameters(SimpleRNN(5))
        == ["simpleRnn/kernel": [3, 5], "simpleRnn/recurrentKernel": [5, 5], "simpleRnn/bias": [5]])
    #expect(
      try parameters(LSTM(5)) == ["lstm/kernel": [3, 20], "lstm/recurrentKernel": [5, 20], "lstm/bias": [20]])
    #expect(try parameters(LSTM(5, useBias: false)) == ["lstm/kernel": [3, 20], "lstm/recurrentKernel": [5, 20]])
    #expect(try parameters(GRU(5)) == ["gru/kernel": [3, 15], "gru/recurrentKernel": [5, 15], "gru/bias": [2, 15]])
    #expect(try parameters(GRU(5, resetAfter: false))["gru/bias"] == [15])
    #expect(
      try parameters(Bidirectional(GRU(2, useBias: false)))
        == [
          "bidirectional.forward/kernel": [3, 6], "bidirectional.forward/recurrentKernel": [2, 6],
          "bidirectional.backward/kernel": [3, 6], "bidirectional.backward/recurrentKernel": [2, 6],
        ])
    let layers: [any Layer] = [SimpleRNN(5), LSTM(5), GRU(5), GRU(5, goBackwards: true, resetAfter: false)]
    for layer in layers { #expect(try Networks.outputShape([2, 7, 3], layer) == [2, 5]) }
    #expect(
      try Networks.outputShape([2, 7, 3], LSTM(5, returnSequences: true), GRU(4, returnSequences: true)) == [2, 7, 4])
    for (mode, width) in [(Bidirectional.MergeMode.concat, 10), (.sum, 5), (.mul, 5), (.ave, 5), (.none, 5)] {
      #expect(try Networks.outputShape([2, 7, 3], Bidirectional(LSTM(5), mergeMode: mode)) == [2, width])
      #expect(
        try Networks.outputShape([2, 7, 3], Bidirectional(LSTM(5, returnSequences: true), mergeMode: mode))
          == [2, 7, width])
    }
  }

  @Test("defaults are Keras's")
  func defaults() {
    let (simple, lstm, gru) = (SimpleRNN(1), LSTM(1), GRU(1))
    #expect(simple.activation == .tanh && lstm.activation == .tanh && gru.activation == .tanh)
    #expect(lstm.recurrentActivation == .sigmoid && gru.recurrentActivation == .sigmoid)
    #expect(lstm.kernelInitializer == .glorotUniform && lstm.recurrentInitializer == .orthogonal())
    #expect(lstm.biasInitializer == .zeros && lstm.unitForgetBias && gru.resetAfter && simple.useBias)
    #expect(!lstm.returnSequences && !lstm.returnState && !lstm.goBackwards && !lstm.stateful)
    #expect(Bidirectional(lstm).mergeMode == .concat)
  }

  @Test("a whole sequence is one product and one operation, and nothing is turned round twice")
  func operations() throws {
    func counts(_ layer: any Layer) throws -> [String: Int] {
      try InferenceProgram.build(Sequential([layer]), sampleShape: [7, 3], batchSize: 2).program.counts
    }
    let lstm = try counts(LSTM(5, returnSequences: true))
    #expect(lstm["matmul"] == 1 && lstm["lstm"] == 1 && lstm["reverse"] == nil && lstm["slice"] == nil)
    #expect(try counts(GRU(5))["gru"] == 1 && counts(SimpleRNN(5))["rnn"] == 1)
    #expect(try counts(LSTM(5, returnSequences: true, goBackwards: true))["reverse"] == 1)
    #expect(try counts(LSTM(5, goBackwards: true))["reverse"] == nil)
    let both = try counts(Bidirectional(LSTM(5, returnSequences: true)))
    #expect(both["lstm"] == 2 && both["matmul"] == 2 && both["reverse"] == nil)
    #expect(try counts(Bidirectional(LSTM(5, returnSequences: true, goBackwards: true)))["reverse"] == 1)
  }

  @Test("the forget gate's bias starts with 1, whatever the others start with; recurrent kernels are orthonormal")
  func initialValues() throws {
    func values(_ layer: any Layer, _ name: String) throws -> [Float] {
      let states = try training([7, 3], layer).states
      return try #require(states.first { $0.name.hasSuffix("/" + name) }).values(seed: 3)
    }
    #expect(try values(LSTM(2), "bias") == [0, 0, 1, 1, 0, 0, 0, 0])
    #expect(try values(LSTM(2, unitForgetBias: false), "bias") == [Float](repeating: 0, count: 8))
    let drawn = try values(LSTM(2, biasInitializer: .randomUniform()), "bias")
    #expect(drawn[2] == 1 && drawn[3] == 1 && drawn.count { $0 != 1 && $0 != 0 } == 6)
    #expect(try values(GRU(3), "bias") == [Float](repeating: 0, count: 18))
    for (layer, width) in [(SimpleRNN(4), 4), (LSTM(4), 16), (GRU(4), 12)] as [(any Layer, Int)] {
      let kernel = try values(layer, "recurrentKernel")
      for a in 0..<4 {
        for b in 0..<4 {
          let product = (0..<width).reduce(Float(0)) { $0 + kernel[a * width + $1] * kernel[b * width + $1] }
          #expect(abs(product - (a == b ? 1 : 0)) < 1e-5, "\(layer.kind)")
        }
      }
    }
    let message = errorText { _ = try training([7, 3], LSTM(2, biasInitializer: .values([1, 2]))) }
    #expect(message.contains("bias: it has the shape [8], but 2 values are given"), "\(message)")
    for units in [-1, 1, 3, Int.max] {
      let layer = GRU(4, biasInitializer: .openForgetGate(.zeros, units: units), resetAfter: false)
      let message = errorText { _ = try training([7, 3], layer) }
      #expect((message == "") == (units == 3), "\(message)")
    }
  }

  @Test("states are results with names, and first states are further inputs")
  func states() throws {
    let model = Graph(outputs: ["answer"]) {
      LSTM(4, returnSequences: true, returnState: true, name: "encoder").reading("sequence")
      LSTM(4, returnState: true, name: "decoder").reading("sequence", "encoder:state", "encoder:carry")
      Bidirectional(GRU(2, returnSequences: true, returnState: true), mergeMode: .none, name: "both")
        .reading("encoder")
      Concatenate(name: "all").reading(
        "decoder", "decoder:state", "decoder:carry", "both:forward_state", "both:backward_state")
      GlobalAveragePooling1D(name: "mean").reading("both:backward")
      Dense(4, name: "projected").reading("mean")
      Concatenate(name: "answer").reading("all", "projected")
    }
    let network = try InferenceProgram.build(model, sampleShape: [7, 3], batchSize: 2, inputName: "sequence")
    let output = try #require(network.program.output(named: "predictions"))
    #expect(network.program.values[output].type.shape == [2, 4 + 4 + 4 + 2 + 2 + 4])
    #expect(LSTM(1, returnState: true).resultNames == ["output", "state", "carry"] && LSTM(1).resultNames == [])
    #expect(Bidirectional(LSTM(1)).resultNames == [])
    #expect(Bidirectional(LSTM(1), mergeMode: .none).resultNames == ["forward", "backward"])
    #expect(
      Bidirectional(LSTM(1, returnState: true)).resultNames
        == ["output", "forward_state", "forward_carry", "backward_state", "backward_carry"])
  }

  @Test("what the activations of the gates get is watched: the gradient at each step of time")
  func gates() throws {
    let program = try training([7, 3], LSTM(5, returnSequences: true), GRU(4), Dense(2, activation: .relu))
    #expect(program.gates.map(\.path) == ["layers.0.lstm", "layers.1.gru", "layers.2.dense", "layers.3.dense"])
    #expect(program.gates.map(\.sources) == [[], [0], [1], [2]])
    #expect(program.gates[0].preActivationGradient?.type == .float32([4, 7, 20]))
    #expect(program.gates[1].preActivationGradient?.type == .float32([4, 7, 12]))
    #expect(program.gates[0].outputGradient?.type == .float32([4, 7, 5]))
  }

  @Test("a gate says how its layer goes through time; a layer without time has no course")
  func courses() throws {
    let program = try training(
      [7, 3], SimpleRNN(3, returnSequences: true, goBackwards: true), Bidirectional(LSTM(2, returnSequences: true)),
      GRU(4), Dense(2))
    let courses = program.gates.map(\.course)
    #expect(courses.map { $0?.isReversed } == [true, false, true, false, nil, nil])
    #expect(courses.map { $0?.isGated } == [false, true, true, true, nil, nil])
  }

  @Test("a stateful layer keeps states of the training batch; inference has none, whatever its batch")
  func stateful() throws {
    let layer = LSTM(5, stateful: true)
    let program = try training([7, 3], layer)
    let kept = program.parameters.filter(\.isPerSample)
    #expect(kept.map(\.name) == ["layers.0.lstm/state", "layers.0.lstm/carry"])
    #expect(kept.allSatisfy { $0.type == .float32([4, 5]) && $0.isReplaced && !$0.isTrainable })
    #expect(program.layers[0].parameterCount == 3 * 20 + 5 * 20 + 20)
    #expect(try parameters(layer) == parameters(LSTM(5)))
    #expect(try training([7, 3], Frozen(layer)).parameters.allSatisfy { !$0.isPerSample })
  }

  @Test("a cell may run a recurrent layer itself: its weights are there once")
  func nested() throws {
    struct Lines: RecurrentCell {
      var kind: String { "lines" }
      var stateShapes: [Shape] { [[2]] }
      func callAsFunction(
        _ input: Value, _ states: [Value], in context: inout LayerContext
      ) throws(ProgramError) -> (output: Value, states: [Value]) {
        let line = try context.call(Recurrent(Kept()), at: "line", input)
        return (line, [line])
      }
    }
    struct Kept: RecurrentCell {
      var kind: String { "kept" }
      var stateShapes: [Shape] { [[2]] }
      func callAsFunction(
        _ input: Value, _ states: [Value], in context: inout LayerContext
      ) throws(ProgramError) -> (output: Value, states: [Value]) {
        let seen = try context.call(Dense(2, useBias: false), at: "dense", input)
        let sum = try context.append(Binary(.add), states[0], seen)
        return (sum, [sum])
      }
    }
    #expect(try parameters(Recurrent(Lines()), [4, 5, 3]) == ["rnn.lines.line.kept.dense/kernel": [3, 2]])
    #expect(try parameters(Bidirectional(Recurrent(Lines())), [4, 5, 3]).count == 2)
  }

  @Test("a sequence without a step has no last one: an error with both layers")
  func noStep() {
    struct Sum: RecurrentCell {
      var kind: String { "sum" }
      var stateShapes: [Shape] { [[3]] }
      func callAsFunction(
        _ input: Value, _ states: [Value], in context: inout LayerContext
      ) throws(ProgramError) -> (output: Value, states: [Value]) {
        let sum = try context.append(Binary(.add), states[0], input)
        return (sum, [sum])
      }
    }
    for layer: any Layer in [Recurrent(Sum()), LSTM(2), Bidirectional(Recurrent(Sum()))] {
      let message = errorText {
        var context = LayerContext(builder: ProgramBuilder(name: "empty"), isTraining: false)
        let x = context.builder.input("x", .float32([2, 0, 3]))
        _ = try context.call(layer, at: "layer", x)
      }
      #expect(
        message == "layer: takes sequences of at least one step, but gets [2,0,3] from the model's input",
        "\(layer.kind)")
    }
  }

  @Test("what cannot be is said with the layer's path")
  func wrong() {
    func says(_ words: String, _ sample: Shape, _ layers: any Layer...) {
      let message = errorText {
        _ = try InferenceProgram.build(Sequential(layers), sampleShape: sample, batchSize: 64)
      }
      #expect(message.contains(words) && message.contains("layers."), "\(message)")
    }
    says("takes sequences [N, T, features] (f32), but gets [64,7]", [7], LSTM(4))
    says(
      "takes sequences [N, T, C], but gets [64,4,3,2] from the model's input; put a reshape to [4, 6] between",
      [4, 3, 2], GRU(4))
    says("units must be positive", [7, 3], SimpleRNN(0))
    says(
      "activation cannot be swish; these work: linear, relu, selu, sigmoid, hard_sigmoid, tanh, softplus", [7, 3],
      SimpleRNN(2, activation: .swish))
    says("recurrent_activation cannot be softmax", [7, 3], GRU(2, recurrentActivation: .softmax))
    says("the rate must lie in 0 ..< 1", [7, 3], LSTM(2, dropout: 1))
    says(
      "runs a recurrent layer in both directions (simple_rnn, lstm, gru), and dense is none", [7, 3],
      Bidirectional(Dense(3)))
    says("set go_backwards: true in backward_layer", [7, 3], Bidirectional(LSTM(3), backwardLayer: LSTM(3)))
    says(
      "both directions have the same return_sequences", [7, 3],
      Bidirectional(LSTM(3), backwardLayer: LSTM(3, returnSequences: true, goBackwards: true)))
    says(
      "the directions give [64,3] and [64,4], which merge_mode sum cannot join", [7, 3],
      Bidirectional(LSTM(3), backwardLayer: GRU(4, goBackwards: true), mergeMode: .sum))
    func graph(_ words: String, _ layer: any Layer, _ inputs: String...) {
      let model = Graph([
        LSTM(4, returnSequences: true, returnState: true, name: "first").reading("sequence"),
        GraphNode(layer, inputs: inputs),
      ])
      let message = errorText {
        _ = try InferenceProgram.build(model, sampleShape: [7, 3], batchSize: 64, inputName: "sequence")
      }
      #expect(message.contains(words), "\(message)")
    }
    graph(
      "takes [64,3] for state before the first step, but gets [64,4] from first", LSTM(3), "first", "first:state",
      "first:carry")
    graph(
      "takes a sequence, or a sequence and the states before its first step (state, carry), but gets 2 inputs", LSTM(4),
      "first", "first:state")
    graph(
      "a stateful layer goes on from its own states", GRU(4, stateful: true), "first", "first:state")
  }
}
