import SwitchbackBackendKit
import SwitchbackCPUKernels
import SwitchbackPrograms

/// Pictures are bytes until a step reads them: they become numbers, are scaled, and lie as rows, in one pass.
///
///     bytes
///       │
///      cast     to f32
///       │   scale   f32 of one element; where constants make it for this alone, they belong to it
///       │  ╱
///     multiply  or none
///       │
///     reshape   or none; one of the two there is
///       │
///       y
///
/// Where a probe, a tap or the host looks between, each call writes its result, by the instructions that it has alone.
enum ScaledBytes: FusionPattern {
  static func match(_ first: Int, in fusion: Fusion) -> FusedCalls? {
    let segment = fusion.segment
    guard let cast = segment.calls[first].operation as? Cast, cast.to == .float32,
      segment.values[segment.calls[first].inputs[0]].type.elementType == .uint8,
      var chain = CallChain(from: first, fusion.uses)
    else { return nil }
    let numbers = chain.result
    let scale = chain.follow { call, numbers in Self.scale(segment.calls[call], of: numbers, segment) }
    let scaled = chain.result
    let constant = scale.flatMap { scale in
      let (reader, uses) = (chain.calls[1], fusion.uses)
      return uses.mayElide(scale, within: [reader]) ? fusion.constant(scale, readBy: reader) : nil
    }
    _ = chain.follow { call, _ in segment.calls[call].operation as? Reshape }
    let half = MatchedHalf(calls: (chain.calls + (constant?.calls ?? [])).sorted(), results: [chain.result])
    guard chain.calls.count > 1, let between = half.between(fusion.uses) else { return nil }
    let beside = [numbers, scaled].filter { $0 != chain.result && between.watched.contains($0) }
    return FusedCalls(halves: [half]) { [chain] _ in
      var work = work(
        in: fusion, chain, scale: constant == nil ? scale : nil, factor: constant?.number, numbers: numbers,
        scaled: scaled, beside: Array(Set(beside)).sorted())
      work.calls = half.calls
      return [[work]]
    }
  }

  /// The number that `call` multiplies `numbers` by.
  private static func scale(_ call: Program.Call, of numbers: Int, _ segment: Segment) -> Int? {
    guard let multiply = call.operation as? Binary, multiply.function == .multiply,
      let scale = call.inputs.first(where: { $0 != numbers }), let result = call.outputs[0],
      segment.values[scale].type.shape.elementCount == 1,
      segment.values[result].type.shape == segment.values[numbers].type.shape
    else { return nil }
    return scale
  }

  /// `scale`: a value; `factor`: the number, where the planner knows it.
  private static func work(
    in fusion: Fusion, _ chain: CallChain, scale: Int?, factor: Float?, numbers: Int, scaled: Int, beside: [Int]
  ) -> Work {
    let maker = fusion.maker(chain.calls[0])
    let (bytes, y, kernels) = (maker.input(0), chain.result, fusion.library.kernels)
    let count = maker.type(0).shape.elementCount
    let multiply = sb_arithmetic_number("multiply")
    return Work(
      calls: chain.calls,
      operands: [.init(value: bytes, access: .rows)]
        + (scale.map { [.init(value: $0, access: .whole, isCounted: false)] } ?? []),
      results: [.init(value: y, form: .rows)] + beside.map { .init(value: $0, form: .rows, isBeside: true) },
      rows: count, isDivisible: true, cost: Cost(flops: scale == nil && factor == nil ? 0 : count, bytes: 5 * count)
    ) { frame in
      let rows = Int64(frame.rows)
      let from = frame.pointers[bytes].assumingMemoryBound(to: UInt8.self)
      let number = scale.map { frame.floats($0)[0] } ?? factor
      guard !beside.isEmpty else {
        if let number {
          kernels.pointee.byte_to_float_scaled(rows, from, number, frame.floats(y))
        } else {
          kernels.pointee.byte_to_float(rows, from, frame.floats(y))
        }
        return
      }
      var last = frame.floats(beside.contains(numbers) || numbers == y ? numbers : y)
      kernels.pointee.byte_to_float(rows, from, last)
      if var number {
        let next = frame.floats(beside.contains(scaled) ? scaled : y)
        _ = kernels.pointee.binary(multiply, rows, last, 1, &number, 0, next)
        last = next
      }
      if last != frame.floats(y) { frame.floats(y).update(from: last, count: frame.rows) }
    }
  }
}
