import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackExecution
import SwitchbackFFTConvolution
import SwitchbackPrograms
import SwitchbackReference
import Testing

private let shapes: [(geometry: ConvolutionGeometry, image: [Int], kernel: [Int])] = [
  (same([2, 28, 28, 1], [3, 3]), [2, 28, 28, 1], [3, 3, 8]),
  (same([3, 23, 21, 5], [5, 7]), [3, 23, 21, 5], [5, 7, 3]),
  (same([2, 30, 30, 6], [5, 5], strides: [2, 3], groups: 3), [2, 30, 30, 6], [5, 5, 9]),
  (ConvolutionGeometry(strides: [2, 1], padding: [3, 2, 1, 4], dilations: [2, 3]), [2, 25, 27, 3], [3, 4, 5]),
  (ConvolutionGeometry(strides: [4, 6], dilations: [6, 4]), [2, 39, 41, 2], [3, 5, 3]),
  (same([2, 28, 28, 7], [7, 7], groups: 7), [2, 28, 28, 7], [7, 7, 7]),
  (ConvolutionGeometry(padding: [0, 0, 16, 0]), [2, 5, 167, 5], [1, 17, 4]),
  (ConvolutionGeometry(padding: [0, 0, 62, 0], groups: 6), [3, 1, 463, 6], [1, 63, 6]),
  // Tiles, and pairs of channels through lines.
  (same([1, 150, 300, 3], [7, 7], strides: [2, 1]), [1, 150, 300, 3], [7, 7, 2]),
  (ConvolutionGeometry(padding: [0, 0, 30, 0], groups: 20), [1, 1, 40000, 20], [1, 31, 20]),
]

/// Operands of a sample; the images are zero but for a tenth of their rows (of their columns, where there is one row).
private func sparse(_ sample: OperationSample) -> [String: [Double]] {
  var given = operands(sample)
  let shape = sample.inputs[0].shape
  let (line, columns) = (shape[2] * shape[3], shape[2])
  for index in given["x0"]!.indices {
    let isKept =
      shape[1] > 5 ? index / line % shape[1] * 10 / shape[1] == 4 : index / shape[3] % columns * 10 / columns == 4
    // A zero of either sign.
    if !isKept { given["x0"]![index] = index % 2 == 0 ? 0 : -0.0 }
  }
  return given
}

@Suite(.enabled(if: isFFTHere(), "libfftw3f.so.3 or libopenblas.so.0 is not on this machine"))
struct ZeroResultsTests {
  @Test("a sum of zeros is exactly 0, and rounding elsewhere does not reach it")
  func background() throws {
    let (fft, reference) = (try chain(), try chain(ReferenceBackend()))
    for (geometry, image, kernel) in shapes {
      for sample in try passes(geometry, image, kernel).prefix(2) {
        let given = sparse(sample)
        let found = try ProgramEvaluation(try sample.program(), given, on: fft).outputs["y0"]!
        let truth = try ProgramEvaluation(try sample.program(), given, on: reference).outputs["y0"]!
        let zeros = truth.indices.filter { truth[$0] == 0 }
        let noise = zeros.filter { found[$0].bitPattern != 0 }
        #expect(zeros.count > truth.count / 10, "\(sample.operation) \(sample.inputs)")
        #expect(noise.isEmpty, "\(sample.operation) \(sample.inputs): \(noise.count) of \(zeros.count) are not 0")
        let norm = truth.reduce(0) { $0 + $1 * $1 }.squareRoot()
        let error = zip(found, truth).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
        #expect(error < 1e-6 * norm, "\(sample.operation) \(sample.inputs)")
      }
    }
  }

  @Test("so is what meets nothing but padding, also where the image has no zeros")
  func padding() throws {
    let image = [2, 4, 5, 3]
    for geometry in [
      ConvolutionGeometry(padding: [9, 8, 7, 10]), ConvolutionGeometry(padding: [0, 6, 5, 0], groups: 3),
    ] {
      for sample in try passes(geometry, image, [3, 2, 3]).prefix(2) {
        let given = operands(sample)
        let found = try ProgramEvaluation(try sample.program(), given, on: try chain()).outputs["y0"]!
        let truth = try ProgramEvaluation(try sample.program(), given, on: try chain(ReferenceBackend())).outputs["y0"]!
        for (found, truth) in zip(found, truth) where truth == 0 { #expect(found.bitPattern == 0) }
        if sample.operation is Convolution2D { #expect(truth.contains(0)) }
      }
    }
  }

  @Test("what is no number is not taken for a zero")
  func notANumber() throws {
    let image = [1, 9, 9, 2]
    let sample = try passes(same(image, [3, 3]), image, [3, 3, 2])[0]
    var given = operands(sample)
    given["x0"] = given["x0"]!.map { _ in 0 }
    given["x1"]![0] = .nan
    let found = try ProgramEvaluation(try sample.program(), given, on: try chain()).outputs["y0"]!
    #expect(found.contains { $0.isNaN })
  }
}
