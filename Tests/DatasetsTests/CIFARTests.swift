import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

/// One record: label bytes, then planes of 1024 bytes for red, green and blue.
private func record(_ labels: [UInt8], _ red: UInt8, _ green: UInt8, _ blue: UInt8) -> [UInt8] {
  labels + [red, green, blue].flatMap { [UInt8](repeating: $0, count: 1024) }
}

@Suite struct CIFARTests {
  @Test("CIFAR-10: five files and a test file, planes become pixels, names from the file beside")
  func ten() throws {
    let folder = try temporaryFolder("cifar-10-batches-bin")
    for batch in 1...5 {
      try write(record([UInt8(batch)], 10, 20, 30) + record([0], 1, 2, 3), to: folder + "/data_batch_\(batch).bin")
    }
    try write(record([9], 7, 8, 9), to: folder + "/test_batch.bin")
    let above = (folder as NSString).deletingLastPathComponent
    let (train, test) = try NamedDataset.named("cifar-10").load(given: above)
    #expect((train.count, test.count) == (10, 1))
    #expect(train.sampleShape == [32, 32, 3])
    #expect(train.labels == [1, 0, 2, 0, 3, 0, 4, 0, 5, 0])
    #expect(Array(train.samples[0..<6]) == [10, 20, 30, 10, 20, 30])
    #expect(test.classNames[Int(test.labels[0])] == "truck")
    try write((0..<10).map { "name \($0)\n" }.joined().utf8, to: folder + "/batches.meta.txt")
    #expect(try NamedDataset.named("cifar-10").load(given: folder).train.classNames[3] == "name 3")
  }

  @Test("CIFAR-100: the fine label counts")
  func hundred() throws {
    let folder = try temporaryFolder("cifar-100")
    try write(record([3, 99], 1, 2, 3), to: folder + "/train.bin")
    try write(record([19, 0], 1, 2, 3), to: folder + "/test.bin")
    let (train, test) = try NamedDataset.named("cifar-100").load(given: folder)
    #expect((train.labels, test.labels) == ([99], [0]))
    #expect((train.classNames[99], test.classNames[0]) == ("worm", "apple"))
    #expect(Set(train.classNames).count == 100)
  }

  @Test("a cut file, and a label that is no class, are errors with the path")
  func broken() throws {
    let folder = try temporaryFolder("cifar-100")
    try write(record([3, 99], 1, 2, 3).dropLast(), to: folder + "/train.bin")
    try write(record([19, 100], 1, 2, 3), to: folder + "/test.bin")
    let cut = #expect(throws: DatasetError.self) { try NamedDataset.named("cifar-100").load(given: folder) }
    #expect(cut?.message.contains("/train.bin should hold records of 3074 bytes, but holds 3073") == true)
    try write(record([3, 99], 1, 2, 3), to: folder + "/train.bin")
    let label = #expect(throws: DatasetError.self) { try NamedDataset.named("cifar-100").load(given: folder) }
    #expect(label?.message.contains("/test.bin: record 0 has class 100") == true)
  }
}
