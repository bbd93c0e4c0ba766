import Foundation

/// A data set whose next batch is read on a thread of its own while the last one is worked on.
///
/// What it gives is what the data set itself gives, so the bits of a run do not depend on it. An error of the reading
/// thread is thrown by the `fill` that wants the batch. One thread calls it at a time.
public final class Prefetcher: Dataset {
  private let base: any Dataset
  private let reader: Reader

  public var count: Int { base.count }
  public var fields: [Field] { base.fields }
  public var targetFields: [DatasetLayout.Target] { base.targetFields }
  public var classNames: [String] { base.classNames }

  public init(_ base: any Dataset, batchSize: Int) throws(DatasetError) {
    self.base = base
    let reader = try Reader(base, batchSize: batchSize)
    self.reader = reader
    // The thread holds the reader and not us, so that letting go of us ends it.
    let thread = Thread { reader.work() }
    thread.name = "prefetch"
    thread.start()
  }

  deinit { reader.end() }

  /// Batches will be asked for in this order, from that one on. A batch is read ahead as soon as the one before it is asked
  /// for, into memory of the prefetcher's own. With `waits` it is read when `readAhead` gives the memory to read into.
  public func begin(_ order: BatchOrder, at index: Int, waits: Bool = false) {
    reader.begin(order, at: index, waits: waits)
  }

  /// Reads the next batch of the order into memory that nobody else touches until that batch is asked for. Whoever asks for
  /// it with the same memory has it without a copy.
  public func readAhead(into memory: BatchMemory) { reader.readAhead(into: memory) }

  /// Waits for what is being read: memory that `readAhead` was given is the giver's again.
  public func stop() { reader.stop() }

  public func read(_ index: Int, row: Int, into batch: BatchMemory) throws(DatasetError) {
    try base.read(index, row: row, into: batch)
  }

  public func randomNumbers(of index: Int) -> UInt64? { base.randomNumbers(of: index) }

  /// Allocates nothing where the batch is the next of the order.
  public func fill(_ indices: ArraySlice<Int32>, into batch: BatchMemory) throws(DatasetError) {
    guard reader.isReading(indices) else {
      reader.leave(batch)
      return try base.fill(indices, into: batch)
    }
    try reader.take(into: batch)
  }
}

/// The thread's side: one batch ahead.
private final class Reader: @unchecked Sendable {
  // Unchecked: between `start` and `done` everything belongs to the thread, otherwise to the caller.
  private let base: any Dataset
  private let ownMemory: BatchMemory
  private let start = DispatchSemaphore(value: 0)
  private let done = DispatchSemaphore(value: 0)
  /// What the thread reads or has read, and where to.
  private var batch: ArraySlice<Int32> = []
  private var memory: BatchMemory
  private var failure: DatasetError?
  private var order: BatchOrder?
  private var next = 0
  /// Whether batches are read when `readAhead` gives memory for them.
  private var waits = false
  private var isBusy = false
  private var isEnding = false

  init(_ base: any Dataset, batchSize: Int) throws(DatasetError) {
    self.base = base
    ownMemory = try BatchMemory(base.fields, rows: batchSize)
    memory = ownMemory
  }

  func work() {
    while true {
      start.wait()
      if isEnding { return }
      do {
        failure = nil
        try base.fill(batch, into: memory)
      } catch {
        failure = error
      }
      done.signal()
    }
  }

  func end() {
    stop()
    isEnding = true
    start.signal()
  }

  func begin(_ order: BatchOrder, at index: Int, waits: Bool) {
    stop()
    (self.order, next, self.waits) = (order, index, waits)
    readNext(into: ownMemory)
  }

  func readAhead(into memory: BatchMemory) { if !isBusy { readNext(into: memory) } }

  private func readNext(into memory: BatchMemory) {
    guard let order, next < order.batchCount, order.batch(next).count <= memory.rows else { return }
    batch = order.batch(next)
    self.memory = memory
    next += 1
    isBusy = true
    start.signal()
  }

  /// Waits for the thread, whether or not somebody wants what it reads.
  func stop() {
    guard isBusy else { return }
    done.wait()
    isBusy = false
  }

  /// Whoever fills `memory` with another batch must not meet the thread in it.
  func leave(_ memory: BatchMemory) { if memory === self.memory { stop() } }

  func isReading(_ indices: ArraySlice<Int32>) -> Bool { isBusy && batch == indices }

  func take(into target: BatchMemory) throws(DatasetError) {
    stop()
    // Memory of others is kept alive no longer than it is written to.
    let source = memory
    memory = ownMemory
    if let failure { throw failure }
    if source !== target { target.copy(batch.count, from: source) }
    if !waits { readNext(into: ownMemory) }
  }
}
