import SwitchbackNeuralNetworks
import SwitchbackPrograms
import Testing

/// A trace with inputs of one shape, each with a mask of its own.
private struct MaskedTrace {
  var context: LayerContext
  let inputs: [Value]
  let masks: [Value]

  init(_ type: TensorType = .float32([2, 6, 4]), count: Int = 1, isTraining: Bool = true) throws {
    var context = LayerContext(builder: ProgramBuilder(name: "masked"), isTraining: isTraining)
    let steps = Shape(Array(type.shape.extents.prefix(2)))
    inputs = (0..<count).map { context.builder.input("x\($0)", type) }
    masks = (0..<count).map { context.builder.input("mask\($0)", TensorType(.bool, steps)) }
    for (input, mask) in zip(inputs, masks) { try context.setMask(mask, of: input) }
    self.context = context
  }

  mutating func call(_ layer: any Layer) throws(ProgramError) -> Value {
    try context.call(layer, at: "layer", inputs)[0]
  }

  /// What the mask of a layer's result was made by; nil where it has none.
  static func maker(_ layer: any Layer, _ type: TensorType = .float32([2, 6, 4]), count: Int = 1) throws -> String? {
    var trace = try MaskedTrace(type, count: count)
    let result = try trace.call(layer)
    guard let mask = trace.context.mask(of: result) else { return nil }
    if let place = trace.masks.firstIndex(of: mask) { return "mask\(place)" }
    let call = trace.context.builder.build().calls.first { $0.outputs.contains(mask.id) }
    return call?.name
  }

  static func message(_ layer: any Layer, _ type: TensorType = .float32([2, 6, 4]), count: Int = 1) -> String {
    errorText {
      var trace = try MaskedTrace(type, count: count)
      _ = try trace.call(layer)
    }
  }
}

/// A layer of somebody who knows nothing of masks.
private struct Doubled: UnaryLayer {
  var kind: String { "doubled" }
  func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.append(Binary(.add), input, input)
  }
}

/// One that reads the mask and the input, and answers the input's steps with other masks.
private struct Weighed: UnaryLayer {
  var kind: String { "weighed" }
  var masking: Masking { .consumed }
  func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    let result = try context.masked(input, filler: -1)
    try context.setMask(context.mask(of: input), of: result)
    return result
  }
}

/// One that says it keeps the steps and does not.
private struct Broken: UnaryLayer {
  var kind: String { "broken" }
  var masking: Masking { .passed }
  func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.append(Reduce(.sum, axes: [1]), input)
  }
}

@Suite("Masks")
struct MaskTests {
  private static let passed: Set = [
    "dense", "dropout", "spatial_dropout1d", "gaussian_noise", "gaussian_dropout", "rescaling", "activation",
    "leaky_relu", "prelu", "add", "multiply", "sine_position_encoding", "position_embedding",
  ]
  private static let consumed: Set = [
    "simple_rnn", "lstm", "gru", "bidirectional",
    "embedding", "batch_normalization", "layer_normalization", "rms_normalization", "global_average_pooling1d",
    "global_max_pooling1d", "reshape", "permute", "concatenate", "shared", "residual", "repeat",
    "multi_head_attention", "transformer_encoder",
  ]
  @Test("a layer of the catalogue that passes masks on, or takes them, is in a list of these; each other refuses them")
  func catalogue() throws {
    for type in LayerCatalog.layers {
      func prototype<L: ConfigurableLayer>(_ type: L.Type) -> any Layer { type.settings.prototype }
      // Its prototype has one position.
      let (word, layer) = (type.word, type.word == "position_embedding" ? PositionEmbedding(6) : prototype(type))
      switch layer.masking {
      case .unsupported:
        #expect(!Self.passed.contains(word) && !Self.consumed.contains(word), "\(word)")
        let message = MaskedTrace.message(layer)
        #expect(
          message.contains("layer: cannot honour the mask of [2,6,4] from the model's input"), "\(word): \(message)")
      case .passed:
        #expect(Self.passed.contains(word), "\(word)")
        let count = ["add", "multiply"].contains(word) ? 2 : 1
        let message = MaskedTrace.message(layer, count: count)
        #expect(try MaskedTrace.maker(layer, count: count) == (count == 2 ? "minimum" : "mask0"), "\(word): \(message)")
        #expect(
          MaskedTrace.message(layer, .float32([2, 6]), count: count).contains("put a reshape to [T, 1] before"),
          "\(word)")
      case .consumed: #expect(Self.consumed.contains(word), "\(word)")
      }
    }
  }

  @Test("layers that keep the steps hand masks on, containers as their layers do")
  func passing() throws {
    for layer: any Layer in [
      LayerNormalization(), LayerNormalization(axis: [2]), RMSNormalization(), BatchNormalization(),
      Reshaping([6, 2, 2]), Reshaping([6, -1]), Reshaping([6, 4]), Permute([1, 2]),
      Sequential([Activation(.tanh), Dropout(0.5)]), Repeat(2, [GraphNode(Activation(.relu))]),
      Graph([GraphNode(Activation(.relu))]), Frozen(Activation(.relu)), Weighed(),
      Residual([GraphNode(Activation(.relu))]),
      Residual([GraphNode(Activation(.relu))], activation: .relu), Sequential([Dense(4), LayerNormalization()]),
      MultiHeadAttention(numHeads: 2, keyDim: 3), TransformerEncoder(intermediateDim: 3, numHeads: 2),
      TransformerEncoder(intermediateDim: 3, numHeads: 2, normalizeFirst: true),
    ] {
      #expect(try MaskedTrace.maker(layer) == "mask0", "\(layer.kind)")
    }
    #expect(try MaskedTrace.maker(Reshaping([6, 1]), .float32([2, 6])) == "mask0")
    #expect(try MaskedTrace.maker(Permute([1, 3, 2]), .float32([2, 6, 4, 3])) == "mask0")
    #expect(try MaskedTrace.maker(Embedding(9, 3), .int32([2, 6])) == "mask0")
    #expect(try MaskedTrace.maker(Embedding(9, 3, maskZero: true), .int32([2, 6])) == "minimum")
    #expect(try MaskedTrace.maker(Concatenate(), count: 2) == "minimum")
    #expect(try MaskedTrace.maker(Concatenate(axis: 1), count: 2) == "concatenate")
    for layer: any Layer in [GlobalAveragePooling1D(), GlobalMaxPooling1D(), GlobalMaxPooling1D(keepDimensions: true)] {
      #expect(try MaskedTrace.maker(layer) == nil, "\(layer.kind)")
    }
  }

  @Test("a layer run again by its name, or frozen, is asked as where it stands")
  func again() throws {
    let known = Activation(.relu, name: "known")
    var trace = try MaskedTrace()
    let results = try trace.context.call(
      Graph(outputs: ["known", "second"]) {
        known
        Shared("known", name: "second").reading("known")
      }, at: "graph", trace.inputs)
    #expect(results.map { trace.context.mask(of: $0) } == [trace.masks[0], trace.masks[0]])
    #expect(MaskedTrace.message(Frozen(Flatten())).contains("layer: cannot honour the mask of [2,6,4]"))
  }

  @Test("a sequence without a mask beside one with is valid throughout where they are joined along time")
  func half() throws {
    var trace = try MaskedTrace(count: 2)
    try trace.context.setMask(nil, of: trace.inputs[1])
    let result = try trace.call(Concatenate(axis: 1))
    let mask = try #require(trace.context.mask(of: result))
    #expect(mask.type == TensorType(.bool, [2, 12]))
    let program = trace.context.builder.build()
    #expect(program.calls.contains { ($0.operation as? Fill)?.elementType == .bool })
    var other = try MaskedTrace(count: 2)
    try other.context.setMask(other.masks[0], of: other.inputs[1])
    // One and the same mask needs no call.
    let sum = try other.call(Add())
    #expect(other.context.mask(of: sum) == other.masks[0])
    #expect(other.context.builder.build().calls.count == 1)
  }

  @Test("a layer that says nothing of masks takes what has none, and is named where it is given one")
  func unsaid() throws {
    #expect(MaskedTrace.message(Doubled()).hasPrefix("layer: cannot honour the mask of [2,6,4] from the model's"))
    var trace = try MaskedTrace()
    try trace.context.setMask(nil, of: trace.inputs[0])
    let result = try trace.call(Doubled())
    #expect(trace.context.mask(of: result) == nil)
    let inner = MaskedTrace.message(Sequential([Activation(.relu), Doubled()]))
    #expect(
      inner.hasPrefix(
        "layer.layers.1.doubled: cannot honour the mask of [2,6,4] from layer.layers.0.activation: "
          + "it takes all steps for valid ones. Pool over time before it (global_average_pooling1d)"), "\(inner)")
  }

  @Test(
    "what cannot be masked says why",
    arguments: [
      ("layer: a mask of [2,4] is bool of its first two axes [N, T]", Broken() as any Layer, 3),
      ("its statistics are over the steps", LayerNormalization(axis: [1, 2]), 3),
      ("its statistics are over the steps", RMSNormalization(axis: [-2]), 3),
      ("its channels are the steps", BatchNormalization(axis: 1), 3),
      ("only a shape that begins with its 6 steps keeps them", Reshaping([24]), 3),
      ("only a shape that begins with its 6 steps keeps them", Reshaping([3, 8]), 3),
      ("it moves the steps", Permute([2, 1]), 3),
      ("takes sequences [N, T] with mask_zero", Embedding(9, 3, maskZero: true), 1),
    ])
  func refusals(words: String, layer: any Layer, rank: Int) throws {
    guard rank == 3 else {
      let message = errorText {
        var context = LayerContext(builder: ProgramBuilder(name: "tokens"), isTraining: false)
        _ = try context.call(layer, at: "layer", context.builder.input("tokens", .int32([2])))
      }
      return #expect(message.contains(words), "\(message)")
    }
    #expect(MaskedTrace.message(layer).contains(words), "\(MaskedTrace.message(layer))")
  }

  @Test("samples that are joined have no mask of their steps")
  func batches() {
    #expect(MaskedTrace.message(Concatenate(axis: 0), count: 2).contains("it joins samples"))
  }

  @Test("a mask is bool of a value's first two axes")
  func types() throws {
    var context = LayerContext(builder: ProgramBuilder(name: "masks"), isTraining: false)
    let x = context.builder.input("x", .float32([2, 6, 4]))
    let row = context.builder.input("row", .float32([2]))
    for type in [TensorType(.bool, [2, 5]), .float32([2, 6]), TensorType(.bool, [2]), TensorType(.bool, [2, 6, 4])] {
      let mask = context.builder.input("mask \(type)", type)
      #expect(throws: ProgramError.self) { try context.setMask(mask, of: x) }
    }
    let right = context.builder.input("mask", TensorType(.bool, [2, 6]))
    try context.setMask(right, of: x)
    #expect(context.mask(of: x) == right && context.mask(of: row) == nil)
    #expect(throws: ProgramError.self) { try context.setMask(right, of: row) }
    try context.setMask(nil, of: x)
    #expect(context.mask(of: x) == nil)
  }
}

@Suite("Masks of a model's inputs")
struct InputMaskTests {
  private let model = Sequential {
    Embedding(9, 3)
    GlobalAveragePooling1D()
    Dense(2, activation: .softmax)
  }

  private func program(
    _ mask: ModelInput.Mask?, _ others: ModelInput..., model: (any Layer)? = nil
  ) throws(ProgramError) -> Program {
    try InferenceProgram.build(
      model ?? self.model, inputs: [ModelInput("tokens", .int32([6]), mask: mask)] + others, batchSize: 4
    ).program
  }

  @Test("lengths and masks become inputs of the program; without them it is as it was")
  func inputs() throws {
    let plain = try program(nil)
    #expect(plain.names(.input) == ["tokens"])
    let lengths = try program(.lengths("lengths"))
    #expect(lengths.names(.input) == ["tokens", "lengths"])
    #expect(lengths.values[lengths.value(named: "lengths")!].type == .int32([4]))
    #expect(lengths.calls[0].operation as? SequenceMask == SequenceMask(steps: 6) && lengths.calls[0].path == "lengths")
    let mask = try program(.init("valid", TensorType(.uint8, [6])))
    #expect(mask.values[mask.value(named: "valid")!].type == TensorType(.uint8, [4, 6]))
    #expect(mask.calls[0].operation as? Cast == Cast(to: .bool))
    let bools = try program(.init("valid", TensorType(.bool, [6])))
    #expect(bools.calls.count == mask.calls.count - 1)
  }

  @Test("a field that says which steps are valid may be read besides, and say it of several inputs")
  func shared() throws {
    let two = Graph(inputs: ["tokens", "lengths", "tags"], outputs: ["out"]) {
      Embedding(9, 3, name: "words").reading("tokens")
      Embedding(9, 3, name: "kinds").reading("tags")
      Add(name: "sum").reading("words", "kinds")
      GlobalMaxPooling1D(name: "text")
      Embedding(7, 3, name: "long").reading("lengths")
      Concatenate(name: "both").reading("text", "long")
      Dense(2, name: "out")
    }
    let found = try program(
      .lengths("lengths"), ModelInput("lengths", .int32([])),
      ModelInput("tags", .int32([6]), mask: .lengths("lengths")), model: two)
    #expect(found.names(.input) == ["tokens", "lengths", "tags"])
  }

  @Test("what cannot be a mask says why")
  func refusals() {
    func message(_ mask: ModelInput.Mask, _ others: ModelInput...) -> String {
      errorText {
        _ = try InferenceProgram.build(
          model, inputs: [ModelInput("tokens", .int32([6]), mask: mask)] + others, batchSize: 4)
      }
    }
    for type in [TensorType.float32([]), .float32([5]), .int32([6, 1]), TensorType(.uint8, [])] {
      let found = message(.init("mask", type))
      #expect(
        found.contains("the mask of tokens: mask is \(type), and masks of i32[6] are lengths i32[] or one number"),
        "\(found)")
    }
    #expect(
      message(.lengths("lengths"), ModelInput("lengths", .float32([]))).contains(
        "the mask of tokens is lengths i32[4], which the model reads as f32[4]"))
    let row = errorText {
      _ = try InferenceProgram.build(
        Dense(2), inputs: [ModelInput("x", .float32([]), mask: .lengths("lengths"))], batchSize: 4)
    }
    #expect(row.contains("the mask of x: there are no steps along an axis of f32[]"), "\(row)")
  }

  @Test("class labels are one a step of an output with steps, whether these have a mask or not")
  func labels() throws {
    for mask in [nil, ModelInput.Mask.lengths("lengths")] {
      let step = TrainingStep(
        model: Sequential {
          Embedding(9, 1)
          Activation(.sigmoid)
        }, inputs: [ModelInput("tokens", .int32([6]), mask: mask)],
        objectives: [Objective(loss: BinaryCrossentropy())], optimizer: SGD())
      let program = try step.build(batchSize: 4).program
      #expect(program.values[try #require(program.value(named: "labels"))].type == .int32([4, 6]))
      #expect((program.output(named: "weightSum") != nil) == (mask != nil))
      let names = try step.inference(batchSize: 4).program.outputs.map(\.name)
      #expect(names == (mask == nil ? ["predictions"] : ["predictions", "mask"]))
    }
  }

  @Test("class labels need rows of classes, or steps of such")
  func classes() {
    let step = TrainingStep(
      model: Sequential([Activation(.tanh)]),
      inputs: [ModelInput("x", .float32([6, 2, 3]), mask: .lengths("lengths"))],
      objectives: [Objective(loss: CategoricalCrossentropy())], optimizer: SGD())
    let message = errorText { _ = try step.build(batchSize: 4) }
    #expect(message.contains("one a step of [N, T, classes], and the output [4,6,2,3] has a mask"), "\(message)")
  }

  @Test("an evaluation says which steps count, where targets are by steps")
  func evaluation() throws {
    let step = TrainingStep(
      model: Sequential([Embedding(9, 2)]),
      inputs: [ModelInput("tokens", .int32([6]), mask: .lengths("lengths"))],
      objectives: [Objective(loss: MeanSquaredError())], optimizer: SGD())
    let program = try step.evaluation(batchSize: 4).program
    #expect(program.outputs.map(\.name) == ["predictions", "mask", "lossSum"])
    #expect(program.values[program.output(named: "mask")!].type == TensorType(.bool, [4, 6]))
    #expect(try step.inference(batchSize: 4).program.outputs.map(\.name) == ["predictions"])
  }
}
