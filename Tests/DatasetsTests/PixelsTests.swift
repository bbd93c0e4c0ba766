import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

/// Three classes of two gray pictures each, 3 × 2 pixels.
private func folder() throws -> ImageFolder {
  let path = try temporaryFolder()
  for (number, name) in ["a", "b", "c"].enumerated() {
    for picture in 0..<2 {
      let pixels = (0..<6).map { UInt8(40 * $0 + 7 * picture + number) }
      try write(Array("P5 3 2 255\n".utf8) + pixels, to: "\(path)/\(name)/\(picture).pgm")
    }
  }
  return ImageFolder(path: path, height: 2, width: 3, channels: 1, testSplit: 0.5, check: .none)
}

private func open(_ folder: ImageFolder, _ pictures: Field.ElementType) throws -> DatasetParts {
  try folder.open(DatasetRequest(mayLackParts: true, pictures: pictures))
}

/// With its keys in order.
private func json(_ record: DatasetRecord) throws -> String {
  let encoder = JSONEncoder()
  encoder.outputFormatting = .sortedKeys
  return String(decoding: try encoder.encode(record), as: UTF8.self)
}

/// As a program of before pictures were bytes wrote it.
private func before(_ record: DatasetRecord) throws -> DatasetRecord {
  let text = try json(record)
  let without = text.replacingOccurrences(of: "\"elementType\":\"u8\",", with: "")
  #expect(without != text)
  return try JSONDecoder().decode(DatasetRecord.self, from: Data(without.utf8))
}

@Suite struct PixelsTests {
  @Test("pictures stay bytes in a batch, and stand for the numbers that they were as f32")
  func bytes() throws {
    let folder = try folder()
    let (bytes, floats) = (try open(folder, .uint8), try open(folder, .float32))
    #expect(bytes.train.fields[0] == Field("images", .uint8, [2, 3, 1], scale: 1 / 255))
    #expect(floats.train.fields[0] == Field("images", .float32, [2, 3, 1]))
    #expect(bytes.all.count == 6)
    for index in 0..<6 {
      let (stored, numbers) = (
        try bytes.all.numbers([Int32(index)], asStored: true), try floats.all.numbers([Int32(index)])
      )
      let pixels = try #require(stored["images"])
      #expect(pixels.count == 6 && pixels[1] == pixels[0] + 40 && stored["labels"] == numbers["labels"])
      #expect(numbers["images"] == pixels.map { Double(Float($0) * (1 / 255)) })
      #expect(try bytes.all.numbers([Int32(index)]) == numbers)
      #expect(try bytes.all.sample(index).values == floats.all.sample(index).values)
    }
  }

  @Test("a resized picture is rounded to bytes, and as f32 it is not")
  func resized() throws {
    let image = try Image(bytes: Array("P5 4 1 255\n".utf8) + [0, 255, 10, 11], path: "x.pgm")
    var bytes = [UInt8](repeating: 9, count: 2)
    image.write(to: &bytes, height: 1, width: 2, channels: 1)
    // 127.5 and 10.5: halves go away from zero.
    #expect(bytes == [128, 11])
    var floats = [Float](repeating: 9, count: 2)
    image.write(to: &floats, height: 1, width: 2, channels: 1)
    #expect(floats == [Float(127.5) * (1 / 255), Float(10.5) * (1 / 255)])
    var same = [UInt8](repeating: 9, count: 4)
    image.write(to: &same, height: 1, width: 4, channels: 1)
    #expect(same == [0, 255, 10, 11])
    var color = [UInt8](repeating: 9, count: 6)
    image.write(to: &color, height: 1, width: 2, channels: 3)
    #expect(color == [128, 128, 128, 11, 11, 11])
    var larger = [UInt8](repeating: 9, count: 32)
    image.write(to: &larger, height: 4, width: 8, channels: 1)
    #expect(larger[0] == 0 && larger.max() == 194 && Array(larger[..<8]) == Array(larger[24...]))
  }

  @Test("a record says that pictures are bytes; one that does not say it opens f32, and keeps saying nothing")
  func record() throws {
    let folder = try folder()
    let record = try #require(try open(folder, .uint8).record)
    #expect(record.fault == nil && record.layout.inputs == [.pictures("images", [2, 3, 1])])
    let earlier = try before(record)
    #expect(earlier.elementType == nil && earlier.fault == nil)
    #expect(earlier.layout.inputs == [Field("images", .float32, [2, 3, 1])])
    let opened = try folder.open(DatasetRequest(record: earlier, mayLackParts: true))
    #expect(opened.train.fields[0].elementType == .float32)
    #expect(try opened.all.sample(0).values == open(folder, .float32).all.sample(0).values)
    #expect(opened.record?.elementType == nil && opened.record?.differences(since: earlier).isEmpty == true)
    #expect(
      try #require(try open(folder, .uint8).record).differences(since: earlier) == ["a sample is u8, not f32"])
    // A data set known by name.
    let named = DatasetSource.named("mnist", path: sampleFolder)
    #expect(try named.layout().inputs == [.pictures("images", [28, 28, 1])])
    #expect(try named.layout(pictures: .float32).inputs == [Field("images", .float32, [28, 28, 1])])
    guard Image.readsCompressedFiles else { return }
    let known = try #require(try named.open().record)
    #expect(known.elementType == .uint8)
    let recordOfBefore = try before(known)
    let (floats, bytes) = (try named.open(DatasetRequest(record: recordOfBefore)).train, try named.open().train)
    #expect(floats.fields[0].elementType == .float32)
    for index in [0, 17, 511] { #expect(try floats.sample(index).values == bytes.sample(index).values) }
  }

  @Test("pictures of a table are bytes too; its numbers are not")
  func table() throws {
    let folder = try temporaryFolder()
    try write(Array("P5 2 1 255\n".utf8) + [3, 4], to: folder + "/0.pgm")
    try write(Array("P5 2 1 255\n".utf8) + [5, 6], to: folder + "/1.pgm")
    let rows = (0..<12).map { "\($0 % 2).pgm,\($0),\($0 % 2)\n" }.joined()
    let path = try write(("file,x,y\n" + rows).utf8, to: folder + "/t.csv")
    let file = CSVFile(path: path, labels: ["y"], pictures: .init(column: "file", height: 1, width: 2, channels: 1))
    let parts = try file.open()
    #expect(parts.train.fields[..<2] == [.pictures("images", [1, 2, 1]), Field("table", .float32, [1])])
    let record = try #require(parts.record)
    #expect(record.elementType == .uint8 && record.inputs.map(\.elementType) == [.uint8, nil] && record.fault == nil)
    let sample = try parts.all.numbers([0], asStored: true)
    #expect(sample["images"] == (sample["labels"] == [0] ? [3, 4] : [5, 6]))
    let text = try json(record)
    let earlier = try before(record)
    let old = try file.open(DatasetRequest(record: earlier))
    #expect(old.train.fields[0] == Field("images", .float32, [1, 2, 1]))
    #expect(try old.all.numbers([0]) == parts.all.numbers([0]))
    // What a file can say and no data set has.
    func fault(_ old: String, _ new: String) -> String? {
      let changed = Data(text.replacingOccurrences(of: old, with: new).utf8)
      guard let record = try? JSONDecoder().decode(DatasetRecord.self, from: changed) else { return "unreadable" }
      return record.fault
    }
    let saying = "\"elementType\":\"u8\""
    #expect(text.components(separatedBy: saying).count == 3)
    #expect(fault(saying, saying) == nil)
    #expect(fault(saying, "\"elementType\":\"u9\"") == "unreadable")
    #expect(fault(saying, "\"elementType\":\"i32\"") == "its samples are i32")
    #expect(fault("\"name\":\"table\"", "\"elementType\":\"u8\",\"name\":\"table\"")?.contains("only images") == true)
  }

  @Test("a field of bytes in an array says what they stand for; a scale that is no number above 0 is an error")
  func arrays() throws {
    let data = try ArrayDataset([
      .uint8("images", [0, 51, 255, 102], shape: [1, 2, 1], scale: Field.pixelScale), .uint8("mask", [1, 7]),
      .int32("labels", [0, 1]),
    ])
    #expect(data.fields[0] == .pictures("images", [1, 2, 1]) && data.fields[1].scale == nil)
    let sample = try data.numbers([1])
    #expect(sample["images"] == [255, 102].map { Double(Float($0) * (1 / 255)) } && sample["mask"] == [7])
    #expect(try data.numbers([1], asStored: true)["images"] == [255, 102])
    #expect(data.fields[0].bytes(for: [0, 0.2, 1]) == [0, 51, 255])
    for numbers: [Float] in [[-0.1], [1.1], [.nan], [.infinity]] { #expect(data.fields[0].bytes(for: numbers) == nil) }
    for scale: Float in [0, -1, .nan, .infinity] {
      let error = #expect(throws: DatasetError.self) { try ArrayDataset([.uint8("x", [1], scale: scale)]) }
      #expect(error?.message.contains("not by a number above 0") == true)
    }
  }
}
