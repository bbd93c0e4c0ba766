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
  // Groups of several channels to several filters, one to several, several to one; depthwise with strides and dilation.
  (same([2, 14, 13, 8], [5, 5], groups: 4), [2, 14, 13, 8], [5, 5, 12]),
  (same([3, 11, 12, 5], [3, 3], groups: 5), [3, 11, 12, 5], [3, 3, 10]),
  (same([2, 11, 12, 6], [5, 3], groups: 3), [2, 11, 12, 6], [5, 3, 3]),
  (
    ConvolutionGeometry(strides: [2, 3], padding: [4, 3, 2, 5], dilations: [3, 2], groups: 5), [3, 17, 15, 5],
    [3, 4, 5]
  ),
  // Kernels longer than the image, and more images than are asked at once.
  (same([19, 6, 6, 4], [15, 15], groups: 2), [19, 6, 6, 4], [15, 15, 6]),
  (same([21, 8, 1, 3], [7, 7], groups: 3), [21, 8, 1, 3], [7, 7, 3]),
  // A block of channels that begins within a group.
  (ConvolutionGeometry(padding: [1, 1, 1, 1], groups: 2), [1, 5, 6, 4], [3, 3, 580]),
  // Tiles, and pairs of channels through lines.
  (same([1, 150, 300, 3], [7, 7], strides: [2, 1]), [1, 150, 300, 3], [7, 7, 2]),
  (ConvolutionGeometry(padding: [0, 0, 30, 0], groups: 20), [1, 1, 40000, 20], [1, 31, 20]),
]

/// Which elements of a tensor of images [N, H, W, C] are not zero.
enum Life: String, CaseIterable, CustomTestStringConvertible {
  case all, someRows, someColumns, someChannels, someImages, channelsOfSomeImages, fewElements
  var testDescription: String { rawValue }

  func keeps(_ place: [Int], of shape: Shape) -> Bool {
    let (n, h, w, c) = (place[0], place[1], place[2], place[3])
    switch self {
    case .all: return true
    // A tenth: of the columns, where there are few rows.
    case .someRows: return shape[1] > 5 ? h * 10 / shape[1] == 4 : w * 10 / shape[2] == 4
    case .someColumns: return w * 10 / shape[2] == 4
    case .someChannels: return c % 2 == 1
    case .someImages: return n % 2 == 1
    case .channelsOfSomeImages: return n == shape[0] - 1 - c % 2
    case .fewElements:
      var dice = Dice(state: UInt64(n * 7919 + h * 541 + w * 37 + c))
      return dice.roll(0...40) + dice.roll(0...40) == 40
    }
  }
}

/// A sample's operands, of which those numbered have this life.
private func operands(_ sample: OperationSample, _ numbers: [Int], _ life: Life) -> [String: [Double]] {
  var given = operands(sample)
  for number in numbers {
    let shape = sample.inputs[number].shape
    let name = "x\(number)"
    for index in given[name]!.indices {
      let place = [
        index / (shape[1] * shape[2] * shape[3]), index / (shape[2] * shape[3]) % shape[1],
        index / shape[3] % shape[2], index % shape[3],
      ]
      // A zero of either sign.
      if !life.keeps(place, of: shape) { given[name]![index] = index % 2 == 0 ? 0 : -0.0 }
    }
  }
  return given
}

/// What fft makes of a sample where its result is zero in truth, and elsewhere.
private func check(
  _ sample: OperationSample, _ given: [String: [Double]], _ fft: BackendChain, _ reference: BackendChain,
  _ comment: String
) throws -> (zeros: Int, count: Int) {
  let program = try sample.program()
  let found = try ProgramEvaluation(program, given, on: fft).outputs["y0"]!
  let truth = try ProgramEvaluation(program.converted(to: .float64), given, on: reference).outputs["y0"]!
  let zeros = truth.indices.filter { truth[$0] == 0 }
  let noise = zeros.filter { found[$0].bitPattern != 0 }
  let name = "\(sample.operation) \(sample.inputs) \(comment)"
  #expect(noise.isEmpty, "\(name): \(noise.count) of \(zeros.count) are not 0")
  let bound = sample.operation.errorBound(for: sample.inputs)
  let error = BackendComparison.error(found, truth, bound, Array(given.values))
  #expect(error <= 1, "\(name): \(error) bounds off")
  return (zeros.count, truth.count)
}

@Suite(.enabled(if: isFFTHere(), "libfftw3f.so.3 or libopenblas.so.0 is not on this machine"))
struct ZeroResultsTests {
  @Test(
    "a sum of zeros is exactly 0 in all three passes, and rounding elsewhere does not reach it",
    arguments: Life.allCases)
  func zeros(life: Life) throws {
    let (fft, reference) = (try chain(), try chain(ReferenceBackend()))
    var (zeros, count) = (0, 0)
    for (geometry, image, kernel) in shapes {
      // Long loops of the reference: once of each kind.
      if image[1] * image[2] > 5000, ![.someRows, .someChannels].contains(life) { continue }
      let samples = try passes(geometry, image, kernel)
      for (sample, numbers) in zip(samples, [[0], [0], [0, 1]]) {
        // In a filter's gradient the image alone, the upstream gradient alone, and both.
        for numbers in numbers.count == 1 ? [numbers] : [[0], [1], [0, 1]] {
          let part = try check(sample, operands(sample, numbers, life), fft, reference, "\(life) \(numbers)")
          (zeros, count) = (zeros + part.zeros, count + part.count)
        }
      }
    }
    if life != .all { #expect(zeros > count / 10) }
  }

  @Test("so is what meets nothing but padding, also where the image has no zeros")
  func padding() throws {
    let (fft, reference) = (try chain(), try chain(ReferenceBackend()))
    for (geometry, image, kernel) in [
      (ConvolutionGeometry(padding: [9, 8, 7, 10]), [2, 4, 5, 3], [3, 2, 3]),
      (ConvolutionGeometry(padding: [0, 6, 5, 0], groups: 3), [2, 4, 5, 3], [3, 2, 3]),
      (same([3, 8, 1, 1], [7, 7]), [3, 8, 1, 1], [7, 7, 2]),
      (same([3, 6, 6, 2], [15, 15], groups: 2), [3, 6, 6, 2], [15, 15, 4]),
      (ConvolutionGeometry(strides: [3, 2], padding: [7, 7, 9, 9], dilations: [2, 4]), [2, 5, 4, 2], [6, 5, 2]),
    ] {
      let zeros = try passes(geometry, image, kernel).map {
        try check($0, operands($0), fft, reference, "padding").zeros
      }
      #expect(zeros.contains { $0 > 0 })
    }
  }

  @Test("so is a channel to which all weights are zero")
  func weights() throws {
    let (fft, reference) = (try chain(), try chain(ReferenceBackend()))
    for (geometry, image, kernel) in shapes.prefix(14) {
      for sample in try passes(geometry, image, kernel).prefix(2) {
        var given = operands(sample)
        let shape = sample.inputs[1].shape
        for index in given["x1"]!.indices {
          // Forward every other filter; backwards every other channel of a group, or all of a group's.
          let (channel, filter) = (index / shape[3] % shape[2], index % shape[3])
          let group = filter / (shape[3] / geometry.groups)
          let isDead =
            sample.operation is Convolution2D
            ? filter % 2 == 0 : shape[2] > 1 ? channel % 2 == 0 : group % 2 == 0
          if isDead { given["x1"]![index] = 0 }
        }
        let part = try check(sample, given, fft, reference, "weights")
        #expect(part.zeros * 4 >= part.count, "\(sample.operation) \(sample.inputs)")
      }
    }
  }

  @Test("what is no number is not taken for a zero")
  func notANumber() throws {
    let image = [1, 9, 9, 2]
    for groups in [1, 2] {
      for sample in try passes(same(image, [3, 3], groups: groups), image, [3, 3, 2]) {
        var given = operands(sample)
        given["x0"] = given["x0"]!.map { _ in 0 }
        given["x1"]![0] = .nan
        let found = try ProgramEvaluation(try sample.program(), given, on: try chain()).outputs["y0"]!
        #expect(found.contains { $0.isNaN }, "\(sample.operation)")
      }
    }
  }
}
