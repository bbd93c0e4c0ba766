import Foundation
import SwitchbackInterchange
import SwitchbackMonitoring
import SwitchbackTraining
import Testing

/// A look with numbers that Float32 has, and one that it does not.
private func look(_ step: Int, _ probes: Int = 2) -> ProbeRows {
  var statistics = TensorStatistics(
    count: 12, l2: 1.5e-44 * Double(step), absMax: 0.25, zeros: 3, nans: 1, infinities: 2)
  (statistics.mean, statistics.m2, statistics.min, statistics.max) = (-0.1, 3.3, -0.25, 0.125)
  return ProbeRows(
    step: step, loss: step == 2 ? .nan : 0.1 / Double(step), isApplied: step != 2,
    rows: (0..<probes).map { (Probe(kind: .parameterGradient, path: "layers.\($0).dense/kernel"), statistics) })
}

@Suite("Sinks of rows") struct RowFileTests {
  private let folder = temporaryRun()

  private func path(_ name: String = "gradients.rows") throws -> String {
    try Folder.make(folder)
    return folder + "/" + name
  }

  /// Writes looks with a sink that begins behind a step.
  private func write(_ looks: [ProbeRows], _ sink: any MonitorSink, after step: Int = 0) throws {
    try sink.begin(after: step)
    for look in looks { try sink.write(look) }
  }

  @Test("what a file of rows was given is read back, NaN and what later looks add too")
  func roundTrip() throws {
    let path = try path()
    let looks = [look(1), look(2), look(3, 4)]
    try write(looks, RowFile(path))
    let contents = try RowFileContents(path)
    #expect(contents.fault == nil && contents.looks.map(\.step) == [1, 2, 3] && contents.probes.count == 4)
    #expect(contents.looks.map(\.isApplied) == [true, false, true] && contents.looks[1].loss.isNaN)
    for (read, written) in zip(contents.looks, looks) {
      #expect(read.rows.map(\.statistics) == written.rows.map(\.statistics))
      #expect(read.rows.map(\.probe.path) == written.rows.map(\.probe.path))
    }
    // A head, four probes' names, what a look has once, and rows.
    let size = try RegularFile.read(path).count
    #expect(size == 16 + 4 * 55 + 3 * 30 + 8 * 56)
  }

  @Test("a file that is torn at any byte is read up to there, and says so")
  func torn() throws {
    let path = try path()
    try write([look(1), look(2)], RowFile(path))
    let whole = try RegularFile.read(path)
    let first = try { () -> Int in
      try write([look(1)], RowFile(path + "1"))
      return try RegularFile.read(path + "1").count
    }()
    for length in 16..<whole.count {
      try whole.prefix(length).write(to: URL(fileURLWithPath: path))
      let contents = try RowFileContents(path)
      #expect(contents.looks.count == (length < first ? 0 : 1))
      // At the ends of records nothing is missing that anybody could know of.
      if let fault = contents.fault { #expect(fault.contains("torn at byte")) }
    }
    try whole.prefix(whole.count - 1).write(to: URL(fileURLWithPath: path))
    #expect(try RowFileContents(path).fault?.contains("torn at byte \(first)") == true)
  }

  @Test("a changed byte is never read as a number, and ends no process")
  func changed() throws {
    let path = try path()
    try write([look(1), look(2)], RowFile(path))
    let whole = try RegularFile.read(path)
    let right = try RowFileContents(path)
    for place in 0..<whole.count {
      var bytes = whole
      bytes[bytes.startIndex + place] ^= 0x80
      try bytes.write(to: URL(fileURLWithPath: path))
      guard place >= 12 else {
        #expect(throws: SinkFormatError.self) { try RowFileContents(path) }
        continue
      }
      let contents = try RowFileContents(path)
      // Bytes 12 to 15 are for later versions.
      #expect((contents.fault != nil) == (place >= 16), "byte \(place)")
      #expect(contents.looks.count <= right.looks.count)
      if let look = contents.looks.first { #expect(look == right.looks[0]) }
    }
  }

  @Test("a file of another version, or none of rows, is refused by name, and left as it is")
  func otherVersion() throws {
    let path = try path()
    for (bytes, words) in [
      (Data("SWBKROWS".utf8) + Data([2, 0, 0, 0, 0, 0, 0, 0]), "version 2"), (Data("a text".utf8), "no file of rows"),
    ] {
      try bytes.write(to: URL(fileURLWithPath: path))
      #expect(errorText { try RowFile(path).begin(after: 3) }.contains(words))
      #expect(try RegularFile.read(path) == bytes)
    }
  }

  @Test(
    "a sink that goes on behind a step leaves the bytes of one that was never interrupted", arguments: SinkKind.allCases
  )
  func goesOn(kind: SinkKind) throws {
    try Folder.make(folder)
    let looks = [look(1), look(2, 3), look(3, 4), look(4, 4)]
    let path = folder + "/" + kind.path
    func sink() -> any MonitorSink { kind == .tensorboard ? EventFile(path) { 1 } : kind.sink(in: folder) }
    try write(looks, sink())
    let whole = try RegularFile.read(path)
    // After a crash behind step 3, whose checkpoint is of step 2.
    try whole.prefix(whole.count - 7).write(to: URL(fileURLWithPath: path))
    try write([looks[2], looks[3]], sink(), after: 2)
    #expect(try RegularFile.read(path) == whole)
  }

  @Test("a table has a line a probe behind its head, and quotes what it must")
  func table() throws {
    let path = try path("rows.csv")
    var rows = look(1, 1)
    rows = ProbeRows(
      step: 7, loss: 0.5, rows: [(Probe(kind: .parameter, path: "a \"b\", c/kernel"), rows.rows[0].statistics)])
    try write([rows], RowTable(path))
    let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
    #expect(lines.count == 2 && lines[0] == RowTable.head)
    #expect(lines[1].hasPrefix("7,0.5,\"a \"\"b\"\", c/kernel\",parameter,12.0,"))
  }

  @Test("a head that is torn at any byte is begun anew", arguments: SinkKind.allCases.filter { $0 != .jsonl })
  func tornHead(kind: SinkKind) throws {
    try Folder.make(folder)
    let path = folder + "/" + kind.path
    func sink() -> any MonitorSink { kind == .tensorboard ? EventFile(path) { 1 } : kind.sink(in: folder) }
    try write([], sink())
    let head = try RegularFile.read(path)
    try write([look(1), look(2)], sink())
    let whole = try RegularFile.read(path)
    for length in 0...head.count {
      try head.prefix(length).write(to: URL(fileURLWithPath: path))
      let sink = sink()
      try write([look(1), look(2)], sink, after: 3)
      #expect(try RegularFile.read(path) == whole && sink.warning == nil, "\(length)")
    }
  }

  /// What a sink that begins behind a step says, and the files that are there then, besides its own.
  private func begun(_ sink: any MonitorSink, in folder: String, after step: Int) throws -> (String?, [String]) {
    try sink.begin(after: step)
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix("damaged-") }
    return (sink.warning, names.sorted())
  }

  @Test(
    "a record that is broken in the middle leaves the file under another name, and says so",
    arguments: [SinkKind.binary, .tensorboard])
  func broken(kind: SinkKind) throws {
    try Folder.make(folder)
    let path = folder + "/" + kind.path
    let place = URL(fileURLWithPath: path).deletingLastPathComponent().path
    func sink() -> any MonitorSink { kind == .tensorboard ? EventFile(path) { 1 } : kind.sink(in: folder) }
    try write([look(1)], sink())
    let first = try RegularFile.read(path)
    try write([look(1), look(2), look(3)], sink())
    let whole = try RegularFile.read(path)
    // In the length, and in what is behind it.
    for offset in [0, 40] {
      var bytes = whole
      bytes[bytes.startIndex + first.count + offset] ^= 1
      func broken(_ bytes: Data, after step: Int) throws -> (warning: String?, names: [String]) {
        try bytes.write(to: URL(fileURLWithPath: path))
        return try begun(sink(), in: place, after: step)
      }
      // What lies behind is of later steps, or the last record is torn.
      #expect(try broken(bytes, after: 2) == (nil, []) && broken(whole.dropLast(3), after: 3) == (nil, []))
      let (warning, names) = try broken(bytes, after: 3)
      let kept = place + "/" + (try #require(names.first))
      #expect(warning?.contains("\(path) is damaged") == true && warning?.contains("kept as \(kept)") == true)
      #expect(try RegularFile.read(kept) == bytes && RegularFile.read(path) == first)
      #expect(!kept.contains("tfevents"))
      // The next one takes no name of another.
      #expect(try broken(bytes, after: 3).names.count == 2)
      for name in try begun(sink(), in: place, after: 3).1 { unlink(place + "/" + name) }
    }
  }

  @Test("a forged file that looks like a long record at every byte ends no process, and is kept")
  func forged() throws {
    let path = try path()
    try write([look(1)], RowFile(path))
    var bytes = try RegularFile.read(path)
    // Lengths of 2 + 22 + 56 · 0 … nest in each other.
    for _ in 0..<4000 { bytes.append(contentsOf: [22, 0, 0, 0, 9, 9, 9, 9, 2] + [UInt8](repeating: 0, count: 13)) }
    try bytes.write(to: URL(fileURLWithPath: path))
    #expect(try RowFileContents(path).looks.count == 1)
  }

  @Test("a table with other columns is refused and left as it is, and lines of somebody's own stay")
  func otherColumns() throws {
    let path = try path("rows.csv")
    let other = "step,loss\n1,0.5\n2,0.4\n"
    try other.write(toFile: path, atomically: true, encoding: .utf8)
    #expect(errorText { try RowTable(path).begin(after: 2) }.contains("\(path) has other columns than this program"))
    #expect(try String(contentsOfFile: path, encoding: .utf8) == other)
    try write([look(1, 1), look(2, 1)], RowTable(path + "2"))
    let text = try String(contentsOfFile: path + "2", encoding: .utf8)
    // A comment stays; what is torn does not, nor a last number that may have lost its end.
    for (end, isKept) in [("# mine, behind step 2\n", true), ("2,0.05,a", false), ("", true)] {
      try (text + end).write(toFile: path, atomically: true, encoding: .utf8)
      try RowTable(path).begin(after: 2)
      #expect(try String(contentsOfFile: path, encoding: .utf8) == text + (isKept ? end : ""), "\(end)")
    }
    try String(text.dropLast(3)).write(toFile: path, atomically: true, encoding: .utf8)
    try RowTable(path).begin(after: 2)
    #expect(try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").count == 2)
    // Only the line's end is missing.
    try String(text.dropLast(1)).write(toFile: path, atomically: true, encoding: .utf8)
    try RowTable(path).begin(after: 2)
    #expect(try String(contentsOfFile: path, encoding: .utf8) == text)
  }

  @Test("a full disk and a folder that is not there are said with the file's name")
  func unwritable() throws {
    let missing = folder + "/none/gradients.rows"
    #expect(errorText { try RowFile(missing).begin(after: 0) }.contains("\(missing) cannot be made"))
    let full = try RecordFile("/dev/full")
    #expect(
      errorText { try full.append(Data([1])) }
        .contains("/dev/full cannot be written: No space left on device. Free some space"))
  }
}
