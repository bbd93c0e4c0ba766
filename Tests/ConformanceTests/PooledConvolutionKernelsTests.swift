import SwitchbackCPUKernels
import Testing

/// Variants of convolution that pool their results at once, against the same variant and pooling one behind the other, for
/// every instruction set that this CPU has: sizes that leave rests of windows and filters, and windows at every edge.
@Suite struct PooledConvolutionKernelsTests {
  private struct Example: CustomStringConvertible {
    var image: [Int]
    var kernel = [3, 3]
    var filters = 32
    var strides = [1, 1]
    var dilation = 1
    /// Of all sides.
    var padding = 0

    var description: String {
      "\(image) kernel \(kernel) filters \(filters) strides \(strides) dilation \(dilation) padding \(padding)"
    }

    var shape: sb_convolution {
      let size = (0..<2).map { (image[$0] + 2 * padding - (kernel[$0] - 1) * dilation - 1) / strides[$0] + 1 }
      return sb_convolution(
        height: Int32(image[0]), width: Int32(image[1]), channels: Int32(image[2]), pixel: Int32(image[2]),
        rows: Int32(size[0]), columns: Int32(size[1]), filters: Int32(filters), kernel_height: Int32(kernel[0]),
        kernel_width: Int32(kernel[1]), stride_y: Int32(strides[0]), stride_x: Int32(strides[1]),
        dilation_y: Int32(dilation), dilation_x: Int32(dilation), top: Int32(padding), left: Int32(padding),
        gated: 0)
    }

    var pooling: sb_pooling {
      let shape = shape
      return sb_pooling(
        height: shape.rows, width: shape.columns, channels: shape.filters, rows: shape.rows / 2,
        columns: shape.columns / 2, pool_height: 2, pool_width: 2, stride_y: 2, stride_x: 2, top: 0, left: 0)
    }
  }

  private static let examples = [
    Example(image: [28, 28, 1]), Example(image: [9, 8, 1], filters: 8), Example(image: [8, 11, 1], filters: 16),
    Example(image: [11, 10, 1], filters: 17, padding: 1), Example(image: [7, 9, 3], filters: 40, padding: 1),
    Example(image: [12, 12, 3], kernel: [1, 1], filters: 5), Example(image: [13, 12, 1], kernel: [5, 5], padding: 2),
    Example(image: [13, 14, 2], kernel: [3, 4], filters: 48, strides: [2, 1], padding: 2),
    Example(image: [17, 16, 1], strides: [3, 2], dilation: 2, padding: 3),
    // Windows of which some results see padding alone.
    Example(image: [3, 2, 1], kernel: [2, 2], filters: 33, padding: 3),
  ]
  private static let images = 3

  @Test(
    "pooled at once, results and winners have the bits of the passes one behind the other",
    arguments: ["avx512", "avx2", "baseline"])
  func agree(set: String) throws {
    guard let kernels = sb_kernels_named(set) else { return }
    let first = kernels.pointee.convolution.0
    var pooling = Set<String>()
    for variant in sequence(first: first, next: { $0.map { $0 + 1 } }).lazy.map({ $0!.pointee })
      .prefix(while: { $0.name != nil })
    {
      for example in Self.examples {
        var (shape, pool) = (example.shape, example.pooling)
        guard let pools = variant.pools, variant.takes(&shape) != 0, pools(&shape, &pool) != 0 else { continue }
        pooling.insert(example.description)
        for isSpecial in [false, true] {
          for (hasBias, hasRelu) in [(true, true), (true, false), (false, true), (false, false)] {
            let name = "\(set): \(example)\(hasBias ? " bias" : "")\(hasRelu ? " relu" : "")\(isSpecial ? " NaN" : "")"
            try check(example, variant, kernels.pointee, hasBias, hasRelu, isSpecial, name)
          }
        }
      }
    }
    #expect(pooling.count == Self.examples.count, "\(set): some shapes are not pooled at once")
  }

  private func check(
    _ example: Example, _ variant: sb_convolution_variant, _ kernels: sb_kernels, _ hasBias: Bool, _ hasRelu: Bool,
    _ isSpecial: Bool, _ name: String
  ) throws {
    var (shape, pool) = (example.shape, example.pooling)
    let images = Self.images
    var state: UInt32 = 1
    // Quarters, so that there are ties.
    func random(_ count: Int) -> [Float] {
      (0..<count).map { _ in
        state = state &* 1_664_525 &+ 1_013_904_223
        return Float(state >> 29) / 4 - 1
      }
    }
    let imageSize = example.image.reduce(1, *)
    var x = random(images * imageSize), w = random(example.kernel.reduce(example.image[2] * example.filters, *))
    if isSpecial {
      (x[imageSize / 2], x[imageSize + imageSize / 3], x[2 * imageSize]) = (.nan, .infinity, -.infinity)
      w[w.count - 1] = .infinity
      w[0] = 0x1p-140
    }
    let bias = random(example.filters).map { $0 - 0.5 }
    let (size, pooledSize) = (
      Int(shape.rows * shape.columns) * example.filters, Int(pool.rows * pool.columns) * example.filters
    )
    let record = Int(kernels.pooling_record_bytes(&pool))
    let scratchBytes = Int(variant.scratch_bytes(&shape, Int64(images)))
    let scratch = UnsafeMutableRawPointer.allocate(byteCount: scratchBytes + 64, alignment: 64)
    defer { scratch.deallocate() }
    scratch.initializeMemory(as: UInt8.self, repeating: 0x5a, count: scratchBytes + 64)
    let packedCount = Int(variant.packed_bytes(&shape)) / 4
    let packed = UnsafeMutableRawPointer.allocate(byteCount: packedCount * 4 + 64, alignment: 64)
      .bindMemory(to: Float.self, capacity: packedCount)
    defer { packed.deallocate() }
    variant.pack(&shape, w, packed, 0, variant.panels(&shape))
    bias.withUnsafeBufferPointer { bias in
      var end = sb_convolution_end(bias: hasBias ? bias.baseAddress : nil, relu: hasRelu ? 1 : 0)
      var results = [Float](repeating: 9, count: images * size)
      variant.run(&shape, Int64(images), x, packed, &results, scratch, &end)
      var expected = [Float](repeating: 9, count: images * pooledSize)
      var winners = [UInt8](repeating: 9, count: images * record)
      for n in 0..<images {
        results.withUnsafeBufferPointer { results in
          expected.withUnsafeMutableBufferPointer { expected in
            winners.withUnsafeMutableBufferPointer {
              kernels.max_pool_winners(
                &pool, hasRelu ? 1 : 0, results.baseAddress! + n * size, expected.baseAddress! + n * pooledSize,
                $0.baseAddress! + n * record)
            }
          }
        }
      }
      // Shapes without the last rows and columns, which no window sees, give the same.
      for isCropped in [false, true] {
        if isCropped { (shape.rows, shape.columns) = (2 * pool.rows, 2 * pool.columns) }
        var (maxima, found) = ([Float](repeating: 7, count: expected.count + 1), winners.map { _ in UInt8(9) })
        variant.run_pooled(&shape, &pool, Int64(images), x, packed, &maxima, &found, Int64(record), scratch, &end)
        #expect(bits(maxima.dropLast()) == bits(expected[...]) && maxima.last == 7, "\(name)")
        #expect(found == winners, "\(name)")
        maxima = [Float](repeating: 7, count: maxima.count)
        variant.run_pooled(&shape, &pool, Int64(images), x, packed, &maxima, nil, 0, scratch, &end)
        #expect(bits(maxima.dropLast()) == bits(expected[...]), "\(name) without winners")
      }
    }
    let isWhole = (scratchBytes..<scratchBytes + 64).allSatisfy {
      scratch.load(fromByteOffset: $0, as: UInt8.self) == 0x5a
    }
    #expect(isWhole, "\(name): written behind its scratch memory")
  }

  private func bits(_ numbers: ArraySlice<Float>) -> [UInt32] {
    numbers.map { $0.isNaN ? 0x7fc0_0000 : $0.bitPattern }
  }

  @Test("other poolings, groups and many taps are left to the passes", arguments: ["avx512", "avx2", "baseline"])
  func declines(set: String) throws {
    guard let kernels = sb_kernels_named(set) else { return }
    let example = Example(image: [12, 12, 2])
    func pools(_ change: (inout sb_convolution, inout sb_pooling) -> Void) throws -> Bool {
      var (shape, pool) = (example.shape, example.pooling)
      change(&shape, &pool)
      let variant = try #require(sb_convolution_choice(kernels, Int32(SB_FORWARD), &shape, "direct", 0)).pointee
      let pools = try #require(variant.pools)
      return pools(&shape, &pool) != 0
    }
    #expect(try pools { _, _ in })
    #expect(try !pools { _, pool in pool.pool_width = 3 })
    #expect(try !pools { _, pool in pool.stride_y = 1 })
    #expect(try !pools { _, pool in pool.left = 1 })
    // A window that ends outside.
    #expect(try !pools { _, pool in pool.rows += 1 })
    #expect(try !pools { shape, _ in (shape.channels, shape.filters) = (1, 16) })
    #expect(try !pools { shape, _ in (shape.channels, shape.pixel) = (32, 32) })
  }
}
