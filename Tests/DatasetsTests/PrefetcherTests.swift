import SwitchbackDatasets
import TestFiles
import Testing

/// Numbers that say where they come from; reading sample `fault` fails.
private struct Numbers: Dataset {
  let count: Int
  let fields = [Field("images", .float32, [3]), Field("labels", .int32)]
  let classNames = ["a", "b"]
  var fault = -1

  func read(_ index: Int, row: Int, into batch: BatchMemory) throws(DatasetError) {
    guard index != fault else { throw DatasetError(.corrupt, "sample \(index) is broken") }
    for e in 0..<3 { batch[0, row].storeBytes(of: Float(3 * index + e), toByteOffset: 4 * e, as: Float.self) }
    batch[1, row].storeBytes(of: Int32(index % 2), as: Int32.self)
  }
}

@Suite struct PrefetcherTests {
  @Test(
    "every batch of several epochs is what the data set gives, the smaller last one too", arguments: [1, 4, 7, 100])
  func same(batchSize: Int) throws {
    let data = Numbers(count: 23)
    let prefetcher = try Prefetcher(data, batchSize: batchSize)
    for epoch in 1...3 {
      let order = BatchOrder(count: 23, batchSize: batchSize, seed: 5, epoch: epoch)
      let first = min(epoch - 1, order.batchCount - 1)
      prefetcher.begin(order, at: first)
      for index in first..<order.batchCount {
        #expect(try prefetcher.numbers(order.batch(index)) == data.numbers(order.batch(index)))
      }
    }
  }

  @Test("batches out of order, before an order begins, and a new order in the middle of one")
  func outOfOrder() throws {
    let data = Numbers(count: 40)
    let prefetcher = try Prefetcher(data, batchSize: 8)
    let order = BatchOrder(count: 40, batchSize: 8, seed: 1, epoch: 1)
    #expect(try prefetcher.numbers(order.batch(2)) == data.numbers(order.batch(2)))
    prefetcher.begin(order, at: 0)
    for index in [3, 0, 1, 1, 4, 2] {
      #expect(try prefetcher.numbers(order.batch(index)) == data.numbers(order.batch(index)), "\(index)")
    }
    let other = BatchOrder(count: 40, batchSize: 8, seed: 2, epoch: 1)
    prefetcher.begin(other, at: 1)
    #expect(try prefetcher.numbers(other.batch(1)) == data.numbers(other.batch(1)))
    #expect(try prefetcher.numbers(order.batch(2)) == data.numbers(order.batch(2)))
  }

  @Test("an error of the reading thread is the error of the batch that it hit, and the next batch is well")
  func errors() throws {
    let data = Numbers(count: 20, fault: 12)
    let prefetcher = try Prefetcher(data, batchSize: 5)
    let order = BatchOrder(count: 20, batchSize: 5, isShuffled: false)
    prefetcher.begin(order, at: 0)
    for index in 0..<4 {
      if index == 2 {
        let error = #expect(throws: DatasetError.self) { try prefetcher.numbers(order.batch(index)) }
        #expect(error?.message == "sample 12 is broken")
      } else {
        #expect(try prefetcher.numbers(order.batch(index)) == data.numbers(order.batch(index)))
      }
    }
  }

  @Test("letting go of it in the middle ends its thread")
  func ends() throws {
    for _ in 0..<50 {
      let prefetcher = try Prefetcher(Numbers(count: 1000), batchSize: 500)
      prefetcher.begin(BatchOrder(count: 1000, batchSize: 500), at: 0)
    }
  }
}
