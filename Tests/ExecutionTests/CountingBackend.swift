import SwitchbackABI
import SwitchbackBackendKit
import SwitchbackPrograms
import Synchronization

/// A backend that computes nothing and counts everything: what planner and executor are tested with.
final class CountingBackend: ComputeBackend, Sendable {
  struct Counts: Sendable {
    var compiled: [Segment] = []
    var runs = 0
    var bytesIn = 0
    var bytesOut = 0
    var allocated = 0
    /// Adopted memory that went to the device, and back.
    var handedOver = 0
    var takenBack = 0
  }

  let identity: BackendIdentity
  let info: DeviceInfo
  /// Names of the operations it accepts; `nil`: all.
  let accepts: Set<String>?
  let workspace: Int
  /// Whether host memory needs no copy.
  let adopts: Bool
  /// The run that fails, from 1.
  let failingRun: Int?
  let counts = Mutex(Counts())

  init(
    _ name: String, accepts: Set<String>? = nil, workspace: Int = 0, adopts: Bool = false, failingRun: Int? = nil,
    _ configure: (inout DeviceInfo) -> Void = { _ in }
  ) {
    identity = BackendIdentity(name: name, version: "1")
    var info = DeviceInfo(name: name)
    configure(&info)
    (self.info, self.accepts, self.workspace) = (info, accepts, workspace)
    (self.adopts, self.failingRun) = (adopts, failingRun)
  }

  func devices() throws(BackendError) -> [DeviceInfo] { [info] }

  func open(device index: Int, options: [String: String], host: HostServices) throws(BackendError) -> any ComputeDevice
  {
    Device(self)
  }

  final class Device: ComputeDevice {
    let backend: CountingBackend
    var info: DeviceInfo { backend.info }
    init(_ backend: CountingBackend) { self.backend = backend }

    func query(_ segment: Segment) throws(BackendError) -> [Verdict] {
      segment.calls.map {
        backend.accepts?.contains($0.operation.name) ?? true ? .accept() : .decline("not counted here")
      }
    }

    func compile(_ segment: Segment) throws(BackendError) -> any Executable {
      backend.counts.withLock { $0.compiled.append(segment) }
      return Compiled(backend, .ungrouped(segment, workspaceByteCount: backend.workspace))
    }

    func allocate(byteCount: Int) throws(BackendError) -> sb_view {
      backend.counts.withLock { $0.allocated += byteCount }
      return sb_view(buffer: OpaquePointer(bitPattern: 1), offset: 0, bytes: UInt64(byteCount), host: nil)
    }

    func adopt(_ memory: UnsafeMutableRawBufferPointer) throws(BackendError) -> sb_view? {
      guard backend.adopts else { return nil }
      return sb_view(
        buffer: OpaquePointer(bitPattern: 2), offset: 0, bytes: UInt64(memory.count), host: memory.baseAddress)
    }

    func copy(from source: sb_view, to target: sb_view) throws(BackendError) -> UInt64 {
      backend.counts.withLock {
        if source.host != nil, source.host == target.host {
          if target.buffer != nil { $0.handedOver += 1 } else { $0.takenBack += 1 }
          return
        }
        if target.buffer != nil { $0.bytesIn += Int(target.bytes) } else { $0.bytesOut += Int(source.bytes) }
      }
      return 0
    }
  }

  final class Compiled: Executable {
    let backend: CountingBackend
    let report: CompiledReport
    init(_ backend: CountingBackend, _ report: CompiledReport) { (self.backend, self.report) = (backend, report) }
    func run(_ arguments: borrowing RunArguments) throws(BackendError) -> UInt64 {
      let run = backend.counts.withLock { counts in
        counts.runs += 1
        return counts.runs
      }
      if run == backend.failingRun { throw BackendError(.internal, "as planned") }
      return 0
    }
  }
}
