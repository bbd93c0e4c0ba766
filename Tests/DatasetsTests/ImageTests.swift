import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

private func resized(_ image: Image, _ height: Int, _ width: Int, _ channels: Int = 1) -> [Float] {
  var result = [Float](repeating: -1, count: height * width * channels)
  image.write(to: &result, height: height, width: width, channels: channels)
  return result
}

private func gray(_ width: Int, _ height: Int, _ pixels: [UInt8]) throws -> Image {
  try Image(bytes: Array("P5 \(width) \(height) 255\n".utf8) + pixels, path: "gray.pgm")
}

private func close(_ a: [Float], _ b: [Float]) -> Bool {
  a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) < 1e-5 }
}

@Suite struct ImageTests {
  @Test(
    "a PNG gives back its bytes: gray, color, and transparent over white",
    .enabled(if: Image.readsCompressedFiles, "built without ImageFiles"))
  func png() throws {
    let pixels = (0..<36).map { UInt8($0 * 7) }
    let gray = try Image(bytes: PNG.encode(width: 12, height: 3, channels: 1, pixels: pixels), path: "a.png")
    #expect((gray.width, gray.height, gray.channels) == (12, 3, 1))
    #expect(gray.pixels == pixels)
    let color = try Image(bytes: PNG.encode(width: 4, height: 3, channels: 3, pixels: pixels), path: "a.png")
    #expect((color.width, color.height, color.channels) == (4, 3, 3))
    #expect(color.pixels == pixels)
    let clear = try Image(
      bytes: PNG.encode(width: 2, height: 1, channels: 4, pixels: [9, 8, 7, 255, 9, 8, 7, 0]), path: "a.png")
    #expect(clear.pixels == [9, 8, 7, 255, 255, 255])
  }

  @Test("a JPEG is read as gray or color", .enabled(if: Image.readsCompressedFiles, "built without ImageFiles"))
  func jpeg() throws {
    let gray = try Image(path: sampleFolder + "/gray.jpg")
    #expect((gray.width, gray.height, gray.channels) == (16, 12, 1))
    #expect(gray.pixels.enumerated().allSatisfy { abs(Int($1) - 16 * ($0 % 16)) <= 2 })
    let color = try Image(path: sampleFolder + "/color.jpg")
    #expect(color.channels == 3)
    #expect(zip(color.pixels[0..<3], [200, 10, 20]).allSatisfy { abs(Int($0) - $1) <= 3 })
    #expect(zip(color.pixels[45..<48], [20, 10, 200]).allSatisfy { abs(Int($0) - $1) <= 3 })
  }

  @Test(
    "PGM and PPM as text and bytes",
    arguments: [
      ("P2\n# a comment\n2 1\n15 0 15\n", [], 1, [0, 255]), ("P3 1 1 255 1 2 3", [], 3, [1, 2, 3]),
      ("P5 2 1 255\n", [7, 8], 1, [7, 8]), ("P5 1 2 65535\n", [255, 255, 128, 0], 1, [255, 128]),
      ("P6 1 1 255\n", [1, 2, 3], 3, [1, 2, 3]),
    ] as [(String, [UInt8], Int, [UInt8])])
  func netpbm(head: String, body: [UInt8], channels: Int, pixels: [UInt8]) throws {
    let image = try Image(bytes: Array(head.utf8) + body, path: "a.pnm")
    #expect(image.channels == channels)
    #expect(image.pixels == pixels)
  }

  @Test(
    "broken PGM and PPM files are errors that say what is wrong",
    arguments: [
      ("P5 2 2 255\n12", "take 4 bytes, and it has 2"), ("P5 100000 100000 255\n", "100000 x 100000"),
      ("P5 99999999999999999999 1 255\n", "no number"), ("P2 2 1 15 16 3", "above its maximum"),
      ("P2 2 1 15 1", "ake 3 bytes"), ("P2 2 1 15 12 ", "too early"), ("P6 0 1 255\n", "0 x 1"),
      ("P5 1 1 70000\nx", "up to 70000"), ("P4 8 1\nx", "only P2, P3, P5 and P6"), ("P5 x", "no number at byte 3"),
      ("", "no PNG, JPEG, PGM or PPM"), ("hello", "no PNG, JPEG, PGM or PPM"),
    ])
  func brokenNetpbm(text: String, words: String) {
    let error = #expect(throws: DatasetError.self) { try Image(bytes: Array(text.utf8), path: "/x/a.pgm") }
    #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
    #expect(error?.message.hasPrefix("/x/a.pgm") == true)
  }

  @Test(
    "truncated and damaged PNG and JPEG files, cut anywhere, are errors with the path",
    .enabled(if: Image.readsCompressedFiles, "built without ImageFiles"))
  func truncated() throws {
    let png = PNG.encode(width: 8, height: 8, channels: 1, pixels: (0..<64).map { UInt8($0) })
    // Without its last chunk, which holds nothing, a PNG is still whole.
    for count in stride(from: 4, to: png.count - 12, by: 5) {
      let error = #expect(throws: DatasetError.self) { try Image(bytes: Array(png[..<count]), path: "/x/a.png") }
      #expect(error?.message.contains("/x/a.png cannot be read as PNG: ") == true, "\(error?.message ?? "")")
    }
    var flipped = png
    flipped[60] ^= 255
    #expect(throws: DatasetError.self) { try Image(bytes: flipped, path: "a.png") }
    let jpeg = Array(try Data(contentsOf: URL(fileURLWithPath: sampleFolder + "/gray.jpg")))
    for count in stride(from: 3, to: jpeg.count - 2, by: 10) {
      let error = #expect(throws: DatasetError.self, "\(count) of \(jpeg.count)") {
        try Image(bytes: Array(jpeg[..<count]), path: "/x/a.jpg")
      }
      #expect(error?.message.contains("/x/a.jpg cannot be read as JPEG: ") == true, "\(error?.message ?? "")")
    }
  }

  @Test(
    "a PNG that says it is enormous is refused before memory is taken",
    .enabled(if: Image.readsCompressedFiles, "built without ImageFiles"))
  func hostile() {
    var png = PNG.encode(width: 1, height: 1, channels: 1, pixels: [0])
    // Width and height of 900 000 with the header's checksum made anew.
    let honest = PNG.encode(width: 900_000, height: 0, channels: 1, pixels: [])
    png.replaceSubrange(16..<20, with: honest[16..<20])
    png.replaceSubrange(20..<24, with: honest[16..<20])
    var crc = ~UInt32(0)
    for byte in png[12..<29] {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0xedb8_8320 : 0) }
    }
    png.replaceSubrange(29..<33, with: (0..<4).map { UInt8(~crc >> (24 - 8 * UInt32($0)) & 255) })
    let error = #expect(throws: DatasetError.self) { try Image(bytes: png, path: "a.png") }
    #expect(error?.message.contains("900000 x 900000") == true, "\(error?.message ?? "")")
  }

  @Test("resizing: the same size is exact, smaller is the mean over areas, larger is linear")
  func resize() throws {
    let image = try gray(4, 2, [0, 51, 102, 153, 204, 255, 0, 51])
    #expect(resized(image, 2, 4) == image.pixels.map { Float($0) * (1 / 255) })
    #expect(close(resized(image, 1, 2), [0.5, 0.3]))
    #expect(close(resized(try gray(3, 1, [0, 255, 0]), 1, 2), [1 / 3, 1 / 3]))
    #expect(close(resized(try gray(2, 1, [0, 255]), 1, 4), [0, 0.25, 0.75, 1]))
    #expect(close(resized(try gray(1, 1, [51]), 3, 2), [Float](repeating: 0.2, count: 6)))
    // A plane of one value stays it, whatever the sizes.
    #expect(
      close(resized(try gray(7, 5, [UInt8](repeating: 51, count: 35)), 11, 3), [Float](repeating: 0.2, count: 33)))
  }

  @Test("gray becomes color by repetition, color gray by BT.601")
  func channels() throws {
    #expect(try gray(2, 1, [3, 4]).converted(channels: 3).pixels == [3, 3, 3, 4, 4, 4])
    let color = try Image(bytes: Array("P6 4 1 255\n".utf8) + [255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9], path: "a")
    #expect(color.converted(channels: 1).pixels == [76, 150, 29, 9])
  }

  @Test(
    "pictures of formats that are not read are named as such",
    arguments: [
      ("WebP", "RIFF\u{1}\0\0\0WEBPVP8 "), ("GIF", "GIF89a\u{1}\0"), ("TIFF", "II*\0\u{8}\0\0\0"),
      ("HEIF or AVIF", "\0\0\0\u{1c}ftypavif"), ("BMP", "BM6\0\0\0\0\0\0\0" + String(repeating: "\0", count: 30)),
    ])
  func foreign(name: String, text: String) {
    let error = #expect(throws: DatasetError.self) { try Image(bytes: Array(text.utf8), path: "/x/a.png") }
    #expect(error?.message.hasPrefix("/x/a.png is \(name), which is not read: convert it to PNG") == true)
  }

  @Test("a picture that the system cannot read is told with its reason, and no gzip file; one that is gzip says so")
  func unreadable() throws {
    #if os(Linux)
      // A regular file whose first byte cannot be read.
      let faulty = #expect(throws: DatasetError.self) { try Image(path: "/proc/self/mem") }
      #expect(faulty?.message == "/proc/self/mem: Input/output error")
    #endif
    let path = try write([0x1f, 0x8b] + Array("no stream".utf8), to: temporaryFolder() + "/a.png")
    let packed = #expect(throws: DatasetError.self) { try Image(path: path) }
    #expect(packed?.message.contains("gzip") == true && packed?.message.contains("fetch") == false, "\(packed as Any)")
  }

  @Test("without the package trait a PNG is an error that says so", .enabled(if: !Image.readsCompressedFiles))
  func withoutTrait() {
    let error = #expect(throws: DatasetError.self) {
      try Image(bytes: PNG.encode(width: 1, height: 1, channels: 1, pixels: [0]), path: "a.png")
    }
    #expect(error?.message.contains("package trait ImageFiles") == true)
  }
}
