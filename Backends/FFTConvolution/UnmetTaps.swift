import SwitchbackFFTLibrary

/// Makes exact zeros of those elements of a filter's gradient that are sums of zeros only.
///
/// The rounding of a transform is as large in a tap that has no gradient as in its neighbours: 1e-8 of them. Adam and
/// RMSprop divide by the size of the gradient, so they make whole steps of it. Taps that only ever see padding, and the
/// weights of channels and filters that are dead in a whole batch, have no other gradient.
///
/// An element is exactly 0 if in no image, at no output, its tap joins an element of the image and one of the upstream
/// gradient that both differ from zero. This is asked of bits, eight images at once, and only as long as some pair of
/// channels has not met: mostly the first few outputs of the first images tell. At worst it costs what the transforms
/// do, or 16,384 looks a tap and eight images. So what is promised is this: taps that only meet padding; channels and
/// filters that are dead in all images, or never alive in the same ones; and rows and columns that are dead at the edges
/// of all images. Elements scattered so that a pair meets nowhere are found as far as the looks go. Not seen are sums
/// whose terms cancel.
struct UnmetTaps: @unchecked Sendable {
  // Unchecked: a pointer to a table that never changes.
  private let shape: ConvolutionShape
  private let kernels: UnsafePointer<sb_fft_kernels>
  private let workers: Workers
  /// Where in the memory which bytes begin.
  private let met: Int
  private let flags: Int
  /// For a tap, of eight images.
  private let steps: Int
  private let x: Marks
  private let y: Marks
  let byteCount: Int

  /// Of one of the two operands: marks [row][column][channel], of rows [row][channel], and of all [channel].
  private struct Marks {
    let strides: ConvolutionShape.Strides
    let rows: Int
    let columns: Int
    let channels: Int
    let start: Int
    var ofRows: Int { start + rows * columns * channels }
    var ofAll: Int { ofRows + rows * channels }
    var end: Int { ofAll + channels }
  }

  private static let imagesAtOnce = 8

  init(_ work: ConvolutionWork, _ kernels: UnsafePointer<sb_fft_kernels>, _ workers: Workers) {
    shape = work.shape
    (self.kernels, self.workers) = (kernels, workers)
    let (vertical, horizontal) = (shape.vertical, shape.horizontal)
    let taps = vertical.kernel * horizontal.kernel
    let parts = (shape.images + Self.imagesAtOnce - 1) / Self.imagesAtOnce
    // A look takes about a nanosecond.
    let share = work.transforms.microseconds(shape) * 1000 / Double(taps) / Double(max(parts, 1))
    steps = max(16384, Int(share))
    // First the columns that are occupied in each row: two numbers.
    met = 8 * (vertical.size + vertical.outputs)
    flags = met + shape.filterSize
    x = Marks(
      strides: shape.x, rows: vertical.size, columns: horizontal.size, channels: shape.channels,
      start: flags + taps)
    y = Marks(
      strides: shape.y, rows: vertical.outputs, columns: horizontal.outputs, channels: shape.filters, start: x.end)
    byteCount = (y.end + 63) & ~63
  }

  /// `result` is the gradient with respect to the filter, [row][column][channel of the group][filter].
  func clear(
    _ image: UnsafePointer<Float>, _ upstream: UnsafePointer<Float>, _ result: UnsafeMutablePointer<Float>,
    _ memory: UnsafeMutableRawPointer
  ) {
    let bytes = memory.assumingMemoryBound(to: UInt8.self)
    let columns = shape.horizontal.kernel
    let (taps, size) = (shape.vertical.kernel * columns, shape.groupChannels * shape.filters)
    (bytes + met).update(repeating: 0, count: shape.filterSize)
    for first in stride(from: 0, to: shape.images, by: Self.imagesAtOnce) {
      let images = first..<min(first + Self.imagesAtOnce, shape.images)
      mark(image, upstream, images, memory)
      let occupancy = occupancy(memory)
      share(taps) { tap in
        // What is met already, or never, is not asked again.
        if first > 0, bytes[flags + tap] != SB_FFT_OPEN { return }
        bytes[flags + tap] = withUnsafePointer(to: occupancy) {
          UInt8(kernels.pointee.meet($0, Int64(tap / columns), Int64(tap % columns), bytes + met + tap * size))
        }
      }
      if !(0..<taps).contains(where: { bytes[flags + $0] == SB_FFT_OPEN }) { break }
    }
    guard (0..<taps).contains(where: { bytes[flags + $0] != SB_FFT_MET }) else { return }
    share(taps) { tap in
      guard bytes[flags + tap] != SB_FFT_MET else { return }
      for e in tap * size..<(tap + 1) * size where bytes[met + e] == 0 {
        // A product with zero, so that what is no number stays none; and 0 added, so that it is not −0.
        result[e] = result[e] * 0 + 0
      }
    }
  }

  /// Items in shares large enough for a worker.
  private func share(_ items: Int, _ body: (_ item: Int) -> Void) {
    let size = max(1, items / 64)
    workers.parallel((items + size - 1) / size) { share in
      for item in share * size..<min((share + 1) * size, items) { body(item) }
    }
  }

  private func mark(
    _ image: UnsafePointer<Float>, _ upstream: UnsafePointer<Float>, _ images: Range<Int>,
    _ memory: UnsafeMutableRawPointer
  ) {
    let bytes = memory.assumingMemoryBound(to: UInt8.self)
    let occupied = memory.assumingMemoryBound(to: Int32.self)
    withUnsafeTemporaryAllocation(of: UnsafePointer<Float>?.self, capacity: 2 * Self.imagesAtOnce) { starts in
      for (index, number) in images.enumerated() {
        starts[index] = image + shape.offset(shape.x, image: number)
        starts[Self.imagesAtOnce + index] = upstream + shape.offset(shape.y, image: number)
      }
      let starts = starts.baseAddress!
      workers.parallel(x.rows + y.rows) { item in
        let (marks, row, starts) =
          item < x.rows ? (x, item, starts) : (y, item - x.rows, starts + Self.imagesAtOnce)
        kernels.pointee.occupy(
          starts, Int32(images.count), Int64(row * marks.strides.vertical), Int32(marks.columns),
          Int64(marks.strides.horizontal), Int32(marks.channels),
          bytes + marks.start + row * marks.columns * marks.channels, bytes + marks.ofRows + row * marks.channels,
          occupied + 2 * item)
      }
    }
    for marks in [x, y] {
      let all = bytes + marks.ofAll
      all.update(repeating: 0, count: marks.channels)
      for row in 0..<marks.rows {
        let own = bytes + marks.ofRows + row * marks.channels
        for channel in 0..<marks.channels { all[channel] |= own[channel] }
      }
    }
  }

  private func occupancy(_ memory: UnsafeMutableRawPointer) -> sb_fft_occupancy {
    let bytes = memory.assumingMemoryBound(to: UInt8.self)
    let occupied = memory.assumingMemoryBound(to: Int32.self)
    /// From and below which rows and columns an operand is occupied; `first`: its first row among the occupied ones.
    func box(_ marks: Marks, first: Int) -> (rows: (Int64, Int64), columns: (Int64, Int64)) {
      var (top, bottom, left, right) = (Int.max, 0, Int.max, 0)
      for row in 0..<marks.rows {
        let (from, below) = (Int(occupied[2 * (first + row)]), Int(occupied[2 * (first + row) + 1]))
        guard from < below else { continue }
        (top, bottom) = (min(top, row), row + 1)
        (left, right) = (min(left, from), max(right, below))
      }
      guard bottom > 0 else { return ((0, 0), (0, 0)) }
      return ((Int64(top), Int64(bottom)), (Int64(left), Int64(right)))
    }
    let (xBox, yBox) = (box(x, first: 0), box(y, first: x.rows))
    func taps(_ axis: Axis, _ x: (Int64, Int64), _ y: (Int64, Int64)) -> sb_fft_taps {
      sb_fft_taps(
        size: Int64(axis.size), outputs: Int64(axis.outputs), stride: Int64(axis.stride),
        dilation: Int64(axis.dilation), before: Int64(axis.before), x: x, y: y)
    }
    return sb_fft_occupancy(
      vertical: taps(shape.vertical, xBox.rows, yBox.rows),
      horizontal: taps(shape.horizontal, xBox.columns, yBox.columns), groups: Int32(shape.groups),
      channels: Int32(shape.groupChannels), filters: Int32(shape.groupFilters), x: bytes + x.start, y: bytes + y.start,
      x_rows: bytes + x.ofRows, y_rows: bytes + y.ofRows, x_any: bytes + x.ofAll, y_any: bytes + y.ofAll,
      steps: Int64(steps))
  }
}
