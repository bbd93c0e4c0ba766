import Foundation

/// A data set whose next batch is read on a thread of its own while the last one is worked on.
///
/// What it gives is what the data set itself gives, so the bits of a run do not depend on it. An error of the reading
/// thread is thrown by the `gather` that wants the batch. One thread calls it at a time.
public final class Prefetcher: Dataset {
  private let base: any Dataset
  private let reader: Reader

  public var count: Int { base.count }
  public var sampleShape: [Int] { base.sampleShape }
  public var classNames: [String] { base.classNames }
  public var targets: DatasetTargets { base.targets }

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

  public func read(
    _ index: Int, sample: UnsafeMutablePointer<Float>, target: UnsafeMutableRawPointer
  ) throws(DatasetError) { try base.read(index, sample: sample, target: target) }

  /// Allocates nothing where the batch is the next of the order.
  public func gather(
    _ indices: ArraySlice<Int32>, samples: UnsafeMutablePointer<Float>, targets: UnsafeMutableRawPointer
  ) throws(DatasetError) {
    guard reader.isReading(indices) else { return try base.gather(indices, samples: samples, targets: targets) }
    try reader.take(samples: samples, targets: targets)
  }
}

/// The thread's side: one batch ahead.
private final class Reader: @unchecked Sendable {
  // Unchecked: between `start` and `done` everything belongs to the thread, otherwise to the caller.
  private let base: any Dataset
  private let sampleSize: Int
  private let targetSize: Int
  private let samples: UnsafeMutablePointer<Float>
  private let targets: UnsafeMutableRawPointer
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
    (sampleSize, targetSize) = (base.sampleSize, base.targets.byteCount)
    let (elements, overflows) = max(batchSize, 1).multipliedReportingOverflow(by: max(sampleSize, 1))
    guard !overflows, elements < 1 << 48, let samples = malloc(4 * elements),
      let targets = malloc(max(batchSize * targetSize, 1))
    else {
      throw DatasetError(
        .invalid,
        "a batch of \(batchSize) samples \(base.sampleShape) cannot be had in memory: take a smaller "
          + "training.batch_size, or smaller samples")
    }
    self.samples = samples.bindMemory(to: Float.self, capacity: elements)
    self.targets = targets
  }

  deinit {
    free(samples)
    free(targets)
  }

  func work() {
    while true {
      start.wait()
      if isEnding { return }
      do {
        failure = nil
        try base.gather(batch, samples: samples, targets: targets)
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

  func take(samples: UnsafeMutablePointer<Float>, targets: UnsafeMutableRawPointer) throws(DatasetError) {
    done.wait()
    isBusy = false
    if let failure { throw failure }
    samples.update(from: self.samples, count: batch.count * sampleSize)
    targets.copyMemory(from: self.targets, byteCount: batch.count * targetSize)
    readNext()
  }
}
