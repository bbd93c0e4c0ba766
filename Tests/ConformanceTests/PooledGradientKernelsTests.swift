import SwitchbackCPUKernels
import Testing

/// The kernels of a pooled convolution's gradients against those of the calls alone, for every instruction set that this
/// CPU has: kernels of sizes that fill tiles and leave rests.
@Suite struct PooledGradientKernelsTests {
  private struct Example {
    var image: [Int]
    var kernel = [3, 3]
    var filters = 33
    var stride = 1
    var dilation = 1
    var padding = [0, 0]
    var pool = [2, 2]
    var poolStride = 2
    var poolPadding = 0
  }

  private static let examples = [
    Example(image: [13, 13, 32], filters: 64), Example(image: [9, 8, 7], filters: 17),
    Example(image: [12, 11, 17], kernel: [5, 2], padding: [1, 1], pool: [3, 3], poolPadding: 1),
    Example(image: [15, 14, 90], kernel: [1, 1], filters: 5, pool: [3, 2], poolStride: 3),
    Example(image: [15, 14, 9], kernel: [4, 3], filters: 40, stride: 2, padding: [2, 1]),
    Example(image: [20, 13, 3], kernel: [7, 11], padding: [3, 5]),
    Example(image: [12, 9, 40], kernel: [3, 5], dilation: 2, padding: [1, 2]),
    // More results than are placed at once.
    Example(image: [70, 67, 8], filters: 9),
    // Few taps: more windows than are summed up at once, rows of windows that share rows of the image or not.
    Example(image: [49, 50, 1], filters: 32), Example(image: [9, 8, 1], filters: 8),
    Example(image: [8, 11, 1], filters: 16, padding: [1, 1]), Example(image: [11, 12, 1], filters: 17, stride: 2),
    Example(image: [9, 9, 3], filters: 40, padding: [1, 1]), Example(image: [12, 13, 1], kernel: [5, 5], filters: 24),
    Example(image: [13, 12, 1], kernel: [7, 2], filters: 32, dilation: 2, padding: [3, 0]),
    Example(image: [10, 9, 1], kernel: [2, 2], filters: 9), Example(image: [9, 9, 1], kernel: [3, 1], poolStride: 1),
    Example(image: [9, 11, 2], kernel: [1, 1], filters: 16, stride: 1),
    // Filters of several words, parts of words, channels of parts of vectors, overlapping and padded pools.
    Example(image: [9, 9, 17], kernel: [2, 2], filters: 130),
    Example(image: [11, 9, 16], filters: 40, padding: [1, 1]),
    Example(image: [10, 9, 40], filters: 8, pool: [3, 3], poolPadding: 1),
    Example(image: [12, 11, 8], filters: 17, padding: [2, 2], pool: [3, 3], poolStride: 3),
    Example(image: [11, 12, 33], filters: 65, stride: 2), Example(image: [9, 7, 40], filters: 65, poolStride: 1),
  ]

  @Test(
    "gradients from lists of winners, or looked up, are those from gradients in full",
    arguments: ["avx512", "avx2", "baseline"])
  func agree(set: String) throws {
    guard let kernels = sb_kernels_named(set) else { return }
    var looksUp = 0
    for example in Self.examples { looksUp += try check(example, kernels.pointee) ? 1 : 0 }
    #expect(looksUp >= 6)
  }

  /// Among them are all kernels and pools whose sums registers hold.
  @Test("so they are for every small kernel and pool", arguments: ["avx512", "avx2", "baseline"])
  func small(set: String) throws {
    guard let kernels = sb_kernels_named(set) else { return }
    for kernel in 1...5 {
      for pool in 1...3 {
        _ = try check(
          Example(image: [9, 8, 9], kernel: [kernel, kernel], filters: 9, pool: [pool, pool]), kernels.pointee)
      }
    }
  }

  @Test("an odd image's zeros meet its infinities, looked up or in full", arguments: ["avx512", "avx2", "baseline"])
  func oddImages(set: String) throws {
    guard let kernels = sb_kernels_named(set) else { return }
    var taken = 0
    for example in Self.examples where example.padding == [0, 0] {
      taken += try check(example, kernels.pointee, oddImage: 1) ? 1 : 0
    }
    #expect(taken >= 4)
  }

  /// Whether the shape is one whose taps are looked up. An odd image has an infinity, and a result of which relu had a NaN.
  private func check(_ example: Example, _ kernels: sb_kernels, oddImage: Int? = nil) throws -> Bool {
    let (images, image, kernel) = (3, example.image, example.kernel)
    let rows = (image[0] + 2 * example.padding[0] - (kernel[0] - 1) * example.dilation - 1) / example.stride + 1
    let columns = (image[1] + 2 * example.padding[1] - kernel[1]) / example.stride + 1
    var shape = sb_convolution()
    (shape.height, shape.width) = (Int32(image[0]), Int32(image[1]))
    (shape.channels, shape.pixel) = (Int32(image[2]), Int32(image[2]))
    (shape.rows, shape.columns, shape.filters) = (Int32(rows), Int32(columns), Int32(example.filters))
    (shape.kernel_height, shape.kernel_width) = (Int32(kernel[0]), Int32(kernel[1]))
    (shape.stride_y, shape.stride_x) = (Int32(example.stride), Int32(example.stride))
    (shape.dilation_y, shape.dilation_x) = (Int32(example.dilation), 1)
    (shape.top, shape.left) = (Int32(example.padding[0]), Int32(example.padding[1]))
    var pooling = sb_pooling()
    (pooling.height, pooling.width, pooling.channels) = (shape.rows, shape.columns, shape.filters)
    pooling.rows = Int32((rows + 2 * example.poolPadding - example.pool[0]) / example.poolStride + 1)
    pooling.columns = Int32((columns + 2 * example.poolPadding - example.pool[1]) / example.poolStride + 1)
    (pooling.pool_height, pooling.pool_width) = (Int32(example.pool[0]), Int32(example.pool[1]))
    (pooling.stride_y, pooling.stride_x) = (Int32(example.poolStride), Int32(example.poolStride))
    (pooling.top, pooling.left) = (Int32(example.poolPadding), Int32(example.poolPadding))
    var state: UInt32 = 1
    func random(_ count: Int) -> [Float] {
      (0..<count).map { _ in
        state = state &* 1_664_525 &+ 1_013_904_223
        return Float(state >> 8) * 0x1p-23 - 1
      }
    }
    var x = random(images * image.reduce(1, *))
    if let oddImage { x[oddImage * image.reduce(1, *) + image[2] * image[1] + 1] = .infinity }
    let w = random(kernel.reduce(image[2] * example.filters, *))
    let size = rows * columns * example.filters
    let pooledSize = Int(pooling.rows * pooling.columns) * example.filters
    let results = random(images * size).map { max($0 - 0.25, 0) }
    let dy = random(images * pooledSize)
    var (pooled, maxima) = ([Float](repeating: 0, count: dy.count), [Float](repeating: 0, count: dy.count))
    var gradient = [Float](repeating: 0, count: results.count)
    let record = Int(kernels.pooling_record_bytes(&pooling))
    var records = [UInt8](repeating: 0, count: images * record)
    kernels.max_pool(&pooling, Int64(images), results, &maxima)
    for n in 0..<images {
      records.withUnsafeMutableBufferPointer { records in
        results.withUnsafeBufferPointer { results in
          pooled.withUnsafeMutableBufferPointer {
            kernels.max_pool_winners(
              &pooling, 1, results.baseAddress! + n * size, $0.baseAddress! + n * pooledSize,
              records.baseAddress! + n * record)
          }
        }
      }
    }
    #expect(pooled == maxima)
    kernels.max_pool_backward(&pooling, Int64(images), results, dy, &gradient)
    for e in gradient.indices where results[e] == 0 { gradient[e] = 0 }
    if let oddImage {
      records[oddImage * record + pooledSize] = 1
      // Of one filter's results one in seven.
      for r in stride(from: 2, to: rows * columns, by: 7) {
        records[oddImage * record + pooledSize + 1 + r * example.filters + 1] = 1
        gradient[oddImage * size + r * example.filters + 1] = .nan
      }
    }
    var (dw, dx) = ([Float](repeating: 0.5, count: w.count), [Float](repeating: 9, count: x.count))
    withScratch(Int(kernels.sparse_scratch_bytes(&shape, &pooling))) {
      kernels.sparse_backward(&shape, &pooling, Int64(images), x, w, records, dy, &dw, &dx, $0)
    }
    // In Float64, by the definition.
    var exactW = [Double](repeating: 0.5, count: w.count)
    var exactX = [Double](repeating: 0, count: x.count)
    for n in 0..<images {
      for r in 0..<rows * columns {
        for i in 0..<kernel[0] {
          for j in 0..<kernel[1] {
            let h = r / columns * example.stride + i * example.dilation - example.padding[0]
            let v = r % columns * example.stride + j - example.padding[1]
            guard h >= 0, h < image[0], v >= 0, v < image[1] else { continue }
            for f in 0..<example.filters {
              let number = Double(gradient[n * size + r * example.filters + f])
              guard number != 0 || n == oddImage else { continue }
              for c in 0..<image[2] {
                let place = ((n * image[0] + h) * image[1] + v) * image[2] + c
                let weight = ((i * kernel[1] + j) * image[2] + c) * example.filters + f
                exactW[weight] += number * Double(x[place])
                exactX[place] += number * Double(w[weight])
              }
            }
          }
        }
      }
    }
    var exactBias = [Double](repeating: 1, count: example.filters)
    for e in gradient.indices { exactBias[e % example.filters] += Double(gradient[e]) }
    func expect(_ found: [Float], near exact: [Double], within share: Double, _ what: String) {
      let bound = share * (exact.map(abs).filter(\.isFinite).max() ?? 0)
      let isNear = zip(found, exact).allSatisfy { found, exact in
        exact.isFinite ? abs(Double(found) - exact) <= bound : found.isNaN == exact.isNaN && !found.isFinite
      }
      #expect(isNear, "\(what): \(example)")
    }
    expect(dw, near: exactW, within: 2e-6, "filter")
    expect(dx, near: exactX, within: 2e-6, "image")
    var (sums, part) = ([Float](repeating: 1, count: example.filters), [Float](repeating: 0, count: example.filters))
    kernels.gated_sums(&pooling, Int64(images), records, dy, &part, &sums)
    expect(sums, near: exactBias, within: 1e-5, "bias")
    guard kernels.winners_takes(&shape, &pooling) != 0 else { return false }
    for hasBias in [true, false] {
      dw = [Float](repeating: 0.5, count: w.count)
      var looked = [Float](repeating: 1, count: example.filters)
      withScratch(Int(kernels.winners_scratch_bytes(&shape, &pooling))) { scratch in
        looked.withUnsafeMutableBufferPointer {
          kernels.winners_backward_filter(
            &shape, &pooling, Int64(images), x, records, dy, &dw, hasBias ? $0.baseAddress : nil, scratch)
        }
      }
      expect(dw, near: exactW, within: 2e-6, "filter, looked up")
      expect(looked, near: hasBias ? exactBias : exactBias.map { _ in 1 }, within: 1e-5, "bias, looked up")
    }
    return true
  }

  /// Nothing may be written behind it.
  private func withScratch(_ bytes: Int, _ body: (UnsafeMutableRawPointer) -> Void) {
    let scratch = UnsafeMutableRawPointer.allocate(byteCount: bytes + 64, alignment: 64)
    defer { scratch.deallocate() }
    scratch.initializeMemory(as: UInt8.self, repeating: 0x5a, count: bytes + 64)
    body(scratch)
    for e in bytes..<bytes + 64 { #expect(scratch.load(fromByteOffset: e, as: UInt8.self) == 0x5a) }
  }
}
