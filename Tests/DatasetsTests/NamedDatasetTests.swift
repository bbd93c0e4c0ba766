import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

private func copySample(to folder: String) throws {
  try FileManager.default.createDirectory(
    atPath: (folder as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
  try FileManager.default.copyItem(atPath: sampleFolder + "/mnist", toPath: folder)
}

@Suite(.enabled(if: Image.readsCompressedFiles, "built without ImageFiles")) struct NamedDatasetTests {
  @Test("the shipped sample is real MNIST")
  func sample() throws {
    let (train, test) = try NamedDataset.named("mnist").load(given: sampleFolder)
    #expect((train.count, test.count) == (512, 128))
    #expect(train.sampleShape == [28, 28, 1])
    #expect(train.labels.prefix(10) == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4])
    #expect(test.labels.prefix(10) == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9])
  }

  @Test("a folder of another data set's name is not taken for MNIST", arguments: ["fashion-mnist", "FashionMNIST"])
  func otherName(name: String) throws {
    let folder = try temporaryFolder() + "/" + name
    try copySample(to: folder)
    let mnist = try NamedDataset.named("mnist")
    #expect(!mnist.folders(given: folder).contains(folder))
    #expect(mnist.folders(given: folder).first == folder + "/mnist")
    #expect(try NamedDataset.named("fashion-mnist").folder(given: folder) == folder)
  }

  @Test("a folder that holds data sets by name is none itself")
  func collection() throws {
    let folder = try temporaryFolder() + "/all"
    try copySample(to: folder)
    #expect(try NamedDataset.named("mnist").folder(given: folder) == folder)
    try copySample(to: folder + "/fashion-mnist")
    #expect(!(try NamedDataset.named("mnist").folders(given: folder).contains(folder)))
    try copySample(to: folder + "/mnist")
    #expect(try NamedDataset.named("mnist").folder(given: folder) == folder + "/mnist")
  }
}

@Suite struct DatasetTests {
  @Test("a slice reads the samples of its range")
  func slice() throws {
    let data = try ByteDataset(
      sampleShape: [1], classNames: ["a", "b", "c"], samples: [0, 51, 255], labels: [2, 1, 0])
    let slice = data.subset(1..<3)
    #expect(slice.count == 2)
    #expect(try slice.sample(0).target == [1])
    #expect(try slice.sample(1).values == data.sample(2).values)
  }
}
