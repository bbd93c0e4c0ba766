public import SwitchbackPrograms

/// An input or step value of an executor's program, found by its name once, so that no run searches for it. It is good for
/// executors of that program alone.
public struct InputHandle: Hashable, Sendable {
  public let name: String
  public let type: TensorType
  /// Its number among the values of the executor's program.
  let value: Int
}

/// An output of an executor's program, found by its name once. It is good for executors of that program alone.
public struct OutputHandle: Hashable, Sendable {
  public let name: String
  public let type: TensorType
  /// Its number among the values of the executor's program.
  let value: Int
}
