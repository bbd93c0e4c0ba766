import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

private func gray(_ width: Int, _ height: Int, _ pixels: [UInt8]) throws -> Image {
  try Image(bytes: Array("P5 \(width) \(height) 255\n".utf8) + pixels, path: "gray.pgm")
}

/// As bytes, where the memory was full of others.
private func fitted(
  _ image: Image, _ height: Int, _ width: Int, _ fit: Image.Fit, channels: Int = 1
) -> [UInt8] {
  var bytes = [UInt8](repeating: 9, count: height * width * channels)
  image.write(to: &bytes, height: height, width: width, channels: channels, fit: fit)
  return bytes
}

@Suite struct ImageFitTests {
  @Test("of a picture that is too wide or too high the middle is taken, or all of it lies between zeros")
  func shapes() throws {
    let wide = try gray(4, 2, [10, 20, 30, 40, 50, 60, 70, 80])
    #expect(fitted(wide, 2, 2, .stretch) == [15, 35, 55, 75])
    #expect(fitted(wide, 2, 2, .crop) == [20, 30, 60, 70])
    // One row is left of two: the rest of one goes to the end.
    #expect(fitted(wide, 2, 2, .pad) == [35, 55, 0, 0])
    let high = try gray(2, 4, [10, 20, 30, 40, 50, 60, 70, 80])
    #expect(fitted(high, 2, 2, .crop) == [30, 40, 50, 60])
    #expect(fitted(high, 2, 2, .pad) == [25, 0, 65, 0])
    let line = try gray(2, 1, [100, 200])
    #expect(fitted(line, 3, 2, .pad) == [0, 0, 100, 200, 0, 0])
    #expect(fitted(line, 4, 2, .pad) == [0, 0, 100, 200, 0, 0, 0, 0])
    #expect(fitted(line, 1, 1, .crop) == [150])
    // An odd cut: half a pixel on either side.
    #expect(fitted(try gray(3, 2, [10, 20, 30, 10, 20, 30]), 2, 2, .crop) == [15, 25, 15, 25])
    let color = fitted(wide, 2, 2, .crop, channels: 3)
    #expect(color == [20, 20, 20, 30, 30, 30, 60, 60, 60, 70, 70, 70])
  }

  @Test("a picture of the same shape is the same by each fit", arguments: Image.Fit.allCases)
  func sameShape(fit: Image.Fit) throws {
    let image = try gray(6, 4, (0..<24).map { UInt8(10 * $0) })
    for (height, width) in [(4, 6), (2, 3), (8, 12), (6, 9)] {
      #expect(fitted(image, height, width, fit) == fitted(image, height, width, .stretch), "\(height) × \(width)")
    }
  }

  @Test("a single pixel and extreme shapes are fitted, as bytes and as f32")
  func extremes() throws {
    let pixel = try gray(1, 1, [77])
    #expect(fitted(pixel, 3, 5, .crop) == [UInt8](repeating: 77, count: 15))
    let padded = fitted(pixel, 3, 5, .pad)
    #expect(padded == [0, 77, 77, 77, 0, 0, 77, 77, 77, 0, 0, 77, 77, 77, 0])
    for (width, height) in [(1000, 1), (1, 1000)] {
      let image = try gray(width, height, [UInt8](repeating: 8, count: 1000))
      #expect(fitted(image, 4, 4, .crop) == [UInt8](repeating: 8, count: 16))
      let inside = fitted(image, 4, 4, .pad)
      #expect(inside.count { $0 == 8 } == 4 && inside.count { $0 == 0 } == 12)
      // The second of four: three are left over, two of them at the end.
      #expect((0..<4).allSatisfy { inside[width > 1 ? 4 + $0 : 4 * $0 + 1] == 8 })
      #expect(fitted(image, 1, 1, .pad) == [8] && fitted(image, 1, 1, .crop) == [8])
    }
    for fit in Image.Fit.allCases {
      var numbers = [Float](repeating: -1, count: 15)
      pixel.write(to: &numbers, height: 3, width: 5, channels: 1, fit: fit)
      #expect(numbers == fitted(pixel, 3, 5, fit).map { Float($0) * (1 / 255) })
    }
  }

  // MARK: Data sets

  /// Pictures of 4 × 2 pixels in two classes.
  private func folder(_ fit: Image.Fit) throws -> ImageFolder {
    let path = try temporaryFolder()
    for name in ["a", "b"] {
      for picture in 0..<3 {
        try write(
          Array("P5 4 2 255\n".utf8) + [10, 20, 30, 40, 50, 60, 70, 80], to: "\(path)/\(name)/\(picture).pgm")
      }
    }
    return ImageFolder(path: path, height: 2, width: 2, channels: 1, fit: fit, testSplit: 0.5, check: .none)
  }

  @Test("a folder's images are fitted as it says, and its record says so where they are not stretched")
  func folders() throws {
    let folders = try Image.Fit.allCases.map { try folder($0) }
    let expected: [[Double]] = [[15, 35, 55, 75], [20, 30, 60, 70], [35, 55, 0, 0]]
    var records: [DatasetRecord] = []
    for (folder, pixels) in zip(folders, expected) {
      let parts = try folder.open(DatasetRequest(mayLackParts: true))
      #expect(parts.all.count == 6)
      for index in 0..<6 { #expect(try parts.all.numbers([Int32(index)], asStored: true)["images"] == pixels) }
      records.append(try #require(parts.record))
    }
    #expect(records.map(\.fit) == [nil, .crop, .pad] && records.allSatisfy { $0.fault == nil })
    let texts = try records.map { String(decoding: try JSONEncoder().encode($0), as: UTF8.self) }
    #expect(!texts[0].contains("\"fit\"") && texts[1].contains("\"fit\":\"crop\""))
    #expect(try JSONDecoder().decode(DatasetRecord.self, from: Data(texts[1].utf8)) == records[1])
    #expect(records[1].differences(since: records[0]).contains("data.fit: crop, not stretch"))
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode(
        DatasetRecord.self, from: Data(texts[1].replacingOccurrences(of: "\"crop\"", with: "\"cropped\"").utf8))
    }
  }

  @Test("pictures of a table are fitted too; a record that fits numbers is refused")
  func tables() throws {
    let folder = try temporaryFolder()
    try write(Array("P5 4 2 255\n".utf8) + [10, 20, 30, 40, 50, 60, 70, 80], to: folder + "/0.pgm")
    let rows = (0..<12).map { "0.pgm,\($0),\($0 % 2)\n" }.joined()
    let path = try write(("file,x,y\n" + rows).utf8, to: folder + "/t.csv")
    let parts = try CSVFile(
      path: path, labels: ["y"], pictures: .init(column: "file", height: 2, width: 2, channels: 1, fit: .pad)
    ).open()
    #expect(try parts.all.numbers([3], asStored: true)["images"] == [35, 55, 0, 0])
    let record = try #require(parts.record)
    #expect(record.fit == .pad && record.inputs.map(\.fit) == [.pad, nil] && record.fault == nil)
    let text = String(decoding: try JSONEncoder().encode(record), as: UTF8.self)
    let forged = text.replacingOccurrences(of: "\"name\":\"table\"", with: "\"fit\":\"crop\",\"name\":\"table\"")
    #expect(forged != text)
    let found = try JSONDecoder().decode(DatasetRecord.self, from: Data(forged.utf8))
    #expect(found.fault?.contains("no images, and to be fitted by crop") == true)
  }
}
