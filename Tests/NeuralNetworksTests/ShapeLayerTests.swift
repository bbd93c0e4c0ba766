import SwitchbackNeuralNetworks
import SwitchbackPrograms
import Testing

@Suite("Layers of edges and shapes")
struct ShapeLayerTests {
  private func shape(_ input: Shape, _ layer: any Layer) throws -> Shape { try Networks.outputShape(input, layer) }

  @Test("images are made larger, padded and cropped at their edges")
  func edges() throws {
    #expect(try shape([2, 3, 4, 5], UpSampling2D(size: (3, 2))) == [2, 9, 8, 5])
    #expect(try shape([2, 3, 4, 5], UpSampling2D(size: (3, 2), interpolation: .bilinear)) == [2, 9, 8, 5])
    #expect(try shape([2, 3, 4, 5], ZeroPadding2D()) == [2, 5, 6, 5])
    #expect(try shape([2, 3, 4, 5], ZeroPadding2D(ImageEdges(top: 1, right: 3))) == [2, 4, 7, 5])
    #expect(try shape([2, 3, 4, 5], ZeroPadding2D(ImageEdges(height: 2, width: 1))) == [2, 7, 6, 5])
    #expect(try shape([2, 3, 4, 5], Cropping2D()) == [2, 3, 4, 5])
    #expect(try shape([2, 3, 4, 5], Cropping2D(ImageEdges(bottom: 2, left: 1))) == [2, 1, 3, 5])
  }

  @Test("samples get other shapes, and axes another order")
  func reshaping() throws {
    #expect(try shape([2, 3, 4], Reshaping([12])) == [2, 12])
    #expect(try shape([2, 12], Reshaping([2, -1, 3])) == [2, 2, 2, 3])
    #expect(try shape([2, 3, 4, 5], Permute([3, 1, 2])) == [2, 5, 3, 4])
    #expect(try shape([2, 6], RepeatVector(4)) == [2, 4, 6])
    let nothing = try InferenceProgram.build(
      Sequential([Reshaping([3, 4]), Permute([1, 2])]), sampleShape: [3, 4], batchSize: 1
    ).program
    #expect(nothing.calls.isEmpty)
  }

  @Test("sequences are made longer, padded and cropped at their ends")
  func ends() throws {
    #expect(try shape([2, 9, 3], UpSampling1D(size: 4)) == [2, 36, 3])
    #expect(try shape([2, 9, 3], ZeroPadding1D()) == [2, 11, 3])
    #expect(try shape([2, 9, 3], ZeroPadding1D((0, 3))) == [2, 12, 3])
    #expect(try shape([2, 9, 3], Cropping1D()) == [2, 7, 3])
    #expect(try shape([2, 9, 3], Cropping1D((4, 0))) == [2, 5, 3])
  }

  @Test("what does not fit is an error that names layer, shape and whose it is")
  func misfits() {
    for layer: any Layer in [UpSampling2D(), ZeroPadding2D(), Cropping2D()] {
      #expect(
        Networks.message([6, 5], layer)
          == "layers.0.\(layer.kind): takes images [N, H, W, C], but gets [64,6,5] from the model's input")
    }
    for layer: any Layer in [UpSampling1D(), ZeroPadding1D(), Cropping1D()] {
      #expect(
        Networks.message([7], Dense(4), layer)
          == "layers.1.\(layer.kind): takes sequences [N, T, C], but gets [64,4] from layers.0.dense")
    }
    #expect(
      Networks.message([3, 4, 1], Cropping2D(ImageEdges(top: 1, bottom: 2)))
        == "layers.0.cropping2d: takes images of more than 1 + 2 rows and 0 + 0 columns, but gets [64,3,4,1] from the "
        + "model's input")
    #expect(
      Networks.message([4, 3], Cropping1D((1, 3)))
        == "layers.0.cropping1d: takes sequences of more than 1 + 3 steps, but gets [64,4,3] from the model's input")
    #expect(
      Networks.message([3, 4], Reshaping([5, -1]))
        == "layers.0.reshape: takes samples of a multiple of 5 elements for [5, -1], but gets [64,3,4] from the model's "
        + "input")
    #expect(
      Networks.message([3, 4], Reshaping([2, 5])).contains("takes samples of 10 elements for [2, 5], but gets [64,3,4]")
    )
    #expect(
      Networks.message([3, 4], Permute([2, 3, 1])).contains(
        "takes samples of 3 axes, as dims has, but gets [64,3,4] from the model's input"))
    #expect(Networks.message([3, 4], RepeatVector(2)).contains("takes rows [N, features], but gets [64,3,4]"))
  }

  @Test("senseless arguments are errors of the layer that has them")
  func arguments() {
    func message(_ layer: any Layer) -> String { Networks.message([4, 4, 2], layer) }
    #expect(message(UpSampling2D(size: (1, 0))).contains("size must be positive, not 0"))
    #expect(message(UpSampling2D(size: (257, 1), interpolation: .bilinear)).contains("at most 256 times as large"))
    #expect(message(UpSampling2D(size: (1 << 30, 1 << 30))).contains("no machine holds"))
    #expect(
      message(ZeroPadding2D(ImageEdges(left: -1))).contains("must be at least 0 and at most 2³⁰, not [0, 0, -1, 0]"))
    #expect(message(Cropping2D(ImageEdges(.max))).contains("must be at least 0 and at most 2³⁰"))
    #expect(message(Reshaping([-1, -1])).contains("at most one of −1, not [-1, -1]"))
    #expect(message(Reshaping([0, 3])).contains("has positive extents"))
    #expect(message(Reshaping([1, 1, 1, 1, 1, 1, 1, -1])).contains("at most 7 axes, not 8"))
    #expect(message(Reshaping([.max, .max])).contains("takes samples of"))
    #expect(message(Permute([1, 1, 2])).contains("dims names each axis behind the batch once"))
    #expect(message(Permute([])).contains("dims names each axis behind the batch once"))
    #expect(message(RepeatVector(0)).contains("n must be positive, not 0"))
    func sequences(_ layer: any Layer) -> String { Networks.message([4, 2], layer) }
    #expect(sequences(UpSampling1D(size: 0)).contains("size must be positive, not 0"))
    #expect(sequences(ZeroPadding1D((-1, 0))).contains("must be at least 0 and at most 2³⁰, not [-1, 0]"))
    #expect(sequences(Cropping1D((-1, 0))).contains("must be at least 0"))
  }
}
