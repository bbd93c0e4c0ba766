import SwitchbackBackendKit
import SwitchbackFFTLibrary

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Transforms of some channels side by side, with their plans and tables.
final class Block: @unchecked Sendable {
  // Unchecked: never changes once made.
  let description: UnsafeMutablePointer<sb_fft_block>
  let transforms: Transforms
  /// Channels that fit: two in each complex number.
  let channels: Int
  /// Bytes of its scratch memory.
  let scratchByteCount: Int
  private(set) var fingerprint: UInt64 = 0xcbf2_9ce4_8422_2325
  private var memory: [UnsafeMutableRawPointer] = []

  /// Bytes of scratch that stay in the second-level cache with what flows past.
  private static let cacheBytes = 256 << 10

  /// Channels to take at once out of `run` that lie side by side: what fits into the cache, in equal parts.
  static func channels(_ run: Int, _ transforms: Transforms, arrays: Int = 1) -> Int {
    let pairs = (run + 1) / 2
    var most = max(1, min(128, cacheBytes / arrays / (8 * transforms.points)))
    // Eight pairs are a cache line and a vector; below that only what would leave every cache.
    if most < 8 { most = transforms.points <= 1 << 14 ? 8 : 1 }
    // A whole number of vectors, where there is more than one.
    return 2 * min(pairs, most >= 8 ? most / 8 * 8 : most)
  }

  init(_ transforms: Transforms, channels: Int, planner: Planner) throws(BackendError) {
    self.transforms = transforms
    self.channels = channels
    let pairs = channels / 2
    // Distances that are multiples of a quarter page put everything into the same few lines of the cache (the first step
    // of 2048 points, 8 side by side: 0.96 ns a point so, 0.58 with a line between; Emerald Rapids). Along columns rows
    // are not whole pages apart either.
    let isLong = transforms.vertical.length == 1 && pairs >= 8
    let length = transforms.horizontalLength
    let pad = isLong && length.second > 1 && length.second * pairs % 128 == 0 ? 8 : 0
    let width = length.length * pairs + length.first * pad
    let stride = (width + 7) / 8 * 8 + (transforms.vertical.length > 1 ? 8 : 0)
    scratchByteCount = transforms.vertical.length * stride * 8
    description = .allocate(capacity: 1)
    description.initialize(to: sb_fft_block())
    description.pointee.pairs = Int32(pairs)
    description.pointee.row_stride = Int32(stride)
    description.pointee.execute = planner.fftw.pointee.execute
    let half = transforms.horizontal.length / 2 + 1
    description.pointee.half_count = Int32(half)
    // Of each frequency and its negative the one that comes first in memory.
    let first = (0..<transforms.horizontal.length).map { frequency in
      let negative = (transforms.horizontal.length - frequency) % transforms.horizontal.length
      return min(
        Self.position(frequency, transforms.horizontalLength), Self.position(negative, transforms.horizontalLength))
    }
    let kept = Set(first).sorted()
    description.pointee.half = table(half) { Int32(kept[$0]) }
    description.pointee.offset = table(length.length) { Int32(2 * ($0 * pairs + $0 / length.second * pad)) }
    let data = try HostBuffer(byteCount: scratchByteCount)
    let scratch = data.bytes.baseAddress!.assumingMemoryBound(to: Float.self)
    description.pointee.horizontal = try axis(length, width: pairs, stride: pairs, pad: pad, planner, scratch)
    description.pointee.vertical = try axis(
      transforms.verticalLength, width: width, stride: stride, pad: 0, planner, scratch)
  }

  deinit {
    for block in memory { block.deallocate() }
    description.deallocate()
  }

  /// Where a frequency lies after two steps: X[k₁ + first·k₂] at k₁·second + k₂, or where an inner axis has k₂.
  private static func position(_ frequency: Int, _ length: TransformLength) -> Int {
    let within = frequency / length.first
    return frequency % length.first * length.second + (length.inner.map { position(within, $0) } ?? within)
  }

  /// Transforms of `width` complex numbers side by side, which lie `stride` apart along the axis and `pad` more after
  /// each second step's.
  private func axis(
    _ length: TransformLength, width: Int, stride: Int, pad: Int, _ planner: Planner,
    _ scratch: UnsafeMutablePointer<Float>
  ) throws(BackendError) -> sb_fft_axis {
    let (first, second) = (length.first, length.second)
    var axis = sb_fft_axis()
    (axis.length, axis.first, axis.second, axis.pad) = (Int32(length.length), Int32(first), Int32(second), Int32(pad))
    let part = second * stride + pad
    var negative = [Int32](repeating: 0, count: length.length)
    for frequency in 0..<length.length {
      negative[Self.position(frequency, length)] = Int32(
        Self.position((length.length - frequency) % length.length, length))
    }
    axis.negative = table(length.length) { negative[$0] }
    axis.twiddles = table(2 * length.length) { index in
      let (k, j) = (index / 2 / second, index / 2 % second)
      let angle = -2 * Double.pi * Double(k * j) / Double(length.length)
      return Float(index % 2 == 0 ? cos(angle) : sin(angle))
    }
    func plan(_ length: Int, stride: Int, outer: Int, distance: Int, sign: Int32) throws(BackendError)
      -> UnsafeRawPointer
    {
      try planner.plan(
        switchback_fftw_shape(
          length: Int32(length), stride: Int32(stride), count: Int32(width), outer: Int32(outer),
          distance: Int32(distance), sign: sign), scratch, &fingerprint)
    }
    let (forward, inverse) = (Int32(SB_FFT_FORWARD), Int32(SB_FFT_INVERSE))
    axis.first_forward = try plan(first, stride: part, outer: second, distance: stride, sign: forward)
    axis.first_inverse = try plan(first, stride: part, outer: second, distance: stride, sign: inverse)
    guard second > 1 else { return axis }
    if let inner = length.inner {
      let made = try self.axis(inner, width: width, stride: stride, pad: 0, planner, scratch)
      axis.inner = table(1) { _ in made }
      return axis
    }
    axis.second_forward = try plan(second, stride: stride, outer: first, distance: part, sign: forward)
    axis.second_inverse = try plan(second, stride: stride, outer: first, distance: part, sign: inverse)
    return axis
  }

  private func table<Element>(_ count: Int, _ element: (Int) -> Element) -> UnsafePointer<Element> {
    let block = UnsafeMutableRawPointer.allocate(byteCount: count * MemoryLayout<Element>.stride, alignment: 64)
    memory.append(block)
    let pointer = block.bindMemory(to: Element.self, capacity: count)
    for index in 0..<count { (pointer + index).initialize(to: element(index)) }
    return UnsafePointer(pointer)
  }
}
