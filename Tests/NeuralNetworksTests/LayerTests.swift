import SwitchbackNeuralNetworks
import SwitchbackPrograms
import Testing

@Suite("Layers")
struct LayerTests {
  @Test("a valid convolution shrinks the image by the kernel's reach")
  func validConvolution() throws {
    #expect(try Networks.outputShape([2, 28, 27, 3], Conv2D(8, kernelSize: 3)) == [2, 26, 25, 8])
    #expect(try Networks.outputShape([2, 28, 28, 3], Conv2D(8, kernelSize: 3, strides: 2)) == [2, 13, 13, 8])
    #expect(try Networks.outputShape([2, 28, 28, 3], Conv2D(8, kernelSize: 3, dilationRate: 2)) == [2, 24, 24, 8])
    #expect(
      try Networks.outputShape([1, 9, 8, 4], Conv2D(6, kernelSize: (height: 2, width: 3), groups: 2)) == [1, 8, 6, 6])
  }

  @Test("a same convolution gives ⌈size / stride⌉ rows", arguments: [1, 2, 3, 4], [1, 2, 3, 5])
  func sameConvolution(stride: Int, kernel: Int) throws {
    for size in [5, 6, 7, 8] {
      let rows = (size + stride - 1) / stride
      let layer = Conv2D(4, kernelSize: kernel, strides: stride, padding: .same)
      #expect(try Networks.outputShape([1, size, size, 2], layer) == [1, rows, rows, 4])
      let pooling = MaxPooling2D(kernel, strides: stride, padding: .same)
      #expect(try Networks.outputShape([1, size, size, 2], pooling) == [1, rows, rows, 2])
      let average = AveragePooling2D(kernel, strides: stride, padding: .same)
      #expect(try Networks.outputShape([1, size, size, 2], average) == [1, rows, rows, 2])
    }
  }

  @Test("the odd cell of same padding goes to the bottom and right")
  func asymmetricPadding() throws {
    let program = try InferenceProgram.build(
      Sequential([Conv2D(4, kernelSize: 3, strides: 2, padding: .same)]), sampleShape: [6, 6, 1], batchSize: 1
    ).program
    let convolution = program.calls.compactMap { $0.operation as? Convolution2D }.first
    #expect(convolution?.padding == [0, 1, 0, 1])
  }

  @Test("a grouped convolution has a kernel of Cin / groups")
  func groupedKernel() throws {
    let parameters = try InferenceProgram.build(
      Sequential([Conv2D(6, kernelSize: 3, groups: 2)]), sampleShape: [8, 8, 4], batchSize: 1
    ).parameters
    #expect(parameters.map(\.type.shape) == [[3, 3, 2, 6], [6]])
  }

  @Test("pooling, flatten, dropout, rescaling and activations have their shapes")
  func shapes() throws {
    #expect(try Networks.outputShape([2, 13, 13, 3], MaxPooling2D(2)) == [2, 6, 6, 3])
    #expect(try Networks.outputShape([2, 13, 13, 3], MaxPooling2D(3, strides: 2)) == [2, 6, 6, 3])
    #expect(
      try Networks.outputShape([2, 13, 12, 3], AveragePooling2D(poolSize: (height: 2, width: 3))) == [2, 6, 4, 3])
    #expect(try Networks.outputShape([2, 7, 5, 3], GlobalAveragePooling2D()) == [2, 3])
    #expect(try Networks.outputShape([2, 7, 5, 3], GlobalAveragePooling2D(keepDimensions: true)) == [2, 1, 1, 3])
    #expect(try Networks.outputShape([2, 7, 5, 3], Flatten()) == [2, 105])
    #expect(try Networks.outputShape([2, 7], Flatten()) == [2, 7])
    #expect(try Networks.outputShape([2, 7], Dense(3)) == [2, 3])
    #expect(try Networks.outputShape([2, 7], Dropout(0.5)) == [2, 7])
    #expect(try Networks.outputShape([2, 7, 5, 3], Rescaling(1 / 255, offset: -0.5)) == [2, 7, 5, 3])
    #expect(try Networks.outputShape([2, 7, 5, 3], PReLU(sharedAxes: [1, 2])) == [2, 7, 5, 3])
    #expect(try Networks.outputShape([2, 7], LeakyReLU()) == [2, 7])
    for function in ActivationFunction.all {
      #expect(try Networks.outputShape([2, 7], Activation(function)) == [2, 7])
    }
  }

  @Test("each activation becomes its own row of the table, with Keras's default")
  func activationRows() throws {
    func unary(_ layer: any Layer) throws -> Unary? {
      let program = try InferenceProgram.build(Sequential([layer]), sampleShape: [4], batchSize: 1).program
      return program.calls.last?.operation as? Unary
    }
    #expect(try unary(LeakyReLU()) == Unary(.leakyRelu, alpha: 0.3))
    #expect(try unary(Activation(.leakyRelu())) == Unary(.leakyRelu, alpha: 0.2))
    #expect(try unary(Activation(.elu())) == Unary(.elu, alpha: 1))
    #expect(try unary(Activation(.gelu())) == Unary(.gelu))
    #expect(try unary(Activation(.gelu(approximate: true))) == Unary(.geluTanh))
    #expect(Set(ActivationFunction.all.map(\.word)).count == 12 + UnaryFunction.activations.count)
    for (_, function) in UnaryFunction.activations {
      #expect(try unary(Activation(.row(function))) == Unary(function))
    }
  }

  @Test("prelu shares alpha along the axes it is told to")
  func sharedAlpha() throws {
    func alpha(_ axes: [Int]) throws -> Shape? {
      try InferenceProgram.build(
        Sequential([PReLU(sharedAxes: axes)]), sampleShape: [7, 5, 3], batchSize: 1
      ).parameters.first?.type.shape
    }
    #expect(try alpha([]) == [7, 5, 3])
    #expect(try alpha([1, 2]) == [1, 1, 3])
    #expect(Networks.message([7, 5, 3], PReLU(sharedAxes: [4])).contains("the shared axis 4"))
  }

  @Test("dropout is nothing in inference and a fresh stream each in training")
  func dropout() throws {
    let step = TrainingStep(
      model: Sequential([Dropout(0.2), Dense(4), Dropout(0.5), Dense(3, activation: .softmax)]), sampleShape: [4],
      loss: CategoricalCrossentropy(), optimizer: SGD())
    let training = try step.build(batchSize: 2)
    let draws = training.program.calls.compactMap { $0.operation as? RandomNumbers }
    #expect(draws.map(\.stream) == [0, 1])
    #expect(training.program.names(.step) == ["randomKey", "learningRate"])
    #expect(try step.inference(batchSize: 2).program.counts["random"] == nil)
  }

  @Test("a dense layer after an image names both layers, the shape and the cure")
  func denseAfterImage() {
    #expect(
      Networks.message([9, 9, 1], Conv2D(64, kernelSize: 3), MaxPooling2D(1), Conv2D(64, kernelSize: 3), Dense(10))
        == "layers.3.dense: takes rows [N, features], but gets [64,5,5,64] from layers.2.conv2d; put a flatten between")
    #expect(
      Networks.message([9, 9, 1], Dense(10))
        == "layers.0.dense: takes rows [N, features], but gets [64,9,9,1] from the model's input; put a flatten between"
    )
  }

  @Test("errors of an operation say which layer it was, what it got and from whom")
  func operationErrors() {
    let kernel = Networks.message([4, 4, 1], MaxPooling2D(2), Conv2D(8, kernelSize: 3))
    #expect(kernel.hasPrefix("layers.1.conv2d: conv2d: a kernel of 3×3 does not fit into an image of 2×2"))
    #expect(kernel.hasSuffix("(the layer gets [64,2,2,1] from layers.0.maxPooling2d)"))
    let image = Networks.message([4], Dense(5), Conv2D(8, kernelSize: 3))
    #expect(image == "layers.1.conv2d: takes images [N, H, W, C], but gets [64,5] from layers.0.dense")
    let groups = Networks.message([4, 4, 3], Conv2D(8, kernelSize: 3, groups: 2))
    #expect(groups.contains("2 groups") && groups.contains("[64,4,4,3]"))
  }

  @Test("senseless arguments are errors of the layer that has them")
  func arguments() {
    #expect(Networks.message([4], Dense(0)).hasPrefix("layers.0.dense: units must be positive, not 0"))
    #expect(Networks.message([4], Dropout(1)).hasPrefix("layers.0.dropout: the rate must lie in 0 ..< 1, not be 1.0"))
    #expect(Networks.message([4, 4, 1], Conv2D(4, kernelSize: 0)).contains("must be positive"))
    #expect(Networks.message([4, 4, 1], MaxPooling2D(0)).contains("must be positive"))
  }

  @Test("a layer of the user's own is a type of a few lines")
  func ownLayer() throws {
    struct Scaled: UnaryLayer {
      var kind: String { "scaled" }
      func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
        let scale = try context.parameter("scale", [input.shape.extents.last!], initializer: .ones)
        return try context.append(Binary(.multiply), input, scale)
      }
    }
    let step = TrainingStep(
      model: Sequential([Scaled(), Dense(2, activation: .softmax)]), sampleShape: [4], loss: CategoricalCrossentropy(),
      optimizer: Adam())
    let training = try step.build(batchSize: 3)
    #expect(training.parameters.first?.name == "layers.0.scaled/scale")
    #expect(training.program.counts["adamUpdate"] == 3)
  }
}
