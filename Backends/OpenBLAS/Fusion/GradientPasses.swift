import SwitchbackCPUKernels
import SwitchbackPrograms

/// The gradients of a convolution's filter and image from the winners of the pooling behind it: from lists of them
/// (`convolution_sparse.h`), that of a filter of few taps by looking up what winners see (`convolution_winners.h`), or by
/// the dense kernels from gradients that are written in full, some images at a time.
struct GradientPasses {
  let isSparse: Bool
  /// Whether the filter's gradient comes from what winners see, and the bias's with it.
  let looksUp: Bool
  let scratchBytes: Int
  private let kernels: UnsafePointer<sb_kernels>
  private let shape: sb_convolution
  private let pooling: sb_pooling
  private let filter: ConvolutionPass?
  private let input: ConvolutionPass?
  /// Images at a time, and where the scratch memory of filter and image begins.
  private let batch: Int
  private let filterStart: Int
  private let inputStart: Int
  /// Floats of one image's gradient in full.
  private let size: Int

  /// `geometry`: that of the convolution; `convolution`: its forward call's maker; `filter` and `input`: those of the
  /// gradients that are wanted.
  init(
    of geometry: ConvolutionGeometry, filter: WorkMaker?, input: WorkMaker?, _ convolution: WorkMaker,
    _ pooling: sb_pooling,
    rows: Int
  ) throws {
    let kernel = convolution.type(1).shape
    let shape = Patches(
      geometry, x: convolution.type(0).shape, kernelSize: [kernel[0], kernel[1]],
      y: convolution.segment.values[convolution.output].type.shape
    ).description
    (kernels, self.shape, self.pooling) = (convolution.library.kernels, shape, pooling)
    size = Int(pooling.height * pooling.width * pooling.channels)
    let (leads, sparseBytes, winnersLead, winnersBytes) = withUnsafePointer(to: shape) { [kernels] shape in
      withUnsafePointer(to: pooling) {
        (
          kernels.pointee.sparse_leads(shape, $0) != 0, kernels.pointee.sparse_scratch_bytes(shape, $0),
          kernels.pointee.winners_leads(shape, $0) != 0, kernels.pointee.winners_scratch_bytes(shape, $0)
        )
      }
    }
    // Whoever forces a kernel means the dense ones.
    isSparse = leads && sb_forced_convolution() == nil
    looksUp = winnersLead && filter != nil && !isSparse && sb_forced_convolution() == nil
    batch = max(1, min(rows, ConvolutionChain.floatsAtOnce / max(size, 1)))
    guard !isSparse else {
      (self.filter, self.input, filterStart, inputStart) = (nil, nil, 0, 0)
      scratchBytes = Int(sparseBytes)
      return
    }
    self.filter = try (looksUp ? nil : filter).flatMap { maker in
      try (maker.call.operation as? Convolution2DBackwardFilter).map { try ConvolutionPass.backwardFilter($0, maker) }
    }
    self.input = try input.map { try ConvolutionPass.backwardInput(geometry, $0) }
    func rounded(_ bytes: Int) -> Int { (bytes + 63) / 64 * 64 }
    filterStart = self.filter == nil && self.input == nil ? 0 : rounded(batch * size * 4)
    inputStart = filterStart + rounded(looksUp ? Int(winnersBytes) : self.filter?.scratch(batch) ?? 0)
    scratchBytes = inputStart + (self.input?.scratch(batch) ?? 0)
  }

  /// The form in which `run` reads w.
  var packing: Work.Packing? { input?.packing }
  var notes: [String] {
    if isSparse { return ["from lists of winners"] }
    return (looksUp ? ["from what winners see"] : filter?.notes ?? []) + (input?.notes ?? [])
  }

  /// Adds to dw what `images` images give, and to dbias where it `looksUp`, and writes dx; each may be nil, and so may x and
  /// w then. w is packed where there is a packing. `spread` writes the gated gradient of one image in full.
  func run(
    _ images: Int, imageSize: Int, _ x: UnsafePointer<Float>?, _ w: UnsafePointer<Float>?,
    _ records: UnsafePointer<UInt8>, _ dy: UnsafePointer<Float>, _ dw: UnsafeMutablePointer<Float>?,
    _ dbias: UnsafeMutablePointer<Float>?, _ dx: UnsafeMutablePointer<Float>?, _ scratch: UnsafeMutableRawPointer,
    spread: (_ image: Int, _ to: UnsafeMutablePointer<Float>) -> Void
  ) {
    guard !isSparse else {
      withUnsafePointer(to: shape) { shape in
        withUnsafePointer(to: pooling) {
          kernels.pointee.sparse_backward(shape, $0, Int64(images), x, w, records, dy, dw, dx, scratch)
        }
      }
      return
    }
    if looksUp, let x, let dw {
      withUnsafePointer(to: shape) { shape in
        withUnsafePointer(to: pooling) {
          kernels.pointee.winners_backward_filter(
            shape, $0, Int64(images), x, records, dy, dw, dbias, scratch + filterStart)
        }
      }
    }
    guard filter != nil || input != nil else { return }
    let gradients = scratch.assumingMemoryBound(to: Float.self)
    ConvolutionPass.forEachBatch(of: images, atMost: batch) { first, count in
      for image in 0..<count { spread(first + image, gradients + image * size) }
      if let filter, let x, let dw {
        filter.run(count, x + first * imageSize, gradients, dw, scratch + filterStart, ConvolutionEnd())
      }
      if let input, let w, let dx {
        input.run(count, gradients, w, dx + first * imageSize, scratch + inputStart, ConvolutionEnd())
      }
    }
  }
}
