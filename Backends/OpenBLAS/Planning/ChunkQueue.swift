import Synchronization

/// Who runs which chunk. Each worker begins with chunks of its own, the same in every run, so that what a step leaves in
/// its caches (partial sums, weights, an optimizer's slots) is there in the next one; then it takes what others have left.
/// One whose core was taken away holds nobody up for longer than its chunk, and what a chunk computes does not depend on
/// who runs it.
struct ChunkQueue: ~Copyable, @unchecked Sendable {
  // Unchecked: atomic numbers.

  /// A counter with cache lines of its own.
  private struct Counter: ~Copyable {
    let value = Atomic<Int>(0)
    let padding: (Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int) = (
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    )
  }

  /// Of each stage and worker the chunks that it has taken, then of each lane those that have ended.
  private let counters: UnsafeMutablePointer<Counter>
  private let chunkCounts: FixedList<Int>
  private let workers: Int
  private let lanes: Int

  /// The number of chunks of each stage; `lanes`: of all stages together.
  init(chunkCounts: [Int], lanes: Int, workers: Int) {
    self.chunkCounts = FixedList(chunkCounts)
    (self.lanes, self.workers) = (lanes, workers)
    let count = chunkCounts.count * workers + lanes
    counters = .allocate(capacity: count + 1)
    for index in 0...count { (counters + index).initialize(to: Counter()) }
  }

  deinit {
    counters.deinitialize(count: chunkCounts.count * workers + lanes + 1)
    counters.deallocate()
    chunkCounts.discard()
  }

  /// Before the workers are forked.
  func reset() {
    for index in 0..<chunkCounts.count * workers + lanes { counters[index].value.store(0, ordering: .relaxed) }
  }

  /// The number of a chunk of the stage that `worker` runs next; nil where none is left.
  @inline(__always)
  func take(_ stage: Int, _ worker: Int) -> Int? {
    let count = chunkCounts[stage]
    for distance in 0..<workers {
      let owner = worker + distance < workers ? worker + distance : worker + distance - workers
      let (first, end) = (owner * count / workers, (owner + 1) * count / workers)
      let counter = counters + (stage * workers + owner)
      // Looked at first: a counter that is only read is shared by all caches.
      guard first + counter.pointee.value.load(ordering: .relaxed) < end else { continue }
      let chunk = first + counter.pointee.value.wrappingAdd(1, ordering: .relaxed).oldValue
      if chunk < end { return chunk }
    }
    return nil
  }

  /// Counts an ended chunk of a lane. How many there are now: who ended the last one sees what all others wrote.
  @inline(__always)
  func end(_ lane: Int) -> Int {
    counters[chunkCounts.count * workers + lane].value.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue
  }
}
