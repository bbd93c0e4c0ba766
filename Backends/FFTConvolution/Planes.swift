import SwitchbackBackendKit
import SwitchbackFFTLibrary

/// The planes of one tensor of a convolution: how they are cut into blocks of channels, and where each block's window
/// lies in the tensor and its spectrum among the spectra.
///
/// Spectra are ordered [frequency][image][tile][group][phase][channel], those of the filter
/// [frequency][phase][channel of the group][filter]. The filter lies mirrored, so that its spectrum is the conjugate
/// that a correlation needs: with X, W, Y for the spectra, Y = X·W, dX = dY·Wᴴ, dW = Xᴴ·dY.
final class Planes: @unchecked Sendable {
  // Unchecked: never changes once made.
  enum Tensor { case x, y, w }

  let block: Block
  /// Channels side by side, how often, and the blocks each is cut into.
  let run: Int
  let runs: Int
  let blocks: Int
  let phases: Int
  let tiles: Int
  /// Complex numbers of one image and tile at a frequency.
  let rowSize: Int
  private let tensor: Tensor
  var kind: Int { tensor == .x ? 0 : tensor == .y ? 1 : 2 }
  private let kernels: UnsafePointer<sb_fft_kernels>
  private let vertical: UnsafeMutableBufferPointer<sb_fft_window>
  private let horizontal: UnsafeMutableBufferPointer<sb_fft_window>
  private let verticalPhases: Int
  private let horizontalPhases: Int
  private let horizontalTiles: Int

  init(
    _ tensor: Tensor, _ shape: ConvolutionShape, _ transforms: Transforms, arrays: Int = 1, planner: Planner,
    kernels: UnsafePointer<sb_fft_kernels>
  ) throws(BackendError) {
    (self.tensor, self.kernels) = (tensor, kernels)
    let isPhased = tensor != .y
    verticalPhases = isPhased ? shape.vertical.phases.count : 1
    horizontalPhases = isPhased ? shape.horizontal.phases.count : 1
    phases = verticalPhases * horizontalPhases
    let verticalTiles = tensor == .w ? 1 : transforms.vertical.count
    horizontalTiles = tensor == .w ? 1 : transforms.horizontal.count
    tiles = verticalTiles * horizontalTiles
    switch tensor {
    case .x:
      (run, runs) =
        phases == 1 || shape.isDepthwise ? (shape.channels, 1) : (shape.groupChannels, shape.groups)
      rowSize = phases * shape.channels
    case .y:
      (run, runs) = (shape.filters, 1)
      rowSize = shape.filters
    case .w:
      (run, runs) = (shape.groupChannels * shape.filters, 1)
      rowSize = phases * shape.groupChannels * shape.filters
    }
    let channels = Block.channels(run, transforms, arrays: arrays)
    blocks = (run + channels - 1) / channels
    block = try Block(transforms, channels: channels, planner: planner)
    let strides = tensor == .x ? shape.x : tensor == .y ? shape.y : shape.w
    vertical = Self.windows(tensor, shape.vertical, transforms.vertical, tiles: verticalTiles, step: strides.vertical)
    horizontal = Self.windows(
      tensor, shape.horizontal, transforms.horizontal, tiles: horizontalTiles, step: strides.horizontal)
  }

  deinit {
    vertical.deallocate()
    horizontal.deallocate()
  }

  /// The windows of an axis, [tile][phase].
  private static func windows(
    _ tensor: Tensor, _ axis: Axis, _ tiling: Tiling, tiles: Int, step: Int
  ) -> UnsafeMutableBufferPointer<sb_fft_window> {
    var windows: [sb_fft_window] = []
    for tile in 0..<tiles {
      let (output, outputs) = tiling.outputs(axis, tile)
      switch tensor {
      case .x:
        for phase in axis.phases {
          let (first, count) = tiling.samples(axis, phase, tile)
          let element = phase.firstElement + (first - phase.firstSample) * axis.stride
          windows.append(
            sb_fft_window(
              count: Int32(count), position: Int32(first - output), position_step: 1, source: Int64(element * step),
              source_step: Int64(axis.stride * step)))
        }
      case .y:
        windows.append(
          sb_fft_window(
            count: Int32(outputs), position: 0, position_step: 1, source: Int64(output * step),
            source_step: Int64(step)))
      case .w:
        for phase in axis.phases {
          windows.append(
            sb_fft_window(
              count: Int32(phase.taps), position: Int32(-phase.firstLag), position_step: Int32(-phase.lagStep),
              source: Int64(phase.firstTap * step), source_step: Int64(phase.tapStep * step)))
        }
      }
    }
    let memory = UnsafeMutableBufferPointer<sb_fft_window>.allocate(capacity: windows.count)
    _ = memory.initialize(from: windows)
    return memory
  }

  /// Blocks of one image; an item of work is an image and one of them.
  var itemsPerImage: Int { runs * blocks }

  /// First channel of a block in the tensor, how many it has.
  @inline(__always)
  func channels(_ item: Int) -> (first: Int, count: Int) {
    let (run, block) = (item / blocks, item % blocks)
    let first = block * self.block.channels
    return (run * self.run + first, min(self.block.channels, self.run - first))
  }

  /// Where a block's spectrum begins within its row.
  @inline(__always)
  func column(_ item: Int, phase: Int) -> Int {
    let (run, block) = (item / blocks, item % blocks)
    let start = block * self.block.channels
    return tensor == .w ? phase * self.run + start : (run * phases + phase) * self.run + start
  }

  @inline(__always)
  private func windows(tile: Int, phase: Int) -> (UnsafePointer<sb_fft_window>, UnsafePointer<sb_fft_window>) {
    (
      UnsafePointer(vertical.baseAddress! + (tile / horizontalTiles * verticalPhases + phase / horizontalPhases)),
      UnsafePointer(horizontal.baseAddress! + (tile % horizontalTiles * horizontalPhases + phase % horizontalPhases))
    )
  }

  /// Scratch ← the transform of a block of the image at `tensor`.
  @inline(__always)
  func forward(_ tensor: UnsafePointer<Float>, item: Int, tile: Int, phase: Int, _ scratch: UnsafeMutablePointer<Float>)
  {
    let (vertical, horizontal) = windows(tile: tile, phase: phase)
    let (first, count) = channels(item)
    kernels.pointee.forward(block.description, vertical, horizontal, tensor + first, Int32(count), scratch)
  }

  /// The block of the image at `tensor` ← the inverse transform of the scratch, divided by what separating and
  /// transforming put in.
  @inline(__always)
  func inverse(
    _ tensor: UnsafeMutablePointer<Float>, item: Int, tile: Int, phase: Int, adds: Bool,
    _ scratch: UnsafeMutablePointer<Float>
  ) {
    let (vertical, horizontal) = windows(tile: tile, phase: phase)
    let (first, count) = channels(item)
    let scale = 1 / Float(4 * block.transforms.points)
    kernels.pointee.inverse(
      block.description, vertical, horizontal, scale, adds ? 1 : 0, scratch, Int32(count), tensor + first)
  }

  // MARK: Long sequences, pair by pair

  /// Blocks of two channels are taken eight at a time, through lines of their own: otherwise each would read every
  /// cache line of the tensor for eight bytes.
  var hasLines: Bool {
    block.channels == 2 && run % 2 == 0 && phases == 1 && verticalPhases == 1 && block.transforms.vertical.length == 1
  }

  /// Floats of a packed line (`SB_FFT_LINE`): of a tile, and of the longest.
  func lineLength(_ tile: Int) -> Int { 2 * Int(horizontal[tile].count) + 32 }
  var lineFloats: Int { (0..<tiles).reduce(0) { max($0, lineLength($1)) } }

  func pack(_ tensor: UnsafePointer<Float>, blocks: Range<Int>, tile: Int, _ lines: UnsafeMutablePointer<Float>) {
    let (first, count) = span(blocks)
    kernels.pointee.pack(horizontal.baseAddress! + tile, tensor + first, Int32(count), lines)
  }

  func unpack(_ lines: UnsafePointer<Float>, blocks: Range<Int>, tile: Int, _ tensor: UnsafeMutablePointer<Float>) {
    let (first, count) = span(blocks)
    kernels.pointee.unpack(horizontal.baseAddress! + tile, lines, Int32(count), tensor + first)
  }

  /// First channel of some blocks, and how many they have.
  func span(_ blocks: Range<Int>) -> (first: Int, count: Int) {
    let first = channels(blocks.lowerBound).first
    let last = channels(blocks.upperBound - 1)
    return (first, last.first + last.count - first)
  }

  /// The channels of an item, in the tensor.
  func channelRange(_ item: Int) -> Range<Int> {
    let (first, count) = channels(item)
    return first..<first + count
  }

  /// The window of a packed line.
  private func lineWindow(_ tile: Int) -> sb_fft_window {
    var window = horizontal[tile]
    (window.source, window.source_step) = (0, 2)
    return window
  }

  func forward(line: UnsafePointer<Float>, tile: Int, _ scratch: UnsafeMutablePointer<Float>) {
    var window = lineWindow(tile)
    kernels.pointee.forward(block.description, vertical.baseAddress!, &window, line, 2, scratch)
  }

  func inverse(line: UnsafeMutablePointer<Float>, tile: Int, _ scratch: UnsafeMutablePointer<Float>) {
    var window = lineWindow(tile)
    let scale = 1 / Float(4 * block.transforms.points)
    kernels.pointee.inverse(block.description, vertical.baseAddress!, &window, scale, 0, scratch, 2, line)
  }

  /// All of an item: tiles and phases of one block of an image, to the image's rows of `spectra`, whose frequencies lie
  /// `stride` complex numbers apart.
  func transform(
    _ tensor: UnsafePointer<Float>, item: Int, to spectra: UnsafeMutablePointer<Float>, stride: Int,
    _ scratch: UnsafeMutablePointer<Float>
  ) {
    let count = Int32(channels(item).count)
    for tile in 0..<tiles {
      for phase in 0..<phases {
        forward(tensor, item: item, tile: tile, phase: phase, scratch)
        kernels.pointee.separate(
          block.description, scratch, count, spectra + 2 * (tile * rowSize + column(item, phase: phase)),
          Int64(stride))
      }
    }
  }

  /// The reverse.
  func restore(
    _ spectra: UnsafePointer<Float>, stride: Int, item: Int, adds: Bool, to tensor: UnsafeMutablePointer<Float>,
    _ scratch: UnsafeMutablePointer<Float>
  ) {
    let count = Int32(channels(item).count)
    for tile in 0..<tiles {
      for phase in 0..<phases {
        kernels.pointee.combine(
          block.description, spectra + 2 * (tile * rowSize + column(item, phase: phase)), Int64(stride), count,
          scratch)
        inverse(tensor, item: item, tile: tile, phase: phase, adds: adds, scratch)
      }
    }
  }
}
