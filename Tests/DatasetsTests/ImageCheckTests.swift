import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

private func folder(_ path: String, _ check: ImageCheck.Extent = .quick) -> ImageFolder {
  ImageFolder(path: path, height: 8, width: 8, channels: 1, check: check)
}

/// Forty good pictures in two classes, and their paths.
private func makeFolder() throws -> (path: String, files: [String]) {
  let path = try temporaryFolder()
  let files = try (0..<40).map { index in
    try write(
      PNG.encode(width: 8, height: 8, channels: 1, pixels: [UInt8](repeating: UInt8(index), count: 64)),
      to: "\(path)/\(index % 2 == 0 ? "even" : "odd")/\(index).png")
  }
  return (path, files)
}

/// What a program of coreutils prints.
private func shell(_ line: String) throws -> String {
  let (process, pipe) = (Process(), Pipe())
  process.executableURL = URL(fileURLWithPath: "/bin/sh")
  process.arguments = ["-c", line]
  process.standardOutput = pipe
  try process.run()
  let output = pipe.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  return String(decoding: output, as: UTF8.self)
}

@Suite(.enabled(if: Image.readsCompressedFiles, "built without ImageFiles")) struct ImageCheckTests {
  @Test("opening lists every broken file at once, whatever is wrong with it")
  func listsAll() throws {
    let (path, files) = try makeFolder()
    let good = Array(try Data(contentsOf: URL(fileURLWithPath: files[0])))
    let jpeg = Array(try Data(contentsOf: URL(fileURLWithPath: sampleFolder + "/gray.jpg")))
    var flipped = good
    flipped[60] ^= 255
    let broken: [(name: String, bytes: [UInt8], words: String)] = [
      ("cut.png", Array(good.dropLast(30)), "cannot be read as PNG"), ("flipped.png", flipped, "cannot be read as PNG"),
      ("cut.jpg", Array(jpeg.dropLast(40)), "it is cut off"), ("empty.png", [], "is empty"),
      ("words.jpg", Array("no picture".utf8), "is no PNG, JPEG, PGM or PPM"),
      ("cut.pgm", Array("P5 4 4 255\nabc".utf8), "take 16 bytes, and it has 3"),
    ]
    for (name, bytes, _) in broken { try write(bytes, to: path + "/odd/" + name) }
    let error = #expect(throws: DatasetError.self) { try folder(path).open() }
    #expect(error?.kind == .corrupt)
    let message = error?.message ?? ""
    #expect(message.hasPrefix("6 of 46 images cannot be read:\n"), "\(message)")
    for (name, _, words) in broken {
      let line = message.split(separator: "\n").first { $0.contains(path + "/odd/" + name) }
      #expect(line?.contains(words) == true, "\(name): \(message)")
    }
    #expect(message.contains("switchback data check CONFIG"))
    // None is looked at where nobody wants it.
    #expect(try folder(path, .none).open().train.count > 0)
  }

  @Test("of many broken files twenty are named and all are counted")
  func many() throws {
    let (path, files) = try makeFolder()
    for file in files.prefix(25) { try write([0x89, 0x50, 0x4e, 0x47], to: file) }
    let message = #expect(throws: DatasetError.self) { try folder(path, .all).open() }?.message ?? ""
    #expect(message.hasPrefix("25 of 40 images cannot be read"))
    #expect(message.contains("and 5 more"))
    #expect(message.split(separator: "\n").count { $0.contains(".png cannot be read") } == 20, "\(message)")
    #expect(ImageCheck(of: files, .all).problems.count == 25)
  }

  @Test("a quick check without time looks at every header and decodes what looks cut off; all decodes everything")
  func extents() throws {
    let (_, files) = try makeFolder()
    #expect(ImageCheck(of: files, .quick, seconds: 0).decodedCount == 0)
    #expect(ImageCheck(of: files, .quick).decodedCount == 40)
    #expect(ImageCheck(of: files, .all, seconds: 0).decodedCount == 40)
    let good = Array(try Data(contentsOf: URL(fileURLWithPath: files[0])))
    // A byte within the pixels: only decoding finds it.
    var flipped = good
    flipped[60] ^= 255
    try write(flipped, to: files[7])
    #expect(ImageCheck(of: files, .quick, seconds: 0).problems.isEmpty)
    #expect(ImageCheck(of: files, .all).problems.count == 1)
    // Cut off, and a header that is none.
    try write(good.dropLast(16), to: files[8])
    try write(good.dropFirst(1), to: files[9])
    let check = ImageCheck(of: files, .quick, seconds: 0)
    #expect(check.problems.count == 2, "\(check.problems)")
    #expect(check.problems.contains { $0.hasPrefix(files[8]) } && check.problems.contains { $0.hasPrefix(files[9]) })
    #expect(check.error?.message.contains("(2 were decoded)") == true)
    #expect(ImageCheck(of: files, .none).problems.isEmpty)
  }

  @Test("what is no file is wrong, and nobody waits for it")
  func noFile() throws {
    let (path, files) = try makeFolder()
    #expect(mkfifo(path + "/odd/pipe.png", 0o644) == 0)
    try FileManager.default.createDirectory(atPath: path + "/odd/folder.png", withIntermediateDirectories: false)
    let paths = files + [path + "/odd/pipe.png", path + "/odd/folder.png", path + "/odd/gone.png"]
    let check = ImageCheck(of: paths, .all)
    #expect(check.problems.count == 3, "\(check.problems)")
    #expect(check.problems.count { $0.hasSuffix("is no regular file") } == 2)
    #expect(check.problems.contains { $0.contains("gone.png: No such file") })
  }

  @Test("what is done to pictures, and what is wrong with some that can be read, is noted with numbers")
  func notes() throws {
    let path = try temporaryFolder()
    let images = sampleFolder + "/images"
    for name in try FileManager.default.contentsOfDirectory(atPath: images) where !name.hasSuffix(".json") {
      let bytes = try Data(contentsOf: URL(fileURLWithPath: images + "/" + name))
      for kind in ["a", "b"] { try write(bytes, to: "\(path)/\(kind)/\(name)") }
    }
    try write(try jpegWithExtraneousBytes(), to: path + "/a/extraneous.jpg")
    let source = DatasetSource.imageFolder(folder(path))
    let notes = try source.open().notes
    #expect(notes.contains("16 of 41 images are turned as Exif's orientation says"), "\(notes)")
    #expect(notes.contains("10 of 41 images have opacity: transparent parts become white"), "\(notes)")
    #expect(notes.contains("6 of 41 images have four inks (CMYK) and become RGB"), "\(notes)")
    #expect(
      notes.contains { $0.hasPrefix("1 of 41 images is faulty, but can be read. \(path)/a/extraneous.jpg: ") },
      "\(notes)")
    // Headers tell the same, but for what only decoding finds.
    let paths = try FileManager.default.subpathsOfDirectory(atPath: path).filter { $0.contains("/") }
    #expect(ImageCheck(of: paths.map { path + "/" + $0 }, .quick, seconds: 0).notes == Array(notes.prefix(3)))
    #expect(try DatasetSource.imageFolder(folder(path, .none)).open().notes.isEmpty)
    let check = try source.check()
    #expect(check.isRight && check.warnings.count == 1 && check.notes == notes)
  }

  @Test("data check counts a folder's classes, lists all that is wrong, and sums its contents up as sha256sum does")
  func wholeFolder() throws {
    let path = try temporaryFolder()
    // Contents that end everywhere in a block of 64 bytes.
    for count in 1...70 {
      try write(Array("P5 \(count) 1 255\n".utf8) + [UInt8](repeating: 7, count: count), to: "\(path)/x/\(count).pgm")
      try write(Array("P2 1 1 255 \(count)\n".utf8), to: "\(path)/ÿ y/\(count) a.pgm")
    }
    let source = DatasetSource.imageFolder(folder(path))
    var check = try source.check()
    #expect(check.isRight)
    #expect(check.classNames.sorted() == ["x", "ÿ y"])
    #expect(check.parts.map(\.name) == [.train, .test])
    #expect(check.parts.reduce(0) { $0 + $1.count } == 140)
    #expect((0..<2).map { index in check.parts.reduce(0) { $0 + $1.classCounts[index] } } == [70, 70])
    let line = "cd '\(path)' && find * -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c-64"
    let expected = try shell(line).filter { $0 != "\n" }
    #expect(expected.count == 64)
    #expect(check.contents == "sha256:" + expected)
    for count in 1...30 { try write("P5 1 1 255\n".utf8, to: "\(path)/x/\(count).pgm") }
    check = try source.check()
    #expect(!check.isRight)
    #expect(check.problems.count == 30)
    #expect(check.contents != nil && check.contents != "sha256:" + expected)
  }

  @Test("data check of a folder with an empty part names that, its broken pictures and what is no picture")
  func emptyPart() throws {
    let (path, files) = try makeFolder()
    try write([1, 2, 3], to: files[7])
    try write("hello".utf8, to: path + "/odd/readme.txt")
    var images = folder(path)
    images.testSplit = 0
    let check = try DatasetSource.imageFolder(images).check()
    #expect(check.problems.count == 3 && !check.isRight, "\(check.problems)")
    for words in ["no images for testing", "readme.txt is none of", "\(files[7]) is no PNG"] {
      #expect(check.problems.contains { $0.contains(words) }, "\(check.problems)")
    }
    #expect(check.parts.first { $0.name == .train }?.count == 40)
    let nothing = try temporaryFolder()
    let error = #expect(throws: DatasetError.self) { try DatasetSource.imageFolder(folder(nothing)).check() }
    #expect(error?.kind == .missing)
  }

  @Test("data check of a table, of a broken one, and of files that are not what their makers published")
  func others() throws {
    let path = try temporaryFolder() + "/table.csv"
    let rows = (0..<50).map { "\($0),\($0 % 3 == 0 ? "a" : "b")\n" }.joined()
    try write(("x,kind\n" + rows).utf8, to: path)
    let source = DatasetSource.csv(CSVFile(path: path, labels: ["kind"]))
    let check = try source.check()
    #expect(check.isRight)
    #expect(check.parts.reduce(0) { $0 + $1.classCounts[0] } == 17)
    #expect(check.contents == "sha256:" + (try shell("sha256sum '\(path)' | cut -c-64").filter { $0 != "\n" }))
    try write(("x,kind\n" + rows + "seven,a\n").utf8, to: path)
    let broken = try source.check()
    #expect(broken.problems.count == 1 && broken.problems[0].contains(path), "\(broken.problems)")
    #expect(broken.contents == nil)
    let mnist = try DatasetSource.named("mnist", path: sampleFolder).check()
    #expect(mnist.problems.count == 4 && mnist.problems[0].contains("should hold"), "\(mnist.problems)")
    #expect(mnist.parts.map(\.count) == [512, 128])
    #expect(throws: DatasetError.self) { try DatasetSource.csv(CSVFile(path: "/nowhere.csv", labels: ["x"])).check() }
  }
}
