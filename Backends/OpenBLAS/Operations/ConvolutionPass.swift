import SwitchbackBackendKit
import SwitchbackCPUKernels
import SwitchbackPrograms

/// What follows a convolution before its results are written.
struct ConvolutionEnd {
  var bias: UnsafePointer<Float>?
  var hasRelu = false
}

/// One pass of a convolution of some images, by one of our own kernels (`convolution_variants.h`) or as a matrix product:
/// what works of one call and of fused ones are made of.
struct ConvolutionPass {
  /// Rows and columns of the results that a forward pass writes.
  var resultSize: [Int]
  /// How many times the operation's own bound its results may be off.
  var errorFactor = 1.0
  /// Bytes of scratch memory for that many images.
  var scratch: (_ images: Int) -> Int
  /// The form in which the second operand is read; nil: as it is.
  var packing: Work.Packing?
  /// What is told of it: `direct`.
  var notes: [String] = []
  /// `second`: packed, where there is a packing.
  var run:
    (
      _ images: Int, _ first: UnsafePointer<Float>, _ second: UnsafePointer<Float>,
      _ result: UnsafeMutablePointer<Float>, _ scratch: UnsafeMutableRawPointer, _ end: ConvolutionEnd
    ) -> Void
  /// Of a forward pass that was asked for a pooling of its results: computes both at once, with the bits of one behind the
  /// other, and writes the maxima alone; nil where the kernel does not. Images' winners lie `record` bytes apart.
  var runPooled:
    (
      (
        _ images: Int, _ x: UnsafePointer<Float>, _ filter: UnsafePointer<Float>, _ maxima: UnsafeMutablePointer<Float>,
        _ winners: UnsafeMutablePointer<UInt8>?, _ record: Int, _ scratch: UnsafeMutableRawPointer,
        _ end: ConvolutionEnd
      ) -> Void
    )?

  /// Calls `body` for some images at a time, `most` or nearly as many.
  @inline(__always)
  static func forEachBatch(of images: Int, atMost most: Int, _ body: (_ first: Int, _ count: Int) -> Void) {
    let parts = (images + most - 1) / most
    guard parts > 0 else { return }
    let step = (images + parts - 1) / parts
    for first in stride(from: 0, to: images, by: step) { body(first, min(step, images - first)) }
  }

  /// The pass by one of our own kernels; nil where the matrix product is faster. `seen`: rows and columns of the results
  /// that somebody reads, from the first on; a kernel that crops computes no others. Which kernel it is hangs on the whole
  /// shape: bits must not depend on who looks.
  private static func own(
    _ pass: Int, _ whole: sb_convolution, seen: [Int]? = nil, pooling: sb_pooling? = nil, _ maker: WorkMaker
  ) throws -> ConvolutionPass? {
    guard let variant = try maker.variant(pass, whole) else { return nil }
    var shape = whole
    if let seen, variant.crops != 0 {
      (shape.rows, shape.columns) = (Int32(seen[0]), Int32(seen[1]))
    }
    var made = ConvolutionPass(
      resultSize: [Int(shape.rows), Int(shape.columns)], errorFactor: max(1, Double(variant.error_factor)),
      scratch: { [shape] images in withUnsafePointer(to: shape) { Int(variant.scratch_bytes($0, Int64(images))) } },
      packing: Work.Packing(of: maker.input(1), for: variant, pass, whole),
      notes: [maker.note(on: variant, pass, whole)],
      run: { [shape] images, first, second, result, scratch, end in
        var own = sb_convolution_end(bias: end.bias, relu: end.hasRelu ? 1 : 0)
        withUnsafePointer(to: shape) { variant.run($0, Int64(images), first, second, result, scratch, &own) }
      })
    guard let pooling, let pools = variant.pools, let runPooled = variant.run_pooled,
      withUnsafePointer(to: shape, { shape in withUnsafePointer(to: pooling) { pools(shape, $0) != 0 } })
    else { return made }
    made.notes.append("pooled in registers")
    made.runPooled = { [shape] images, x, filter, maxima, winners, record, scratch, end in
      var own = sb_convolution_end(bias: end.bias, relu: end.hasRelu ? 1 : 0)
      withUnsafePointer(to: shape) { shape in
        withUnsafePointer(to: pooling) {
          runPooled(shape, $0, Int64(images), x, filter, maxima, winners, Int64(record), scratch, &own)
        }
      }
    }
    return made
  }

  /// y[images] of x and w, for call and types of `maker`. `seen`: rows and columns of the results that somebody reads,
  /// from the first on; a kernel of ours computes no others. `pooling`: what alone reads them, behind `ConvolutionEnd`.
  static func forward(
    _ geometry: ConvolutionGeometry, seen: [Int]? = nil, pooling: sb_pooling? = nil, _ maker: WorkMaker
  ) throws -> ConvolutionPass {
    let kernel = maker.type(1).shape
    let patches = Patches(
      geometry, x: maker.type(0).shape, kernelSize: [kernel[0], kernel[1]],
      y: maker.segment.values[maker.output].type.shape)
    let library = maker.library
    if let own = try own(SB_FORWARD, patches.description, seen: seen, pooling: pooling, maker) { return own }
    return ConvolutionPass(
      resultSize: [Int(patches.description.rows), Int(patches.description.columns)], scratch: patches.scratch,
      run: { images, x, filter, result, scratch, end in
        patches.forEachGroup(images, x, scratch: scratch, library.kernels) { first, count, group, columns, stride in
          library.multiply(
            count * patches.height, patches.ownFilters, patches.width, columns, transposeA: false, stride: stride,
            filter + group * patches.ownFilters, transposeB: false, stride: patches.filters,
            into: result + (first * patches.height * patches.filters + group * patches.ownFilters),
            stride: patches.filters, beta: 0)
        }
        let results = images * patches.height
        if let bias = end.bias {
          _ = library.kernels.pointee.binary_row(
            sb_arithmetic_number("add"), Int64(results), Int64(patches.filters), result, bias, result)
        }
        guard end.hasRelu else { return }
        _ = library.kernels.pointee.unary(
          sb_unary_number("relu"), 0, Int64(results * patches.filters), result, result)
      })
  }

  /// Adds to dw, of x and dy.
  static func backwardFilter(_ operation: Convolution2DBackwardFilter, _ maker: WorkMaker) throws -> ConvolutionPass {
    let patches = Patches(
      operation.geometry, x: maker.type(0).shape, kernelSize: operation.kernelSize, y: maker.type(1).shape)
    let library = maker.library
    if let own = try own(SB_BACKWARD_FILTER, patches.description, maker) { return own }
    return ConvolutionPass(
      resultSize: [], scratch: patches.scratch,
      run: { images, x, upstream, result, scratch, _ in
        patches.forEachGroup(images, x, scratch: scratch, library.kernels) { first, count, group, columns, stride in
          library.multiply(
            patches.width, patches.ownFilters, count * patches.height, columns, transposeA: true, stride: stride,
            upstream + (first * patches.height * patches.filters + group * patches.ownFilters), transposeB: false,
            stride: patches.filters, into: result + group * patches.ownFilters, stride: patches.filters, beta: 1)
        }
      })
  }

  /// dx[images] of dy and w.
  static func backwardInput(_ geometry: ConvolutionGeometry, _ maker: WorkMaker) throws -> ConvolutionPass {
    let kernel = maker.type(1).shape
    let patches = Patches(
      geometry, x: maker.segment.values[maker.output].type.shape, kernelSize: [kernel[0], kernel[1]],
      y: maker.type(0).shape)
    let library = maker.library
    if let own = try own(SB_BACKWARD_INPUT, patches.description, maker) { return own }
    return ConvolutionPass(
      resultSize: [], scratch: patches.scratch,
      run: { images, upstream, filter, result, scratch, _ in
        patches.addPatches(images, upstream, filter, result, scratch, library)
      })
  }
}

extension Patches {
  /// The gradient of some images: products of dy and the filter, added up where the patches lie.
  fileprivate func addPatches(
    _ images: Int, _ upstream: UnsafePointer<Float>, _ filter: UnsafePointer<Float>,
    _ result: UnsafeMutablePointer<Float>, _ scratch: UnsafeMutableRawPointer, _ library: OpenBLASLibrary
  ) {
    let batch = isImage ? images : batch
    var first = 0
    while first < images {
      let count = min(batch, images - first)
      if !isImage { (result + first * imageSize).update(repeating: 0, count: count * imageSize) }
      for group in 0..<groups {
        let columns = isImage ? result + group * ownChannels : scratch.assumingMemoryBound(to: Float.self)
        library.multiply(
          count * height, width, ownFilters, upstream + (first * height * filters + group * ownFilters),
          transposeA: false, stride: filters, filter + group * ownFilters, transposeB: true, stride: filters,
          into: columns, stride: isImage ? channels : width, beta: 0)
        guard !isImage else { continue }
        withUnsafePointer(to: description) { description in
          for image in 0..<count {
            library.kernels.pointee.col2im(
              description, columns + image * height * width,
              result + ((first + image) * imageSize + group * ownChannels))
          }
        }
      }
      first += count
    }
  }
}
