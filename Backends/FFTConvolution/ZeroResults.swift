import SwitchbackFFTLibrary

/// Which elements of a result are sums of zeros only, so that they are written as exact zeros.
///
/// A transform spreads its rounding over the whole image: ε·√log n of the image's norm everywhere (Higham, *Accuracy and
/// Stability of Numerical Algorithms*, 2nd ed., §24.1), also where the direct sum is exactly 0. That noise lies within
/// the operation's bound, but it is no zero: before any bias is learned, a relu behind it opens half the gates of an
/// empty background, and gradients flow that are not there. No threshold decides here: a result is 0 exactly where no
/// tap of its window meets an element that differs from zero in some channel. Channels are taken together, so a channel
/// of zeros among others is not seen.
struct ZeroResults: @unchecked Sendable {
  // Unchecked: a pointer to a table that never changes.
  /// The axes, and the elements of operand and result along them.
  private let axes: [Axis]
  private let isForward: Bool
  private let rows: Int
  private let columns: Int
  private let resultRows: Int
  private let resultColumns: Int
  private let operand: ConvolutionShape.Strides
  private let kernels: UnsafePointer<sb_fft_kernels>
  /// Whether some result meets nothing but padding, also where nothing of the operand is zero.
  private var hasUnmetResults = false

  /// For backwardFilter there is nothing to tell: its results sum over whole images.
  init(_ work: ConvolutionWork, _ kernels: UnsafePointer<sb_fft_kernels>) {
    let shape = work.shape
    (axes, self.kernels) = ([shape.vertical, shape.horizontal], kernels)
    isForward = work.pass == .forward
    operand = isForward ? shape.x : shape.y
    (rows, columns) = isForward ? (axes[0].size, axes[1].size) : (axes[0].outputs, axes[1].outputs)
    (resultRows, resultColumns) = isForward ? (axes[0].outputs, axes[1].outputs) : (axes[0].size, axes[1].size)
    let longest = max(rows, columns, resultRows, resultColumns)
    var counts = [Int32](repeating: 0, count: longest)
    var result = [UInt8](repeating: 0, count: longest)
    for (axis, count) in zip(axes, [resultRows, resultColumns]) {
      line(axis, [UInt8](repeating: 1, count: longest), &result, step: 1, &counts)
      if result.prefix(count).contains(0) { hasUnmetResults = true }
    }
  }

  /// Of scratch memory: a line of counts, then marks of the operand, of one axis spread, and of the result.
  var byteCount: Int { (lineByteCount + rows * columns + rows * resultColumns + resultRows * resultColumns + 63) & ~63 }
  private var lineByteCount: Int { 4 * max(rows, columns, resultRows, resultColumns) }

  /// The marks for an image of the operand whose `channels` lie at `tensor`; none where every result meets something that is not zero.
  func marks(_ tensor: UnsafePointer<Float>, channels: Int, _ scratch: UnsafeMutablePointer<Float>) -> sb_fft_zeros {
    let counts = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: Int32.self)
    let given = (UnsafeMutableRawPointer(scratch) + lineByteCount).assumingMemoryBound(to: UInt8.self)
    let spread = given + rows * columns
    let result = spread + rows * resultColumns
    let count = kernels.pointee.occupied(
      tensor, Int32(rows), Int64(operand.vertical), Int32(columns), Int64(operand.horizontal), Int32(channels), given)
    guard count < rows * columns || hasUnmetResults else { return sb_fft_zeros() }
    for row in 0..<rows {
      line(axes[1], given + row * columns, spread + row * resultColumns, step: 1, counts)
    }
    for column in 0..<resultColumns { line(axes[0], spread + column, result + column, step: resultColumns, counts) }
    return sb_fft_zeros(marks: result, row: Int64(resultColumns))
  }

  /// Marks along one axis: whether any tap joins the result to a marked element.
  @inline(__always)
  private func line(
    _ axis: Axis, _ given: UnsafePointer<UInt8>, _ result: UnsafeMutablePointer<UInt8>, step: Int,
    _ counts: UnsafeMutablePointer<Int32>
  ) {
    let dilation = axis.dilation
    /// The first and the last sample that an output meets; none where the first lies behind the last.
    func samples(_ output: Int) -> (first: Int, last: Int) {
      let start = output * axis.stride - axis.before
      let first = start >= 0 ? start : start + (dilation - 1 - start) / dilation * dilation
      let room = axis.size - 1 - start
      return (first, room < 0 ? -1 : start + min(axis.kernel - 1, room / dilation) * dilation)
    }
    if isForward {
      // Sums up to each sample, of every dilation-th.
      for e in 0..<axis.size { counts[e] = Int32(given[e * step]) + (e >= dilation ? counts[e - dilation] : 0) }
      for output in 0..<axis.outputs {
        let (first, last) = samples(output)
        let isMet = first <= last && counts[last] != (first >= dilation ? counts[first - dilation] : 0)
        result[output * step] = isMet ? 1 : 0
      }
    } else {
      // Where samples begin and end to be met, summed up.
      counts.update(repeating: 0, count: axis.size)
      for output in 0..<axis.outputs where given[output * step] != 0 {
        let (first, last) = samples(output)
        guard first <= last else { continue }
        counts[first] += 1
        if last + dilation < axis.size { counts[last + dilation] -= 1 }
      }
      for e in 0..<axis.size {
        if e >= dilation { counts[e] += counts[e - dilation] }
        result[e * step] = counts[e] > 0 ? 1 : 0
      }
    }
  }
}
