import SwitchbackNeuralNetworks
import SwitchbackPrograms
import Testing

@Suite("Graphs")
struct GraphTests {
  private let images = ModelInput("images", .float32([6, 6, 3]))
  private let table = ModelInput("table", .float32([2]))

  private func parameters(_ model: any Layer, _ inputs: [ModelInput]) throws(ProgramError) -> [String] {
    try InferenceProgram.build(model, inputs: inputs, batchSize: 2).parameters.map(\.name)
  }

  private func message(_ model: any Layer, _ inputs: ModelInput...) -> String {
    errorText { _ = try parameters(model, inputs) }
  }

  @Test("nodes read the one before, a name, an input, and one around them")
  func wiring() throws {
    let model = Graph {
      Conv2D(4, kernelSize: 3, useBias: false, name: "stem").reading("images")
      GlobalAveragePooling2D(name: "seen")
      Dense(3, useBias: false, name: "side").reading("table")
      Concatenate().reading("seen", "side")
      Residual {
        Dense(4, useBias: false, name: "inner")
        Concatenate().reading("side", "inner")
      }
      Dense(2, useBias: false)
    }
    let program = try InferenceProgram.build(model, inputs: [images, table], batchSize: 2).program
    #expect(program.names(.input) == ["images", "table"])
    #expect(
      try parameters(model, [images, table]) == [
        "stem/kernel", "side/kernel", "layers.4.residual.inner/kernel", "layers.5.dense/kernel",
      ])
    #expect(program.values[program.output(named: "predictions")!].type.shape == [2, 2])
  }

  @Test("repetitions and blocks have weights of their own, and paths that tell them apart")
  func repetitions() throws {
    let model = Sequential {
      Repeat(2) {
        Block { Residual { Dense(4, useBias: false) } }
      }
    }
    let path = "layers.0.repeat"
    #expect(
      try parameters(model, [ModelInput("x", .float32([4]))])
        == [0, 1].map { "\(path).\($0).layers.0.block.layers.0.residual.layers.0.dense/kernel" })
  }

  @Test("a shared layer runs again with its weights, which are there once")
  func shared() throws {
    let model = Graph {
      Dense(4, name: "twin").reading("left")
      Shared("twin", name: "other").reading("right")
      Dot().reading("twin", "other")
    }
    let inputs = [ModelInput("left", .float32([3])), ModelInput("right", .float32([3]))]
    let step = TrainingStep(
      model: model, inputs: inputs, objectives: [Objective(loss: MeanSquaredError())], optimizer: SGD())
    let training = try step.build(batchSize: 5)
    #expect(training.parameters.map(\.name) == ["twin/kernel", "twin/bias"])
    // The gradient, a sum over both uses, is looked at beside PyTorch's layers.
    let kernel = training.parameters[0].value.id
    #expect(
      training.program.calls.filter { $0.operation is MatrixMultiplication && $0.inputs.contains(kernel) }.count == 2)
    let other = [inputs[0], ModelInput("right", .float32([5]))]
    #expect(
      errorText { _ = try parameters(model, other) }
        == "other: shares twin/kernel of [3,4], but its input here needs [5,4] (the layer gets [2,5] from right)")
  }

  @Test("a shared list reads what it read where it stands")
  func sharedSurroundings() throws {
    let model = Graph {
      Dense(3, name: "s").reading("table")
      Block(name: "code") { Multiply().reading("s", "s") }.reading("s")
      Residual {
        Dense(3, name: "s")
        Shared("code", name: "again")
        Add().reading("s", "again")
      }.reading("code")
    }
    let program = try InferenceProgram.build(model, inputs: [table], batchSize: 2).program
    let products = program.calls.filter { ($0.operation as? Binary)?.function == .multiply }
    #expect(products.count == 2 && products[0].inputs == products[1].inputs)
  }

  @Test("freezing a use of what is trained elsewhere is an error, and so is a layer that is only lent")
  func lent() {
    let model = Graph {
      Dense(3, name: "a").reading("table")
      Frozen(Shared("a", name: "b")).reading("table")
      Add().reading("a", "b")
    }
    #expect(message(model, table).contains("freezes a/kernel, which is trained where it stands: freeze it there"))
    let unread = Graph {
      Dense(3, name: "a").reading("table")
      Shared("a").reading("table")
    }
    #expect(message(unread, table).hasPrefix("a: nobody reads its result"))
  }

  @Test("a field cannot be called like what the loop gives a program")
  func stepNames() {
    let step = TrainingStep(
      model: Dense(2, activation: .softmax), inputs: [ModelInput("learningRate", .float32([3]))],
      objectives: [Objective(loss: CategoricalCrossentropy())], optimizer: SGD())
    #expect(
      errorText { _ = try step.build(batchSize: 2) }.contains("two operands of the program are called learningRate"))
  }

  @Test("a graph is a layer, with several results by name")
  func nested() throws {
    let encoder = Graph(inputs: ["x"], outputs: ["code", "size"], name: "encoder") {
      Dense(4, name: "code").reading("x")
      Dense(1, name: "size").reading("x")
    }
    let model = Graph(outputs: ["out"]) {
      encoder.reading("table")
      Concatenate(name: "out").reading("encoder", "encoder:size")
    }
    #expect(
      try parameters(model, [table]) == [
        "encoder.code/kernel", "encoder.code/bias", "encoder.size/kernel", "encoder.size/bias",
      ])
    let unknown = Graph {
      encoder.reading("table")
      Concatenate().reading("encoder", "encoder:length")
    }
    #expect(
      message(unknown, table)
        == "layers.1.concatenate: reads encoder:length, but encoder has no result called length; it has code, size")
  }

  @Test("a frozen layer has no gradient, no update, and its statistics stand still")
  func frozen() throws {
    let model = Sequential([
      Frozen(Sequential([Dense(4, name: "a"), BatchNormalization()])), Dense(2, activation: .softmax),
    ])
    let step = TrainingStep(model: model, sampleShape: [3], loss: CategoricalCrossentropy(), optimizer: SGD())
    let training = try step.build(batchSize: 4)
    #expect(training.trace.parameters.map(\.parameter.name) == ["layers.1.dense/kernel", "layers.1.dense/bias"])
    #expect(training.program.counts["assign"] == nil)
    // One product forward for each layer, and one for the kernel that is trained: none goes on to the frozen ones.
    #expect(training.program.counts["matmul"] == 3)
    #expect(training.parameters.count == 8)
  }

  @Test("what cannot be wired is an error that names both sides")
  func errors() {
    let later = Graph {
      Dense(3).reading("tail")
      Dense(3, name: "tail")
    }
    #expect(
      message(later, table)
        == "layers.0.dense: reads tail, which comes later: a layer reads inputs and earlier layers")
    #expect(
      message(Graph { Dense(3, name: "own").reading("own") }, table)
        == "own: reads own, its own result: a layer reads inputs and earlier layers")
    #expect(
      message(Graph { Dense(3).reading("tabel") }, table)
        == "layers.0.dense: reads tabel, and no input or earlier layer is called so; did you mean table? (there are table)"
    )
    let unshared = Graph {
      Dense(2, name: "table_dense").reading("table")
      Dense(2)
      Shared("tabel")
    }
    #expect(
      message(unshared, table).contains(
        "runs tabel again, and no earlier layer is called so (there are table_dense)"))
    let unread = Graph {
      Dense(3, name: "lost")
      Dense(3).reading("table")
    }
    #expect(
      message(unread, table) == "lost: nobody reads its result; name it among the outputs, or leave it out")
    #expect(message(Graph { Dense(3, name: "table") }, table).contains("a layer is called like an input: table"))
    let joined = Graph {
      Dense(3, name: "a").reading("table")
      Dense(4, name: "b").reading("table")
      Add().reading("a", "b")
    }
    #expect(
      message(joined, table) == "layers.2.add: joins [2,3] from a and [2,4] from b: the shapes must agree")
    let carried = message(Sequential([Residual { Dense(5) }]), table)
    #expect(carried.hasPrefix("layers.0.residual: adds [2,5] from layers.0.residual.layers.0.dense and [2,2] from"))
    #expect(carried.contains("give it a shortcut"))
    #expect(message(Sequential([Add()]), table).contains("joins two or more inputs, and gets 1"))
    #expect(
      message(Dense(3), images, table).contains("takes one input, but gets 2: images, table"))
    let inner = Graph {
      Residual { Dense(2, name: "hidden") }
      Add().reading("hidden", "table")
    }
    #expect(message(inner, table).contains("reads hidden, and no input or earlier layer is called so"))
    #expect(
      message(Sequential([Embedding(5, 3)]), table).contains("takes whole numbers (i32), but gets [2,2]"))
  }
}

@Suite("States that layers replace")
struct ReplacedStateTests {
  private func step(accumulating count: Int = 1) -> TrainingStep {
    TrainingStep(
      model: Sequential([Dense(4), BatchNormalization(), Dense(2, activation: .softmax)]), sampleShape: [3],
      loss: CategoricalCrossentropy(), optimizer: SGD(), accumulationSteps: count, averageMomentum: 0.9)
  }

  @Test("they are replaced behind the guard of the weights, are no weights, and are saved with them")
  func guarded() throws {
    let training = try step().build(batchSize: 4)
    let program = training.program
    let replaced = training.parameters.filter(\.isReplaced)
    #expect(replaced.map(\.name) == ["movingMean", "movingVariance"].map { "layers.1.batchNormalization/\($0)" })
    let isFinite = try #require(program.output(named: "isFinite"))
    for state in replaced {
      let assign = try #require(
        program.calls.first { $0.operation is Assign && $0.inputs[0] == state.value.id })
      let select = try #require(program.calls.first { $0.outputs.contains(assign.inputs[1]) })
      #expect(select.operation is Select && select.inputs[0] == isFinite && select.inputs[2] == state.value.id)
    }
    #expect(!training.trace.parameters.contains { $0.parameter.isReplaced })
    #expect(!training.states.contains { $0.name.hasPrefix("ema/") && $0.name.contains("moving") })
    #expect(training.states.first { $0.name.hasSuffix("movingVariance") }?.values(seed: 1) == [1, 1, 1, 1])
    // Inference reads them and averages nothing.
    let inference = try step().inference(batchSize: 4)
    #expect(inference.parameters.map(\.name) == training.parameters.map(\.name))
    #expect(inference.program.counts["reduce"] == nil)
  }

  @Test("under accumulation each batch moves them, guarded by its own finiteness")
  func accumulated() throws {
    let training = try step(accumulating: 3).build(batchSize: 4)
    for program in [try #require(training.accumulation), training.program] {
      let mean = try #require(program.value(named: "layers.1.batchNormalization/movingMean"))
      let assign = try #require(program.calls.first { $0.operation is Assign && $0.inputs[0] == mean })
      let select = try #require(program.calls.first { $0.outputs.contains(assign.inputs[1]) })
      let flag = try #require(program.calls.first { $0.outputs.contains(select.inputs[0]) })
      #expect(flag.operation is AllFinite)
      // Loss, six gradients of this batch, and the two states' new contents.
      #expect(flag.inputs.count == 9)
      let accumulators = program.values(.state).filter { program.values[$0].name.hasPrefix("accumulator/") }
      let sums = program.calls.filter { $0.operation is Binary && !Set($0.inputs).isDisjoint(with: accumulators) }
      #expect(Set(flag.inputs).isDisjoint(with: sums.flatMap { $0.outputs.compactMap { $0 } }))
    }
  }

  @Test("a shared normalization moves its statistics once for each use, one after the other")
  func shared() throws {
    let model = Graph {
      BatchNormalization(name: "norm").reading("left")
      Shared("norm", name: "again").reading("right")
      Add().reading("norm", "again")
      Dense(2, activation: .softmax)
    }
    let inputs = [ModelInput("left", .float32([3])), ModelInput("right", .float32([3]))]
    let program = try TrainingStep(
      model: model, inputs: inputs, objectives: [Objective(loss: CategoricalCrossentropy())], optimizer: SGD()
    ).build(batchSize: 4).program
    let mean = try #require(program.value(named: "norm/movingMean"))
    #expect(program.calls.filter { $0.operation is Assign && $0.inputs[0] == mean }.count == 1)
    // Read by the first use, and by the guard: the second one goes on from what the first one made.
    #expect(program.calls.filter { $0.inputs.contains(mean) && !($0.operation is Assign) }.count == 2)
  }
}
