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

  /// The numbers of the first rows of memory.
  private func rows(_ memory: BatchMemory, _ count: Int) -> [[Double]] {
    [memory.numbers(0, count: count), memory.numbers(1, count: count)]
  }

  @Test("batches that are read into memory in turn are what the data set gives, the smaller last one too")
  func given() throws {
    let data = Numbers(count: 22)
    let prefetcher = try Prefetcher(data, batchSize: 5)
    let order = BatchOrder(count: 22, batchSize: 5, seed: 3)
    let memories = [try BatchMemory(data.fields, rows: 5), try BatchMemory(data.fields, rows: 5)]
    prefetcher.begin(order, at: 0, waits: true)
    for index in 0..<order.batchCount {
      let (batch, memory) = (order.batch(index), memories[index % 2])
      try prefetcher.fill(batch, into: memory)
      let expected = try data.numbers(batch)
      #expect(rows(memory, batch.count) == [expected["images"] ?? [], expected["labels"] ?? []], "\(index)")
      guard index + 1 < order.batchCount else { continue }
      prefetcher.readAhead(into: memories[(index + 1) % 2])
      // The thread writes there and not here.
      #expect(rows(memory, batch.count)[0] == expected["images"])
    }
  }

  @Test("memory that was given is left alone once it is asked for otherwise, and errors come to who wants the batch")
  func givenOtherwise() throws {
    let data = Numbers(count: 20, fault: 12)
    let prefetcher = try Prefetcher(data, batchSize: 5)
    let order = BatchOrder(count: 20, batchSize: 5, isShuffled: false)
    let (given, other) = (try BatchMemory(data.fields, rows: 5), try BatchMemory(data.fields, rows: 5))
    func filled(_ index: Int, _ memory: BatchMemory) throws -> Bool {
      try prefetcher.fill(order.batch(index), into: memory)
      return try memory.numbers(0, count: 5) == data.numbers(order.batch(index))["images"]
    }
    prefetcher.begin(order, at: 0, waits: true)
    #expect(try filled(0, given))
    prefetcher.readAhead(into: given)
    // Asked for with other memory: a copy.
    #expect(try filled(1, other))
    prefetcher.readAhead(into: given)
    // Another batch into the memory that the thread writes to: it waits for the thread.
    #expect(try filled(3, given))
    prefetcher.begin(order, at: 1, waits: true)
    #expect(try filled(1, given))
    prefetcher.readAhead(into: given)
    let error = #expect(throws: DatasetError.self) { try prefetcher.fill(order.batch(2), into: given) }
    #expect(error?.message == "sample 12 is broken")
    #expect(try filled(3, given))
    prefetcher.begin(order, at: 0, waits: true)
    #expect(try filled(0, given))
    prefetcher.readAhead(into: given)
    prefetcher.stop()
    // After `stop` memory is the giver's again: it holds the batch, and nobody writes to it.
    #expect(try given.numbers(0, count: 5) == data.numbers(order.batch(1))["images"])
  }

  @Test("letting go of it in the middle ends its thread")
  func ends() throws {
    for _ in 0..<50 {
      let prefetcher = try Prefetcher(Numbers(count: 1000), batchSize: 500)
      prefetcher.begin(BatchOrder(count: 1000, batchSize: 500), at: 0)
    }
  }
}
