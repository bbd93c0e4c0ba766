import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

/// The sample of MNIST as a data set that a server of ours has.
private func sample(_ mirrors: [String]) -> NamedDataset {
  let files: [NamedDataset.File] = [
    .init(
      "train-images-idx3-ubyte", size: 401424,
      sha256: "dc15d0b5d1b0c2e3735e17f364421a17ca95485dfe2e28bf4e8cc1c45b02bb2f"),
    .init(
      "train-labels-idx1-ubyte", size: 520,
      sha256: "ac62e054281959338268df783398afca3e2244b1de6612e7140bd02995181396"),
    .init(
      "t10k-images-idx3-ubyte", size: 100368,
      sha256: "022774e58a01fb2ee972c185d7e21dc96c313c6e97ea90beae35218adf180639"),
    .init(
      "t10k-labels-idx1-ubyte", size: 136,
      sha256: "4bdb12c540d94f88aadd74e4761a3bf248918aa98b8df780700bfb8de529c7d6"),
  ]
  return NamedDataset(
    name: "sample", classNames: (0...9).map { "\($0)" }, format: .idx, files: files, mirrors: mirrors)
}

private func contents(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

private let images = "train-images-idx3-ubyte.gz"

@Suite(.enabled(if: Image.readsCompressedFiles, "built without ImageFiles")) struct FetchingTests {
  @Test("files are fetched, checked, and not fetched again")
  func whole() throws {
    let (server, folder) = (try FileServer(sampleFolder + "/mnist"), try temporaryFolder())
    let dataset = sample([server.url])
    var lines: [String] = []
    #expect(try dataset.fetch(into: folder, say: { lines.append($0) }) == folder)
    #expect(lines.count == 4 && lines[0] == "fetching \(server.url)/\(images)")
    #expect(try server.requests.count == 4)
    #expect(try contents(folder + "/" + images) == contents(sampleFolder + "/mnist/" + images))
    #expect(try dataset.verify(folder: folder).allSatisfy { $0.state == .right })
    #expect(try dataset.load(given: folder).train.count == 512)
    try dataset.fetch(into: folder)
    #expect(try server.requests.count == 4)
    // A file that is damaged later is fetched again, it alone.
    try write([1, 2, 3], to: folder + "/" + images)
    #expect(try dataset.verify(folder: folder).map(\.state) == [.different, .right, .right, .right])
    try dataset.fetch(into: folder)
    #expect(try server.requests.count == 5)
    #expect(try dataset.verify(folder: folder).allSatisfy { $0.state == .right })
  }

  @Test("what was cut off is gone on with, and a wrong part is begun again")
  func resume() throws {
    let (server, folder) = (try FileServer(sampleFolder + "/mnist"), try temporaryFolder())
    let all = try contents(sampleFolder + "/mnist/" + images)
    try write(all.prefix(30_000), to: folder + "/partial-" + images)
    try sample([server.url]).fetch(into: folder)
    #expect(try server.requests.first == "/\(images) bytes=30000-")
    #expect(try contents(folder + "/" + images) == all)
    let other = try temporaryFolder()
    try write([UInt8](repeating: 7, count: 1000), to: other + "/partial-" + images)
    try sample([server.url]).fetch(into: other)
    #expect(try contents(other + "/" + images) == all)
    #expect(!FileManager.default.fileExists(atPath: other + "/partial-" + images))
  }

  @Test("a file with another checksum is refused, and the next mirror asked")
  func wrongChecksum() throws {
    let (bad, folder) = (try temporaryFolder(), try temporaryFolder())
    for file in try FileManager.default.contentsOfDirectory(atPath: sampleFolder + "/mnist") {
      try write(contents(sampleFolder + "/mnist/" + file), to: bad + "/" + file)
    }
    try write(contents(sampleFolder + "/mnist/t10k-images-idx3-ubyte.gz"), to: bad + "/" + images)
    let (badServer, server) = (try FileServer(bad), try FileServer(sampleFolder + "/mnist"))
    let error = #expect(throws: DatasetError.self) { try sample([badServer.url]).fetch(into: folder) }
    #expect(error?.kind == .missing)
    #expect(error?.message.contains("should hold 401424 bytes, but holds 100368") == true, "\(error?.message ?? "")")
    #expect(error?.message.contains(folder) == true)
    #expect(!FileManager.default.fileExists(atPath: folder + "/" + images))
    try sample([badServer.url, server.url]).fetch(into: folder)
    #expect(try sample([]).verify(folder: folder).allSatisfy { $0.state == .right })
  }

  @Test("without a network the error names the files, why, and where to put them")
  func noNetwork() throws {
    let folder = try temporaryFolder()
    let error = #expect(throws: DatasetError.self) { try sample(["http://127.0.0.1:9"]).fetch(into: folder) }
    #expect(error?.kind == .missing)
    for words in [images, "t10k-labels-idx1-ubyte.gz", folder, "http://127.0.0.1:9/", "--data", "Could"] {
      #expect(error?.message.contains(words) == true, "\(words): \(error?.message ?? "")")
    }
  }

  @Test("a folder that cannot be written is an error of its own kind")
  func cannotWrite() {
    let error = #expect(throws: DatasetError.self) { try sample([]).fetch(into: "/proc/none") }
    #expect(error?.kind == .unwritable)
  }

  @Test("two that fetch at once wait for each other")
  func concurrent() throws {
    let (server, folder) = (try FileServer(sampleFolder + "/mnist"), try temporaryFolder())
    let dataset = sample([server.url])
    DispatchQueue.concurrentPerform(iterations: 3) { _ in
      #expect(throws: Never.self) { try dataset.fetch(into: folder) }
    }
    #expect(try server.requests.count == 4)
  }

  @Test("an archive is checked by its MD5, unpacked, and removed")
  func archive() throws {
    let (source, served, folder) = (try temporaryFolder("inner"), try temporaryFolder(), try temporaryFolder())
    let record = [UInt8](repeating: 3, count: 3074)
    try write(record + record, to: source + "/train.bin")
    try write(record, to: source + "/test.bin")
    try write((0..<100).map { "class\($0)\n" }.joined().utf8, to: source + "/fine_label_names.txt")
    func output(_ arguments: String...) throws -> String {
      let (process, pipe) = (Process(), Pipe())
      process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      process.arguments = arguments
      process.standardOutput = pipe
      try process.run()
      let data = pipe.fileHandleForReading.readDataToEndOfFile()
      process.waitUntilExit()
      #expect(process.terminationStatus == 0)
      return String(decoding: data, as: UTF8.self)
    }
    _ = try output("tar", "-czf", served + "/a.tar.gz", "-C", (source as NSString).deletingLastPathComponent, "inner")
    let md5 = String(try output("md5sum", served + "/a.tar.gz").prefix(32))
    let server = try FileServer(served)
    func dataset(_ md5: String, trainSize: Int = 6148) -> NamedDataset {
      NamedDataset(
        name: "small", classNames: (0..<100).map { "\($0)" }, format: .cifar(labelBytes: 2),
        files: [.init("train.bin", size: trainSize), .init("test.bin", size: 3074)], mirrors: [server.url],
        archive: .init("a.tar.gz", md5: md5, folder: "inner"))
    }
    let wrong = #expect(throws: DatasetError.self) { try dataset("0123").fetch(into: folder) }
    #expect(wrong?.message.contains("MD5 should be 0123, but is \(md5)") == true, "\(wrong?.message ?? "")")
    let other = #expect(throws: DatasetError.self) { try dataset(md5, trainSize: 5).fetch(into: folder) }
    #expect(
      other?.message.contains("train.bin: should hold 5 bytes, but holds 6148") == true, "\(other?.message ?? "")")
    try dataset(md5).fetch(into: folder)
    let (train, test) = try dataset(md5).load(given: folder)
    #expect((train.count, test.count) == (2, 1))
    #expect(train.classNames[3] == "class3")
    #expect(
      Set(try FileManager.default.contentsOfDirectory(atPath: folder))
        == [".lock", "train.bin", "test.bin", "fine_label_names.txt"])
    let before = try server.requests.count
    try dataset(md5).fetch(into: folder)
    #expect(try server.requests.count == before)
  }
}
