import SwitchbackABI
import SwitchbackBackendKit
import SwitchbackFFTLibrary

/// A convolution of one channel to one filter: block by block of channels everything stays in the cache, from the
/// gathered image to the written result, and only the filter's spectrum is in memory.
///
/// The filter's gradient sums over images in at most four slots, fixed parts of the images added in their order, so
/// that bits do not depend on the number of workers.
final class DepthwiseConvolution: Executable, @unchecked Sendable {
  // Unchecked: one run at a time; in it workers write only to their own items.
  let report: CompiledReport
  private let work: ConvolutionWork
  private let workers: Workers
  private let kernels: UnsafePointer<sb_fft_kernels>
  private let x: Planes
  private let y: Planes
  private let w: Planes
  /// Complex numbers of one phase's spectrum of one block, and of all phases and blocks: the filter's.
  private let blockSize: Int
  private let filterSize: Int
  private let slots: Int
  private let usesLines: Bool
  private let lineFloats: Int
  private let scratchByteCount: Int
  /// Forward and backwardInput; its memory is the scratch's last part.
  private let zeros: ZeroResults?
  /// backwardFilter; its memory lies in the workspace, behind the sums.
  private let unmetTaps: UnmetTaps?

  init(_ work: ConvolutionWork, _ device: FFTDevice) throws(BackendError) {
    let (shape, transforms) = (work.shape, work.transforms)
    self.work = work
    workers = Workers(device.host)
    kernels = device.library.kernels
    func planes(_ tensor: Planes.Tensor) throws(BackendError) -> Planes {
      try Planes(tensor, shape, transforms, arrays: 3, planner: device.planner, kernels: device.library.kernels)
    }
    (x, y, w) = (try planes(.x), try planes(.y), try planes(.w))
    blockSize = transforms.frequencies * x.block.channels
    filterSize = blockSize * x.phases * x.blocks
    slots = work.pass == .backwardFilter ? max(1, min(4, shape.images)) : 1
    unmetTaps = work.pass == .backwardFilter ? UnmetTaps(work, kernels, workers) : nil
    let bytes = (8 * filterSize * slots + 63) & ~63 + (unmetTaps?.byteCount ?? 0)
    guard bytes <= work.memoryLimit else {
      throw BackendError(
        .outOfMemory,
        "\(work.name) needs \(bytes) bytes for the spectra of the filter; \(work.memoryLimit) are allowed (option "
          + "memory of the fft backend)", operation: 0)
    }
    // Lines of eight blocks, where they have one result each.
    usesLines = x.hasLines && y.hasLines && !work.adds && work.pass != .backwardFilter
    lineFloats = usesLines ? max(x.lineFloats, y.lineFloats) : 0
    zeros =
      work.pass == .backwardFilter
      ? nil : ZeroResults(work, channels: (usesLines ? 8 : 1) * x.block.channels, kernels)
    // The transform, two spectra of a block, the lines, and what tells exact zeros.
    scratchByteCount =
      x.block.scratchByteCount + 16 * blockSize + 2 * 8 * 4 * lineFloats + (zeros?.byteCount ?? 0)
    var fingerprint = Fingerprint()
    for planes in [x, y, w] { fingerprint.mix(planes.block.fingerprint) }
    fingerprint.mix(UInt64(transforms.points))
    let isFilterGiven = work.pass != .backwardFilter
    var report = CompiledReport(
      workspaceByteCount: isFilterGiven ? 0 : bytes, fingerprint: fingerprint.value, groupOfCall: [0],
      groupNames: ["\(work.name) by \(transforms.words)"])
    if isFilterGiven {
      report.keeps = [
        Keep(
          value: work.inputs[1], format: Fingerprint.format(w, shape, stride: blockSize), byteCount: bytes,
          isLasting: true)
      ]
    }
    self.report = report
  }

  func run(_ arguments: borrowing RunArguments) throws(BackendError) -> UInt64 {
    let start = microseconds()
    let shape = work.shape
    let (first, second) = (try arguments.floats(work.inputs[0]), try arguments.floats(work.inputs[1]))
    let result = try arguments.floats(work.output)
    if work.adds { result.update(repeating: 0, count: shape.batch * shape.x.image) }
    if work.pass == .backwardFilter {
      guard let base = arguments.workspace.host else {
        throw BackendError(.invalid, "the workspace is not in host memory", operation: 0)
      }
      if shape.images == 0 {
        result.update(repeating: 0, count: shape.filterSize)
      } else {
        backwardFilter(first, second, base.assumingMemoryBound(to: Float.self), result)
        unmetTaps?.clear(first, second, result, base + (8 * filterSize * slots + 63) & ~63)
      }
    } else {
      let filter = try SpectrumKeep(arguments, 0, value: work.inputs[1])
      if filter.isStale { transformFilter(second, filter.memory) }
      let unfiltered = zeros?.unfilteredChannels(second) ?? []
      if usesLines {
        throughLines(first, filter.memory, result, unfiltered)
      } else if work.pass == .forward {
        forward(first, filter.memory, result, unfiltered)
      } else {
        backwardInput(first, filter.memory, result, unfiltered)
      }
      filter.isMade()
    }
    try workers.check(scratchByteCount)
    arguments.groupMicroseconds?[0] = microseconds() - start
    return 0
  }

  // MARK: Stages

  /// The spectrum of a block and phase of the filter, [frequency][channel] without gaps.
  private func part(_ filter: UnsafeMutablePointer<Float>, block: Int, phase: Int) -> UnsafeMutablePointer<Float> {
    filter + 2 * (block * x.phases + phase) * blockSize
  }

  /// Scratch as the transform's own and two spectra.
  private func split(_ scratch: UnsafeMutablePointer<Float>) -> (
    UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>
  ) {
    let first = scratch + x.block.scratchByteCount / 4
    return (first, first + 2 * blockSize)
  }

  /// Exact zeros in an image's result.
  private func clear(
    _ operand: UnsafePointer<Float>, _ result: UnsafeMutablePointer<Float>, _ channels: Range<Int>,
    _ unfiltered: [Int], _ scratch: UnsafeMutablePointer<Float>
  ) {
    guard let zeros else { return }
    zeros.clear(
      operand, result, channels: channels, unfiltered: unfiltered, scratch + (scratchByteCount - zeros.byteCount) / 4)
  }

  private var channels: Int64 { Int64(x.block.channels) }

  private func transformFilter(_ tensor: UnsafePointer<Float>, _ filter: UnsafeMutablePointer<Float>) {
    workers.parallel(w.blocks * w.phases, scratch: scratchByteCount) { item, scratch in
      let (block, phase) = (item / w.phases, item % w.phases)
      w.forward(tensor, item: block, tile: 0, phase: phase, scratch)
      kernels.pointee.separate(
        w.block.description, scratch, Int32(x.block.channels), part(filter, block: block, phase: phase), channels)
    }
  }

  private func forward(
    _ tensor: UnsafePointer<Float>, _ filter: UnsafeMutablePointer<Float>, _ result: UnsafeMutablePointer<Float>,
    _ unfiltered: [Int]
  ) {
    let shape = work.shape
    workers.parallel(shape.images * x.blocks, scratch: scratchByteCount) { item, scratch in
      let (image, block) = (item / x.blocks, item % x.blocks)
      let (spectrum, sum) = split(scratch)
      let source = tensor + shape.offset(shape.x, image: image)
      let target = result + shape.offset(shape.y, image: image)
      for tile in 0..<x.tiles {
        if x.phases == 1 {
          x.forward(source, item: block, tile: tile, phase: 0, scratch)
          kernels.pointee.filter(x.block.description, 0, part(filter, block: block, phase: 0), scratch)
          y.inverse(target, item: block, tile: tile, phase: 0, adds: false, scratch)
          continue
        }
        for phase in 0..<x.phases {
          x.forward(source, item: block, tile: tile, phase: phase, scratch)
          kernels.pointee.separate(x.block.description, scratch, Int32(x.block.channels), spectrum, channels)
          kernels.pointee.multiply(
            Int64(blockSize), 0, phase > 0 ? 1 : 0, spectrum, part(filter, block: block, phase: phase), sum)
        }
        kernels.pointee.combine(y.block.description, sum, channels, Int32(x.block.channels), scratch)
        y.inverse(target, item: block, tile: tile, phase: 0, adds: false, scratch)
      }
      clear(source, target, x.channelRange(block), unfiltered, scratch)
    }
  }

  /// Forward or backwardInput of long sequences, eight pairs of channels at a time.
  private func throughLines(
    _ operand: UnsafePointer<Float>, _ filter: UnsafeMutablePointer<Float>, _ result: UnsafeMutablePointer<Float>,
    _ unfiltered: [Int]
  ) {
    let (shape, lineFloats) = (work.shape, lineFloats)
    let isForward = work.pass == .forward
    let (from, to) = isForward ? (x, y) : (y, x)
    let (fromStrides, toStrides) = isForward ? (shape.x, shape.y) : (shape.y, shape.x)
    let bundles = (x.blocks + 7) / 8
    workers.parallel(shape.images * bundles, scratch: scratchByteCount) { item, scratch in
      let (image, bundle) = (item / bundles, item % bundles)
      let blocks = 8 * bundle..<min(8 * bundle + 8, x.blocks)
      let lines = split(scratch).1 + 2 * blockSize
      let results = lines + 8 * lineFloats
      let source = operand + shape.offset(fromStrides, image: image)
      let target = result + shape.offset(toStrides, image: image)
      for tile in 0..<x.tiles {
        from.pack(source, blocks: blocks, tile: tile, lines)
        for block in blocks {
          let line = block - blocks.lowerBound
          from.forward(line: lines + line * from.lineLength(tile), tile: tile, scratch)
          kernels.pointee.filter(
            from.block.description, isForward ? 0 : 1, part(filter, block: block, phase: 0), scratch)
          to.inverse(line: results + line * to.lineLength(tile), tile: tile, scratch)
        }
        to.unpack(results, blocks: blocks, tile: tile, target)
      }
      let (first, count) = to.span(blocks)
      clear(source, target, first..<first + count, unfiltered, scratch)
    }
  }

  private func backwardInput(
    _ upstream: UnsafePointer<Float>, _ filter: UnsafeMutablePointer<Float>, _ result: UnsafeMutablePointer<Float>,
    _ unfiltered: [Int]
  ) {
    let (shape, adds) = (work.shape, work.adds)
    workers.parallel(shape.images * x.blocks, scratch: scratchByteCount) { item, scratch in
      let (image, block) = (item / x.blocks, item % x.blocks)
      let (spectrum, product) = split(scratch)
      let source = upstream + shape.offset(shape.y, image: image)
      let target = result + shape.offset(shape.x, image: image)
      for tile in 0..<x.tiles {
        y.forward(source, item: block, tile: tile, phase: 0, scratch)
        if x.phases == 1 {
          kernels.pointee.filter(x.block.description, 1, part(filter, block: block, phase: 0), scratch)
          x.inverse(target, item: block, tile: tile, phase: 0, adds: adds, scratch)
          continue
        }
        kernels.pointee.separate(y.block.description, scratch, Int32(x.block.channels), spectrum, channels)
        for phase in 0..<x.phases {
          // dX = dY·Wᴴ
          kernels.pointee.multiply(
            Int64(blockSize), 1, 0, part(filter, block: block, phase: phase), spectrum, product)
          kernels.pointee.combine(x.block.description, product, channels, Int32(x.block.channels), scratch)
          x.inverse(target, item: block, tile: tile, phase: phase, adds: adds, scratch)
        }
      }
      clear(source, target, x.channelRange(block), unfiltered, scratch)
    }
  }

  private func backwardFilter(
    _ tensor: UnsafePointer<Float>, _ upstream: UnsafePointer<Float>, _ sums: UnsafeMutablePointer<Float>,
    _ result: UnsafeMutablePointer<Float>
  ) {
    let (shape, slots, filterSize) = (work.shape, slots, filterSize)
    workers.parallel(slots * x.blocks, scratch: scratchByteCount) { item, scratch in
      let (slot, block) = (item / x.blocks, item % x.blocks)
      let (spectrum, other) = split(scratch)
      let images = slot * shape.images / slots..<(slot + 1) * shape.images / slots
      let own = sums + 2 * slot * filterSize
      for image in images {
        for tile in 0..<x.tiles {
          y.forward(upstream + shape.offset(shape.y, image: image), item: block, tile: tile, phase: 0, scratch)
          kernels.pointee.separate(y.block.description, scratch, Int32(x.block.channels), spectrum, channels)
          for phase in 0..<x.phases {
            x.forward(tensor + shape.offset(shape.x, image: image), item: block, tile: tile, phase: phase, scratch)
            kernels.pointee.separate(x.block.description, scratch, Int32(x.block.channels), other, channels)
            // dW = Xᴴ·dY
            kernels.pointee.multiply(
              Int64(blockSize), 1, image > images.lowerBound || tile > 0 ? 1 : 0, other, spectrum,
              part(own, block: block, phase: phase))
          }
        }
      }
    }
    workers.parallel(w.blocks * w.phases, scratch: scratchByteCount) { item, scratch in
      let (block, phase) = (item / w.phases, item % w.phases)
      let total = part(sums, block: block, phase: phase)
      for slot in 1..<max(slots, 1) {
        let own = part(sums + 2 * slot * filterSize, block: block, phase: phase)
        for e in 0..<2 * blockSize { total[e] += own[e] }
      }
      kernels.pointee.combine(w.block.description, total, channels, Int32(x.block.channels), scratch)
      w.inverse(result, item: block, tile: 0, phase: phase, adds: false, scratch)
    }
  }
}
