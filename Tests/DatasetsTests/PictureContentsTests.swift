import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

private func pgm(_ pixels: [UInt8]) -> [UInt8] { Array("P5 2 2 255\n".utf8) + pixels }

@Suite struct PictureContentsTests {
  /// Sixty pictures of one size in two classes.
  private func makeFolder() throws -> String {
    let path = try temporaryFolder()
    for index in 0..<60 {
      try write(pgm([UInt8(index), 1, 2, 3]), to: "\(path)/\(["a", "b"][index % 2])/\(index).pgm")
    }
    return path
  }

  private func record(_ path: String, _ check: ImageCheck.Extent = .quick) throws -> DatasetRecord {
    let folder = ImageFolder(path: path, height: 2, width: 2, channels: 1, check: check)
    return try #require(try folder.open().record)
  }

  @Test("a picture that was replaced by one of its name and size is other data; a folder that was moved is the same")
  func folders() throws {
    let path = try makeFolder()
    let before = try record(path)
    #expect(before.contents?.count == 16 && before.fault == nil)
    let moved = try temporaryFolder() + "/moved"
    try FileManager.default.copyItem(atPath: path, toPath: moved)
    #expect(try record(moved) == before)
    // Two that change places.
    try write(pgm([7, 1, 2, 3]), to: path + "/b/9.pgm")
    try write(pgm([9, 1, 2, 3]), to: path + "/b/7.pgm")
    let after = try record(path)
    #expect(after.identity == before.identity)
    let differences = after.differences(since: before)
    #expect(differences.count == 1 && differences[0].contains("contents of pictures"), "\(differences)")
    // Where nothing was looked at, nothing is said; so of the records of earlier programs.
    #expect(try record(path, .none).contents == nil && record(path, .none).differences(since: before).isEmpty)
    let text = String(decoding: try JSONEncoder().encode(before), as: UTF8.self)
    let earlier = text.replacing(/"contents":"[0-9a-f]{16}",?/, with: "")
    #expect(earlier != text)
    let decoded = try JSONDecoder().decode(DatasetRecord.self, from: Data(earlier.utf8))
    #expect(decoded.contents == nil && after.differences(since: decoded).isEmpty)
  }

  @Test("pictures that a table names are told by their contents too")
  func tables() throws {
    let path = try makeFolder()
    let text = "file,kind\n" + (0..<60).map { "\(["a", "b"][$0 % 2])/\($0).pgm,\($0 % 3)\n" }.joined()
    let file = CSVFile(
      path: try write(text.utf8, to: path + "/table.csv"), labels: ["kind"],
      pictures: CSVFile.Pictures(column: "file", height: 2, width: 2, channels: 1))
    let before = try #require(try file.open().record)
    try write(pgm([0, 1, 2, 4]), to: path + "/a/0.pgm")
    let after = try #require(try file.open().record)
    #expect(after.identity == before.identity && after.contents != before.contents && before.contents != nil)
    #expect(after.differences(since: before).count == 1)
    var numbers = file
    numbers.path = try write("x,kind\n1,a\n2,b\n3,a\n4,b\n5,a\n6,b\n7,a\n8,b\n".utf8, to: path + "/numbers.csv")
    numbers.pictures = nil
    #expect(try numbers.open().record?.contents == nil)
  }

  @Test("of many bytes the beginning of each file counts; of few all, to the last one")
  func beginnings() throws {
    var bytes = (0..<100_003).map { UInt8(truncatingIfNeeded: $0 * $0) }
    let path = try write(bytes, to: temporaryFolder() + "/large")
    func sums() -> [String?] {
      [PictureContents.wholeBytes, 0].map { PictureContents.sum(of: [path], names: ["large"], wholeBytes: $0) }
    }
    let before = sums()
    bytes[100_002] ^= 1
    try write(bytes, to: path)
    let last = sums()
    #expect(last[0] != before[0] && last[1] == before[1] && before[1] != nil)
    bytes[65_535] ^= 1
    try write(bytes, to: path)
    #expect(sums()[1] != before[1])
    #expect(PictureContents.sum(of: [path], names: ["other"]) != sums()[0])
    #expect(PictureContents.sum(of: [path + "-not"], names: ["large"]) == nil)
    #expect(PictureContents.beginning(files: 1_000) == 65_536 && PictureContents.beginning(files: 1 << 30) == 4_096)
  }

  @Test("files with holes that are said to have more bytes than can be counted count as the most")
  func total() {
    #expect(PictureContents.total([3, 4]) == 7 && PictureContents.total([]) == 0)
    #expect(PictureContents.total([1, .max, .max, 5]) == .max)
  }
}
