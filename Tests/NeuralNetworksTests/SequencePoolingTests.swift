import SwitchbackNeuralNetworks
import SwitchbackPrograms
import Testing

@Suite("Poolings of sequences, and noise")
struct SequencePoolingTests {
  private func shape(_ input: Shape, _ layer: any Layer) throws -> Shape { try Networks.outputShape(input, layer) }

  @Test("poolings of sequences have their lengths")
  func lengths() throws {
    #expect(try shape([2, 9, 3], MaxPooling1D()) == [2, 4, 3])
    #expect(try shape([2, 9, 3], MaxPooling1D(3, strides: 2, padding: .same)) == [2, 5, 3])
    #expect(try shape([2, 9, 3], AveragePooling1D(4, strides: 1)) == [2, 6, 3])
    #expect(try shape([2, 9, 3], GlobalMaxPooling1D()) == [2, 3])
    #expect(try shape([2, 9, 3], GlobalAveragePooling1D(keepDimensions: true)) == [2, 1, 3])
  }

  @Test("nothing stands between a convolution, its activation and the pooling behind")
  func neighbours() throws {
    let program = try InferenceProgram.build(
      Sequential([Conv1D(4, kernelSize: 3, activation: .relu), MaxPooling1D(), Conv1D(2, kernelSize: 2)]),
      sampleShape: [9, 3], batchSize: 1
    ).program
    func call(_ name: String) throws -> Program.Call {
      try #require(program.calls.first { $0.name == name })
    }
    #expect(try call("maxPool2d").inputs == call("relu").outputs.compactMap(\.self))
    let last = try #require(program.calls.last { $0.operation is Convolution2D })
    #expect(try last.inputs[0] == call("maxPool2d").outputs[0])
  }

  @Test("what does not fit is an error that names layer, shape and whose it is")
  func misfits() {
    for layer: any Layer in [
      MaxPooling1D(), AveragePooling1D(), GlobalMaxPooling1D(), GlobalAveragePooling1D(), SpatialDropout1D(0.5),
    ] {
      #expect(
        Networks.message([7], Dense(4), layer)
          == "layers.1.\(layer.kind): takes sequences [N, T, C], but gets [64,4] from layers.0.dense")
    }
    for layer: any Layer in [GlobalMaxPooling2D(), SpatialDropout2D(0.5)] {
      #expect(
        Networks.message([6, 5], layer)
          == "layers.0.\(layer.kind): takes images [N, H, W, C], but gets [64,6,5] from the model's input")
    }
    for layer: any Layer in [MaxPooling1D(4), AveragePooling1D(4)] {
      #expect(
        Networks.message([3, 2], layer).contains(
          "takes sequences of 4 steps or more, but gets [64,3,2] from the model's"))
    }
  }

  @Test("senseless arguments are errors of the layer that has them")
  func arguments() {
    func message(_ layer: any Layer) -> String { Networks.message([4, 2], layer) }
    #expect(message(MaxPooling1D(0)).contains("poolSize and strides must be positive"))
    #expect(message(AveragePooling1D(2, strides: -1)).contains("must be positive"))
    #expect(message(SpatialDropout1D(1)).contains("the rate must lie in 0 ..< 1, not be 1.0"))
    #expect(message(GaussianDropout(-0.1)).contains("the rate must lie in 0 ..< 1, not be -0.1"))
    #expect(message(GaussianNoise(-1)).contains("the standard deviation must be a number of at least 0, not -1.0"))
    #expect(message(GaussianNoise(.nan)).contains("the standard deviation must be a number"))
  }
}
