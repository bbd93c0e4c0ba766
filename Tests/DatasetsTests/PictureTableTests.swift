import SwitchbackDatasets
import TestFiles
import Testing

@Suite struct PictureTableTests {
  @Test(
    "a field is in quotes where it would be misread, also where blanks are at its ends or a line ends with two bytes")
  func fields() {
    for plain in ["", "a b", "é;x"] { #expect(CSVText.field(plain) == plain) }
    for (text, field) in [
      (" a", "\" a\""), ("a\t", "\"a\t\""), ("a,b", "\"a,b\""), ("a\r\nb", "\"a\r\nb\""), ("\"", "\"\"\"\""),
    ] { #expect(CSVText.field(text) == field) }
  }

  @Test("a row says file, class, ink, and the box around what is drawn; pictures come back from their PNG files")
  func rows() throws {
    let mnist = try NamedDataset.named("mnist")
    let table = try PictureTable(mnist, folder: sampleFolder, count: 20)
    #expect(table.columns == ["file", "digit", "ink", "width", "height"])
    #expect(table.entries.count == 40 && table.entries[0].file == "train/00000.png")
    #expect(table.entries[20].file == "test/00000.png")
    let (train, _) = try mnist.load(given: sampleFolder)
    for (index, entry) in table.entries.prefix(20).enumerated() {
      let image = table.image(entry)
      let pixels = Array(train.samples[index * 784..<(index + 1) * 784])
      #expect(image.pixels == pixels)
      if Image.readsCompressedFiles {
        let read = try Image(bytes: image.png, path: entry.file)
        #expect(read.pixels == pixels && read.channels == 1 && read.warning == nil)
      }
      let fields = table.row(entry, of: image).split(separator: ",").map(String.init)
      let drawn = (0..<784).filter { pixels[$0] > 0 }
      let (xs, ys) = (drawn.map { $0 % 28 }, drawn.map { $0 / 28 })
      #expect(fields[1] == "\(train.labels[index])")
      let mean = pixels.reduce(0.0) { $0 + Double($1) } / 784 / 255
      #expect(abs(try #require(Double(fields[2])) - mean) < 1e-7)
      #expect(fields[3...] == ["\(xs.max()! - xs.min()! + 1)", "\(ys.max()! - ys.min()! + 1)"])
    }
    #expect(try PictureTable(mnist, folder: sampleFolder, parts: [.test]).entries.count == 128)
    #expect(try PictureTable(mnist, folder: sampleFolder, parts: [.test], count: 1000).entries.count == 128)
  }

  @Test("color pictures, black ones and names with commas", .enabled(if: Image.readsCompressedFiles))
  func others() throws {
    let folder = try temporaryFolder("cifar-10")
    var record = [UInt8](repeating: 0, count: 3073)
    for file in (1...5).map({ "data_batch_\($0).bin" }) + ["test_batch.bin"] {
      try write(record, to: "\(folder)/\(file)")
    }
    record[0] = 1
    // Green at (3, 2) and blue at (5, 9).
    (record[1 + 1024 + 2 * 32 + 3], record[1 + 2048 + 9 * 32 + 5]) = (255, 51)
    try write(record, to: folder + "/data_batch_2.bin")
    try write("a,b\nsay \"x\"\n2\n3\n4\n5\n6\n7\n8\n9\n".utf8, to: folder + "/batches.meta.txt")
    let table = try PictureTable(NamedDataset.named("cifar-10"), folder: folder, parts: [.train], count: 2)
    #expect(table.columns == ["file", "class", "brightness", "width", "height"])
    let (black, drawn) = (table.image(table.entries[0]), table.image(table.entries[1]))
    #expect(table.row(table.entries[0], of: black) == "train/00000.png,\"a,b\",0.0,0,0")
    let row = table.row(table.entries[1], of: drawn)
    #expect(row.hasPrefix("train/00001.png,\"say \"\"x\"\"\",") && row.hasSuffix(",3,8"), "\(row)")
    #expect(try Image(bytes: drawn.png, path: "a.png").pixels == drawn.pixels)
  }

  @Test("pictures of more than one stored block come back", .enabled(if: Image.readsCompressedFiles))
  func large() throws {
    let pixels = (0..<300 * 301 * 3).map { UInt8($0 * 7 % 251) }
    let image = Image(width: 300, height: 301, channels: 3, pixels: pixels)
    let read = try Image(bytes: image.png, path: "large.png")
    #expect(read.pixels == pixels && read.width == 300 && read.height == 301 && read.warning == nil)
  }
}
