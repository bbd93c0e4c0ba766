import SwitchbackFFTLibrary

/// Makes exact zeros of those elements of an image's result that are sums of zeros only, forward and backwardInput; for
/// the filter's gradient `UnmetTaps` does.
///
/// A transform spreads its rounding over the whole image: ε·√log n of the image's norm everywhere (Higham, *Accuracy and
/// Stability of Numerical Algorithms*, 2nd ed., §24.1), also where the direct sum is exactly 0, and two channels that
/// share a complex number get some of each other's. That noise lies within the operation's bound, but it is no zero:
/// before any bias is learned, a relu behind it opens half the gates of an empty background, and gradients flow that
/// are not there. No threshold decides here.
///
/// An element is exactly 0 if no tap of its window meets an element of the operand that differs from zero in some
/// channel of its own group (in depthwise convolutions: in its own channel), or if all weights that lead to its channel
/// are zero. Not seen are sums of which each product is zero, but now by the one factor, now by the other: a weight of
/// zero at just the places where the image is none. Nor is a sum whose terms cancel.
struct ZeroResults: @unchecked Sendable {
  // Unchecked: a pointer to a table that never changes.
  private let shape: ConvolutionShape
  private let isForward: Bool
  private let zeros: sb_fft_zeros
  private let kernels: UnsafePointer<sb_fft_kernels>
  /// Bytes of scratch memory.
  let byteCount: Int

  /// `channels`: of the result, at most at once.
  init(_ work: ConvolutionWork, channels: Int, _ kernels: UnsafePointer<sb_fft_kernels>) {
    shape = work.shape
    isForward = work.pass == .forward
    self.kernels = kernels
    var zeros = sb_fft_zeros()
    zeros.vertical = Self.reach(shape.vertical, isForward: isForward, kernels)
    zeros.horizontal = Self.reach(shape.horizontal, isForward: isForward, kernels)
    let (operand, result) = isForward ? (shape.x, shape.y) : (shape.y, shape.x)
    (zeros.operand_row, zeros.operand_column) = (Int64(operand.vertical), Int64(operand.horizontal))
    (zeros.result_row, zeros.result_column) = (Int64(result.vertical), Int64(result.horizontal))
    let (own, other) = (shape.groupChannels, shape.groupFilters)
    (zeros.operand_channels, zeros.result_channels) =
      isForward ? (Int32(own), Int32(other)) : (Int32(other), Int32(own))
    self.zeros = zeros
    let groups = min(shape.groups, (channels - 1) / max(1, Int(zeros.result_channels)) + 2)
    let places = zeros.horizontal.length + zeros.vertical.length * zeros.horizontal.results
    byteCount = (groups * Int(places) + 63) & ~63
  }

  private static func reach(_ axis: Axis, isForward: Bool, _ kernels: UnsafePointer<sb_fft_kernels>) -> sb_fft_reach {
    var reach = sb_fft_reach()
    (reach.taps, reach.tap_step) = (Int64(axis.kernel), Int64(axis.dilation))
    if isForward {
      // Output p takes the taps from p·stride on, in places of the padded axis.
      (reach.given, reach.place, reach.place_step) = (Int64(axis.size), Int64(axis.before), 1)
      (reach.results, reach.read, reach.read_step) = (Int64(axis.outputs), 0, Int64(axis.stride))
    } else {
      // Element e has part in the outputs at e + before, and at as many taps before it: so these come first.
      reach.place = Int64((axis.kernel - 1) * axis.dilation)
      (reach.given, reach.place_step) = (Int64(axis.outputs), Int64(axis.stride))
      (reach.results, reach.read, reach.read_step) = (Int64(axis.size), Int64(axis.before), 1)
    }
    reach.length = max(
      reach.place + reach.place_step * max(reach.given - 1, 0) + 1,
      reach.read + reach.read_step * max(reach.results - 1, 0) + 1)
    // What an operand without zeros leaves.
    var result = [Float](repeating: 1, count: Int(reach.results))
    let operand = [Float](repeating: 1, count: Int(reach.given))
    var one = sb_fft_zeros()
    (one.vertical, one.horizontal) = (Self.single, reach)
    (one.operand_column, one.result_column, one.operand_channels, one.result_channels) = (1, 1, 1, 1)
    var memory = [UInt8](repeating: 0, count: Int(reach.length + reach.results))
    kernels.pointee.clear(&one, operand, 1, &result, 0, 1, &memory)
    reach.meets_all = result.contains(0) ? 0 : 1
    return reach
  }

  /// An axis of one element.
  private static let single = sb_fft_reach(
    length: 1, given: 1, place: 0, place_step: 1, taps: 1, tap_step: 1, results: 1, read: 0, read_step: 1, meets_all: 1)

  /// Channels of the result to which all weights of the filter at `w` are zero.
  func unfilteredChannels(_ w: UnsafePointer<Float>) -> [Int] {
    let (channels, filters, width) = (shape.groupChannels, shape.groupFilters, shape.filters)
    let rows = shape.vertical.kernel * shape.horizontal.kernel
    var found: [Int] = []
    // Mostly the first weight tells.
    if isForward {
      for filter in 0..<shape.filters where (0..<rows * channels).allSatisfy({ w[$0 * width + filter] == 0 }) {
        found.append(filter)
      }
    } else {
      for channel in 0..<shape.channels {
        let first = channel % channels * width + channel / channels * filters
        let isUnfiltered = (0..<rows).allSatisfy { row in
          (0..<filters).allSatisfy { w[row * channels * width + first + $0] == 0 }
        }
        if isUnfiltered { found.append(channel) }
      }
    }
    return found
  }

  /// `operand` and `result` are those of one image, at their first channel; `channels` are the result's.
  func clear(
    _ operand: UnsafePointer<Float>, _ result: UnsafeMutablePointer<Float>, channels: Range<Int>, unfiltered: [Int],
    _ scratch: UnsafeMutablePointer<Float>
  ) {
    let (own, other) = (Int(zeros.result_channels), Int(zeros.operand_channels))
    let group = channels.lowerBound / own
    let groups = (channels.upperBound - 1) / own + 1 - group
    let memory = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: UInt8.self)
    withUnsafePointer(to: zeros) {
      kernels.pointee.clear(
        $0, operand + group * other, Int32(groups), result + channels.lowerBound,
        Int32(channels.lowerBound - group * own), Int32(channels.count), memory)
    }
    for channel in unfiltered where channels.contains(channel) {
      for row in 0..<Int(zeros.vertical.results) {
        for column in 0..<Int(zeros.horizontal.results) {
          let element = row * Int(zeros.result_row) + column * Int(zeros.result_column) + channel
          // As in the kernel: what is no number stays none, and nothing is −0.
          result[element] = result[element] * 0 + 0
        }
      }
    }
  }
}
