import SwitchbackBackendKit
import SwitchbackCPUKernels
import SwitchbackPrograms

/// Batch normalization by running statistics, of an evaluation or a frozen layer: one pass over the rows.
///
///     x [rows…, channels]   mean
///                  ╲        ╱
///                   subtract    factor
///                        ╲      ╱
///                        multiply    beta
///                             ╲      ╱
///                                add      shortcut   where it is there before
///                                  ╲      ╱
///                                    add             or none
///                                     │
///                                    relu            or none
///                                     │
///                                     y
///
/// Mean, factor and beta are f32[channels], or f32[1, channels]. Where a probe, a tap or the host looks at a value between,
/// it is written beside y by the instructions that its call has alone. Another operation that reads it, as the gradient of
/// a frozen layer does, makes this no match.
enum NormalizedRows: FusionPattern {
  static func match(_ first: Int, in fusion: Fusion) -> FusedCalls? {
    let segment = fusion.segment
    let inputs = segment.calls[first].inputs
    guard (segment.calls[first].operation as? Binary)?.function == .subtract, fusion.computes(first),
      inputs[0] != inputs[1], var chain = CallChain(from: first, fusion.uses)
    else { return nil }
    let (x, mean, centered) = (inputs[0], inputs[1], chain.result)
    let type = segment.values[x].type
    // Of a single row its numbers and those of channels look alike.
    guard type.shape.rank >= 2, type.shape.elementCount > type.shape.extents.last ?? 0,
      segment.isRowVector(mean, of: x),
      segment.values[centered].type == type
    else { return nil }
    /// The other operand of `call`, where that is `function`.
    func other(_ function: BinaryFunction, _ call: Int, _ value: Int) -> Int? {
      guard fusion.computes(call), (segment.calls[call].operation as? Binary)?.function == function,
        let other = segment.calls[call].inputs.first(where: { $0 != value }), other != x
      else { return nil }
      return other
    }
    let factor = chain.follow { call, value in
      other(.multiply, call, value).flatMap { segment.isRowVector($0, of: x) ? $0 : nil }
    }
    let scaled = chain.result
    let beta = chain.follow { call, value in
      other(.add, call, value).flatMap { segment.isRowVector($0, of: x) ? $0 : nil }
    }
    guard let factor, let beta else { return nil }
    let sum = chain.result
    let shortcut = chain.follow { call, value in
      other(.add, call, value).flatMap {
        segment.values[$0].type == type && fusion.uses.writer(of: $0) ?? -1 < first ? $0 : nil
      }
    }
    let joined = shortcut == nil ? nil : chain.result
    let relu = chain.follow { call, _ in
      fusion.computes(call) && (segment.calls[call].operation as? Unary)?.function == .relu ? call : nil
    }
    let half = MatchedHalf(chain)
    guard let between = half.between(fusion.uses) else { return nil }
    return FusedCalls(halves: [half]) { [chain] _ in
      [
        [
          work(
            in: fusion, chain, x: x, numbers: [mean, factor, beta], shortcut: shortcut, hasRelu: relu != nil,
            BatchBetween(
              centered: centered, squares: nil, scaled: scaled, sum: sum, joined: joined, watched: between.watched))
        ]
      ]
    }
  }

  /// `numbers`: mean, factor and beta.
  private static func work(
    in fusion: Fusion, _ chain: CallChain, x: Int, numbers: [Int], shortcut: Int?, hasRelu: Bool,
    _ between: BatchBetween
  ) -> Work {
    let (kernels, y, shape) = (fusion.library.kernels, chain.result, fusion.segment.values[x].type.shape)
    let channels = shape.extents.last ?? 0
    let (mean, factor, beta) = (numbers[0], numbers[1], numbers[2])
    let read = [x] + (shortcut.map { [$0] } ?? [])
    return Work(
      calls: chain.calls,
      operands: read.map { Work.Operand(value: $0, access: .rows) }
        + numbers.map { Work.Operand(value: $0, access: .whole) },
      results: [Work.Result(value: y, form: .rows)] + Work.Result.beside(rows: between.values, parts: []),
      rows: shape.elementCount / max(channels, 1), isDivisible: true,
      cost: fusion.cost(of: chain.calls, reading: read, writing: [y]),
      scratch: { rows in between.byteCount(rows * channels) }
    ) { frame in
      var all = sb_batch_rows(
        channels: Int64(channels), x: frame.floats(x), mean: frame.floats(mean), factor: frame.floats(factor),
        beta: frame.floats(beta), shortcut: shortcut.map { UnsafePointer(frame.floats($0)) }, relu: hasRelu ? 1 : 0,
        y: frame.floats(y))
      kernels.pointee.batch_normalize(&all, Int64(frame.rows))
      if !between.values.isEmpty { between.write(frame, all, frame.scratch, kernels) }
    }
  }
}
