import Foundation
import SwitchbackDatasets
import Testing

private func file(_ bytes: [UInt8], _ name: String = "file") throws -> String {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  let url = folder.appendingPathComponent(name)
  try Data(bytes).write(to: url)
  return url.path
}

@Suite struct IDXTests {
  @Test("a plain file gives its extents and bytes")
  func plain() throws {
    let idx = try IDXFile(path: try file([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]))
    #expect(idx.extents == [2, 3])
    #expect(idx.bytes == [1, 2, 3, 4, 5, 6])
  }

  @Test(
    "what is wrong with a file is said",
    arguments: [
      ([], "no IDX file"), ([1, 2, 3, 4], "no IDX file"), ([0, 0, 13, 1, 0, 0, 0, 0], "type 13"),
      ([0, 0, 8, 2, 0, 0], "inside its header"), ([0, 0, 8, 1, 0, 0, 0, 3, 1, 2], "should hold 3 bytes"),
      ([0, 0, 8, 2, 255, 255, 255, 255, 255, 255, 255, 255], "impossible extents"),
    ] as [([UInt8], String)])
  func broken(bytes: [UInt8], words: String) throws {
    let path = try file(bytes)
    let error = #expect(throws: DatasetError.self) { try IDXFile(path: path) }
    #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
    #expect(error?.message.contains(path) == true)
  }

  @Test("a missing data set names its files and where to put them")
  func missing() throws {
    let error = #expect(throws: DatasetError.self) { try NamedDataset.named("mnist").load(given: "/nowhere") }
    #expect(error?.kind == .missing)
    #expect(error?.message.contains("train-images-idx3-ubyte.gz") == true)
    #expect(throws: DatasetError.self) { try NamedDataset.named("minst") }
  }
}

@Suite struct BatchOrderTests {
  @Test("an epoch takes every sample once, in an order that seed and epoch fix")
  func permutation() {
    func all(_ seed: Int64, _ epoch: Int) -> [Int32] {
      let order = BatchOrder(count: 103, batchSize: 10, seed: seed, epoch: epoch)
      return (0..<order.batchCount).flatMap { order.batch($0) }
    }
    #expect(all(1, 1).sorted() == (0..<103).map { Int32($0) })
    #expect(all(1, 1) == all(1, 1))
    #expect(all(1, 1) != all(1, 2))
    #expect(all(1, 1) != all(2, 1))
    #expect(BatchOrder(count: 103, batchSize: 10).batch(10).count == 3)
    #expect(BatchOrder(count: 103, batchSize: 10, dropsLast: true).batchCount == 10)
  }

  @Test("neighbouring seeds and epochs have no more of a batch in common than chance gives")
  func overlap() {
    // 60,000 samples in batches of 64: of a batch, chance puts 64²/60000 = 0.068 samples into the other one too.
    let (count, size) = (60_000, 64)
    func batches(_ seed: Int64, _ epoch: Int, _ version: BatchOrder.Version) -> [Set<Int32>] {
      let order = BatchOrder(count: count, batchSize: size, seed: seed, epoch: epoch, version: version)
      return (0..<order.batchCount).map { Set(order.batch($0)) }
    }
    func common(_ a: [Set<Int32>], _ b: [Set<Int32>]) -> Double {
      Double(zip(a, b).reduce(0) { $0 + $1.0.intersection($1.1).count }) / Double(a.count)
    }
    let neighbours: [(Int64, Int)] = [(2, 1), (0, 1), (1, 2), (1, 0), (2, 2), (0, 2), (-1, 1), (1 + 0x9E37, 1)]
    let first = batches(1, 1, .mixed)
    for (seed, epoch) in neighbours {
      let shared = common(first, batches(seed, epoch, .mixed))
      #expect(shared < 0.15, "seed \(seed), epoch \(epoch): \(shared) of 64")
    }
    // What the version of before did: the test sees it.
    #expect(common(batches(1, 1, .shifted), batches(2, 1, .shifted)) > 5)
  }

  @Test("a batch has bytes that stand for numbers from 0 to 1, and the labels beside them")
  func batch() throws {
    let data = try ByteDataset(
      sampleShape: [1, 2, 1], classNames: ["a", "b"], samples: [0, 255, 51, 102], labels: [1, 0])
    #expect(data.fields == [Field("images", .uint8, [1, 2, 1], scale: 1 / 255), Field("labels", .int32)])
    let batch = try data.numbers([1, 0])
    #expect(batch["images"]?.count == 4)
    #expect(zip(batch["images"] ?? [], [0.2, 0.4, 0, 1]).allSatisfy { abs($0 - $1) < 1e-6 })
    #expect(batch["labels"] == [0, 1])
    #expect(throws: DatasetError.self) {
      try ByteDataset(sampleShape: [1], classNames: ["a"], samples: [0], labels: [1])
    }
  }
}
