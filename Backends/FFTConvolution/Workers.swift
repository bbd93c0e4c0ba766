import SwitchbackABI
import SwitchbackBackendKit
import Synchronization

/// The host's workers with scratch memory for each; what lacks memory is told at the end.
final class Workers: Sendable {
  private let host: HostServices
  private let lacksMemory = Atomic<Bool>(false)

  init(_ host: HostServices) { self.host = host }

  /// Runs `body(item, scratch)` for every item. A worker has one scratch memory for all its items: what the host gives
  /// stays taken until the fork ends, and memory that is used again is in the cache.
  func parallel(
    _ items: Int, scratch byteCount: Int, _ body: (_ item: Int, _ scratch: UnsafeMutablePointer<Float>) -> Void
  ) {
    let table = host.table
    let shares = min(items, host.workers)
    host.parallel(shares) { share, worker in
      guard let scratch = table.pointee.scratch(table.pointee.`self`, UInt32(worker), UInt64(byteCount)) else {
        lacksMemory.store(true, ordering: .relaxed)
        return
      }
      for item in share * items / shares..<(share + 1) * items / shares {
        body(item, scratch.assumingMemoryBound(to: Float.self))
      }
    }
  }

  func parallel(_ items: Int, _ body: (_ item: Int) -> Void) { host.parallel(items) { item, _ in body(item) } }

  func check(_ byteCount: Int) throws(BackendError) {
    guard lacksMemory.exchange(false, ordering: .relaxed) else { return }
    throw BackendError(.outOfMemory, "a worker has no \(byteCount) bytes of scratch memory", operation: 0)
  }
}

extension RunArguments {
  /// The memory of a value as floats.
  func floats(_ value: Int) throws(BackendError) -> UnsafeMutablePointer<Float> {
    guard views.indices.contains(value), let host = views[value].host else {
      throw BackendError(.invalid, "operand \(value) is not in host memory", operation: 0)
    }
    return host.assumingMemoryBound(to: Float.self)
  }
}
