public import SwitchbackBackendKit
public import SwitchbackPrograms

/// The tensors that outlive a run, by name: weights, optimizer slots, running averages. Programs that name the same
/// state share it.
public final class StateStore {
  public final class State {
    public let name: String
    public let type: TensorType
    public let buffer: HostBuffer
    /// Changes whenever the contents may have.
    package var generation: UInt64 = 1

    init(name: String, type: TensorType) throws(BackendError) {
      self.name = name
      self.type = type
      buffer = try HostBuffer(byteCount: type.byteCount)
    }
  }

  public private(set) var states: [String: State] = [:]

  public init() {}

  /// The state called `name`, made of zeros where it is new.
  public func state(_ name: String, _ type: TensorType) throws(ExecutionError) -> State {
    if let known = states[name] {
      guard known.type == type else {
        throw ExecutionError(.invalid, "the state \(name) is \(known.type); this program needs \(type)")
      }
      return known
    }
    do {
      let made = try State(name: name, type: type)
      states[name] = made
      return made
    } catch {
      throw ExecutionError(error.kind, "the state \(name): \(error.message)")
    }
  }

  /// Reads or changes the contents of a known state.
  @discardableResult
  public func withBytes<Result>(
    of name: String, _ body: (UnsafeMutableRawBufferPointer) -> Result
  ) throws(ExecutionError) -> Result {
    guard let state = states[name] else { throw ExecutionError(.invalid, "there is no state called \(name)") }
    state.generation += 1
    return body(state.buffer.bytes)
  }

  public var byteCount: Int { states.values.reduce(0) { $0 + $1.type.byteCount } }
}
