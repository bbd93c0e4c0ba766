import Synchronization

/// Who runs which chunk: workers take the next one of a stage as they come, so one whose core was taken away holds
/// nobody up for longer than its chunk. What a chunk computes does not depend on who runs it.
struct ChunkQueue: ~Copyable, @unchecked Sendable {
  // Unchecked: atomic numbers.

  /// A counter with cache lines of its own.
  private struct Counter: ~Copyable {
    let value = Atomic<Int>(0)
    let padding: (Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int) = (
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    )
  }

  private let counters: UnsafeMutablePointer<Counter>
  private let stages: Int
  private let lanes: Int

  /// `lanes`: of all stages together.
  init(stages: Int, lanes: Int) {
    (self.stages, self.lanes) = (stages, lanes)
    counters = .allocate(capacity: stages + lanes + 1)
    for index in 0...stages + lanes { (counters + index).initialize(to: Counter()) }
  }

  deinit {
    counters.deinitialize(count: stages + lanes + 1)
    counters.deallocate()
  }

  /// Before the workers are forked.
  func reset() {
    for index in 0..<stages + lanes { counters[index].value.store(0, ordering: .relaxed) }
  }

  /// The number of the stage's next chunk; from the stage's count of chunks on, none is left.
  @inline(__always)
  func take(_ stage: Int) -> Int { counters[stage].value.wrappingAdd(1, ordering: .relaxed).oldValue }

  /// Counts an ended chunk of a lane. How many there are now: who ended the last one sees what all others wrote.
  @inline(__always)
  func end(_ lane: Int) -> Int {
    counters[stages + lane].value.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue
  }
}
