/// What conformance asks of a sample beside its own numbers, which keep away from kinks and ties for the sake of finite
/// differences.
public enum SampleQuestion: Hashable, Sendable {
  /// The same bound for numbers of other domains, one an operand; the name stands in the report behind the sample's.
  case numbers(name: String, [OperationSample.Domain])
  /// Operands at which the formula changes its branch: they stand among the special values.
  case kinks([Double])
  /// The same bound for images of mostly zeros, which a backend may treat apart; a result to which only zeros are added is
  /// an exact zero.
  case background
  /// An infinity or a NaN, alone, makes the result 0 wherever it is.
  case oneBadNumber

  /// Numbers beyond the kinks, or beyond what finite differences can stand.
  public static func wide(_ domains: [OperationSample.Domain]) -> SampleQuestion {
    .numbers(name: "wide", domains)
  }

  /// The first operand's numbers are few, so that the largest is there several times.
  public static func ties(_ sample: OperationSample) -> SampleQuestion {
    .numbers(name: "ties", [.indices(3)] + sample.domains.dropFirst())
  }
}
