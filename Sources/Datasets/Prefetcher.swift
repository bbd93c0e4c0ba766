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

  /// Batches will be asked for in this order, from that one on.
  public func begin(_ order: BatchOrder, at index: Int) { reader.begin(order, at: index) }

  public func read(_ index: Int, row: Int, into batch: BatchMemory) throws(DatasetError) {
    try base.read(index, row: row, into: batch)
  }

  /// Allocates nothing where the batch is the next of the order.
  public func fill(_ indices: ArraySlice<Int32>, into batch: BatchMemory) throws(DatasetError) {
    guard reader.isReading(indices) else { return try base.fill(indices, into: batch) }
    try reader.take(into: batch)
  }
}

/// The thread's side: one batch ahead.
private final class Reader: @unchecked Sendable {
  // Unchecked: between `start` and `done` everything belongs to the thread, otherwise to the caller.
  private let base: any Dataset
  private let memory: BatchMemory
  private let start = DispatchSemaphore(value: 0)
  private let done = DispatchSemaphore(value: 0)
  /// What the thread reads or has read.
  private var batch: ArraySlice<Int32> = []
  private var failure: DatasetError?
  private var order: BatchOrder?
  private var next = 0
  private var isBusy = false
  private var isEnding = false

  init(_ base: any Dataset, batchSize: Int) throws(DatasetError) {
    self.base = base
    memory = try BatchMemory(base.fields, rows: batchSize)
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
    if isBusy { done.wait() }
    isEnding = true
    start.signal()
  }

  func begin(_ order: BatchOrder, at index: Int) {
    if isBusy { done.wait() }
    isBusy = false
    (self.order, next) = (order, index)
    readNext()
  }

  private func readNext() {
    guard let order, next < order.batchCount else { return }
    batch = order.batch(next)
    next += 1
    isBusy = true
    start.signal()
  }

  func isReading(_ indices: ArraySlice<Int32>) -> Bool { isBusy && batch == indices }

  func take(into target: BatchMemory) throws(DatasetError) {
    done.wait()
    isBusy = false
    if let failure { throw failure }
    target.copy(batch.count, from: memory)
    readNext()
  }
}
