import SwitchbackABI
import SwitchbackBackendKit
import SwitchbackPrograms
import SwitchbackReference

/// The reference under the name `spoiled`, one operation a segment; `spoil` changes the floating-point results of each call
/// behind it, before the next one reads them.
struct SpoiledBackend: ComputeBackend {
  var spoil: @Sendable (Program.Call, UnsafeMutableBufferPointer<Float>) -> Void = { _, _ in }

  var identity: BackendIdentity { BackendIdentity(name: "spoiled", version: "1") }
  func devices() throws(BackendError) -> [DeviceInfo] { try ReferenceBackend().devices() }
  func open(
    device index: Int, options: [String: String], host: HostServices
  ) throws(BackendError) -> any ComputeDevice {
    Device(try ReferenceBackend().open(device: index, options: options, host: host), spoil)
  }

  private final class Device: ComputeDevice {
    let info: DeviceInfo
    private let inner: any ComputeDevice
    private let spoil: @Sendable (Program.Call, UnsafeMutableBufferPointer<Float>) -> Void

    init(
      _ inner: any ComputeDevice, _ spoil: @escaping @Sendable (Program.Call, UnsafeMutableBufferPointer<Float>) -> Void
    ) {
      (self.inner, self.spoil) = (inner, spoil)
      var info = inner.info
      info.maxOperations = 1
      self.info = info
    }
    func query(_ segment: Segment) throws(BackendError) -> [Verdict] { try inner.query(segment) }
    func compile(_ segment: Segment) throws(BackendError) -> any Executable {
      Compiled(try inner.compile(segment), segment, spoil)
    }
  }

  private final class Compiled: Executable {
    private let inner: any Executable
    private let call: Program.Call
    /// Values of the segment.
    private let results: [Int]
    private let spoil: @Sendable (Program.Call, UnsafeMutableBufferPointer<Float>) -> Void
    var report: CompiledReport { inner.report }

    init(
      _ inner: any Executable, _ segment: Segment,
      _ spoil: @escaping @Sendable (Program.Call, UnsafeMutableBufferPointer<Float>) -> Void
    ) {
      (self.inner, self.spoil, call) = (inner, spoil, segment.calls[0])
      results = call.outputs.compactMap { $0 }.filter { segment.values[$0].type.elementType == .float32 }
    }

    func run(_ arguments: borrowing RunArguments) throws(BackendError) -> UInt64 {
      let ticket = try inner.run(
        RunArguments(
          views: arguments.views, generations: arguments.generations, workspace: arguments.workspace,
          groupMicroseconds: arguments.groupMicroseconds, kept: arguments.kept))
      for result in results {
        let view = arguments.views[result]
        guard let host = view.host else { continue }
        let count = Int(view.bytes) / MemoryLayout<Float>.stride
        spoil(call, UnsafeMutableBufferPointer(start: host.assumingMemoryBound(to: Float.self), count: count))
      }
      return ticket
    }
  }
}
