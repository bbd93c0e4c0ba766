import SwitchbackBackendKit
import SwitchbackCPUKernels
import SwitchbackPrograms

/// The backward half of `NormalizedBatch`.
struct BatchBackward {
  private let forward: BatchForward
  /// The gradient of y, and the gate that it comes out of, where that belongs to it.
  private let dy: Int
  private var gate: (found: Fusion.Found, opening: Int, upstream: Int)?
  /// Its sum, that of its products with x − mean, and what these are.
  private let dbeta: Fusion.Found
  private let products: Fusion.Found
  private let s: Fusion.Found
  private let dgamma: Fusion.Found
  private let scaled: Fusion.Found
  /// From s to the gradient of each square: s·gamma, the gradient of the root, a row's share of it.
  private let dinverse: Fusion.Found
  private let dvariance: Fusion.Found
  private let slope: Spread
  private let dsquare: Fusion.Found
  private let both: Fusion.Found
  /// From the gradient of x − mean to what the mean takes from each.
  private let negated: Fusion.Found
  private let total: Fusion.Found
  private let shift: Spread
  private let dx: Fusion.Found

  /// A number of each channel of which every row gets a share.
  private struct Spread {
    let reshaped, share, rows: Fusion.Found
    let factor: Float
    let constants: [Int]
  }

  init?(of forward: BatchForward, in fusion: Fusion) {
    let (segment, uses, centered) = (fusion.segment, fusion.uses, forward.subtract.result)
    let type = segment.values[forward.x].type
    let times = fusion.reader(of: forward.factor.result, Binary.self) { multiply, found, inputs in
      multiply.function == .multiply && found.call != forward.scaled.call
        && inputs.contains { $0 != forward.factor.result && segment.values[$0].type == type }
    }
    guard let scaled = times,
      let dy = segment.calls[scaled.call].inputs.first(where: { $0 != forward.factor.result }), dy != forward.x,
      let products = fusion.binary(.multiply, centered, dy),
      let s = fusion.reduced(.sum, products.result), uses.onlyReader(of: products.result) == s.call,
      // Normalizations of one gradient have sums of their own, each before what is scaled.
      let last = fusion.readers(of: dy).last(where: { $0 < scaled.call && fusion.reduces($0, .sum) }),
      let dbeta = fusion.found(last),
      let dgamma = fusion.binary(.multiply, s.result, forward.inverse.result),
      let dinverse = fusion.binary(.multiply, s.result, forward.gamma),
      let dvariance = fusion.unaryBackward(.rsqrt, forward.inverse.result, dinverse.result),
      let slope = Self.spread(dvariance.result, over: type, in: fusion),
      let dsquare = fusion.unaryBackward(.square, centered, slope.rows.result),
      let both = fusion.binary(.add, scaled.result, dsquare.result)
    else { return nil }
    guard let negated = fusion.unary(.negate, both.result), let total = fusion.reduced(.sum, negated.result),
      let shift = Self.spread(total.result, over: type, in: fusion),
      let dx = fusion.binary(.add, both.result, shift.rows.result)
    else { return nil }
    (self.forward, self.dy, self.dbeta, self.products, self.s) = (forward, dy, dbeta, products, s)
    (self.dgamma, self.scaled, self.dinverse, self.dvariance) = (dgamma, scaled, dinverse, dvariance)
    (self.slope, self.dsquare, self.both, self.negated) = (slope, dsquare, both, negated)
    (self.total, self.shift, self.dx) = (total, shift, dx)
    gate = gate(in: fusion)
    // What the forward half says of gamma must still hold.
    guard let end = half.calls.max(),
      !segment.calls[forward.mean.call...end].contains(where: { $0.outputs.contains(forward.gamma) })
    else { return nil }
  }

  private static func spread(_ value: Int, over type: TensorType, in fusion: Fusion) -> Spread? {
    guard let reshaped = fusion.reader(of: value, Reshape.self, where: { _, _, _ in true }),
      let (share, factor, constants) = fusion.scalar(.multiply, reshaped.result),
      let rows = fusion.reader(of: share.result, Broadcast.self, where: { _, _, _ in true }),
      fusion.segment.values[rows.result].type == type, fusion.segment.isRowVector(share.result, of: rows.result)
    else { return nil }
    return Spread(reshaped: reshaped, share: share, rows: rows, factor: factor, constants: constants)
  }

  private func gate(in fusion: Fusion) -> (found: Fusion.Found, opening: Int, upstream: Int)? {
    let segment = fusion.segment
    guard let call = fusion.uses.writer(of: dy), let found = fusion.found(call),
      (segment.calls[call].operation as? UnaryBackward)?.function == .relu,
      // Of several normalizations it belongs to the first.
      fusion.readers(of: dy).first == dbeta.call,
      case let inputs = segment.calls[call].inputs, inputs[0] != inputs[1],
      // A product lets through while its results are in registers.
      fusion.uses.writer(of: inputs[1]).flatMap({ DenseGate.match($0, in: fusion) }) == nil
    else { return nil }
    return (found, inputs[0], inputs[1])
  }

  private var sums: [Int] { [gate?.found, dbeta, products, s].compactMap { $0?.call }.sorted() }
  private var rest: [Int] {
    let found = [
      scaled, dinverse, dvariance, slope.reshaped, slope.share, slope.rows, dsquare, both, negated, total,
      shift.reshaped, shift.share, shift.rows, dx,
    ]
    return (found.map(\.call) + slope.constants + shift.constants).sorted()
  }

  var half: MatchedHalf {
    MatchedHalf(
      calls: (sums + [dgamma.call] + rest).sorted(),
      results: [gate?.found, dbeta, s, dgamma, dx].compactMap { $0?.result })
  }

  /// What x − mean adds up to stands in no program: it is added to `works`.
  func works(in fusion: Fusion, _ watched: Set<Int>, _ works: inout Works) -> [Work] {
    let rows = fusion.segment.values[forward.x].type.shape.elementCount / forward.channels
    let rests = works.addValue(byteCount: forward.channels * 4)
    return [
      sums(in: fusion, rows, watched, rests: rests), gamma(in: fusion),
      gradient(in: fusion, rows, watched, rests: rests),
    ]
  }

  private func sums(in fusion: Fusion, _ rows: Int, _ watched: Set<Int>, rests: Int) -> Work {
    let (x, channels, kernels, mean) = (forward.x, forward.channels, fusion.library.kernels, forward.mean.result)
    let (dy, gate, dbeta, s) = (dy, gate, dbeta.result, s.result)
    let products = watched.contains(products.result) ? products.result : nil
    let read = [x] + (gate.map { [$0.upstream, $0.opening] } ?? [dy])
    var results = [dbeta, s, rests].map { Work.Result(value: $0, form: .sum(.sum(count: channels))) }
    if gate != nil { results.append(.init(value: dy, form: .rows)) }
    if let products { results.append(.init(value: products, form: .rows, isBeside: true)) }
    var work = Work(
      calls: sums,
      operands: read.map { Work.Operand(value: $0, access: .rows) } + [Work.Operand(value: mean, access: .whole)],
      results: results, rows: rows, isDivisible: true,
      cost: fusion.cost(of: sums, reading: read, writing: gate == nil ? [] : [dy])
    ) { frame in
      var all = sb_batch_gradient()
      (all.channels, all.x, all.mean) = (
        Int64(channels), UnsafePointer(frame.floats(x)), UnsafePointer(frame.floats(mean))
      )
      all.dy = UnsafePointer(frame.floats(gate?.upstream ?? dy))
      if let gate { (all.opening, all.gated) = (UnsafePointer(frame.floats(gate.opening)), frame.floats(dy)) }
      (all.sums, all.products, all.rests) = (frame.floats(dbeta), frame.floats(s), frame.floats(rests))
      kernels.pointee.batch_gradient_sums(&all, Int64(frame.rows))
      guard let products else { return }
      let (to, elements) = (frame.floats(products), Int64(frame.rows * channels))
      _ = kernels.pointee.binary_row(
        sb_arithmetic_number("subtract"), Int64(frame.rows), Int64(channels), frame.floats(x), frame.floats(mean), to)
      _ = kernels.pointee.binary(sb_arithmetic_number("multiply"), elements, frame.floats(dy), 1, to, 1, to)
    }
    work.groupedRows = Int(SB_BATCH_ROWS)
    return work
  }

  /// A row is a channel.
  private func gamma(in fusion: Fusion) -> Work {
    let (s, variance, dgamma) = (s.result, forward.variance.result, dgamma.result)
    let scale = forward.scale(in: fusion)
    return Work(
      calls: [self.dgamma.call], operands: [s, variance].map { .init(value: $0, access: .rows) },
      results: [.init(value: dgamma, form: .rows)], rows: forward.channels, isDivisible: true,
      cost: fusion.cost(of: [self.dgamma.call], reading: [s, variance], writing: [dgamma])
    ) { frame in
      scale.multiplyByInverse(frame.rows, frame.floats(variance), frame.floats(s), frame.floats(dgamma))
    }
  }

  private func gradient(in fusion: Fusion, _ rows: Int, _ watched: Set<Int>, rests: Int) -> Work {
    let (x, channels, kernels, dy, dx) = (forward.x, forward.channels, fusion.library.kernels, dy, dx.result)
    let (mean, variance, gamma) = (forward.mean.result, forward.variance.result, forward.gamma)
    let (dbeta, s, scale) = (dbeta.result, s.result, forward.scale(in: fusion))
    let slopes = BatchSlopes(kernels: kernels, channels: channels, shares: (self.slope.factor, self.shift.factor))
    let (dinverse, slope, shift) = (dinverse.result, slope.share.result, shift.share.result)
    let (dvariance, total) = (
      [dvariance.result, self.slope.reshaped.result].filter(watched.contains),
      [total.result, self.shift.reshaped.result].filter(watched.contains)
    )
    let small = ([dinverse, slope, shift].filter(watched.contains) + dvariance + total).sorted()
    let keeps = (dinverse: small.contains(dinverse), slope: small.contains(slope), shift: small.contains(shift))
    let between = GradientBetween(
      scaled: scaled.result, slopes: self.slope.rows.result, dsquare: dsquare.result, both: both.result,
      negated: negated.result, shifts: self.shift.rows.result, watched: watched)
    return Work(
      calls: rest,
      operands: [x, dy].map { Work.Operand(value: $0, access: .rows) }
        + [mean, variance, gamma, dbeta, s, rests].map { Work.Operand(value: $0, access: .whole) },
      results: [Work.Result(value: dx, form: .rows)] + Work.Result.beside(rows: between.values, parts: small),
      rows: rows, isDivisible: true, cost: fusion.cost(of: rest, reading: [x, dy], writing: [dx]),
      scratch: { rows in scale.byteCount + slopes.byteCount + between.byteCount(rows * channels) }
    ) { frame in
      let of = scale.make(frame.floats(variance), frame.floats(gamma), frame.scratch)
      let made = slopes.make(
        of, gamma: frame.floats(gamma), dbeta: frame.floats(dbeta), s: frame.floats(s),
        rests: frame.floats(rests), frame.scratch + scale.byteCount)
      if frame.firstRow == 0 {
        if keeps.dinverse { frame.floats(dinverse).update(from: made.dinverse, count: channels) }
        for value in dvariance { frame.floats(value).update(from: made.dvariance, count: channels) }
        if keeps.slope { frame.floats(slope).update(from: made.slope, count: channels) }
        for value in total { frame.floats(value).update(from: made.total, count: channels) }
        if keeps.shift { frame.floats(shift).update(from: made.shift, count: channels) }
      }
      var all = sb_batch_gradient()
      (all.channels, all.dx) = (Int64(channels), frame.floats(dx))
      (all.x, all.dy) = (UnsafePointer(frame.floats(x)), UnsafePointer(frame.floats(dy)))
      (all.mean, all.factor) = (UnsafePointer(frame.floats(mean)), UnsafePointer(of.factor))
      (all.slope, all.shift) = (UnsafePointer(made.slope), UnsafePointer(made.shift))
      kernels.pointee.batch_gradient(&all, Int64(frame.rows))
      guard !between.values.isEmpty else { return }
      between.write(frame, all, frame.scratch + (scale.byteCount + slopes.byteCount), kernels)
    }
  }
}

extension BatchScale {
  /// y = x / √(variance + epsilon) of `count` channels.
  fileprivate func multiplyByInverse(
    _ count: Int, _ variance: UnsafePointer<Float>, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
  ) {
    makeInverse(count, variance, kept: y, y)
    _ = kernels.pointee.binary(sb_arithmetic_number("multiply"), Int64(count), x, 1, y, 1, y)
  }
}

/// What the gradient multiplies x − mean with, and what it adds, of each channel.
private struct BatchSlopes {
  let kernels: UnsafePointer<sb_kernels>
  let channels: Int
  /// What a row has of the gradients of variance and mean.
  let shares: (variance: Float, mean: Float)
  private let add = sb_arithmetic_number("add")
  private let multiply = sb_arithmetic_number("multiply")
  private let negate = sb_unary_number("negate")
  private let rsqrt = sb_unary_number("rsqrt")

  struct Numbers {
    let dinverse, dvariance, slope, total, shift: UnsafeMutablePointer<Float>
  }

  init(kernels: UnsafePointer<sb_kernels>, channels: Int, shares: (variance: Float, mean: Float)) {
    (self.kernels, self.channels, self.shares) = (kernels, channels, shares)
  }

  /// Bytes of scratch memory.
  var byteCount: Int { (5 * channels * 4 + 63) / 64 * 64 }

  /// By the instructions of their calls, but for the sum of what is negated, which is that of its parts.
  @inline(__always)
  func make(
    _ scale: BatchScale.Numbers, gamma: UnsafePointer<Float>, dbeta: UnsafePointer<Float>, s: UnsafePointer<Float>,
    rests: UnsafePointer<Float>, _ scratch: UnsafeMutableRawPointer
  ) -> Numbers {
    let first = scratch.assumingMemoryBound(to: Float.self)
    let made = Numbers(
      dinverse: first, dvariance: first + channels, slope: first + 2 * channels, total: first + 3 * channels,
      shift: first + 4 * channels)
    var (count, shares) = (Int64(channels), shares)
    _ = kernels.pointee.binary(multiply, count, s, 1, gamma, 1, made.dinverse)
    _ = kernels.pointee.unary_backward(rsqrt, 0, count, scale.inverse, made.dinverse, made.dvariance)
    _ = kernels.pointee.binary(multiply, count, made.dvariance, 1, &shares.variance, 0, made.slope)
    // 2·(x − mean) times the slope, and dy times the scale.
    _ = kernels.pointee.binary(add, count, rests, 1, rests, 1, made.shift)
    _ = kernels.pointee.binary(multiply, count, made.shift, 1, made.slope, 1, made.shift)
    _ = kernels.pointee.binary(multiply, count, dbeta, 1, scale.factor, 1, made.total)
    _ = kernels.pointee.binary(add, count, made.total, 1, made.shift, 1, made.total)
    _ = kernels.pointee.unary(negate, 0, count, made.total, made.total)
    _ = kernels.pointee.binary(multiply, count, made.total, 1, &shares.mean, 0, made.shift)
    return made
  }
}

/// The values of rows between dy and dx that somebody looks at.
private struct GradientBetween {
  let scaled, slopes, dsquare, both, negated, shifts: Int
  let values: [Int]

  init(scaled: Int, slopes: Int, dsquare: Int, both: Int, negated: Int, shifts: Int, watched: Set<Int>) {
    (self.scaled, self.slopes, self.dsquare) = (scaled, slopes, dsquare)
    (self.both, self.negated, self.shifts) = (both, negated, shifts)
    values = [scaled, slopes, dsquare, both, negated, shifts].filter(watched.contains)
  }

  /// Bytes of scratch memory for what nobody looks at on the way.
  func byteCount(_ elements: Int) -> Int { values.isEmpty ? 0 : 4 * elements * 4 }

  /// Each call after the other, as they are alone.
  func write(
    _ frame: Work.Frame, _ all: sb_batch_gradient, _ scratch: UnsafeMutableRawPointer,
    _ kernels: UnsafePointer<sb_kernels>
  ) {
    let (rows, columns) = (Int64(frame.rows), all.channels)
    let elements = rows * columns
    let buffers = scratch.assumingMemoryBound(to: Float.self)
    func place(_ value: Int, _ buffer: Int) -> UnsafeMutablePointer<Float> {
      values.contains(value) ? frame.floats(value) : buffers + buffer * Int(elements)
    }
    func spread(_ numbers: UnsafePointer<Float>, _ to: UnsafeMutablePointer<Float>) {
      for row in 0..<frame.rows { (to + row * Int(columns)).update(from: numbers, count: Int(columns)) }
    }
    if values.contains(shifts) { spread(all.shift, frame.floats(shifts)) }
    let scaledRows = place(scaled, 0)
    _ = kernels.pointee.binary_row(sb_arithmetic_number("multiply"), rows, columns, all.dy, all.factor, scaledRows)
    let (slopeRows, centered) = (place(slopes, 1), buffers + 2 * Int(elements))
    spread(all.slope, slopeRows)
    _ = kernels.pointee.binary_row(sb_arithmetic_number("subtract"), rows, columns, all.x, all.mean, centered)
    let squareRows = place(dsquare, 3)
    _ = kernels.pointee.unary_backward(sb_unary_number("square"), 0, elements, centered, slopeRows, squareRows)
    // Nobody needs x − mean any more.
    let bothRows = place(both, 2)
    _ = kernels.pointee.binary(sb_arithmetic_number("add"), elements, scaledRows, 1, squareRows, 1, bothRows)
    if values.contains(negated) {
      _ = kernels.pointee.unary(sb_unary_number("negate"), 0, elements, bothRows, frame.floats(negated))
    }
  }
}
