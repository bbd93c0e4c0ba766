import SwitchbackABI
import SwitchbackBackendKit
public import SwitchbackPrograms

/// The tensors that outlive a run, by name: weights, optimizer slots, running averages. Programs that name the same
/// state share it. A state stays in the memory of the device that changed it until somebody else looks.
public final class StateStore {
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

  /// Reads the contents of a known state.
  public func withBytes<Result>(
    of name: String, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) throws -> Result {
    try known(name).withBytes(body)
  }

  /// Changes the contents of a known state.
  @discardableResult
  public func withMutableBytes<Result>(
    of name: String, _ body: (UnsafeMutableRawBufferPointer) throws -> Result
  ) throws -> Result {
    let state = try known(name)
    try state.bringToHost()
    state.wasChanged(on: nil)
    return try body(state.bytes)
  }

  private func known(_ name: String) throws(ExecutionError) -> State {
    guard let state = states[name] else { throw ExecutionError(.invalid, "there is no state called \(name)") }
    return state
  }

  public var byteCount: Int { states.values.reduce(0) { $0 + $1.type.byteCount } }
}

/// One state: host memory, and a copy in the private memory of each device that uses it.
public final class State {
  public let name: String
  public let type: TensorType
  /// Changes whenever the contents may have.
  package private(set) var generation: UInt64 = 1
  private let buffer: HostBuffer
  private var isHostCurrent = true
  private var copies: [Copy] = []

  private struct Copy {
    let device: any ComputeDevice
    let view: sb_view
    var isCurrent = false
  }

  init(name: String, type: TensorType) throws(BackendError) {
    self.name = name
    self.type = type
    buffer = try HostBuffer(byteCount: type.byteCount)
  }

  deinit { for copy in copies { copy.device.discard(copy.view) } }

  var hostView: sb_view { buffer.view }
  fileprivate var bytes: UnsafeMutableRawBufferPointer { buffer.bytes }

  /// Its place in a device's memory.
  func view(on device: any ComputeDevice) throws(BackendError) -> sb_view {
    if let known = copies.first(where: { $0.device === device }) { return known.view }
    let view = try device.allocate(byteCount: type.byteCount)
    copies.append(Copy(device: device, view: view))
    return view
  }

  /// Makes a device's copy current.
  func bring(to device: any ComputeDevice) throws(BackendError) {
    for index in copies.indices where copies[index].device === device && !copies[index].isCurrent {
      if !isHostCurrent { try fetch() }
      try device.wait(for: try device.copy(from: hostView, to: copies[index].view))
      copies[index].isCurrent = true
    }
  }

  /// Makes the host's contents current.
  func bringToHost() throws(ExecutionError) {
    guard !isHostCurrent else { return }
    do {
      try fetch()
    } catch {
      throw ExecutionError(error.kind, "the state \(name): \(error.message)")
    }
  }

  private func fetch() throws(BackendError) {
    guard let source = copies.first(where: \.isCurrent) else { return }
    try source.device.wait(for: try source.device.copy(from: source.view, to: hostView))
    isHostCurrent = true
  }

  /// Reads the contents.
  package func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) throws -> Result {
    try bringToHost()
    return try body(UnsafeRawBufferPointer(bytes))
  }

  /// Somebody replaced the contents: on that device, or in host memory.
  func wasChanged(on device: (any ComputeDevice)?) {
    generation += 1
    isHostCurrent = device == nil
    for index in copies.indices { copies[index].isCurrent = copies[index].device === device }
  }
}
