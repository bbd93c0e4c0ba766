import SwitchbackBackendKit
import SwitchbackCPUKernels
import SwitchbackPrograms

/// The forward half of `NormalizedBatch`.
struct BatchForward {
  let x: Int
  /// The first call is that of the mean.
  let mean: Fusion.Found
  let subtract: Fusion.Found
  let square: Fusion.Found
  let variance: Fusion.Found
  let kept: Fusion.Found
  let inverse: Fusion.Found
  let factor: Fusion.Found
  let scaled: Fusion.Found
  let sum: Fusion.Found
  let gamma: Int
  let beta: Int
  private var addition: (found: Fusion.Found, shortcut: Int)?
  private var relu: Fusion.Found?
  private let epsilon: Float
  private let constants: [Int]
  let channels: Int

  init?(from first: Int, in fusion: Fusion) {
    let segment = fusion.segment
    guard fusion.reduces(first, .mean), let mean = fusion.found(first) else { return nil }
    let x = segment.calls[first].inputs[0]
    let shape = segment.values[x].type.shape
    func isChannels(_ value: Int) -> Bool { segment.values[value].type.shape.extents == [shape.extents.last ?? 0] }
    guard let channels = shape.extents.last, channels > 0, segment.values[x].role != .state,
      let subtract = fusion.reader(
        of: mean.result, Binary.self, where: { $0.function == .subtract && $2 == [x, mean.result] }),
      let square = fusion.unary(.square, subtract.result), let variance = fusion.reduced(.mean, square.result),
      let (kept, epsilon, constants) = fusion.scalar(.add, variance.result),
      let inverse = fusion.unary(.rsqrt, kept.result)
    else { return nil }
    // The gradient of gamma is a multiple of 1/σ too.
    let times = fusion.reader(of: inverse.result, Binary.self) { multiply, found, inputs in
      multiply.function == .multiply && inputs.allSatisfy(isChannels) && Set(inputs).count == 2
        && fusion.binary(.multiply, subtract.result, found.result) != nil
    }
    guard let factor = times, let scaled = fusion.binary(.multiply, subtract.result, factor.result),
      let gamma = segment.calls[factor.call].inputs.first(where: { $0 != inverse.result }),
      let next = fusion.uses.onlyReader(of: scaled.result), let sum = fusion.found(next),
      let beta = segment.rowVector(addedTo: scaled.result, by: next), isChannels(beta)
    else { return nil }
    (self.x, self.mean, self.subtract, self.square, self.variance) = (x, mean, subtract, square, variance)
    (self.kept, self.epsilon, self.constants, self.inverse) = (kept, epsilon, constants, inverse)
    (self.factor, self.scaled, self.sum, self.gamma, self.beta) = (factor, scaled, sum, gamma, beta)
    self.channels = channels
    follow(in: fusion)
  }

  /// Goes on to a residual addition and to a relu.
  private mutating func follow(in fusion: Fusion) {
    let segment = fusion.segment
    if let next = fusion.uses.onlyReader(of: sum.result), let found = fusion.found(next),
      (segment.calls[next].operation as? Binary)?.function == .add,
      let shortcut = segment.calls[next].inputs.first(where: { $0 != sum.result }),
      segment.values[shortcut].type == segment.values[sum.result].type,
      // What comes later is a shortcut with a normalization of its own, which adds this one.
      fusion.uses.writer(of: shortcut) ?? -1 < mean.call
    {
      addition = (found, shortcut)
    }
    if let next = fusion.uses.onlyReader(of: last), let found = fusion.found(next),
      (segment.calls[next].operation as? Unary)?.function == .relu
    {
      relu = found
    }
  }

  /// What all of it makes.
  var last: Int { (relu ?? addition?.found ?? sum).result }

  private var sums: [Int] { [mean, subtract, square, variance].map(\.call) }
  private var rest: [Int] {
    ([kept, inverse, factor, scaled, sum, addition?.found, relu].compactMap { $0?.call } + constants).sorted()
  }

  var half: MatchedHalf {
    MatchedHalf(calls: (sums + rest).sorted(), results: [mean.result, variance.result, last])
  }

  /// 1/σ and what it is made of.
  func scale(in fusion: Fusion) -> BatchScale {
    BatchScale(kernels: fusion.library.kernels, channels: channels, epsilon: epsilon)
  }

  func works(in fusion: Fusion, _ watched: Set<Int>) -> [Work] {
    let rows = fusion.segment.values[x].type.shape.elementCount / channels
    return [moments(in: fusion, rows), normalization(in: fusion, rows, watched)]
  }

  private func moments(in fusion: Fusion, _ rows: Int) -> Work {
    let (x, channels, kernels) = (x, channels, fusion.library.kernels)
    let (mean, variance) = (mean.result, variance.result)
    var work = Work(
      calls: sums, operands: [.init(value: x, access: .rows)],
      results: [
        .init(value: mean, form: .sum(.means(channels: channels, of: rows))),
        .init(value: variance, form: .sum(.variances(channels: channels))),
      ],
      rows: rows, isDivisible: true, cost: fusion.cost(of: sums, reading: [x], writing: []),
      scratch: { _ in 2 * channels * 4 }
    ) { frame in
      kernels.pointee.batch_moments(
        Int64(frame.rows), Int64(channels), frame.floats(x), frame.pointers[mean].assumingMemoryBound(to: Double.self),
        frame.pointers[variance].assumingMemoryBound(to: Double.self),
        frame.scratch.assumingMemoryBound(to: Float.self))
    }
    work.groupedRows = Int(SB_BATCH_ROWS)
    return work
  }

  private func normalization(in fusion: Fusion, _ rows: Int, _ watched: Set<Int>) -> Work {
    let (x, channels, kernels, y, scale) = (x, channels, fusion.library.kernels, last, scale(in: fusion))
    let (mean, variance, gamma, beta) = (mean.result, variance.result, gamma, beta)
    let (shortcut, hasRelu) = (addition?.shortcut, relu != nil)
    let numbers = [kept, inverse, factor].map(\.result).filter(watched.contains)
    let between = BatchBetween(
      centered: subtract.result, squares: square.result, scaled: scaled.result, sum: sum.result,
      joined: addition?.found.result, watched: watched.subtracting([y]))
    let (kept, inverse, factor) = (kept.result, inverse.result, factor.result)
    let keeps = (kept: numbers.contains(kept), inverse: numbers.contains(inverse), factor: numbers.contains(factor))
    let read = [x] + (shortcut.map { [$0] } ?? [])
    return Work(
      calls: rest,
      operands: read.map { Work.Operand(value: $0, access: .rows) }
        + [mean, variance, gamma, beta].map { Work.Operand(value: $0, access: .whole) },
      results: [Work.Result(value: y, form: .rows)] + Work.Result.beside(rows: between.values, parts: numbers),
      rows: rows, isDivisible: true, cost: fusion.cost(of: rest, reading: read, writing: [y]),
      scratch: { rows in scale.byteCount + between.byteCount(rows * channels) }
    ) { frame in
      let of = scale.make(frame.floats(variance), frame.floats(gamma), frame.scratch)
      if frame.firstRow == 0 {
        if keeps.kept { frame.floats(kept).update(from: of.kept, count: channels) }
        if keeps.inverse { frame.floats(inverse).update(from: of.inverse, count: channels) }
        if keeps.factor { frame.floats(factor).update(from: of.factor, count: channels) }
      }
      var all = sb_batch_rows(
        channels: Int64(channels), x: frame.floats(x), mean: frame.floats(mean), factor: of.factor,
        beta: frame.floats(beta), shortcut: shortcut.map { UnsafePointer(frame.floats($0)) }, relu: hasRelu ? 1 : 0,
        y: frame.floats(y))
      kernels.pointee.batch_normalize(&all, Int64(frame.rows))
      if !between.values.isEmpty { between.write(frame, all, frame.scratch + scale.byteCount, kernels) }
    }
  }
}

/// What a normalization multiplies with, of each channel.
struct BatchScale {
  let kernels: UnsafePointer<sb_kernels>
  let channels: Int
  let epsilon: Float
  private let add = sb_arithmetic_number("add")
  private let multiply = sb_arithmetic_number("multiply")
  private let rsqrt = sb_unary_number("rsqrt")

  struct Numbers {
    let kept, inverse, factor: UnsafeMutablePointer<Float>
  }

  init(kernels: UnsafePointer<sb_kernels>, channels: Int, epsilon: Float) {
    (self.kernels, self.channels, self.epsilon) = (kernels, channels, epsilon)
  }

  /// Bytes of scratch memory.
  var byteCount: Int { (3 * channels * 4 + 63) / 64 * 64 }

  /// variance + epsilon, its root's inverse, and that times gamma, by the instructions of their calls.
  @inline(__always)
  func make(
    _ variance: UnsafePointer<Float>, _ gamma: UnsafePointer<Float>, _ scratch: UnsafeMutableRawPointer
  ) -> Numbers {
    let first = scratch.assumingMemoryBound(to: Float.self)
    let made = Numbers(kept: first, inverse: first + channels, factor: first + 2 * channels)
    makeInverse(channels, variance, kept: made.kept, made.inverse)
    _ = kernels.pointee.binary(multiply, Int64(channels), made.inverse, 1, gamma, 1, made.factor)
    return made
  }

  /// Of `count` channels.
  @inline(__always)
  func makeInverse(
    _ count: Int, _ variance: UnsafePointer<Float>, kept: UnsafeMutablePointer<Float>,
    _ inverse: UnsafeMutablePointer<Float>
  ) {
    var epsilon = epsilon
    _ = kernels.pointee.binary(add, Int64(count), variance, 1, &epsilon, 0, kept)
    _ = kernels.pointee.unary(rsqrt, 0, Int64(count), kept, inverse)
  }
}

/// The values of rows between x and y that somebody looks at.
struct BatchBetween {
  let centered, scaled, sum: Int
  let squares, joined: Int?
  /// In the order in which they are made.
  let values: [Int]

  init(centered: Int, squares: Int?, scaled: Int, sum: Int, joined: Int?, watched: Set<Int>) {
    (self.centered, self.squares, self.scaled, self.sum, self.joined) = (centered, squares, scaled, sum, joined)
    values = [centered, squares, scaled, sum, joined].compactMap { $0 }.filter(watched.contains)
  }

  /// Bytes of scratch memory for what nobody looks at on the way.
  func byteCount(_ elements: Int) -> Int { values.isEmpty ? 0 : 3 * elements * 4 }

  /// Each call after the other, as they are alone.
  func write(
    _ frame: Work.Frame, _ all: sb_batch_rows, _ scratch: UnsafeMutableRawPointer, _ kernels: UnsafePointer<sb_kernels>
  ) {
    let (rows, columns) = (Int64(frame.rows), all.channels)
    var free = scratch.assumingMemoryBound(to: Float.self)
    func place(_ value: Int) -> UnsafeMutablePointer<Float> {
      if values.contains(value) { return frame.floats(value) }
      defer { free += Int(rows * columns) }
      return free
    }
    let centeredRows = place(centered)
    _ = kernels.pointee.binary_row(sb_arithmetic_number("subtract"), rows, columns, all.x, all.mean, centeredRows)
    if let squares, values.contains(squares) {
      _ = kernels.pointee.unary(sb_unary_number("square"), 0, rows * columns, centeredRows, frame.floats(squares))
    }
    guard let last = values.last, last != centered, last != squares else { return }
    let scaledRows = place(scaled)
    _ = kernels.pointee.binary_row(
      sb_arithmetic_number("multiply"), rows, columns, centeredRows, all.factor, scaledRows)
    guard last != scaled else { return }
    let (add, sumRows) = (sb_arithmetic_number("add"), place(sum))
    _ = kernels.pointee.binary_row(add, rows, columns, scaledRows, all.beta, sumRows)
    guard let joined, last == joined, let shortcut = all.shortcut else { return }
    _ = kernels.pointee.binary(add, rows * columns, sumRows, 1, shortcut, 1, frame.floats(joined))
  }
}

extension Work.Result {
  /// What is written for whoever looks: rows, and what the first chunk has all of.
  static func beside(rows: [Int], parts: [Int]) -> [Work.Result] {
    rows.map { Work.Result(value: $0, form: .rows, isBeside: true) }
      + parts.map { Work.Result(value: $0, form: .tiles, isBeside: true) }
  }
}

extension Work.Reduction {
  /// Sums of each channel in Float64, over `count` rows.
  fileprivate static func means(channels: Int, of count: Int) -> Work.Reduction {
    Work.Reduction(byteCount: channels * 8, elements: 1) { sums, sumCount, stride, _, _, result in
      let y = result.assumingMemoryBound(to: Float.self)
      for c in 0..<channels {
        var total = 0.0
        for sum in 0..<sumCount { total += (sums + (sum * stride + 8 * c)).load(as: Double.self) }
        y[c] = Float(total / Double(count))
      }
    }
  }

  /// What `batch_moments` leaves: how many rows, then of each channel the mean, then the squares about it; joined chunk by
  /// chunk as the kernel does (Chan, Golub and LeVeque 1983, equation 2.1).
  fileprivate static func variances(channels: Int) -> Work.Reduction {
    Work.Reduction(byteCount: (1 + 2 * channels) * 8, elements: 1) { sums, sumCount, stride, _, _, result in
      let y = result.assumingMemoryBound(to: Float.self)
      withUnsafeTemporaryAllocation(of: Double.self, capacity: 2 * sumCount) { shares in
        // Of all rows up to it the share that a part has, and that of the rows before times these.
        var count = 0.0
        for sum in 0..<sumCount {
          let own = (sums + sum * stride).load(as: Double.self)
          let share = own > 0 ? own / (count + own) : 0
          (shares[2 * sum], shares[2 * sum + 1]) = (share, count * share)
          count += own
        }
        for c in 0..<channels {
          var (mean, squares) = (0.0, 0.0)
          for sum in 0..<sumCount {
            let part = (sums + sum * stride).assumingMemoryBound(to: Double.self)
            let apart = part[1 + c] - mean
            mean += apart * shares[2 * sum]
            squares += part[1 + channels + c] + apart * apart * shares[2 * sum + 1]
          }
          y[c] = Float(squares / count)
        }
      }
    }
  }
}
