import SwitchbackABI
import SwitchbackBackendKit
public import SwitchbackExecution

extension BackendChain {
  /// The same backends, each of which is handed one operation at a time: nothing is fused, and no two operations share
  /// a segment's memory. An operation that a backend takes only with the one before it goes to the next of the chain.
  /// The error is that of a routing that cannot be replayed.
  public func inSingleOperations() throws(ExecutionError) -> BackendChain {
    let links = links.map { link in
      Link(
        name: link.name, device: OneAtATime(link.device), version: link.version, library: link.library,
        isTrusted: link.isTrusted, options: link.options, request: link.request)
    }
    let chain = BackendChain(links, host: host)
    return try routing.map { (routing) throws(ExecutionError) in try chain.routed(by: routing) } ?? chain
  }
}

/// A device that says it takes segments of one operation.
private final class OneAtATime: ComputeDevice {
  let info: DeviceInfo
  private let device: any ComputeDevice

  init(_ device: any ComputeDevice) {
    self.device = device
    var info = device.info
    info.maxOperations = 1
    self.info = info
  }

  func query(_ segment: Segment) throws(BackendError) -> [Verdict] {
    try device.query(segment).map { verdict in
      if case .acceptWithPrevious = verdict { .decline("only together with the operation before it") } else { verdict }
    }
  }

  func compile(_ segment: Segment) throws(BackendError) -> any Executable { try device.compile(segment) }
  func wait(for ticket: UInt64) throws(BackendError) { try device.wait(for: ticket) }
  var counts: DeviceCounts? { device.counts }
  func allocate(byteCount: Int) throws(BackendError) -> sb_view { try device.allocate(byteCount: byteCount) }
  func adopt(_ memory: UnsafeMutableRawBufferPointer) throws(BackendError) -> sb_view? { try device.adopt(memory) }
  func discard(_ view: sb_view) { device.discard(view) }
  func copy(from source: sb_view, to target: sb_view) throws(BackendError) -> UInt64 {
    try device.copy(from: source, to: target)
  }
}
