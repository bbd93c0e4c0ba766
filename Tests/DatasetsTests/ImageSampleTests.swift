import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

private let folder = sampleFolder + "/images"

/// What Pillow makes of a file of `Tests/Samples/images`.
private struct Picture: Decodable {
  var width: Int
  var height: Int
  var channels: Int
  var pixels: [UInt8]
}

private func pictures() throws -> [String: Picture] {
  try JSONDecoder().decode(
    [String: Picture].self, from: Data(contentsOf: URL(fileURLWithPath: folder + "/pixels.json")))
}

private func bytes(_ name: String) throws -> [UInt8] {
  Array(try Data(contentsOf: URL(fileURLWithPath: folder + "/" + name)))
}

/// A JPEG file with three bytes between its segments that belong to none.
func jpegWithExtraneousBytes() throws -> [UInt8] {
  var jpeg = Array(try Data(contentsOf: URL(fileURLWithPath: sampleFolder + "/color.jpg")))
  let place = try #require(jpeg.indices.dropLast().first { jpeg[$0] == 0xff && jpeg[$0 + 1] == 0xc4 })
  jpeg.insert(contentsOf: [1, 2, 3], at: place)
  return jpeg
}

@Suite(.enabled(if: Image.readsCompressedFiles, "built without ImageFiles")) struct ImageSampleTests {
  @Test("turned, transparent, of four inks, interlaced, of 1 and 16 bits: every picture is Pillow's")
  func pillow() throws {
    let pictures = try pictures()
    #expect(pictures.count == 20)
    for (name, picture) in pictures {
      let image = try Image(path: folder + "/" + name)
      #expect(
        (image.width, image.height, image.channels) == (picture.width, picture.height, picture.channels), "\(name)")
      // Decoders of JPEG may round in their own ways.
      let bound = name.hasSuffix(".jpg") ? 2 : 0
      #expect(image.pixels.count == picture.pixels.count, "\(name)")
      #expect(zip(image.pixels, picture.pixels).allSatisfy { abs(Int($0) - Int($1)) <= bound }, "\(name)")
      #expect(image.warning == nil, "\(name)")
    }
  }

  @Test(
    "a picture says what was done to it",
    arguments: [
      ("turned-1.jpg", []), ("turned-5.jpg", .turned), ("turned.png", .turned), ("rgba.png", .flattened),
      ("palette.png", .flattened), ("transparent-color.png", .flattened), ("cmyk.jpg", .inksConverted),
      ("ycck-adobe.jpg", .inksConverted), ("interlaced.png", []),
    ] as [(String, Image.Changes)])
  func changes(name: String, changes: Image.Changes) throws {
    #expect(try Image(path: folder + "/" + name).changes == changes)
  }

  @Test(
    "an orientation that is none, out of place or cut off leaves the picture as it is",
    arguments: [
      (30, 0), (30, 9), (31, 1), (24, 7), (22, 0x13), (8, 1), (4, 255), (7, 3), (2, 43), (0, 0x4d),
    ] as [(Int, UInt8)])
  func badOrientation(offset: Int, value: UInt8) throws {
    var jpeg = try bytes("turned-6.jpg")
    // Bytes of order 2, 42 in 2, the directory's place 4, a count 2, the camera 12; then tag 2, type 2, count 4, number.
    let start = try #require(jpeg.indices.first { jpeg[$0...].starts(with: Array("Exif\0\0II".utf8)) }) + 6
    #expect(jpeg[start + 30] == 6)
    jpeg[start + offset] = value
    let image = try Image(bytes: jpeg, path: "a.jpg")
    #expect((image.width, image.height) == (24, 16))
    #expect(image.changes == [])
  }

  @Test("a picture that says it has more pixels than its bytes can hold is refused before there is memory for it")
  func boast() throws {
    var jpeg = Array(try Data(contentsOf: URL(fileURLWithPath: sampleFolder + "/gray.jpg")))
    let start = try #require(
      jpeg.indices.dropLast(9).first { jpeg[$0] == 0xff && [0xc0, 0xc2].contains(jpeg[$0 + 1]) })
    // Height and width, each in two bytes (ITU T.81, B.2.2).
    for place in [5, 7] { (jpeg[start + place], jpeg[start + place + 1]) = (0x3e, 0x80) }
    let error = #expect(throws: DatasetError.self) { try Image(bytes: jpeg, path: "/x/a.jpg") }
    #expect(
      error?.message.contains("16000 × 16000 pixels, which \(jpeg.count) bytes cannot hold") == true,
      "\(error?.message ?? "")")
  }

  @Test("faults that leave the picture whole are warnings; a JPEG file that is cut off is an error")
  func faults() throws {
    let whole = Array(try Data(contentsOf: URL(fileURLWithPath: sampleFolder + "/color.jpg")))
    let pixels = try Image(bytes: whole, path: "a.jpg").pixels
    let extraneous = try Image(bytes: try jpegWithExtraneousBytes(), path: "a.jpg")
    #expect(extraneous.pixels == pixels)
    #expect(extraneous.warning?.contains("3 extraneous bytes") == true, "\(extraneous.warning ?? "")")
    // What follows the end belongs to nobody.
    let trailing = try Image(bytes: whole + [1, 2, 3], path: "a.jpg")
    #expect(trailing.pixels == pixels && trailing.warning == nil)
    for count in [2, 3, 20] {
      let error = #expect(throws: DatasetError.self) {
        try Image(bytes: Array(whole.dropLast(count)), path: "/x/a.jpg")
      }
      #expect(error?.message.contains("/x/a.jpg cannot be read as JPEG: it is cut off") == true)
    }
    // An error after a warning is an error: the second scan header says that it has 5 colors.
    var broken = try jpegWithExtraneousBytes()
    let scan = try #require(broken.indices.dropLast().first { broken[$0] == 0xff && broken[$0 + 1] == 0xda })
    broken[scan + 4] = 5
    #expect(throws: DatasetError.self) { try Image(bytes: broken, path: "a.jpg") }
  }

  @Test("no byte of a file can do harm: 20,000 damaged files are pictures or errors")
  func hostile() throws {
    var state: UInt64 = 1
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(bound))
    }
    var (read, refused) = (0, 0)
    for name in try pictures().keys.sorted() {
      let original = try bytes(name)
      for _ in 0..<1000 {
        var bytes = original
        for _ in 0...random(3) { bytes[random(bytes.count)] = UInt8(random(256)) }
        if random(8) == 0 { bytes.removeLast(random(bytes.count)) }
        // The size stays small: what is large takes its time, and no harm.
        if name.hasSuffix(".png"), bytes.count > 24 {
          (bytes[16], bytes[17], bytes[20], bytes[21]) = (0, 0, 0, 0)
          PNG.mendChecksums(&bytes)
        } else if let frame = original.indices.dropLast().first(where: {
          original[$0] == 0xff && original[$0 + 1] == 0xc0
        }),
          bytes.count > frame + 8
        {
          (bytes[frame + 5], bytes[frame + 7]) = (0, 0)
        }
        do throws(DatasetError) {
          let image = try Image(bytes: bytes, path: "a")
          #expect(image.pixels.count == image.width * image.height * image.channels)
          read += 1
        } catch {
          #expect(error.message.hasPrefix("a "))
          refused += 1
        }
      }
    }
    // Neither all nor none: the damage is real, and it is small.
    #expect(read > 2000 && refused > 2000, "\(read) read, \(refused) refused")
  }
}
