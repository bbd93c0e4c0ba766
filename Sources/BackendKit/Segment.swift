public import SwitchbackPrograms

/// A run of consecutive calls that one device compiles into one executable. Value numbers in `calls` index `values`.
public struct Segment: Hashable, Sendable {
  /// What a value is to the segment; the raw values are the contract's `SB_INPUT` …
  public enum Role: UInt32, Hashable, Sendable {
    case input = 1
    case output, state, constant, step
    /// Produced and used inside: may never exist in memory.
    case temporary
    /// A temporary that must be written this time.
    case tap
  }

  public struct ValueInfo: Hashable, Sendable {
    public var type: TensorType
    public var role: Role

    public init(type: TensorType, role: Role) {
      self.type = type
      self.role = role
    }
  }

  public var calls: [Program.Call]
  public var values: [ValueInfo]
  /// The most bytes of workspace that compiling may ask for.
  public var workspaceLimit: Int

  public init(calls: [Program.Call], values: [ValueInfo], workspaceLimit: Int = .max) {
    self.calls = calls
    self.values = values
    self.workspaceLimit = workspaceLimit
  }

  /// The whole program as one segment: what `query` is asked about.
  public init(_ program: Program) {
    let outputs = Set(program.outputs.map(\.value))
    self.init(
      calls: program.calls,
      values: program.values.enumerated().map { id, value in
        let role: Role =
          switch value.role {
          case .input: .input
          case .state: .state
          case .step: .step
          case .temporary: outputs.contains(id) ? .output : .temporary
          }
        return ValueInfo(type: value.type, role: role)
      })
  }

  public func inputTypes(_ call: Program.Call) -> [TensorType] { call.inputs.map { values[$0].type } }
}
