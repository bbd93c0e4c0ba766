import SwitchbackABI
import SwitchbackBackendKit
import SwitchbackFFTLibrary
import SwitchbackOpenBLASLibrary

/// A convolution that sums over channels: transforms of two operands image by image, then for each frequency one
/// complex matrix product, then the inverse transforms of the third. Bits do not depend on the number of workers: each
/// transform and each product is one item of work.
final class DenseConvolution: Executable, @unchecked Sendable {
  // Unchecked: one run at a time; in it workers write only to their own items.
  let report: CompiledReport
  private let work: ConvolutionWork
  private let workers: Workers
  private let blas: UnsafePointer<switchback_openblas>
  private let x: Planes
  private let y: Planes
  private let w: Planes
  /// Images whose spectra are in memory at once.
  private let chunk: Int
  private let xMemory: Memory
  private let yMemory: Memory
  private let wMemory: Memory
  private let scratchByteCount: Int
  /// Its memory lies behind the transform's; nil in backwardFilter.
  private let zeros: ZeroResults?
  private let transformByteCount: Int
  /// Of backwardFilter only; its memory begins there in the workspace.
  private let unmetTaps: UnmetTaps?
  private let unmetTapsStart: Int

  /// Where the spectra of a tensor lie, and complex numbers from one frequency to the next.
  private struct Memory {
    enum Place {
      case workspace(Int)
      /// The host's, who lends it to the other passes: number of the keep, and of its value.
      case keep(Int, value: Int)
    }
    var place = Place.workspace(0)
    var stride: Int
    var byteCount: Int

    init(_ planes: Planes, rows: Int) {
      // One cache line more than a power of two may be, so that frequencies do not share few lines of the cache.
      stride = planes.rowSize * rows + 8
      byteCount = (planes.block.transforms.frequencies * stride * 8 + 63) / 64 * 64
    }
  }

  init(_ work: ConvolutionWork, _ device: FFTDevice) throws(BackendError) {
    let (shape, transforms) = (work.shape, work.transforms)
    self.work = work
    workers = Workers(device.host)
    blas = device.library.blas
    func planes(_ tensor: Planes.Tensor) throws(BackendError) -> Planes {
      try Planes(tensor, shape, transforms, planner: device.planner, kernels: device.library.kernels)
    }
    (x, y, w) = (try planes(.x), try planes(.y), try planes(.w))
    let (x, y, w) = (x, y, w)
    func memories(_ images: Int) -> [Memory] {
      [
        Memory(x, rows: images * transforms.tiles), Memory(y, rows: images * transforms.tiles),
        Memory(w, rows: 1),
      ]
    }
    unmetTaps = work.pass == .backwardFilter ? UnmetTaps(work, device.library.kernels, workers) : nil
    let markByteCount = unmetTaps?.byteCount ?? 0
    func byteCount(_ memories: [Memory]) -> Int { memories.reduce(markByteCount) { $0 + $1.byteCount } }
    var parts = 1
    func images(_ parts: Int) -> Int { (shape.images + parts - 1) / parts }
    while images(parts) > 1, byteCount(memories(images(parts))) > work.memoryLimit { parts += 1 }
    chunk = images(parts)
    var memory = memories(chunk)
    guard byteCount(memory) <= work.memoryLimit else {
      throw BackendError(
        .outOfMemory,
        "\(work.name) needs \(byteCount(memory)) bytes for the spectra of one image and the filter; "
          + "\(work.memoryLimit) are allowed (option memory of the fft backend)", operation: 0)
    }
    // Spectra of operands are kept, if whole; the rest lies in the workspace.
    let (first, second) = work.operands
    var keeps: [Keep] = []
    var workspace = 0
    for (index, planes) in [x, y, w].enumerated() {
      if let value = index == first ? work.inputs[0] : index == second ? work.inputs[1] : nil, parts == 1 || index == 2
      {
        memory[index].place = .keep(keeps.count, value: value)
        keeps.append(
          Keep(
            value: value, format: Fingerprint.format(planes, shape, stride: memory[index].stride),
            byteCount: memory[index].byteCount, isLasting: index == 2))
      } else {
        memory[index].place = .workspace(workspace)
        workspace += memory[index].byteCount
      }
    }
    (xMemory, yMemory, wMemory) = (memory[0], memory[1], memory[2])
    unmetTapsStart = workspace
    workspace += markByteCount
    let made = work.pass == .forward ? y : x
    zeros =
      work.pass == .backwardFilter
      ? nil : ZeroResults(work, channels: made.block.channels, device.library.kernels)
    transformByteCount = max(x.block.scratchByteCount, y.block.scratchByteCount, w.block.scratchByteCount)
    scratchByteCount = transformByteCount + (zeros?.byteCount ?? 0)
    var fingerprint = Fingerprint()
    for planes in [x, y, w] { fingerprint.mix(planes.block.fingerprint) }
    fingerprint.mix(UInt64(transforms.points))
    fingerprint.mix(UInt64(chunk))
    var report = CompiledReport(
      workspaceByteCount: workspace, fingerprint: fingerprint.value, groupOfCall: [0],
      groupNames: ["\(work.name) by \(transforms.words)"])
    report.keeps = keeps
    self.report = report
  }

  func run(_ arguments: borrowing RunArguments) throws(BackendError) -> UInt64 {
    let start = microseconds()
    let (shape, pass) = (work.shape, work.pass)
    let (first, second) = (try arguments.floats(work.inputs[0]), try arguments.floats(work.inputs[1]))
    let result = try arguments.floats(work.output)
    let (xs, ys, ws) = (
      try memory(xMemory, arguments), try memory(yMemory, arguments), try memory(wMemory, arguments)
    )
    if work.adds { result.update(repeating: 0, count: shape.batch * shape.x.image) }
    if pass == .backwardFilter, shape.images == 0 { result.update(repeating: 0, count: shape.filterSize) }
    let unfiltered = zeros?.unfilteredChannels(second) ?? []
    for start in Swift.stride(from: 0, to: shape.images, by: max(chunk, 1)) {
      let images = start..<min(start + chunk, shape.images)
      // Nothing to do for a spectrum that was made by another pass, or in an earlier step.
      let xJob = Job(planes: x, tensor: first, spectra: xs.memory, images: xs.isStale ? images : 0..<0)
      let yJob = Job(
        planes: y, tensor: pass == .backwardFilter ? second : first, spectra: ys.memory,
        images: ys.isStale ? images : 0..<0)
      let wJob = Job(planes: w, tensor: second, spectra: ws.memory, images: 0..<(start == 0 && ws.isStale ? 1 : 0))
      switch pass {
      case .forward: transform(xJob, wJob)
      case .backwardInput: transform(yJob, wJob)
      case .backwardFilter: transform(xJob, yJob)
      }
      multiply(images.count * work.transforms.tiles, xs.memory, ys.memory, ws.memory, adds: start > 0)
      switch pass {
      case .forward: restore(Job(planes: y, tensor: result, spectra: ys.memory, images: images), first, unfiltered)
      case .backwardInput:
        restore(Job(planes: x, tensor: result, spectra: xs.memory, images: images), first, unfiltered)
      case .backwardFilter: break
      }
    }
    if let unmetTaps, shape.images > 0 {
      restore(Job(planes: w, tensor: result, spectra: ws.memory, images: 0..<1), first, unfiltered)
      unmetTaps.clear(first, second, result, try workspace(arguments) + unmetTapsStart)
    }
    try workers.check(scratchByteCount)
    // One by one: a list of them would be allocated.
    xs.keep?.isMade()
    ys.keep?.isMade()
    ws.keep?.isMade()
    arguments.groupMicroseconds?[0] = microseconds() - start
    return 0
  }

  /// A tensor's spectra in this run; those in the workspace are always made anew.
  private struct Spectra {
    var memory: UnsafeMutablePointer<Float>
    var keep: SpectrumKeep?
    var isStale: Bool { keep?.isStale ?? true }
  }

  private func memory(_ memory: Memory, _ arguments: borrowing RunArguments) throws(BackendError) -> Spectra {
    switch memory.place {
    case .keep(let index, let value):
      let keep = try SpectrumKeep(arguments, index, value: value)
      return Spectra(memory: keep.memory, keep: keep)
    case .workspace(let offset):
      return Spectra(memory: (try workspace(arguments) + offset).assumingMemoryBound(to: Float.self))
    }
  }

  private func workspace(_ arguments: borrowing RunArguments) throws(BackendError) -> UnsafeMutableRawPointer {
    guard let base = arguments.workspace.host else {
      throw BackendError(.invalid, "the workspace is not in host memory", operation: 0)
    }
    return base
  }

  // MARK: Stages

  /// The images of a tensor and where their spectra are.
  private struct Job {
    var planes: Planes
    var tensor: UnsafeMutablePointer<Float>
    var spectra: UnsafeMutablePointer<Float>
    var images: Range<Int>
    var items: Int { images.count * planes.itemsPerImage }
  }

  private func stride(of planes: Planes) -> Int {
    planes === x ? xMemory.stride : planes === y ? yMemory.stride : wMemory.stride
  }

  /// Image, block and the image's memory for an item of a job.
  private func item(_ number: Int, of job: Job) -> (
    block: Int, tensor: UnsafeMutablePointer<Float>, spectra: UnsafeMutablePointer<Float>
  ) {
    let (planes, shape) = (job.planes, work.shape)
    let (image, block) = (number / planes.itemsPerImage, number % planes.itemsPerImage)
    let strides = planes === x ? shape.x : planes === y ? shape.y : shape.w
    return (
      block, job.tensor + shape.offset(strides, image: job.images.lowerBound + image),
      job.spectra + 2 * image * planes.tiles * planes.rowSize
    )
  }

  private func transform(_ a: Job, _ b: Job) {
    workers.parallel(a.items + b.items, scratch: scratchByteCount) { number, scratch in
      let job = number < a.items ? a : b
      let own = item(number < a.items ? number : number - a.items, of: job)
      job.planes.transform(
        own.tensor, item: own.block, to: own.spectra, stride: stride(of: job.planes), scratch)
    }
  }

  /// `operand` is the tensor of images whose zeros tell those of the result; `unfiltered` are channels without weights.
  private func restore(_ job: Job, _ operand: UnsafePointer<Float>, _ unfiltered: [Int]) {
    let (shape, transformByteCount) = (work.shape, transformByteCount)
    let strides = work.pass == .forward ? shape.x : shape.y
    workers.parallel(job.items, scratch: scratchByteCount) { number, scratch in
      let own = item(number, of: job)
      job.planes.restore(
        own.spectra, stride: stride(of: job.planes), item: own.block, adds: work.adds, to: own.tensor, scratch)
      let image = job.images.lowerBound + number / job.planes.itemsPerImage
      zeros?.clear(
        operand + shape.offset(strides, image: image), own.tensor, channels: job.planes.channelRange(own.block),
        unfiltered: unfiltered, scratch + transformByteCount / 4)
    }
  }

  /// For each frequency and group the product of the two given spectra, `rows` images and tiles at once.
  private func multiply(
    _ rows: Int, _ xs: UnsafeMutablePointer<Float>, _ ys: UnsafeMutablePointer<Float>,
    _ ws: UnsafeMutablePointer<Float>, adds: Bool
  ) {
    let (shape, pass, blas) = (work.shape, work.pass, blas)
    let (xStride, yStride, wStride) = (xMemory.stride, yMemory.stride, wMemory.stride)
    let frequencies = work.transforms.frequencies
    let (inner, outer) = (x.phases * shape.groupChannels, shape.groupFilters)
    let (xRow, yRow) = (Int32(x.rowSize), Int32(y.rowSize))
    // Few enough frequencies an item that workers finish together, enough that an item is worth its call.
    let share = max(1, min(8, frequencies / 64))
    workers.parallel((frequencies + share - 1) / share) { item in
      for frequency in item * share..<min((item + 1) * share, frequencies) {
        for group in 0..<shape.groups {
          let a = xs + 2 * (frequency * xStride + group * inner)
          let b = ws + 2 * (frequency * wStride + group * outer)
          let c = ys + 2 * (frequency * yStride + group * outer)
          let (m, k, n) = (Int32(rows), Int32(inner), Int32(outer))
          switch pass {
          case .forward: blas.pointee.multiply(m, n, k, a, false, xRow, b, false, yRow, c, yRow)
          case .backwardInput: blas.pointee.multiply(m, k, n, c, false, yRow, b, true, yRow, a, xRow)
          case .backwardFilter: blas.pointee.multiply(k, n, m, a, true, xRow, c, false, yRow, b, yRow, adds: adds)
          }
        }
      }
    }
  }
}

extension switchback_openblas {
  /// c ← (or += where `adds`) op(a)·op(b), row-major and complex: c is m×n, op(a) m×k, and op the adjoint where told.
  @inline(__always)
  fileprivate func multiply(
    _ m: Int32, _ n: Int32, _ k: Int32, _ a: UnsafePointer<Float>, _ adjointA: Bool, _ strideA: Int32,
    _ b: UnsafePointer<Float>, _ adjointB: Bool, _ strideB: Int32, _ c: UnsafeMutablePointer<Float>, _ strideC: Int32,
    adds: Bool = false
  ) {
    var one = SIMD2<Float>(1, 0)
    var beta = SIMD2<Float>(adds ? 1 : 0, 0)
    // 101: row-major; 111, 113: as it is, conjugate transpose.
    cgemm(
      101, adjointA ? 113 : 111, adjointB ? 113 : 111, m, n, k, &one, a, strideA, b, strideB, &beta, c, strideC)
  }
}
