import SwitchbackCPUKernels
import Testing

private let setNames = ["avx512", "avx2", "baseline"]
private let passNames = ["forward", "backwardInput", "backwardFilter"]

/// A convolution with random operands and what its passes give by definition, in Float64.
private struct Example: CustomStringConvertible {
  let description: String
  let shape: sb_convolution
  let images: Int
  /// x, w and dy.
  let operands: [[Float]]
  /// By pass; and the sums of the terms' absolute values.
  let exact: [[Double]]
  let magnitudes: [[Double]]
  let terms: [Double]

  init(
    _ images: Int, _ image: [Int], kernel: [Int], filters: Int, groups: Int = 1, strides: [Int] = [1, 1],
    padding: [Int] = [0, 0, 0, 0], dilations: [Int] = [1, 1], zeros: Bool = false, onePixel: Int? = nil
  ) {
    description =
      "\(images) × \(image) kernel \(kernel) filters \(filters) groups \(groups) strides \(strides) padding \(padding)"
      + " dilations \(dilations)\(zeros ? ", background of zeros" : "")"
    self.images = images
    let size = (0..<2).map { axis -> Int in
      let padded: Int = image[axis] + padding[2 * axis] + padding[2 * axis + 1]
      let reach: Int = (kernel[axis] - 1) * dilations[axis] + 1
      return (padded - reach) / strides[axis] + 1
    }
    let (own, ownFilters) = (image[2] / groups, filters / groups)
    shape = sb_convolution(
      height: Int32(image[0]), width: Int32(image[1]), channels: Int32(own), pixel: Int32(image[2]),
      rows: Int32(size[0]), columns: Int32(size[1]), filters: Int32(ownFilters), kernel_height: Int32(kernel[0]),
      kernel_width: Int32(kernel[1]), stride_y: Int32(strides[0]), stride_x: Int32(strides[1]),
      dilation_y: Int32(dilations[0]), dilation_x: Int32(dilations[1]), top: Int32(padding[0]), left: Int32(padding[2]),
      gated: 0)
    var state: UInt32 = 1
    func random() -> Float {
      state = state &* 1_664_525 &+ 1_013_904_223
      return Float(state >> 8) * 0x1p-23 - 1
    }
    var x = (0..<images * image[0] * image[1] * image[2]).map { _ in random() }
    // One pixel in eleven differs from zero.
    if zeros { for e in x.indices where (e / image[2]) % 11 != 5 { x[e] = 0 } }
    // Of image n its pixel n, and there of every other image channel 0 alone.
    func sparse(_ values: [Float], channels: Int) -> [Float] {
      values.enumerated().map { e, value in
        let (pixel, channel) = (e / channels % (values.count / channels / images), e % channels)
        let image = e / (values.count / images)
        return pixel == image && (channel == 0 || image % 2 == 0) ? value : 0
      }
    }
    if onePixel == 0 { x = sparse(x, channels: image[2]) }
    let w = (0..<kernel[0] * kernel[1] * own * filters).map { _ in random() }
    var dy = (0..<images * size[0] * size[1] * filters).map { _ in random() }
    if onePixel == 1 { dy = sparse(dy, channels: filters) }
    operands = [x, w, dy]
    var sums = [dy, x, w].map { [Double](repeating: 0, count: $0.count) }
    var magnitudes = sums
    for n in 0..<images {
      for p in 0..<size[0] {
        for q in 0..<size[1] {
          for i in 0..<kernel[0] {
            for j in 0..<kernel[1] {
              let h = p * strides[0] + i * dilations[0] - padding[0]
              let v = q * strides[1] + j * dilations[1] - padding[2]
              guard h >= 0, h < image[0], v >= 0, v < image[1] else { continue }
              for c in 0..<image[2] {
                for f in 0..<ownFilters {
                  let xe = ((n * image[0] + h) * image[1] + v) * image[2] + c
                  let filter = c / own * ownFilters + f
                  let ye = ((n * size[0] + p) * size[1] + q) * filters + filter
                  let we = ((i * kernel[1] + j) * own + c % own) * filters + filter
                  let products = (
                    Double(x[xe]) * Double(w[we]), Double(dy[ye]) * Double(w[we]), Double(x[xe]) * Double(dy[ye])
                  )
                  sums[y][ye] += products.0
                  sums[dx][xe] += products.1
                  sums[dw][we] += products.2
                  magnitudes[y][ye] += abs(products.0)
                  magnitudes[dx][xe] += abs(products.1)
                  magnitudes[dw][we] += abs(products.2)
                }
              }
            }
          }
        }
      }
    }
    (exact, self.magnitudes) = (sums, magnitudes)
    let cells = Double(kernel[0] * kernel[1])
    terms = [cells * Double(own), cells * Double(ownFilters), Double(images * size[0] * size[1])]
  }

  /// The operands of a pass and the elements of its result, of images `range`.
  private func operands(_ pass: Int, _ range: Range<Int>) -> ([Float], [Float], Int) {
    func part(_ values: [Float]) -> [Float] {
      let size = values.count / max(images, 1)
      return Array(values[range.lowerBound * size..<range.upperBound * size])
    }
    return switch pass {
    case 0: (part(operands[0]), operands[1], operands[2].count / max(images, 1) * range.count)
    case 1: (part(operands[2]), operands[1], operands[0].count / max(images, 1) * range.count)
    default: (part(operands[0]), part(operands[2]), operands[1].count)
    }
  }

  /// What a variant makes of images `range`; nil where it writes behind its scratch memory or packed filter. `size`: of the
  /// results of a forward pass, where they are not all.
  func result(
    _ variant: sb_convolution_variant, _ pass: Int, _ range: Range<Int>,
    _ end: UnsafePointer<sb_convolution_end>? = nil, size: [Int]? = nil
  ) -> [Float]? {
    let (first, second, all) = operands(pass, range)
    var (shape, count) = (shape, all)
    if let size {
      count = count / Int(shape.rows * shape.columns) * size[0] * size[1]
      (shape.rows, shape.columns) = (Int32(size[0]), Int32(size[1]))
    }
    // A gradient of the filter is added to what is there; the others are written whole.
    var result = [Float](repeating: pass == 2 ? 0 : .nan, count: count)
    let byteCount = Int(variant.scratch_bytes(&shape, Int64(range.count)))
    let packedCount = Int(variant.packed_bytes(&shape)) / 4
    let packed = UnsafeMutableRawPointer.allocate(byteCount: packedCount * 4 + 64, alignment: 64)
      .bindMemory(to: Float.self, capacity: packedCount + 1)
    defer { packed.deallocate() }
    packed.initialize(repeating: .nan, count: packedCount)
    packed[packedCount] = 0.5
    // Panel by panel, from the last one on: none needs another.
    if packedCount > 0 {
      for panel in (0..<variant.panels(&shape)).reversed() { variant.pack(&shape, second, packed, panel, 1) }
    }
    let scratch = UnsafeMutableRawPointer.allocate(byteCount: byteCount + 64, alignment: 64)
    defer { scratch.deallocate() }
    scratch.initializeMemory(as: UInt8.self, repeating: 0xFF, count: byteCount + 64)
    second.withUnsafeBufferPointer {
      let operand = packedCount > 0 ? UnsafePointer(packed) : $0.baseAddress
      variant.run(&shape, Int64(range.count), first, operand, &result, scratch, end)
    }
    let isWhole = (byteCount..<byteCount + 64).allSatisfy { scratch.load(fromByteOffset: $0, as: UInt8.self) == 0xFF }
    return isWhole && packed[packedCount] == 0.5 ? result : nil
  }
}

extension Example {
  /// The filter's gradient, made in parts of at most so many channels and filters, the last one first; nil where the
  /// variant writes behind its scratch memory.
  func gradient(_ variant: sb_convolution_variant, channels: Int, filters: Int) -> [Float]? {
    var shape = shape
    let (ownChannels, ownFilters) = (Int(shape.channels), Int(shape.filters))
    // Every part is written whole.
    var result = [Float](repeating: .nan, count: operands[1].count)
    for channel in stride(from: 0, to: ownChannels, by: channels).reversed() {
      for filter in stride(from: 0, to: ownFilters, by: filters).reversed() {
        var part = sb_filter_part(
          channel: Int32(channel), channels: Int32(min(channels, ownChannels - channel)), filter: Int32(filter),
          filters: Int32(min(filters, ownFilters - filter)))
        let byteCount = Int(variant.part_scratch_bytes(&shape, Int64(images), &part))
        let scratch = UnsafeMutableRawPointer.allocate(byteCount: byteCount + 64, alignment: 64)
        defer { scratch.deallocate() }
        scratch.initializeMemory(as: UInt8.self, repeating: 0xFF, count: byteCount + 64)
        variant.run_part(&shape, Int64(images), operands[0], operands[2], &result, scratch, &part)
        guard (byteCount..<byteCount + 64).allSatisfy({ scratch.load(fromByteOffset: $0, as: UInt8.self) == 0xFF })
        else { return nil }
      }
    }
    return result
  }

  /// Whether a pass's result is within a variant's bound of the sums in Float64, with zeros where all terms are.
  func holds(_ result: [Float], _ variant: sb_convolution_variant, _ pass: Int) -> (bound: Bool, zeros: Bool) {
    let (exact, magnitudes) = (exact[pass], magnitudes[pass])
    var (wrong, whole) = (0.0, 0.0)
    for e in result.indices {
      wrong += (Double(result[e]) - exact[e]) * (Double(result[e]) - exact[e])
      whole += exact[e] * exact[e]
    }
    let bound = 4 * Double(variant.error_factor) * 0x1p-24 * max(terms[pass], 1).squareRoot()
    return (
      wrong.squareRoot() <= bound * whole.squareRoot(),
      result.indices.allSatisfy { magnitudes[$0] != 0 || result[$0] == 0 }
    )
  }
}

private let (y, dx, dw) = (0, 1, 2)

private let examples: [Example] = [
  Example(1, [1, 1, 1], kernel: [1, 1], filters: 1),
  Example(0, [5, 5, 2], kernel: [3, 3], filters: 3),
  Example(2, [7, 5, 3], kernel: [3, 3], filters: 17),
  Example(3, [13, 11, 17], kernel: [3, 3], filters: 33, padding: [1, 1, 1, 1]),
  Example(2, [9, 10, 33], kernel: [3, 3], filters: 40, padding: [1, 1, 1, 1], zeros: true),
  Example(9, [3, 3, 40], kernel: [3, 3], filters: 64),
  // Filters that fill vectors, where Winograd's tiles of four results a side or of two lead, and zeros.
  Example(3, [9, 10, 32], kernel: [3, 3], filters: 32, zeros: true),
  Example(2, [6, 6, 32], kernel: [3, 3], filters: 48, padding: [2, 2, 2, 2]),
  // More tiles than a block has, parts of vectors of channels and filters, and padding in which windows lie alone.
  Example(5, [13, 13, 32], kernel: [3, 3], filters: 64), Example(4, [9, 7, 17], kernel: [3, 3], filters: 17),
  Example(2, [7, 8, 16], kernel: [3, 3], filters: 40, padding: [3, 0, 4, 2], zeros: true),
  Example(3, [11, 10, 8], kernel: [3, 3], filters: 8, padding: [1, 1, 1, 1], zeros: true),
  Example(1, [14, 6, 64], kernel: [5, 3], filters: 7, padding: [2, 2, 1, 1]),
  Example(2, [8, 9, 4], kernel: [7, 7], filters: 12, padding: [3, 3, 3, 3], zeros: true),
  Example(2, [9, 11, 6], kernel: [3, 2], filters: 9, strides: [2, 3]),
  Example(2, [8, 8, 5], kernel: [3, 3], filters: 8, strides: [2, 2], padding: [0, 1, 0, 1]),
  // Strides longer than the kernel leave places of the image without any tap.
  Example(2, [7, 8, 3], kernel: [1, 2], filters: 5, strides: [3, 3], padding: [1, 0, 2, 0]),
  Example(2, [9, 10, 3], kernel: [3, 3], filters: 4, padding: [2, 2, 4, 4], dilations: [2, 3]),
  Example(1, [10, 9, 2], kernel: [3, 3], filters: 4, strides: [2, 2], padding: [1, 0, 2, 1], dilations: [3, 2]),
  Example(2, [6, 7, 6], kernel: [3, 3], filters: 9, groups: 3, padding: [1, 1, 1, 1]),
  Example(3, [6, 5, 37], kernel: [3, 3], filters: 37, groups: 37, padding: [1, 1, 1, 1]),
  Example(2, [1, 13, 29], kernel: [3, 3], filters: 29, groups: 29, padding: [1, 1, 1, 1]),
  Example(2, [9, 11, 7], kernel: [3, 3], filters: 7, groups: 7, padding: [2, 0, 0, 3]),
  Example(2, [7, 9, 16], kernel: [4, 3], filters: 16, groups: 16, strides: [2, 3], padding: [2, 0, 1, 3]),
  Example(
    1, [8, 9, 9], kernel: [3, 2], filters: 9, groups: 9, padding: [2, 1, 0, 2], dilations: [2, 3], zeros: true),
  // More results than are summed up at once.
  Example(1, [31, 29, 2], kernel: [2, 2], filters: 3),
]

@Suite struct ConvolutionVariantsTests {
  private static func variants(_ kernels: UnsafePointer<sb_kernels>, _ pass: Int) -> [sb_convolution_variant] {
    let lists = kernels.pointee.convolution
    let first = [lists.0, lists.1, lists.2][pass]
    return Array(sequence(first: first) { $0.map { $0 + 1 } }.lazy.map { $0!.pointee }.prefix { $0.name != nil })
  }

  @Test(
    "every variant of every pass is within its bound of the sums in Float64, with exact zeros, at every instruction set",
    arguments: setNames, [0, 1, 2])
  func bounds(set: String, pass: Int) throws {
    guard let kernels = sb_kernels_named(set) else { return }
    for variant in Self.variants(kernels, pass) {
      let name = "\(set) \(String(cString: variant.name)) \(passNames[pass])"
      var taken = 0
      for example in examples {
        var shape = example.shape
        guard variant.takes(&shape) != 0 else { continue }
        taken += 1
        guard let result = example.result(variant, pass, 0..<example.images) else {
          Issue.record("\(name): written behind its scratch memory, \(example)")
          continue
        }
        let holds = example.holds(result, variant, pass)
        #expect(holds.bound, "\(name): \(example)")
        #expect(holds.zeros, "\(name): no zero, \(example)")
      }
      #expect(taken >= 3, "\(name) takes too few of the examples")
    }
  }

  @Test("parts of a filter's gradient, of any channels and filters, are within the bound", arguments: setNames)
  func parts(set: String) throws {
    guard let kernels = sb_kernels_named(set) else { return }
    let variants = Self.variants(kernels, dw).filter { $0.run_part != nil }
    #expect(!variants.isEmpty)
    for variant in variants {
      for example in examples where example.shape.channels == example.shape.pixel {
        var shape = example.shape
        guard variant.takes(&shape) != 0 else { continue }
        for (channels, filters) in [(1, 16), (8, 32), (3, 5), (64, 64)] {
          guard let result = example.gradient(variant, channels: channels, filters: filters) else {
            Issue.record("\(set): written behind its scratch memory, \(example)")
            continue
          }
          let holds = example.holds(result, variant, dw)
          #expect(holds.bound && holds.zeros, "\(set): parts of \(channels) x \(filters), \(example)")
        }
      }
    }
  }

  /// Images of one pixel that is not zero, and of that one channel 0 alone, at each place in turn.
  @Test(
    "a result whose window holds only zeros is an exact zero, wherever the one pixel is", arguments: setNames, [0, 1])
  func zeros(set: String, pass: Int) throws {
    guard let kernels = sb_kernels_named(set) else { return }
    for padding in [0, 1] {
      let example = Example(
        64, [8, 8, 16], kernel: [3, 3], filters: 16, padding: [padding, padding, padding, padding], onePixel: pass)
      for variant in Self.variants(kernels, pass) {
        var shape = example.shape
        guard variant.takes(&shape) != 0 else { continue }
        let result = try #require(example.result(variant, pass, 0..<64))
        let (exact, name) = (example.exact[pass], "\(set) \(String(cString: variant.name)) \(passNames[pass])")
        #expect(result.indices.allSatisfy { (exact[$0] == 0) == (result[$0] == 0) }, "\(name): \(example)")
      }
    }
  }

  @Test(
    "a variant that crops gives the first rows and columns the bits that they have in the whole", arguments: setNames)
  func cropping(set: String) throws {
    guard let kernels = sb_kernels_named(set) else { return }
    let croppers = Self.variants(kernels, 0).filter { $0.crops != 0 }
    #expect(!croppers.isEmpty)
    for variant in croppers {
      for example in examples where example.images > 0 && example.shape.rows > 1 && example.shape.columns > 1 {
        var shape = example.shape
        guard variant.takes(&shape) != 0 else { continue }
        let (rows, columns) = (Int(shape.rows), Int(shape.columns))
        let whole = try #require(example.result(variant, 0, 0..<example.images))
        let part = try #require(example.result(variant, 0, 0..<example.images, size: [rows - 1, columns - 1]))
        let pixel = whole.count / (example.images * rows * columns)
        let kept = whole.indices.filter { $0 / pixel % columns < columns - 1 && $0 / pixel / columns % rows < rows - 1 }
        #expect(part.map(\.bitPattern) == kept.map { whole[$0].bitPattern }, "\(set): \(example)")
      }
    }
  }

  @Test("scratch memory for some images suffices for fewer", arguments: setNames, [0, 1, 2])
  func scratch(set: String, pass: Int) throws {
    guard let kernels = sb_kernels_named(set) else { return }
    let shapes = examples + [Example(1, [13, 13, 32], kernel: [3, 3], filters: 64)]
    for variant in Self.variants(kernels, pass) {
      for example in shapes {
        var shape = example.shape
        guard variant.takes(&shape) != 0 else { continue }
        let bytes = (0...70).map { variant.scratch_bytes(&shape, $0) }
        #expect(bytes == bytes.sorted(), "\(set) \(String(cString: variant.name)): \(example)")
      }
    }
  }

  @Test("bits do not depend on how a batch is divided", arguments: setNames, [0, 1])
  func division(set: String, pass: Int) throws {
    guard let kernels = sb_kernels_named(set) else { return }
    for variant in Self.variants(kernels, pass) {
      for example in examples where example.images > 1 {
        var shape = example.shape
        guard variant.takes(&shape) != 0 else { continue }
        let whole = try #require(example.result(variant, pass, 0..<example.images))
        let parts = [0..<1, 1..<example.images].compactMap { example.result(variant, pass, $0) }
        #expect(whole.map(\.bitPattern) == parts.joined().map(\.bitPattern), "\(set) \(example)")
      }
    }
  }

  @Test("a bias and relu in a forward pass have the bits of the operations behind it", arguments: setNames)
  func end(set: String) throws {
    guard let kernels = sb_kernels_named(set) else { return }
    for variant in Self.variants(kernels, 0) {
      for example in examples {
        var shape = example.shape
        guard variant.takes(&shape) != 0 else { continue }
        let filters = Int(shape.filters * shape.pixel / shape.channels)
        let bias = (0..<filters).map { Float($0 % 5) - 2.25 }
        let plain = try #require(example.result(variant, 0, 0..<example.images))
        let added = plain.enumerated().map { $0.element + bias[$0.offset % filters] }
        try bias.withUnsafeBufferPointer { bias in
          let ends: [(UnsafePointer<Float>?, Int32)] = [(bias.baseAddress, 0), (nil, 1), (bias.baseAddress, 1)]
          for (bias, relu) in ends {
            var end = sb_convolution_end(bias: bias, relu: relu)
            let ended = try #require(example.result(variant, 0, 0..<example.images, &end))
            let sums = bias == nil ? plain : added
            let expected = relu == 0 ? sums : sums.map { $0 <= 0 ? 0 : $0 }
            #expect(ended.map(\.bitPattern) == expected.map(\.bitPattern), "\(set) \(example)")
          }
        }
      }
    }
  }

  @Test(
    "the first variant that leads is chosen, strict without wider bounds, or the forced one where it takes the shape",
    arguments: setNames)
  func choice(set: String) throws {
    guard let kernels = sb_kernels_named(set) else { return }
    func name(_ example: Example, _ forced: String? = nil, pass: Int32 = 0, isStrict: Bool = false) -> String? {
      var shape = example.shape
      return sb_convolution_choice(kernels, pass, &shape, forced, isStrict ? 1 : 0).map {
        String(cString: $0.pointee.name)
      }
    }
    let dense = Example(1, [9, 10, 33], kernel: [3, 3], filters: 40)
    let depthwise = Example(1, [6, 5, 37], kernel: [3, 3], filters: 37, groups: 37, padding: [1, 1, 1, 1])
    #expect(name(dense) == "direct" && name(depthwise) == "depthwise3x3")
    #expect(name(depthwise, "direct") == "direct" && name(dense, "depthwise") == "direct")
    // Whoever knows of many zeros asks for it.
    #expect(name(dense, pass: 1) == "direct" && name(dense, "sparse", pass: 1) == "sparse")
    #expect(name(depthwise, "sparse", pass: 1) == "depthwise3x3")
    // The general kernel has strides, and is there when asked for.
    let strided = Example(1, [6, 5, 37], kernel: [3, 3], filters: 37, groups: 37, strides: [2, 2])
    for pass: Int32 in [0, 1, 2] {
      #expect(name(strided, pass: pass) == "depthwise" && name(depthwise, pass: pass) == "depthwise3x3")
      #expect(name(depthwise, "depthwise", pass: pass) == "depthwise")
    }
    #expect(name(dense, "im2col") == nil && name(depthwise, "im2col") == nil)
    // 8×8 results are four tiles of 4×4; 6×6 results are nine of 2×2, and no more than four of 4×4.
    let eight = Example(1, [8, 8, 64], kernel: [3, 3], filters: 64, padding: [1, 1, 1, 1])
    let six = Example(1, [8, 8, 64], kernel: [3, 3], filters: 64)
    for pass: Int32 in [0, 1] {
      #expect(name(eight, pass: pass) == "winograd4")
      #expect(name(eight, pass: pass, isStrict: true) == "winograd2")
      #expect(name(eight, "direct", pass: pass) == "direct")
    }
    #expect(name(six) == "winograd2")
    // Few channels are transformed longer than multiplied; strides have no tiles.
    #expect(name(Example(1, [8, 8, 8], kernel: [3, 3], filters: 64)) == "direct")
    #expect(name(Example(1, [9, 9, 64], kernel: [3, 3], filters: 64, strides: [2, 2])) == "direct")
    // Of few taps vectors may be half empty; a kernel of one cell is not unfolded.
    for filters in [1, 2, 4, 8, 17] {
      #expect(name(Example(1, [9, 9, 1], kernel: [3, 3], filters: filters)) == "direct", "\(filters)")
    }
    #expect(name(Example(1, [9, 9, 3], kernel: [1, 1], filters: 1)) == nil)
    #expect(name(Example(1, [9, 9, 33], kernel: [3, 3], filters: 1)) == nil)
    for known in ["direct", "depthwise", "sparse", "im2col"] { #expect(sb_is_convolution(kernels, known) != 0) }
    #expect(sb_is_convolution(kernels, "directt") == 0)
  }
}
