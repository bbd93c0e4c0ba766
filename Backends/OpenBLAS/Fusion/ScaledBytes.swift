import SwitchbackBackendKit
import SwitchbackCPUKernels
import SwitchbackPrograms

/// Pictures are bytes until a step reads them: they become numbers, are scaled, and lie as rows, in one pass.
///
///     bytes
///       │
///      cast     to f32
///       │   scale   f32 of one element
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
    _ = chain.follow { call, _ in segment.calls[call].operation as? Reshape }
    guard chain.calls.count > 1, let between = MatchedHalf(chain).between(fusion.uses) else { return nil }
    let beside = [numbers, scaled].filter { $0 != chain.result && between.watched.contains($0) }
    return FusedCalls(halves: [MatchedHalf(chain)]) { [chain] _ in
      [work(in: fusion, chain, scale: scale, numbers: numbers, scaled: scaled, beside: Array(Set(beside)).sorted())]
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

  private static func work(
    in fusion: Fusion, _ chain: CallChain, scale: Int?, numbers: Int, scaled: Int, beside: [Int]
  ) -> Work {
    let maker = fusion.maker(chain.calls[0])
    let (bytes, y, kernels) = (maker.input(0), chain.result, fusion.library.kernels)
    let count = maker.type(0).shape.elementCount
    let multiply = sb_arithmetic_number("multiply")
    return Work(
      calls: chain.calls,
      operands: [.init(value: bytes, access: .rows)] + (scale.map { [.init(value: $0, access: .whole)] } ?? []),
      results: [.init(value: y, form: .rows)] + beside.map { .init(value: $0, form: .rows, isBeside: true) },
      rows: count, isDivisible: true, cost: Cost(flops: scale == nil ? 0 : count, bytes: 5 * count)
    ) { frame in
      let rows = Int64(frame.rows)
      let from = frame.pointers[bytes].assumingMemoryBound(to: UInt8.self)
      guard !beside.isEmpty else {
        if let scale {
          kernels.pointee.byte_to_float_scaled(rows, from, frame.floats(scale)[0], frame.floats(y))
        } else {
          kernels.pointee.byte_to_float(rows, from, frame.floats(y))
        }
        return
      }
      var last = frame.floats(beside.contains(numbers) || numbers == y ? numbers : y)
      kernels.pointee.byte_to_float(rows, from, last)
      if let scale {
        let next = frame.floats(beside.contains(scaled) ? scaled : y)
        _ = kernels.pointee.binary(multiply, rows, last, 1, frame.floats(scale), 0, next)
        last = next
      }
      if last != frame.floats(y) { frame.floats(y).update(from: last, count: frame.rows) }
    }
  }
}
