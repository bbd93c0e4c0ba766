import SwitchbackBackendKit
import SwitchbackCPUKernels
import SwitchbackPrograms

/// A convolution whose results are pooled, with the gradients of both. Only winners have a gradient, so the backward half
/// takes the pooled gradient and a byte a window, and multiplies with what those bytes name.
///
///     x   kernel                         forward half
///      ╲  ╱
///     conv2d   bias   f32[filters]
///         ╲    ╱
///          add        or none
///           │
///          relu       or none
///           │╲
///           │ maxPool2d ── y, and a record: winners
///           │
///           │   dy                       backward half
///           │╲  ╱
///           │ maxPool2d/backward
///            ╲  │
///        relu/backward                   where there is relu
///          │      │          │
///          │      │  x       │  kernel   each of the three there is or not
///          │      │ ╱        │ ╱
///     reduce sum  │          │
///                 │      conv2d/backwardInput ── dx
///        conv2d/backwardFilter ── dkernel
///
/// Nothing else may compute with a value between. Where a probe, a tap or the host looks at one it is written beside the
/// results, in full; they are computed from the winners in any case, so bits do not depend on who looks. Where lists do
/// not pay (`sparse_leads`: few channels) what winners see is looked up (`winners_leads`: few taps), or the gradient goes
/// through the dense kernels, some images at a time.
enum ConvolutionPooling: FusionPattern {
  static func match(_ first: Int, in fusion: Fusion) -> FusedCalls? {
    guard let chain = ConvolutionChain(from: first, in: fusion), chain.activation == nil || chain.hasRelu,
      let backward = PooledGradients(of: chain, in: fusion)
    else { return nil }
    let segment = fusion.segment
    let pair = MatchedPair(
      forward: MatchedHalf(calls: chain.calls.calls + [backward.pool], results: [backward.pooled]),
      backward: MatchedHalf(calls: backward.calls, results: backward.results))
    let values = (pair.forward.calls + pair.backward.calls).flatMap { segment.calls[$0].outputs.compactMap { $0 } }
    guard values.allSatisfy({ segment.values[$0].role != .state }), let between = pair.between(fusion.uses)
    else { return nil }
    return FusedCalls(halves: [pair.forward, pair.backward]) { works in
      let pooling = backward.description
      let bytes = withUnsafePointer(to: pooling) { Int(fusion.library.kernels.pointee.pooling_record_bytes($0)) }
      let rows = segment.values[backward.pooled].type.shape[0]
      let record = works.addValue(byteCount: rows * bytes)
      let forward = try chain.work(
        in: fusion, calls: pair.forward.calls, pooled: (backward.pooled, backward.geometry), watched: between.watched,
        record: record)
      return [[forward], [try backward.work(in: fusion, watched: between.watched, record: record, recordBytes: bytes)]]
    }
  }
}

/// The backward half.
private struct PooledGradients {
  /// The calls of pooling and its gradient, of the gate, and of what reads the gated gradient.
  let pool: Int
  private let poolGradient: Int
  private var gate: Int?
  private var reduction: Int?
  private var filter: Int?
  private var input: Int?
  let geometry: PoolingGeometry
  let description: sb_pooling
  let pooled: Int
  private let ungated: Int
  private let gated: Int
  private let chain: ConvolutionChain
  private(set) var results: [Int] = []

  init?(of chain: ConvolutionChain, in fusion: Fusion) {
    let segment = fusion.segment
    func operation(_ call: Int) -> any TensorOperation { segment.calls[call].operation }
    func inputs(_ call: Int) -> [Int] { segment.calls[call].inputs }
    func result(_ call: Int) -> Int? { segment.calls[call].outputs.first ?? nil }
    func readers(_ value: Int) -> [Int] { fusion.uses.readers(of: value).filter { !fusion.uses.looks($0) } }
    let last = chain.last
    let lastReaders = readers(last)
    guard lastReaders.count == (chain.hasRelu ? 3 : 2),
      let pool = lastReaders.first(where: { operation($0) is MaxPool2D }),
      let geometry = (operation(pool) as? MaxPool2D)?.geometry, geometry.poolSize.reduce(1, *) <= 127,
      let poolGradient = lastReaders.first(where: { operation($0) is MaxPool2DBackward }),
      (operation(poolGradient) as? MaxPool2DBackward)?.geometry == geometry, inputs(poolGradient)[0] == last,
      inputs(poolGradient)[1] != last, let pooled = result(pool), let ungated = result(poolGradient)
    else { return nil }
    var gated = ungated
    if chain.hasRelu {
      guard let call = lastReaders.first(where: { operation($0) is UnaryBackward }),
        (operation(call) as? UnaryBackward)?.function == .relu, inputs(call) == [last, ungated],
        fusion.uses.onlyReader(of: ungated) == call, let value = result(call)
      else { return nil }
      (gate, gated) = (call, value)
    }
    let shape = segment.values[last].type.shape
    guard shape.extents.dropFirst().allSatisfy({ $0 > 0 }) else { return nil }
    let convolution = segment.calls[chain.convolution]
    let kernel = segment.values[convolution.inputs[1]].type.shape
    for call in readers(gated) {
      guard let value = result(call) else { return nil }
      switch operation(call) {
      case let sum as Reduce where sum.function == .sum && sum.axes == [0, 1, 2] && reduction == nil:
        reduction = call
      case let backward as Convolution2DBackwardFilter
      where backward.geometry == chain.geometry && backward.kernelSize == Array(kernel.extents.prefix(2))
        && filter == nil
        && inputs(call) == [convolution.inputs[0], gated]:
        filter = call
      case let backward as Convolution2DBackwardInput
      where backward.geometry == chain.geometry && input == nil && inputs(call) == [gated, convolution.inputs[1]]
        && segment.values[value].type == segment.values[convolution.inputs[0]].type:
        input = call
      default: return nil
      }
      results.append(value)
    }
    guard filter != nil || input != nil else { return nil }
    (self.pool, self.poolGradient, self.geometry, self.pooled) = (pool, poolGradient, geometry, pooled)
    (self.ungated, self.gated, self.chain) = (ungated, gated, chain)
    description = sb_pooling(geometry, x: shape, y: segment.values[pooled].type.shape)
    let all = calls + [pool]
    // What the forward half says of its operands must still hold.
    guard all.allSatisfy(fusion.computes), let end = all.max(),
      !segment.calls[chain.convolution...end].contains(where: { call in
        call.outputs.contains { $0.map(convolution.inputs.contains) ?? false }
      })
    else { return nil }
  }

  /// In their order.
  var calls: [Int] { ([poolGradient] + [gate, reduction, filter, input].compactMap { $0 }).sorted() }

  func work(in fusion: Fusion, watched: Set<Int>, record: Int, recordBytes: Int) throws -> Work {
    let (segment, kernels, pooling) = (fusion.segment, fusion.library.kernels, description)
    let convolution = fusion.maker(chain.convolution)
    let (x, w, dy) = (convolution.input(0), convolution.input(1), segment.calls[poolGradient].inputs[1])
    let rows = convolution.rowCount(convolution.type(0))
    let (filters, size) = (Int(pooling.channels), Int(pooling.height * pooling.width * pooling.channels))
    let (pooledSize, imageSize) = (
      Int(pooling.rows * pooling.columns * pooling.channels), convolution.type(0).shape.elementCount / max(rows, 1)
    )
    func output(_ call: Int?) -> Int? { call.flatMap { segment.calls[$0].outputs[0] } }
    let (dbias, dfilter, dx) = (output(reduction), output(filter), output(input))
    let keptUngated = watched.contains(ungated) ? ungated : nil
    let keptGated = gated != ungated && watched.contains(gated) ? gated : nil
    let gradients = try GradientPasses(
      of: chain.geometry, filter: filter.map(fusion.maker), input: input.map(fusion.maker),
      convolution, pooling, rows: rows)
    var results: [Work.Result] = []
    for value in [dbias, dfilter].compactMap({ $0 }) {
      let count = segment.values[value].type.shape.elementCount
      results.append(.init(value: value, form: .sum(.sum(count: count))))
    }
    results += [dx].compactMap { $0 }.map { .init(value: $0, form: .rows) }
    results += [keptUngated, keptGated].compactMap { $0 }.map { .init(value: $0, form: .rows, isBeside: true) }
    var operands: [Work.Operand] = [.init(value: dy, access: .rows), .init(value: record, access: .rows)]
    if dfilter != nil && x != dy { operands.append(.init(value: x, access: .rows)) }
    if dx != nil { operands.append(.init(value: w, access: .whole)) }
    var cost = fusion.cost(of: calls, reading: [dy, x, w], writing: self.results)
    if gradients.isSparse || (gradients.looksUp && dx == nil) { cost.flops = cost.flops / max(size, 1) * pooledSize }
    let partBytes = (filters * 4 + 63) / 64 * 64

    var work = Work(
      calls: calls, operands: operands, results: results, rows: rows, isDivisible: true, cost: cost,
      scratch: { _ in partBytes + gradients.scratchBytes }
    ) { frame in
      let upstream = frame.floats(dy)
      let records = frame.pointers[record].assumingMemoryBound(to: UInt8.self)
      /// Writes the gradient of one image in full.
      func spread(_ image: Int, _ isGated: Bool, _ to: UnsafeMutablePointer<Float>) {
        let kept = records + image * recordBytes
        withUnsafePointer(to: pooling) {
          kernels.pointee.max_pool_spread($0, isGated ? 1 : 0, kept, upstream + image * pooledSize, to)
        }
        guard isGated, kept[pooledSize] != 0 else { return }
        for e in 0..<size where kept[pooledSize + 1 + e] != 0 { to[e] = .nan }
      }
      if let keptUngated {
        for image in 0..<frame.rows { spread(image, false, frame.floats(keptUngated) + image * size) }
      }
      if let keptGated {
        for image in 0..<frame.rows { spread(image, true, frame.floats(keptGated) + image * size) }
      }
      if let dbias, !gradients.looksUp {
        withUnsafePointer(to: pooling) {
          kernels.pointee.gated_sums(
            $0, Int64(frame.rows), records, upstream, frame.scratch.assumingMemoryBound(to: Float.self),
            frame.floats(dbias))
        }
      }
      gradients.run(
        frame.rows, imageSize: imageSize, dfilter.map { _ in UnsafePointer(frame.floats(x)) },
        dx.map { _ in frame.packed ?? UnsafePointer(frame.floats(w)) }, records, upstream,
        dfilter.map { frame.floats($0) }, dbias.map { frame.floats($0) }, dx.map { frame.floats($0) },
        frame.scratch + partBytes
      ) { image, to in spread(image, true, to) }
    }
    (work.packing, work.notes) = (gradients.packing, gradients.notes)
    return work
  }
}
