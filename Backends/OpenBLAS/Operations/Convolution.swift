import SwitchbackBackendKit
import SwitchbackCPUKernels
import SwitchbackPrograms

/// Convolution as a matrix product, group by group: the patches that each result sees (im2col) times the filters, a few
/// images at a time so that the patches stay in the cache. It computes what none of our own kernels is faster at.
struct Patches {
  var description: sb_convolution
  /// Rows and columns of one image's patch matrix, for one group.
  let height: Int
  let width: Int
  let imageSize: Int
  let groups: Int
  /// Channels and filters of a group, and of all.
  let ownChannels: Int
  let ownFilters: Int
  let channels: Int
  let filters: Int
  /// Images whose patches fit into about half a megabyte.
  let batch: Int
  /// A 1×1 kernel without strides sees the image itself.
  let isImage: Bool

  init(_ geometry: ConvolutionGeometry, x: Shape, kernelSize: [Int], y: Shape) {
    groups = geometry.groups
    (channels, filters) = (x[3], y[3])
    (ownChannels, ownFilters) = (channels / groups, filters / groups)
    description = sb_convolution(
      height: Int32(x[1]), width: Int32(x[2]), channels: Int32(ownChannels), pixel: Int32(channels),
      rows: Int32(y[1]), columns: Int32(y[2]), filters: Int32(ownFilters), kernel_height: Int32(kernelSize[0]),
      kernel_width: Int32(kernelSize[1]), stride_y: Int32(geometry.strides[0]), stride_x: Int32(geometry.strides[1]),
      dilation_y: Int32(geometry.dilations[0]), dilation_x: Int32(geometry.dilations[1]),
      top: Int32(geometry.padding[0]), left: Int32(geometry.padding[2]), gated: 0)
    height = y[1] * y[2]
    width = kernelSize[0] * kernelSize[1] * ownChannels
    imageSize = x[1] * x[2] * channels
    batch = max(1, (1 << 17) / max(height * width, 1))
    isImage = kernelSize == [1, 1] && geometry.strides == [1, 1] && geometry.padding == [0, 0, 0, 0]
  }

  func scratch(_ rows: Int) -> Int { isImage ? 0 : min(rows, batch) * height * width * 4 }

  /// Calls `body` for some images at a time and each group: first image, how many, the group, their patches and the
  /// floats between rows of these.
  @inline(__always)
  func forEachGroup(
    _ rows: Int, _ x: UnsafePointer<Float>, scratch: UnsafeMutableRawPointer, _ kernels: UnsafePointer<sb_kernels>,
    _ body: (_ first: Int, _ count: Int, _ group: Int, _ patches: UnsafePointer<Float>, _ stride: Int) -> Void
  ) {
    guard !isImage else {
      for group in 0..<groups { body(0, rows, group, x + group * ownChannels, channels) }
      return
    }
    let patches = scratch.assumingMemoryBound(to: Float.self)
    var first = 0
    while first < rows {
      let count = min(batch, rows - first)
      for group in 0..<groups {
        withUnsafePointer(to: description) { description in
          for image in 0..<count {
            kernels.pointee.im2col(
              description, x + ((first + image) * imageSize + group * ownChannels), patches + image * height * width)
          }
        }
        body(first, count, group, patches, width)
      }
      first += count
    }
  }
}

extension Convolution2D: OpenBLASOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.convolution(geometry) }
}

extension Convolution2DBackwardInput: OpenBLASOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.convolutionBackwardInput(geometry) }
}

extension Convolution2DBackwardFilter: OpenBLASOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.convolutionBackwardFilter(self) }
}

extension Work.Packing {
  /// What a variant reads of filter `value`; nil where that is the filter itself.
  init?(of value: Int, for variant: sb_convolution_variant, _ pass: Int, _ shape: sb_convolution) {
    let byteCount = withUnsafePointer(to: shape) { Int(variant.packed_bytes($0)) }
    guard byteCount > 0 else { return nil }
    var format = Fingerprint()
    format.mix("\(pass) \(String(cString: variant.name))")
    // All but the sizes of images.
    for number in [
      shape.channels, shape.pixel, shape.filters, shape.kernel_height, shape.kernel_width, shape.stride_y,
      shape.stride_x, shape.dilation_y, shape.dilation_x, shape.top, shape.left,
    ] { format.mix(UInt64(number)) }
    self.init(
      value: value, format: format.value, byteCount: byteCount,
      panels: withUnsafePointer(to: shape) { Int(variant.panels($0)) }
    ) { operand, packed, first, count in
      withUnsafePointer(to: shape) { variant.pack($0, operand, packed, Int64(first), Int64(count)) }
    }
  }
}

extension WorkMaker {
  /// The kernel of our own for a pass of this shape; nil where the matrix product behind im2col is faster.
  func variant(_ pass: Int, _ shape: sb_convolution) throws -> sb_convolution_variant? {
    let forced = sb_forced_convolution()
    if let forced, sb_is_convolution(library.kernels, forced) == 0 {
      throw Declined(reason: "SWITCHBACK_CONVOLUTION names no kernel: \(String(cString: forced))")
    }
    return choice(pass, shape, forced: forced, isStrict: library.isStrict)
  }

  private func choice(
    _ pass: Int, _ shape: sb_convolution, forced: UnsafePointer<CChar>? = nil, isStrict: Bool
  ) -> sb_convolution_variant? {
    var shape = shape
    shape.gated = pass == SB_BACKWARD_INPUT && readsGatedGradient ? 1 : 0
    return sb_convolution_choice(library.kernels, Int32(pass), &shape, forced, isStrict ? 1 : 0)?.pointee
  }

  /// Whether the first operand comes out of relu's gradient, so that many of its numbers are 0.
  private var readsGatedGradient: Bool {
    segment.calls[..<index].contains {
      ($0.operation as? UnaryBackward)?.function == .relu && $0.outputs.first == input(0)
    }
  }

  /// The variant's name, its bound where that is wider, and what `strict` would put in its place or did.
  func note(on variant: sb_convolution_variant, _ pass: Int, _ shape: sb_convolution) -> String {
    func name(isStrict: Bool) -> String {
      choice(pass, shape, isStrict: isStrict).map { String(cString: $0.name) } ?? "im2col"
    }
    let own = String(cString: variant.name)
    if library.isStrict {
      let other = name(isStrict: false)
      return other == own ? own : "\(own) (strict; else \(other))"
    }
    guard variant.error_factor > 1 else { return own }
    return "\(own) (error bound ×\(Int(variant.error_factor)); strict: \(name(isStrict: true)))"
  }

  /// The work of a call that is a pass and nothing else.
  private func work(_ pass: ConvolutionPass, access: [Work.Access], sum: Work.Reduction? = nil) -> Work {
    let (first, second, result) = (input(0), input(1), output)
    var made = work(access: access, rows: rowCount(type(0)), sum: sum, scratch: pass.scratch) { frame in
      pass.run(
        frame.rows, frame.floats(first), frame.packed ?? UnsafePointer(frame.floats(second)), frame.floats(result),
        frame.scratch, ConvolutionEnd())
    }
    (made.errorFactor, made.packing, made.notes) = (pass.errorFactor, pass.packing, pass.notes)
    return made
  }

  func convolution(_ geometry: ConvolutionGeometry) throws -> Work {
    try work(.forward(geometry, self), access: [.rows, .whole])
  }

  func convolutionBackwardFilter(_ operation: Convolution2DBackwardFilter) throws -> Work {
    let sum = Work.Reduction.sum(count: segment.values[output].type.shape.elementCount)
    var made = try work(.backwardFilter(operation, self), access: [.rows, .rows], sum: sum)
    made.product = try filterProduct(operation)
    return made
  }

  /// The gradient of a filter as tiles of its channels and filters, each in all cells; nil where its kernel has no parts.
  private func filterProduct(_ operation: Convolution2DBackwardFilter) throws -> Work.Product? {
    let (x, dy, dw) = (input(0), input(1), output)
    let patches = Patches(operation.geometry, x: type(0).shape, kernelSize: operation.kernelSize, y: type(1).shape)
    let (shape, images) = (patches.description, rowCount(type(0)))
    guard let variant = try variant(SB_BACKWARD_FILTER, shape), let run = variant.run_part,
      let scratchBytes = variant.part_scratch_bytes, patches.groups == 1
    else { return nil }
    let cells = operation.kernelSize.reduce(1, *)
    let (bytesX, bytesY) = (type(0).byteCount, type(1).byteCount)
    let note = note(on: variant, SB_BACKWARD_FILTER, shape)
    return Work.Product(
      m: patches.channels, n: patches.filters, k: cells * images * patches.height, a: x, b: dy,
      resultBytes: segment.values[dw].type.byteCount,
      operandBytes: { bytesX * $0.across + bytesY * $0.down }
    ) { grid in
      func part(_ tile: TileGrid.Tile) -> sb_filter_part {
        sb_filter_part(
          channel: Int32(tile.row), channels: Int32(tile.height), filter: Int32(tile.column), filters: Int32(tile.width)
        )
      }
      // The first tile is as large as any.
      let bytes = withUnsafePointer(to: shape) { shape in
        withUnsafePointer(to: part(grid.tile(0))) { Int(scratchBytes(shape, Int64(images), $0)) }
      }
      var tiles = work(
        access: [.whole, .whole], rows: grid.count, isSource: true, scratch: { _ in bytes }
      ) { frame in
        for index in frame.firstRow..<frame.firstRow + frame.rows {
          withUnsafePointer(to: shape) { shape in
            withUnsafePointer(to: part(grid.tile(index))) {
              run(shape, Int64(images), frame.floats(x), frame.floats(dy), frame.floats(dw), frame.scratch, $0)
            }
          }
        }
      }
      tiles.results[0].form = .tiles
      (tiles.grid, tiles.notes) = (grid, [note])
      return tiles
    }
  }

  func convolutionBackwardInput(_ geometry: ConvolutionGeometry) throws -> Work {
    try work(.backwardInput(geometry, self), access: [.rows, .whole])
  }
}
