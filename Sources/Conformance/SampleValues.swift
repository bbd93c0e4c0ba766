import SwitchbackPrograms

/// Deterministic values for the operands of a sample.
public struct SampleValues: Sendable {
  /// One list an operand.
  public let operands: [[Double]]

  public init(_ sample: OperationSample, seed: Int64 = 1) {
    operands = sample.inputs.indices.map { index in
      let type = sample.inputs[index]
      let uniform = Self.uniform(type.shape.elementCount, seed: seed, stream: index)
      let values: [Double]
      switch sample.domains[index] {
      case .range(let low, let high): values = uniform.map { low + (high - low) * $0 }
      case .indices(let bound): values = uniform.map { ($0 * Double(bound)).rounded(.down) }
      case .probabilities: values = Self.rows(uniform, length: type.shape.extents.last ?? 1)
      case .distinct:
        // Ranks of random numbers, 0.02 apart and off zero: no two tie, none sits on a kink.
        let order = uniform.indices.sorted { uniform[$0] < uniform[$1] }
        var ranked = uniform
        for (rank, element) in order.enumerated() {
          ranked[element] = (Double(rank) - Double(order.count) / 2 + 0.25) * 0.02
        }
        values = ranked
      case .lastIsNaN(let low, let high):
        values = uniform.enumerated().map { $0 == uniform.count - 1 ? .nan : low + (high - low) * $1 }
      case .rising(let low, let high):
        let last = uniform.count - 1
        values = uniform.indices.map { e in
          let value = e == last ? high : low + (high - low) * Double(e) / Double(last)
          return type.elementType.isFloatingPoint ? value : value.rounded(.down)
        }
      case .background(let low, let high):
        let length = max(type.shape.extents.last ?? 1, 1)
        let chosen = Self.uniform(uniform.count / length, seed: seed, stream: index + sample.inputs.count)
        values = uniform.indices.map { e in
          // At least the one in the middle.
          let isSet = chosen[e / length] < 1.0 / 16 || e / length == chosen.count / 2
          return isSet ? low + (high - low) * uniform[e] : e % 2 == 0 ? 0 : -0.0
        }
      }
      // What Float32 can hold, so that every backend is fed the same numbers.
      return type.elementType.isFloatingPoint ? values.map { Double(Float($0)) } : values
    }
  }

  static func uniform(_ count: Int, seed: Int64, stream: Int) -> [Double] {
    let philox = Philox(seed: seed)
    return (0..<count).map { Philox.uniform(philox.bits(block: $0 / 4, stream: stream, step: 0)[$0 % 4]) }
  }

  private static func rows(_ uniform: [Double], length: Int) -> [Double] {
    var result = uniform
    for start in stride(from: 0, to: uniform.count, by: max(length, 1)) {
      let sum = uniform[start..<start + length].reduce(0.01, +)
      for e in start..<start + length { result[e] = (uniform[e] + 0.01 / Double(length)) / sum }
    }
    return result
  }
}
