/// One axis of a convolution, taken apart into phases of stride 1.
///
/// With stride s, the tap `i` meets the sample h = p·s + i·d − before. Samples with the same (h + before) mod s are a
/// phase, and within it y[p] = Σ x[p + t]·w[t], t = ⌊i·d / s⌋: a convolution of stride 1. So a strided convolution is a
/// sum over phases, whose transforms are s times shorter, and needs the outputs' transform only once; a dilated kernel
/// is one with zeros between its taps.
struct Axis: Hashable, Sendable {
  struct Phase: Hashable, Sendable {
    /// Index of the phase's first sample in its own numbering, its element of the axis, how many there are.
    var firstSample = 0
    var firstElement = 0
    var samples = 0
    /// First tap, distance to the next, how many; and where they lie among the samples.
    var firstTap = 0
    var tapStep = 1
    var taps = 0
    var firstLag = 0
    var lagStep = 1
  }

  let size: Int
  let kernel: Int
  let stride: Int
  let dilation: Int
  /// Zeros before the first element.
  let before: Int
  let outputs: Int
  /// One more than the largest lag.
  let reach: Int
  let phases: [Phase]
  /// Whether every sample belongs to some phase: otherwise some have no part in the result.
  let coversAll: Bool
  /// The shortest transform that holds the axis whole.
  let shortest: Int

  init(size: Int, kernel: Int, stride: Int, dilation: Int, before: Int, outputs: Int) {
    (self.size, self.kernel, self.stride, self.outputs) = (size, kernel, stride, outputs)
    (self.dilation, self.before) = (dilation, before)
    reach = (kernel - 1) * dilation / stride + 1
    /// The last sample that any output reaches.
    let last = outputs + reach - 2
    var phases: [Phase] = []
    var lowest = Int.max
    var highest = 0
    var covered = 0
    for residue in 0..<stride {
      let taps = (0..<kernel).filter { $0 * dilation % stride == residue }
      guard let firstTap = taps.first else { continue }
      var phase = Phase()
      phase.firstSample = max(0, (before - residue + stride - 1) / stride)
      if before < residue { phase.firstSample = 0 }
      phase.firstElement = phase.firstSample * stride + residue - before
      let end = min((size - 1 + before - residue + stride) / stride, last + 1)
      phase.samples = max(0, end - phase.firstSample)
      (phase.firstTap, phase.taps) = (firstTap, taps.count)
      phase.tapStep = taps.count > 1 ? taps[1] - taps[0] : 1
      phase.firstLag = firstTap * dilation / stride
      phase.lagStep = phase.tapStep * dilation / stride
      covered += phase.samples
      if phase.samples > 0 {
        lowest = min(lowest, phase.firstSample)
        highest = max(highest, end - 1)
      }
      phases.append(phase)
    }
    self.phases = phases
    coversAll = covered == size
    // Samples and outputs are placed modulo the length: two of them may share a place only if no output that is kept
    // reaches it. For `same` padding that is size + ⌊kernel / 2⌋.
    shortest = max(highest + 1, last - min(lowest, last) + 1, reach, outputs, 1)
  }

  /// An axis of one element on which nothing happens.
  static let none = Axis(size: 1, kernel: 1, stride: 1, dilation: 1, before: 0, outputs: 1)
}

/// How an axis is cut into tiles, each transformed at `length` (overlap-save: the tiles of the image overlap by
/// reach − 1, those of the result not at all).
struct Tiling: Hashable, Sendable {
  var length: Int
  /// Outputs of a tile, and tiles.
  var tile: Int
  var count: Int

  init(_ axis: Axis, length: Int) {
    self.length = length
    if length >= axis.shortest {
      (tile, count) = (axis.outputs, 1)
    } else {
      tile = length - axis.reach + 1
      count = tile > 0 ? (axis.outputs + tile - 1) / tile : 0
    }
  }

  /// The first output of a tile and how many it has.
  func outputs(_ axis: Axis, _ index: Int) -> (first: Int, count: Int) {
    (index * tile, min(tile, axis.outputs - index * tile))
  }

  /// The samples of a phase that a tile reaches: first, how many.
  func samples(_ axis: Axis, _ phase: Axis.Phase, _ index: Int) -> (first: Int, count: Int) {
    let (output, outputs) = outputs(axis, index)
    let first = max(phase.firstSample, output)
    let end = min(phase.firstSample + phase.samples, output + outputs + axis.reach - 1)
    return (first, max(0, end - first))
  }
}
