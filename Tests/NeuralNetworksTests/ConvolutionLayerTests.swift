import SwitchbackNeuralNetworks
import SwitchbackPrograms
import Testing

@Suite("Convolutions and their padding")
struct ConvolutionLayerTests {
  private func shape(_ input: Shape, _ layer: any Layer) throws -> Shape { try Networks.outputShape(input, layer) }

  @Test("padding by its four edges, of convolutions and poolings")
  func explicitPadding() throws {
    let edges = Padding.explicit(ImageEdges(top: 1, bottom: 0, left: 2, right: 1))
    #expect(try shape([2, 5, 4, 3], Conv2D(7, kernelSize: 3, padding: edges)) == [2, 4, 5, 7])
    #expect(try shape([2, 5, 4, 3], DepthwiseConv2D(kernelSize: 3, padding: edges)) == [2, 4, 5, 3])
    #expect(try shape([2, 5, 4, 3], SeparableConv2D(7, kernelSize: 3, padding: edges)) == [2, 4, 5, 7])
    #expect(try shape([2, 5, 4, 3], MaxPooling2D(3, strides: 2, padding: edges)) == [2, 2, 3, 3])
    #expect(try shape([2, 5, 4, 3], AveragePooling2D(3, strides: 1, padding: edges)) == [2, 4, 5, 3])
    let program = try InferenceProgram.build(
      Sequential([Conv2D(4, kernelSize: 3, padding: edges)]), sampleShape: [6, 6, 1], batchSize: 1
    ).program
    #expect(program.calls.compactMap { ($0.operation as? Convolution2D)?.padding } == [[1, 0, 2, 1]])
  }

  @Test("depthwise convolutions are convolutions of as many groups as channels, that start with Keras's numbers")
  func depthwise() throws {
    let step = TrainingStep(
      model: Sequential([DepthwiseConv2D(kernelSize: (2, 3), depthMultiplier: 4), Flatten(), Dense(2)]),
      sampleShape: [5, 6, 3], loss: MeanSquaredError(), optimizer: SGD(), targets: .values)
    let training = try step.build(batchSize: 2)
    #expect(training.program.calls.compactMap { ($0.operation as? Convolution2D)?.groups } == [3])
    let kernel = try #require(training.states.first { $0.name == "layers.0.depthwiseConv2d/kernel" })
    #expect(kernel.type.shape == [2, 3, 1, 12])
    let kerass = Initializer.glorotUniform.values(shape: [2, 3, 3, 4], seed: 7, name: kernel.name)
    #expect(kernel.values(seed: 7) == kerass && kerass.count == 72)
    #expect(try shape([2, 5, 6, 3], DepthwiseConv2D(kernelSize: 3, strides: 2, padding: .same)) == [2, 3, 3, 3])
  }

  @Test("a moving average of a depthwise kernel starts as a copy of it")
  func average() throws {
    var step = TrainingStep(
      model: Sequential([DepthwiseConv2D(kernelSize: 2, depthMultiplier: 2), Flatten(), Dense(2)]),
      sampleShape: [3, 3, 3], loss: MeanSquaredError(), optimizer: SGD(), targets: .values)
    step.averageMomentum = 0.9
    let states = try step.build(batchSize: 2).states
    let kernel = try #require(states.first { $0.name == "layers.0.depthwiseConv2d/kernel" })
    let average = try #require(states.first { $0.name == "ema/layers.0.depthwiseConv2d/kernel" })
    #expect(average.values(seed: 3) == kernel.values(seed: 3))
  }

  @Test("a separable convolution is a depthwise one and one of 1×1, with the gain of its activation on the latter")
  func separable() throws {
    let layer = SeparableConv2D(
      5, kernelSize: 3, depthMultiplier: 2, activation: .relu, depthwiseInitializer: .orthogonal(gain: .activation),
      pointwiseInitializer: .orthogonal(gain: .activation))
    let built = try InferenceProgram.build(Sequential([layer]), sampleShape: [6, 6, 3], batchSize: 1)
    #expect(built.parameters.map(\.type.shape) == [[3, 3, 1, 6], [1, 1, 6, 5], [5]])
    #expect(built.parameters.map(\.name).map { $0.suffix(7) } == ["eKernel", "eKernel", "2d/bias"])
    let gains = built.parameters.map(\.initializer)
    #expect(gains == [.orthogonal(gain: 1), .orthogonal(gain: .number(2.0.squareRoot())), .zeros])
    #expect(built.program.calls.compactMap { ($0.operation as? Convolution2D)?.groups } == [3, 1])
  }

  /// Keras's formula: `valid` and `same`, with and without output padding.
  static let transposed: [(Conv2DTranspose, [Int])] = [
    (Conv2DTranspose(4, kernelSize: 3), [7, 6]),
    (Conv2DTranspose(4, kernelSize: 3, strides: 2), [11, 9]),
    (Conv2DTranspose(4, kernelSize: 2, strides: 3), [15, 12]),
    (Conv2DTranspose(4, kernelSize: 3, strides: 2, outputPadding: 1), [12, 10]),
    (Conv2DTranspose(4, kernelSize: 3, dilationRate: 2), [9, 8]),
    (Conv2DTranspose(4, kernelSize: 3, strides: 2, padding: .same), [10, 8]),
    (Conv2DTranspose(4, kernelSize: (4, 2), strides: (3, 2), padding: .same), [15, 8]),
    (Conv2DTranspose(4, kernelSize: 3, strides: 2, padding: .same, outputPadding: 0), [9, 7]),
    (Conv2DTranspose(4, kernelSize: 4, strides: 2, padding: .same, outputPadding: 1), [9, 7]),
  ]

  @Test("transposed convolutions have Keras's sizes", arguments: transposed)
  func transposedShape(_ layer: Conv2DTranspose, size: [Int]) throws {
    #expect(try shape([2, 5, 4, 3], layer) == Shape([2] + size + [4]))
  }

  @Test("a transposed convolution has Keras's kernel and a convolution's kernels")
  func transposedKernel() throws {
    let built = try InferenceProgram.build(
      Sequential([Conv2DTranspose(4, kernelSize: (3, 2))]), sampleShape: [5, 5, 3], batchSize: 1)
    #expect(built.parameters.map(\.type.shape) == [[3, 2, 4, 3], [4]])
    #expect(built.program.counts["conv2d/backwardInput"] == 1)
  }

  @Test("convolutions of sequences have their lengths")
  func convolutions() throws {
    #expect(try shape([2, 9, 3], Conv1D(4, kernelSize: 3)) == [2, 7, 4])
    #expect(try shape([2, 9, 3], Conv1D(4, kernelSize: 3, strides: 2)) == [2, 4, 4])
    #expect(try shape([2, 9, 3], Conv1D(4, kernelSize: 3, strides: 2, padding: .same)) == [2, 5, 4])
    #expect(try shape([2, 9, 3], Conv1D(4, kernelSize: 3, padding: .causal, dilationRate: 4)) == [2, 9, 4])
    #expect(try shape([2, 9, 4], Conv1D(6, kernelSize: 3, groups: 2)) == [2, 7, 6])
    #expect(try shape([2, 9, 3], SeparableConv1D(4, kernelSize: 2, padding: .causal)) == [2, 9, 4])
    #expect(try shape([2, 9, 3], Conv1DTranspose(4, kernelSize: 3, strides: 2)) == [2, 19, 4])
    #expect(try shape([2, 9, 3], Conv1DTranspose(4, kernelSize: 3, strides: 2, padding: .same)) == [2, 18, 4])
    #expect(try shape([2, 9, 3], Conv1DTranspose(4, kernelSize: 3, strides: 2, outputPadding: 1)) == [2, 20, 4])
  }

  @Test("causal padding lies before the first step, by the kernel's reach")
  func causal() throws {
    let program = try InferenceProgram.build(
      Sequential([Conv1D(2, kernelSize: 3, padding: .causal, dilationRate: 4)]), sampleShape: [9, 1], batchSize: 1
    ).program
    #expect(program.calls.compactMap { ($0.operation as? Convolution2D)?.padding } == [[0, 0, 8, 0]])
  }

  @Test("what no convolution takes is an error that names layer, shape and whose it is")
  func misfits() {
    #expect(
      Networks.message([7], Dense(4), Conv2DTranspose(2, kernelSize: 3))
        == "layers.1.conv2dTranspose: takes images [N, H, W, C], but gets [64,4] from layers.0.dense")
    for layer: any Layer in [DepthwiseConv2D(kernelSize: 3), SeparableConv2D(2, kernelSize: 3)] {
      #expect(
        Networks.message([6, 5], layer)
          == "layers.0.\(layer.kind): takes images [N, H, W, C], but gets [64,6,5] from the model's input")
    }
    for layer: any Layer in [
      Conv1D(2, kernelSize: 3), SeparableConv1D(2, kernelSize: 3), Conv1DTranspose(2, kernelSize: 3),
    ] {
      #expect(
        Networks.message([7], Dense(4), layer)
          == "layers.1.\(layer.kind): takes sequences [N, T, C], but gets [64,4] from layers.0.dense")
    }
    #expect(
      Networks.message([3, 4, 1], DepthwiseConv2D(kernelSize: 5)).contains(
        "a kernel of 5×5 does not fit into an image of 3×4"))
    for layer: any Layer in [
      Conv1D(2, kernelSize: 3, dilationRate: 2), SeparableConv1D(2, kernelSize: 3, dilationRate: 2),
    ] {
      #expect(
        Networks.message([4, 3], layer)
          == "layers.0.\(layer.kind): takes sequences of 5 steps or more, but gets [64,4,3] from the model's input; use "
          + "padding: same, or fewer steps")
      #expect(Networks.message([5, 3], layer).isEmpty)
    }
    #expect(
      Networks.message([4, 3], Conv1D(4, kernelSize: 1, groups: 2))
        == "layers.0.conv1d: takes channels, and has filters, that 2 groups divide (it has 4 filters), but gets "
        + "[64,4,3] from the model's input")
    #expect(
      Networks.message([1, 1, 1], Conv2DTranspose(1, kernelSize: 2, padding: .same, outputPadding: 0)).contains(
        "takes images of more rows and columns: the result would have none, but gets [64,1,1,1]"))
    #expect(
      Networks.message([4, 4, 1], MaxPooling2D(2, padding: .explicit(ImageEdges(2)))).contains(
        "padding [2, 2, 2, 2] leaves windows of [2, 2] without a cell of the image"))
  }

  @Test("senseless arguments are errors of the layer that has them")
  func arguments() {
    func message(_ layer: any Layer) -> String { Networks.message([4, 4, 2], layer) }
    #expect(message(Conv2D(0, kernelSize: 3)).hasPrefix("layers.0.conv2d: filters must be positive, not 0"))
    #expect(message(Conv2D(1, kernelSize: .max, padding: .same, dilationRate: .max)).contains("at most 2³⁰"))
    #expect(message(Conv2D(1, kernelSize: 3, padding: .explicit(ImageEdges(left: -1)))).contains("four non-negative"))
    #expect(message(Conv2D(1, kernelSize: 3, padding: .explicit(ImageEdges(.max)))).contains("at most 2³⁰"))
    #expect(message(DepthwiseConv2D(kernelSize: 3, depthMultiplier: 0)).contains("depthMultiplier must be positive"))
    #expect(message(DepthwiseConv2D(kernelSize: 3, depthMultiplier: .max)).contains("depthMultiplier must be at most"))
    #expect(message(SeparableConv2D(-1, kernelSize: 3)).contains("filters must be positive, not -1"))
    #expect(message(Conv2DTranspose(1, kernelSize: 0)).contains("must be positive"))
    #expect(message(Conv2DTranspose(1, kernelSize: 1 << 30, strides: 1 << 30)).contains("at most 2³⁰"))
    for added in [-1, 2] {
      #expect(
        message(Conv2DTranspose(1, kernelSize: 3, strides: 2, outputPadding: added)).contains(
          "outputPadding must be at least 0 and below the strides"))
    }
    func sequences(_ layer: any Layer) -> String { Networks.message([4, 2], layer) }
    #expect(sequences(Conv1D(0, kernelSize: 3)).hasPrefix("layers.0.conv1d: filters must be positive, not 0"))
    #expect(sequences(Conv1D(1, kernelSize: .max, padding: .causal, dilationRate: .max)).contains("at most 2³⁰"))
    #expect(sequences(Conv1D(1, kernelSize: 1 << 30, padding: .causal, dilationRate: 1 << 30)).contains("at most 2³⁰"))
    #expect(sequences(SeparableConv1D(1, kernelSize: 2, strides: 0)).contains("must be positive"))
    #expect(sequences(Conv1DTranspose(1, kernelSize: 3, outputPadding: 1)).contains("below the strides"))
  }
}
