import SwitchbackCPUKernels
import SwitchbackPrograms

/// Convolution as a matrix product: the patches that each result sees (im2col) times the filters, a few images at a
/// time so that the patches stay in the cache.
private struct Patches {
  var description: sb_convolution
  /// Rows and columns of one image's patch matrix.
  let height: Int
  let width: Int
  let imageSize: Int
  let filters: Int
  /// Images whose patches fit into about half a megabyte.
  let group: Int
  /// A 1×1 kernel without strides sees the image itself.
  let isImage: Bool

  init(_ geometry: ConvolutionGeometry, x: Shape, kernelSize: [Int], y: Shape) {
    description = sb_convolution(
      height: Int32(x[1]), width: Int32(x[2]), channels: Int32(x[3]), rows: Int32(y[1]), columns: Int32(y[2]),
      filters: Int32(y[3]), kernel_height: Int32(kernelSize[0]), kernel_width: Int32(kernelSize[1]),
      stride_y: Int32(geometry.strides[0]), stride_x: Int32(geometry.strides[1]),
      dilation_y: Int32(geometry.dilations[0]), dilation_x: Int32(geometry.dilations[1]),
      top: Int32(geometry.padding[0]), left: Int32(geometry.padding[2]))
    height = y[1] * y[2]
    width = kernelSize[0] * kernelSize[1] * x[3]
    imageSize = x[1] * x[2] * x[3]
    filters = y[3]
    group = max(1, (1 << 17) / max(height * width, 1))
    isImage = kernelSize == [1, 1] && geometry.strides == [1, 1] && geometry.padding == [0, 0, 0, 0]
  }

  func scratch(_ rows: Int) -> Int { isImage ? 0 : min(rows, group) * height * width * 4 }

  /// Calls `body` for groups of images: first image, how many, and their patches.
  @inline(__always)
  func forEachGroup(
    _ rows: Int, _ x: UnsafePointer<Float>, scratch: UnsafeMutableRawPointer, _ kernels: UnsafePointer<sb_kernels>,
    _ body: (_ first: Int, _ count: Int, _ patches: UnsafePointer<Float>) -> Void
  ) {
    guard !isImage else { return body(0, rows, x) }
    let patches = scratch.assumingMemoryBound(to: Float.self)
    var first = 0
    while first < rows {
      let count = min(group, rows - first)
      withUnsafePointer(to: description) { description in
        for image in 0..<count {
          kernels.pointee.im2col(
            description, x + (first + image) * imageSize, patches + image * height * width)
        }
      }
      body(first, count, patches)
      first += count
    }
  }
}

extension KernelMaker {
  private func requireOneGroup(_ geometry: ConvolutionGeometry) throws {
    guard geometry.groups == 1 else { throw Declined(reason: "grouped convolutions are not implemented here") }
  }

  func convolution(_ geometry: ConvolutionGeometry) throws -> Kernel {
    try requireOneGroup(geometry)
    let kernel = type(1).shape
    let patches = Patches(
      geometry, x: type(0).shape, kernelSize: [kernel[0], kernel[1]], y: segment.values[output].type.shape)
    let (x, w, y, library) = (input(0), input(1), output, library)
    return Kernel(access: [.rows, .whole], rows: rowCount(type(0)), scratch: patches.scratch) { frame in
      let result = frame.floats(y)
      patches.forEachGroup(frame.rows, frame.floats(x), scratch: frame.scratch, library.kernels) {
        first, count, columns in
        library.multiply(
          count * patches.height, patches.filters, patches.width, columns, transposeA: false, frame.floats(w),
          transposeB: false, into: result + first * patches.height * patches.filters, beta: 0)
      }
    }
  }

  func convolutionBackwardFilter(_ operation: Convolution2DBackwardFilter) throws -> Kernel {
    try requireOneGroup(operation.geometry)
    let patches = Patches(
      operation.geometry, x: type(0).shape, kernelSize: operation.kernelSize, y: type(1).shape)
    let (x, dy, dw, library) = (input(0), input(1), output, library)
    return Kernel(
      access: [.rows, .rows], rows: rowCount(type(0)), reduction: .sum(count: patches.width * patches.filters),
      scratch: patches.scratch
    ) { frame in
      let upstream = frame.floats(dy)
      patches.forEachGroup(frame.rows, frame.floats(x), scratch: frame.scratch, library.kernels) {
        first, count, columns in
        library.multiply(
          patches.width, patches.filters, count * patches.height, columns, transposeA: true,
          upstream + first * patches.height * patches.filters, transposeB: false, into: frame.floats(dw), beta: 1)
      }
    }
  }

  func convolutionBackwardInput(_ geometry: ConvolutionGeometry) throws -> Kernel {
    try requireOneGroup(geometry)
    let kernel = type(1).shape
    let patches = Patches(
      geometry, x: segment.values[output].type.shape, kernelSize: [kernel[0], kernel[1]], y: type(0).shape)
    let (dy, w, dx, library) = (input(0), input(1), output, library)
    return Kernel(access: [.rows, .whole], rows: rowCount(type(0)), scratch: patches.scratch) { frame in
      let (upstream, result) = (frame.floats(dy), frame.floats(dx))
      var first = 0
      while first < frame.rows {
        let count = patches.isImage ? frame.rows : min(patches.group, frame.rows - first)
        let columns = patches.isImage ? result : frame.scratch.assumingMemoryBound(to: Float.self)
        library.multiply(
          count * patches.height, patches.width, patches.filters,
          upstream + first * patches.height * patches.filters, transposeA: false, frame.floats(w), transposeB: true,
          into: columns, beta: 0)
        if !patches.isImage {
          withUnsafePointer(to: patches.description) { description in
            for image in 0..<count {
              library.kernels.pointee.col2im(
                description, columns + image * patches.height * patches.width,
                result + (first + image) * patches.imageSize)
            }
          }
        }
        first += count
      }
    }
  }
}
