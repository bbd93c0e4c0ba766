import SwitchbackBackendKit
import SwitchbackCPUKernels
import SwitchbackPrograms

/// What moves running statistics: a share of what was there, and the rest of what is new.
///
///     moving   constant     new   constant
///         ╲    ╱              ╲    ╱
///        multiply           multiply     both of a state's size
///              ╲             ╱
///                   add
///                    │
///                  moved
///
/// The constants belong to it where nothing else reads them. Where a probe, a tap or the host looks at a product, it is
/// written beside, by the instructions that its call has alone. A product that something else computes with is no match.
enum MovingAverage: FusionPattern {
  static func match(_ first: Int, in fusion: Fusion) -> FusedCalls? {
    let (segment, uses) = (fusion.segment, fusion.uses)
    guard let (moving, kept) = scaled(first, in: fusion), segment.values[moving].role == .state,
      let call = uses.onlyReader(of: kept.found.result), let moved = fusion.found(call),
      (segment.calls[call].operation as? Binary)?.function == .add,
      let other = segment.calls[call].inputs.first(where: { $0 != kept.found.result }),
      let writer = uses.writer(of: other), let (new, share) = scaled(writer, in: fusion), new != moving,
      segment.values[new].type == segment.values[moving].type
    else { return nil }
    let calls = ([first, writer, call] + kept.calls + share.calls).sorted()
    let half = MatchedHalf(calls: calls, results: [moved.result])
    guard let between = half.between(uses) else { return nil }
    return FusedCalls(halves: [half]) { _ in
      [
        [
          work(
            in: fusion, calls, moving: moving, new: new, shares: (kept.number, share.number),
            products: (kept.found.result, share.found.result), moved: moved.result, between.watched)
        ]
      ]
    }
  }

  private typealias Product = (found: Fusion.Found, number: Float, calls: [Int])

  /// What `call` multiplies by a number, if it does.
  private static func scaled(_ call: Int, in fusion: Fusion) -> (value: Int, product: Product)? {
    guard (fusion.segment.calls[call].operation as? Binary)?.function == .multiply else { return nil }
    for value in fusion.segment.calls[call].inputs where fusion.segment.values[value].type.shape.rank > 0 {
      if let product = fusion.scalar(.multiply, value), product.found.call == call { return (value, product) }
    }
    return nil
  }

  private static func work(
    in fusion: Fusion, _ calls: [Int], moving: Int, new: Int, shares: (Float, Float), products: (Int, Int), moved: Int,
    _ watched: Set<Int>
  ) -> Work {
    let (kernels, multiply, add) = (
      fusion.library.kernels, sb_arithmetic_number("multiply"), sb_arithmetic_number("add")
    )
    let count = fusion.segment.values[moving].type.shape.elementCount
    let seen = [products.0, products.1].filter(watched.contains)
    let keeps = (seen.contains(products.0), seen.contains(products.1))
    return Work(
      calls: calls, operands: [moving, new].map { .init(value: $0, access: .rows) },
      results: [.init(value: moved, form: .rows)] + seen.map { .init(value: $0, form: .rows, isBeside: true) },
      rows: count, isDivisible: true, cost: fusion.cost(of: calls, reading: [moving, new], writing: [moved]),
      scratch: { rows in rows * 4 }
    ) { frame in
      let (rows, y) = (Int64(frame.rows), frame.floats(moved))
      var shares = shares
      let kept = keeps.0 ? frame.floats(products.0) : y
      let share = keeps.1 ? frame.floats(products.1) : frame.scratch.assumingMemoryBound(to: Float.self)
      _ = kernels.pointee.binary(multiply, rows, frame.floats(moving), 1, &shares.0, 0, kept)
      _ = kernels.pointee.binary(multiply, rows, frame.floats(new), 1, &shares.1, 0, share)
      _ = kernels.pointee.binary(add, rows, kept, 1, share, 1, y)
    }
  }
}
