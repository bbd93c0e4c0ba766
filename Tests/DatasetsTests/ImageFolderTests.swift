import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

private func open(_ path: String, split: Double = 0.2) throws -> (train: ImageFiles, test: ImageFiles) {
  let parts = try ImageFolder(path: path, height: 28, width: 28, channels: 1, testSplit: split).open()
  return (try #require(parts.train as? ImageFiles), try #require(parts.test as? ImageFiles))
}

@Suite(.enabled(if: Image.readsCompressedFiles, "built without ImageFiles")) struct ImageFolderTests {
  @Test("a folder of PNGs by class gives the images with their labels, bit for bit")
  func split() throws {
    let folder = try temporaryFolder()
    let written = try writeImages(to: folder, count: 200)
    let (train, test) = try open(folder)
    #expect(train.classNames == (0...9).map { "\($0)" })
    #expect(train.count + test.count == written.count)
    #expect(Set(train.paths).isDisjoint(with: test.paths))
    #expect((20...60).contains(test.count), "\(test.count) of 200 are for testing")
    for (data, index) in [(train, 0), (train, train.count - 1), (test, 0)] {
      let pixels = try #require(written[data.paths[index]])
      let sample = try data.sample(index)
      #expect(sample.values == pixels.map { Float($0) * (1 / 255) })
      #expect(data.paths[index].contains("/\(Int(sample.target[0]))/"))
    }
    // The order is not class after class, so that a part of it holds all classes.
    #expect(Set(train.labels.suffix(60)).count >= 8)
  }

  @Test("a file stays on its side when others come")
  func stable() throws {
    let folder = try temporaryFolder()
    try writeImages(to: folder, count: 60)
    let before = Set(try open(folder).test.paths)
    try writeImages(to: folder, count: 120)
    #expect(before.isSubset(of: try open(folder).test.paths))
    #expect(try open(folder).test.paths == open(folder).test.paths)
  }

  @Test("folders train and test are taken as they are; a class that only test has is an error")
  func trainAndTest() throws {
    let folder = try temporaryFolder()
    let train = try writeImages(to: folder + "/train", count: 40)
    let test = try writeImages(to: folder + "/test", train: false, count: 20, classes: 5)
    let data = try open(folder)
    #expect(Set(data.train.paths) == Set(train.keys))
    #expect(Set(data.test.paths) == Set(test.keys))
    #expect(zip(data.test.paths, data.test.labels).allSatisfy { $0.contains("/test/\($1)/") })
    try write([0], to: folder + "/test/zebra/a.png")
    let error = #expect(throws: DatasetError.self) { try open(folder) }
    #expect(error?.message.contains("zebra") == true)
  }

  @Test("what is wrong with a folder is said")
  func broken() throws {
    let folder = try temporaryFolder()
    #expect(throws: DatasetError.self) { try open(folder + "/none") }
    #expect(#expect(throws: DatasetError.self) { try open(folder) }?.message.contains("has no folders") == true)
    try writeImages(to: folder, count: 30)
    try write("text".utf8, to: folder + "/3/notes.txt")
    #expect(#expect(throws: DatasetError.self) { try open(folder) }?.message.contains("/3/notes.txt") == true)
    try FileManager.default.removeItem(atPath: folder + "/3/notes.txt")
    try write("x".utf8, to: folder + "/3/photo.WEBP")
    let other = #expect(throws: DatasetError.self) { try open(folder) }
    #expect(other?.message.contains("/3/photo.WEBP is WebP, which is not read") == true, "\(other?.message ?? "")")
    try FileManager.default.removeItem(atPath: folder + "/3/photo.WEBP")
    let data = try open(folder)
    try write([1, 2, 3], to: data.train.paths[4])
    #expect(
      #expect(throws: DatasetError.self) { try data.train.sample(4) }?.message.contains(data.train.paths[4]) == true)
  }
}
