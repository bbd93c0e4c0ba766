import SwitchbackBackendKit
import SwitchbackCPUKernels
import SwitchbackPrograms

/// A convolution and the calls that alone compute with its result: a bias, an activation, a maximum pooling. What the
/// patterns of convolutions have in common, and the work of it.
struct ConvolutionChain {
  let convolution: Int
  let geometry: ConvolutionGeometry
  /// The number of the bias.
  private(set) var bias: Int?
  private(set) var activation: Unary?
  private(set) var pooling: PoolingGeometry?
  private(set) var calls: CallChain
  /// The convolution's result, that with its bias, and what is pooled: the last of them that there is.
  let product: Int
  private(set) var sum: Int
  private(set) var last: Int

  /// What begins with call `first`, without a pooling.
  init?(from first: Int, in fusion: Fusion) {
    let segment = fusion.segment
    guard let operation = segment.calls[first].operation as? Convolution2D, fusion.computes(first),
      var chain = CallChain(from: first, fusion.uses)
    else { return nil }
    // One address a value: it cannot be both divided and whole.
    guard Set(segment.calls[first].inputs).count == 2 else { return nil }
    (convolution, geometry, product) = (first, operation.geometry, chain.result)
    bias = chain.follow { call, product in
      fusion.computes(call) ? segment.rowVector(addedTo: product, by: call) : nil
    }
    sum = chain.result
    activation = chain.follow { call, _ in fusion.computes(call) ? segment.calls[call].operation as? Unary : nil }
    (last, calls) = (chain.result, chain)
  }

  /// Goes on to a pooling that alone reads the last value.
  mutating func followPooling(in fusion: Fusion) {
    pooling = calls.follow { call, _ in
      fusion.computes(call) ? (fusion.segment.calls[call].operation as? MaxPool2D)?.geometry : nil
    }
  }

  var hasRelu: Bool { activation?.function == .relu }

  /// Floats of results that are made and pooled at once: they stay in a second-level cache.
  static let floatsAtOnce = 1 << 16

  /// `pooled`: where that is not the chain's own result, the pooling of its last value. `record`: where winners and what
  /// else the gradients need is kept.
  func work(
    in fusion: Fusion, calls: [Int], pooled: (value: Int, geometry: PoolingGeometry)?, watched: Set<Int>, record: Int?
  ) throws -> Work {
    let (segment, library, maker) = (fusion.segment, fusion.library, fusion.maker(convolution))
    let kernels = library.kernels
    let (x, w, bias, rows) = (maker.input(0), maker.input(1), bias, maker.rowCount(maker.type(0)))
    let (product, sum, last) = (product, sum, last)
    let (image, result) = (maker.type(0).shape, segment.values[last].type.shape)
    let pooling = pooled.map { sb_pooling($0.geometry, x: result, y: segment.values[$0.value].type.shape) }
    let isWatched = !watched.isEmpty
    let seen = isWatched ? nil : pooling.map { [$0.seenRows, $0.seenColumns] }
    let endsInRegisters = !isWatched && (activation == nil || hasRelu)
    let pass = try ConvolutionPass.forward(geometry, seen: seen, pooling: endsInRegisters ? pooling : nil, maker)
    // Of an odd image everything is computed.
    let whole = try ConvolutionPass.forward(geometry, maker)
    let isCropped = pass.resultSize != whole.resultSize
    let filters = result[3]
    let (size, wholeSize) = (pass.resultSize.reduce(filters, *), whole.resultSize.reduce(filters, *))
    let imageSize = image.elementCount / max(rows, 1)
    let (runPooled, isPartial) = (pass.runPooled, isCropped || pass.runPooled != nil)
    let batch = max(1, runPooled != nil ? rows : min(rows, Self.floatsAtOnce / max(size, 1)))
    let passBytes = (max(pass.scratch(batch), isPartial ? whole.scratch(1) : 0) + 63) / 64 * 64
    let bufferBytes = pooling == nil || runPooled != nil ? 0 : (batch * size * 4 + 63) / 64 * 64
    let wholeBytes = isPartial && record != nil ? wholeSize * 4 : 0
    let (hasRelu, alpha) = (hasRelu, Float(activation?.alpha ?? 0))
    let function = activation.map { sb_unary_number($0.function.rawValue) }
    let (add, filterCount) = (sb_arithmetic_number("add"), maker.type(1).shape.elementCount)
    let (keepsProduct, keepsSum) = (watched.contains(product) && product != last, watched.contains(sum) && sum != last)
    let keepsLast = pooling == nil || watched.contains(last)
    let recordBytes = pooling.map { withUnsafePointer(to: $0, { Int(kernels.pointee.pooling_record_bytes($0)) }) } ?? 0
    var cropped = pooling ?? sb_pooling()
    (cropped.height, cropped.width) = (Int32(pass.resultSize[0]), Int32(pass.resultSize[1]))
    let pooledSize = Int(cropped.rows) * Int(cropped.columns) * filters
    let written = [pooled?.value ?? last] + [record].compactMap { $0 }
    let beside = Set([product, sum, last]).intersection(watched).subtracting(written).sorted()

    var work = Work(
      calls: calls,
      operands: [.init(value: x, access: .rows), .init(value: w, access: .whole)]
        + (bias.map { [.init(value: $0, access: .whole)] } ?? []),
      results: written.map { .init(value: $0, form: .rows) }
        + beside.map { .init(value: $0, form: .rows, isBeside: true) },
      rows: rows, isDivisible: true, cost: fusion.cost(of: calls, reading: [x, w], writing: [written[0]]),
      scratch: { _ in passBytes + bufferBytes + wholeBytes }
    ) { frame in
      let (images, filter, biases) = (frame.floats(x), frame.floats(w), bias.map { frame.floats($0) })
      let buffer = (frame.scratch + passBytes).assumingMemoryBound(to: Float.self)
      let packed = frame.packed ?? UnsafePointer(filter)
      var isFinite = true
      if record != nil {
        isFinite =
          kernels.pointee.all_finite(Int64(filterCount), filter) != 0
          && (biases.map { kernels.pointee.all_finite(Int64(filters), $0) != 0 } ?? true)
      }
      /// The results of `count` images from `first` on, up to what is pooled; where they lie.
      func compute(_ first: Int, _ count: Int) -> UnsafeMutablePointer<Float> {
        let (from, elements) = (images + first * imageSize, Int64(count * size))
        let to = keepsLast ? frame.floats(last) + first * size : buffer
        if keepsProduct {
          var made = frame.floats(product) + first * size
          pass.run(count, from, packed, made, frame.scratch, ConvolutionEnd())
          if let biases {
            let next = keepsSum ? frame.floats(sum) + first * size : to
            _ = kernels.pointee.binary_row(add, elements / Int64(filters), Int64(filters), made, biases, next)
            made = next
          }
          if let function { _ = kernels.pointee.unary(function, alpha, elements, made, to) }
        } else if keepsSum {
          let made = frame.floats(sum) + first * size
          pass.run(count, from, packed, made, frame.scratch, ConvolutionEnd(bias: biases))
          if let function { _ = kernels.pointee.unary(function, alpha, elements, made, to) }
        } else {
          pass.run(count, from, packed, to, frame.scratch, ConvolutionEnd(bias: biases, hasRelu: hasRelu))
          if let function, !hasRelu { _ = kernels.pointee.unary(function, alpha, elements, to, to) }
        }
        return to
      }
      /// Keeps whether an image is odd, and if so where relu had a NaN. `results`: all of them, where they were written.
      func look(
        at image: Int, _ results: UnsafeMutablePointer<Float>?, _ maxima: UnsafeMutablePointer<Float>,
        _ kept: UnsafeMutablePointer<UInt8>
      ) {
        let from = images + image * imageSize
        let isOdd =
          !isFinite || kernels.pointee.all_finite(Int64(imageSize), from) == 0
          || kernels.pointee.all_finite(Int64(pooledSize), maxima) == 0
        kept[pooledSize] = isOdd ? 1 : 0
        guard isOdd else { return }
        let all = results ?? (frame.scratch + (passBytes + bufferBytes)).assumingMemoryBound(to: Float.self)
        if results == nil {
          whole.run(1, from, packed, all, frame.scratch, ConvolutionEnd(bias: biases, hasRelu: hasRelu))
        }
        for e in 0..<wholeSize { kept[pooledSize + 1 + e] = hasRelu && all[e].isNaN ? 1 : 0 }
      }
      ConvolutionPass.forEachBatch(of: frame.rows, atMost: batch) { first, count in
        guard let pooled else {
          _ = compute(first, count)
          return
        }
        let maxima = frame.floats(pooled.value) + first * pooledSize
        let kept = record.map { frame.pointers[$0].assumingMemoryBound(to: UInt8.self) + first * recordBytes }
        var results: UnsafeMutablePointer<Float>?
        if let runPooled {
          let end = ConvolutionEnd(bias: biases, hasRelu: hasRelu)
          runPooled(count, images + first * imageSize, packed, maxima, kept, recordBytes, frame.scratch, end)
        } else {
          results = compute(first, count)
        }
        withUnsafePointer(to: cropped) { cropped in
          guard let kept else {
            if let results { kernels.pointee.max_pool(cropped, Int64(count), results, maxima) }
            return
          }
          for image in 0..<count {
            let (own, record) = (maxima + image * pooledSize, kept + image * recordBytes)
            if let results {
              kernels.pointee.max_pool_winners(cropped, hasRelu ? 1 : 0, results + image * size, own, record)
            }
            look(at: first + image, isPartial ? nil : results.map { $0 + image * size }, own, record)
          }
        }
      }
    }
    (work.packing, work.notes) = (pass.packing, pass.notes)
    return work
  }
}
