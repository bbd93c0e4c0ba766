import SwitchbackABI
import SwitchbackBackendKit

/// The memories that the host keeps for a segment from run to run, and which of them a run has to fill anew.
struct KeptMemory: @unchecked Sendable {
  // Unchecked: changed only before workers are forked and after they are joined.

  /// The segment's value that each is made from.
  private let values: FixedList<Int>
  private let memories: UnsafeMutablePointer<UnsafeMutableRawPointer>
  private let stale: UnsafeMutablePointer<Bool>
  private(set) var isAnyStale = false

  init(_ keeps: [Keep]) {
    values = FixedList(keeps.map(\.value))
    memories = .allocate(capacity: max(keeps.count, 1))
    stale = .allocate(capacity: max(keeps.count, 1))
  }

  func discard() {
    values.discard()
    memories.deallocate()
    stale.deallocate()
  }

  @inline(__always)
  subscript(index: Int) -> UnsafeMutableRawPointer { memories[index] }

  @inline(__always)
  func isStale(_ index: Int) -> Bool { stale[index] }

  /// Before a run. A run that fails on its way leaves what it fills marked as nothing.
  mutating func begin(_ arguments: borrowing RunArguments) throws(BackendError) {
    isAnyStale = false
    for index in 0..<values.count {
      guard let kept = arguments.kept?[index], let memory = kept.memory.host, let generation = kept.generation else {
        throw BackendError(.invalid, "the host gives no memory for keep \(index)")
      }
      memories[index] = memory
      let wanted = arguments.generations?[values[index]] ?? 0
      stale[index] = wanted == 0 || generation.pointee != wanted
      if stale[index] {
        generation.pointee = 0
        isAnyStale = true
      }
    }
  }

  /// After a run.
  func end(_ arguments: borrowing RunArguments) {
    guard isAnyStale, let kept = arguments.kept else { return }
    for index in 0..<values.count where stale[index] {
      kept[index].generation.pointee = arguments.generations?[values[index]] ?? 0
    }
  }
}
