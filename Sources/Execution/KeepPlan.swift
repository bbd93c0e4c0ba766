import SwitchbackABI
package import SwitchbackBackendKit

/// Who shares which keep, and when its memory is needed.
///
/// Segments of one device that state the same value, format and size share one memory, from the first that uses it to
/// the last, or for ever where that is worth it. Beyond the limit nothing is shared: each segment has memory of its own
/// for as long as it runs, and makes everything anew.
package struct KeepPlan {
  package struct Memory {
    /// Index of a segment that uses it: all do so at one place.
    package var segment: Int
    package var block: MemoryPlan.Block
    package var isLasting: Bool
  }

  package private(set) var memories: [Memory] = []
  /// For each segment and keep the memory's index.
  package private(set) var ofSegment: [[Int]] = []

  private struct Identity: Hashable {
    var link: Int
    var value: Int
    var keep: Keep
  }

  package init(_ segments: [ProgramSegment], _ reports: [CompiledReport], end: Int, limit: Int) {
    var known: [Identity: Int] = [:]
    var shared = 0
    for (index, (segment, report)) in zip(segments, reports).enumerated() {
      let (birth, death) = (segment.calls.lowerBound, segment.calls.upperBound - 1)
      ofSegment.append([])
      for keep in report.keeps {
        var anonymous = keep
        anonymous.value = 0
        let identity = Identity(link: segment.link, value: segment.values[keep.value], keep: anonymous)
        if let memory = known[identity] {
          memories[memory].block.death = max(memories[memory].block.death, death)
          ofSegment[index].append(memory)
          continue
        }
        let isShared = shared + keep.byteCount <= limit
        if isShared {
          shared += keep.byteCount
          known[identity] = memories.count
        }
        let isLasting = isShared && keep.isLasting
        ofSegment[index].append(memories.count)
        memories.append(
          Memory(
            segment: index,
            block: MemoryPlan.Block(
              byteCount: keep.byteCount, birth: isLasting ? -1 : birth, death: isLasting ? end : death),
            isLasting: isLasting))
      }
    }
  }
}

/// The memories of a plan's keeps, and what is in them.
final class KeptMemories {
  private let plan: KeepPlan
  /// By memory: the generation of the value that its contents were made from; 0: nothing.
  private let generations: UnsafeMutableBufferPointer<UInt64>
  private var ofSegment: [UnsafeMutableBufferPointer<sb_kept>] = []
  private var lastRun: UInt64 = 0

  init(_ plan: KeepPlan, views: [sb_view]) {
    self.plan = plan
    generations = .allocate(capacity: max(plan.memories.count, 1))
    generations.initialize(repeating: 0)
    for memories in plan.ofSegment {
      let kept = UnsafeMutableBufferPointer<sb_kept>.allocate(capacity: max(memories.count, 1))
      kept.initialize(repeating: sb_kept())
      for (index, memory) in memories.enumerated() {
        kept[index] = sb_kept(memory: views[memory], generation: generations.baseAddress! + memory)
      }
      ofSegment.append(kept)
    }
  }

  deinit {
    generations.deallocate()
    for kept in ofSegment { kept.deallocate() }
  }

  /// What a segment is given in a run. What does not outlive a run is forgotten when a new one begins: its bytes may
  /// have been used for something else since.
  func kept(segment: Int, run: UInt64) -> UnsafePointer<sb_kept>? {
    if run != lastRun {
      lastRun = run
      for (index, memory) in plan.memories.enumerated() where !memory.isLasting { generations[index] = 0 }
    }
    return UnsafePointer(ofSegment[segment].baseAddress)
  }
}
