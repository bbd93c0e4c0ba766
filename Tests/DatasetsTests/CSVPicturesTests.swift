import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

/// A gray picture of one value, 2 × 2.
private func picture(_ value: UInt8) -> [UInt8] { Array("P5 2 2 255\n".utf8) + [UInt8](repeating: value, count: 4) }

/// The number in a picture's name, by which tests tell rows apart.
private let valueOfRow = (0..<60).map { UInt8($0 * 4) }

/// A folder with sixty pictures and `samples.csv`: the picture, two numbers, a class and a number to be learnt.
private func samples() throws -> String {
  let folder = try temporaryFolder("pictures")
  var text = "file,digit,ink,width,height\n"
  for (row, value) in valueOfRow.enumerated() {
    try write(picture(value), to: "\(folder)/part/\(row).pgm")
    text += "part/\(row).pgm,\(["7", "10", "cat"][row % 3]),\(Float(value) / 255),\(row),\(2 * row)\n"
  }
  return try write(text.utf8, to: folder + "/samples.csv")
}

private func table(_ path: String, isNormalized: Bool = false) -> CSVFile {
  CSVFile(
    path: path, learnt: [.init("digit", .classes), .init("ink", .values)],
    pictures: .init(column: "file", height: 2, width: 2, channels: 1), isNormalized: isNormalized)
}

private func message(_ body: () throws -> Void) -> String {
  do { try body() } catch let error as DatasetError { return error.message } catch { return "\(error)" }
  return "nothing was thrown"
}

@Suite struct CSVPicturesTests {
  @Test("pictures, numbers and targets are fields of their own, and a batch of them is one of the same row")
  func fields() throws {
    let parts = try table(try samples()).open(DatasetRequest(validationSplit: 0.2))
    #expect(
      parts.train.fields == [
        Field("images", .uint8, [2, 2, 1], scale: 1 / 255), Field("table", .float32, [2]), Field("digit", .int32),
        Field("ink", .float32, [1]),
      ])
    let layout = parts.train.layout
    #expect(layout.inputs.map(\.name) == ["images", "table"])
    #expect(
      layout.targets == [.init("digit", .classes, classNames: ["7", "10", "cat"]), .init("ink", .values(1))])
    #expect(try DatasetSource.csv(table(try samples())).layout() == layout)
    let all = parts.all
    #expect(all.count == 60 && all.targetFields == layout.targets)
    var seen: Set<Int> = []
    for index in 0..<60 {
      let sample = try all.numbers([Int32(index)])
      let row = Int(try #require(sample["table"])[0])
      seen.insert(row)
      #expect(sample["table"] == [Double(row), Double(2 * row)])
      // As a folder of images scales.
      #expect(sample["images"] == [Double](repeating: Double(Float(valueOfRow[row]) * (1 / 255)), count: 4))
      #expect(sample["digit"] == [Double(row % 3)])
      #expect(sample["ink"] == [Double(Float("\(Float(valueOfRow[row]) / 255)")!)])
      #expect(all.classes(of: "digit")[index] == Int32(row % 3))
    }
    #expect(seen.count == 60 && all.classes(of: "ink").isEmpty && all.labels.isEmpty && all.classNames.isEmpty)
    let ahead = try Prefetcher(parts.train, batchSize: 4)
    #expect(ahead.layout == layout)
  }

  @Test("today's one label beside pictures is the field labels; a table of pictures alone has no field table")
  func oneLabel() throws {
    let path = try samples()
    let one = try CSVFile(
      path: path, labels: ["digit"], pictures: .init(column: "0", height: 1, width: 1, channels: 3)
    ).open()
    #expect(one.train.fields.map(\.name) == ["images", "table", "labels"])
    #expect(one.train.targets == .classes && one.train.classNames == ["7", "10", "cat"])
    #expect(one.train.labels.count == one.train.count && one.train.sampleShape == [1, 1, 3])
    let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
    let bare = lines.map { $0.split(separator: ",")[0...1].joined(separator: ",") }.joined(separator: "\n")
    let alone = try CSVFile(
      path: try write(bare.utf8, to: path), labels: ["digit"],
      pictures: .init(column: "file", height: 2, width: 2, channels: 1)
    ).open()
    #expect(alone.train.fields.map(\.name) == ["images", "labels"])
    #expect(alone.record?.inputs.count == 1 && alone.record?.inputs.first?.column == "file")
    let values = try CSVFile(
      path: try write("x,y\n1,2\n2,3\n3,4\n4,5\n".utf8, to: path), labels: ["y"], targets: .values, testSplit: 0.5
    ).open()
    #expect(values.train.fields == [Field("images", .float32, [1]), Field("labels", .float32, [1])])
    #expect(values.record?.inputFields == nil && values.record?.targetFields == nil)
  }

  @Test("two columns of classes have each their own order, counts and numbers; a row without a known class is left out")
  func twoClasses() throws {
    let folder = try temporaryFolder()
    let (first, second) = (["x", "y"], ["10", "9", "cat"])
    var text = "v,a,b\n"
    for row in 0..<60 { text += "\(row),\(first[(row + 1) % 2]),\(second[row % 3])\n" }
    var file = CSVFile(
      path: try write(text.utf8, to: folder + "/t.csv"), learnt: [.init("a", .classes), .init("b", .classes)])
    let trained = try file.open()
    let record = try #require(trained.record)
    // Numbers count by their value.
    #expect(record.learnt.map(\.classNames) == [["x", "y"], ["9", "10", "cat"]])
    let numbers: [Int32] = [1, 0, 2]
    let all = trained.all
    let (a, b) = (all.classes(of: "a"), all.classes(of: "b"))
    #expect(all.count == 60 && a.count == 60 && b.count == 60 && all.classes(of: "v").isEmpty)
    for index in 0..<60 {
      let sample = try all.numbers([Int32(index)])
      let row = Int(try #require(sample["images"])[0])
      #expect(a[index] == Int32((row + 1) % 2) && b[index] == numbers[row % 3])
      #expect(sample["a"] == [Double(a[index])] && sample["b"] == [Double(b[index])])
    }
    for (target, count, each) in [("a", 2, 30), ("b", 3, 20)] {
      let counts = record.parts.map { $0.classCountsByTarget?[target] ?? [] }
      #expect((0..<count).map { index in counts.reduce(0) { $0 + $1[index] } } == [Int](repeating: each, count: count))
    }
    #expect(record.parts.allSatisfy { $0.classCounts == $0.classCountsByTarget?["a"] })
    // Of a later file in which the second class of a row is unknown.
    file.path = try write("v,b,a\n1,dog,x\n2,cat,y\n3,9,x\n".utf8, to: folder + "/later.csv")
    let later = try file.open(DatasetRequest(record: record, mayLackParts: true))
    #expect(later.all.count == 2 && Set(later.all.classes(of: "b")) == [0, 2])
    #expect(zip(later.all.classes(of: "a"), later.all.classes(of: "b")).allSatisfy { $0 == 1 ? $1 == 2 : $1 == 0 })
    #expect(later.notes.contains { $0.hasPrefix("b: the network knows no class dog: 1") }, "\(later.notes)")
  }

  @Test("the record keeps fields, classes and normalization: a later file is read as the network knows it")
  func record() throws {
    let path = try samples()
    let trained = try table(path, isNormalized: true).open()
    let record = try #require(trained.record)
    #expect(record.fault == nil && record.layout == trained.train.layout)
    #expect(record.sampleShape == [2, 2, 1] && record.channels == .gray && record.features.isEmpty)
    #expect(record.labels == ["digit", "ink"] && record.classNames == ["7", "10", "cat"])
    #expect(record.inputs[1].features == ["width", "height"] && record.inputs[1].normalization.count == 2)
    #expect(record.parts.reduce(0) { $0 + ($1.classCountsByTarget?["digit"]?.reduce(0, +) ?? 0) } == 60)
    #expect(record.words.contains { $0.hasPrefix("by class of digit (train/test): 7 ") }, "\(record.words)")
    let decoded = try JSONDecoder().decode(DatasetRecord.self, from: JSONEncoder().encode(record))
    #expect(decoded == record && record.differences(since: decoded).isEmpty)
    // Columns in another order and one more; a class that the network does not know, and one that is missing.
    let folder = (path as NSString).deletingLastPathComponent
    let other = "more,height,ink,width,digit,file\n1,6,0.5,3,cat,part/3.pgm\n1,8,0.5,4,dog,part/4.pgm\n"
    var file = table(try write(other.utf8, to: folder + "/other.csv"), isNormalized: true)
    let parts = try file.open(DatasetRequest(record: decoded, mayLackParts: true))
    #expect(parts.all.count == 1)
    let sample = try parts.all.numbers([0])
    let normalized = zip([3, 6], record.inputs[1].normalization).map { Double(Float($1($0))) }
    #expect(sample["digit"] == [2] && sample["table"] == normalized && sample["ink"] == [0.5])
    for words in ["digit: the network knows no class dog: 1", "digit: the data has no sample", "columns more"] {
      #expect(parts.notes.contains { $0.contains(words) }, "\(parts.notes)")
    }
    #expect(parts.record?.differences(since: record).contains { $0.contains("contents") } == true)
    // Another configuration than the network's.
    file.learnt = [.init("ink", .values)]
    #expect(
      message { _ = try file.open(DatasetRequest(record: decoded, mayLackParts: true)) }
        .contains("the network learns digit (digit), ink (ink), and the configuration says ink (ink)"))
    file = CSVFile(path: file.path, labels: ["digit"], pictures: file.pictures)
    #expect(throws: DatasetError.self) { try file.open(DatasetRequest(record: decoded, mayLackParts: true)) }
    file = table(path)
    file.pictures?.height = 3
    #expect(
      message { _ = try file.open(DatasetRequest(record: decoded, mayLackParts: true)) }
        .contains("images [3, 2, 1] and table [2], and the network was trained with images [2, 2, 1]"))
    file.pictures = nil
    #expect(throws: DatasetError.self) { try file.open(DatasetRequest(record: decoded, mayLackParts: true)) }
  }

  @Test("the identity is of the table and of its pictures' names and sizes, wherever the folder lies")
  func identity() throws {
    let (path, again) = (try samples(), try samples())
    let identity = try #require(try table(path).open().record?.identity)
    #expect(try table(again).open().record?.identity == identity)
    try write(picture(1) + [0], to: (again as NSString).deletingLastPathComponent + "/part/7.pgm")
    #expect(try table(again).open().record?.identity != identity)
  }

  @Test("a picture that is missing, broken or not named is said with file, row and column, when opening or reading")
  func broken() throws {
    let path = try samples()
    let folder = (path as NSString).deletingLastPathComponent
    let parts = try table(path).open()
    try write(Array("P5 2 2 255\n".utf8), to: folder + "/part/5.pgm")
    try FileManager.default.removeItem(atPath: folder + "/part/9.pgm")
    let words = message { _ = try table(path).open() }
    #expect(words.contains("2 of 60 images cannot be read"), "\(words)")
    #expect(words.contains("\(path):7:1 (column file): \(folder)/part/5.pgm"), "\(words)")
    #expect(words.contains("\(path):11:1 (column file): \(folder)/part/9.pgm: No such file"), "\(words)")
    var unchecked = table(path)
    unchecked.pictures?.check = .none
    #expect(message { _ = try unchecked.open() }.hasPrefix("\(path):11:1 (column file): \(folder)/part/9.pgm"))
    let read = message { for index in 0..<60 { _ = try parts.all.sample(index) } }
    #expect(read.hasPrefix("\(path):7:1 (column file): ") || read.hasPrefix("\(path):11:1 (column file): "), "\(read)")
    let check = try DatasetSource.csv(table(path)).check()
    #expect(check.problems.count == 2 && check.contents == nil && check.targets?.first?.classNames.count == 3)
    #expect(check.parts.reduce(0) { $0 + $1.count } == 60)
    for (row, words) in [
      (",7,0,1,1", ":62:1: the path of a picture is missing"), ("part/1.pgm,7,x,1,1", ":62:14: \"x\" is no finite"),
      ("part/1.pgm,,0,1,1", ":62:12: the class is missing"), ("part/1.pgm,7,0,1,wide", "(column height; all"),
    ] {
      let text = try String(contentsOfFile: path, encoding: .utf8) + row + "\n"
      let other = try write(text.utf8, to: folder + "/broken.csv")
      #expect(message { _ = try table(other).open() }.contains(words), "\(row)")
    }
  }

  @Test("what is no picture at all is said, and neither read nor summed up", .timeLimit(.minutes(1)))
  func others() throws {
    let path = try samples()
    let folder = (path as NSString).deletingLastPathComponent
    for name in ["pipe.pgm", "huge.pgm"] {
      let place = folder + "/" + name
      if name == "pipe.pgm" {
        try #require(mkfifo(place, 0o600) == 0)
      } else {
        try write(picture(1), to: place)
        // Sparse: it needs no space.
        try #require(truncate(place, 1 << 42) == 0)
      }
      let text = try String(contentsOfFile: path, encoding: .utf8) + "\(name),7,0,1,1\n"
      let check = try DatasetSource.csv(table(try write(text.utf8, to: folder + "/others.csv"))).check()
      #expect(check.problems.count == 1 && check.contents == nil, "\(check.problems)")
      #expect(
        check.problems.first?.contains(name == "pipe.pgm" ? "is no regular file" : "is more than 512 MiB") == true)
    }
  }

  @Test("data check of a table with an empty part names that and its broken pictures")
  func emptyPart() throws {
    let path = try samples()
    let folder = (path as NSString).deletingLastPathComponent
    var file = table(try write("file,digit,ink\nnone.pgm,a,1\n".utf8, to: folder + "/one.csv"))
    file.testSplit = 0
    let check = try DatasetSource.csv(file).check()
    #expect(check.problems.count == 2 && check.problems[0].contains("none.pgm: No such file"), "\(check.problems)")
    #expect(check.problems.last?.contains("none is for testing") == true, "\(check.problems)")
    try write("file,digit,ink\npart/1.pgm,a,1\n".utf8, to: folder + "/one.csv")
    let whole = try DatasetSource.csv(file).check()
    #expect(whole.problems.count == 1 && whole.problems[0].contains("none is for testing"), "\(whole.problems)")
  }

  @Test("paths may be absolute or lead out of the folder, and a picture may stand in several rows")
  func paths() throws {
    let path = try samples()
    let folder = (path as NSString).deletingLastPathComponent
    let text =
      "file,digit,ink\n"
      + (0..<20).map { ["\(folder)/part/1.pgm", "../table/../pictures/part/1.pgm"][$0 % 2] + ",a,\($0)\n" }.joined()
    try FileManager.default.createDirectory(
      atPath: (folder as NSString).deletingLastPathComponent + "/table", withIntermediateDirectories: true)
    let parts = try table(try write(text.utf8, to: folder + "/../table/samples.csv")).open()
    #expect(parts.train.fields.map(\.name) == ["images", "digit", "ink"])
    for index in 0..<parts.all.count {
      #expect(try parts.all.numbers([Int32(index)])["images"]?.first == Double(Float(4) * (1 / 255)))
    }
  }

  @Test("columns that cannot be fields, or are two things at once, are refused in words")
  func refused() throws {
    let path = try samples()
    func opened(_ learnt: [CSVFile.Target], _ column: String? = "file") -> String {
      message {
        _ = try CSVFile(
          path: path, learnt: learnt,
          pictures: column.map { .init(column: $0, height: 2, width: 2, channels: 1) }
        ).open()
      }
    }
    #expect(opened([.init("no", .classes)]).contains("there is no column no for the label"))
    #expect(opened([.init("digit", .classes), .init("1", .values)]).contains("the label column 1 is named twice"))
    #expect(opened([.init("digit", .classes)], "digit").contains("cannot name the pictures"))
    #expect(opened([.init("digit", .classes)], "nothing").contains("there is no column nothing for the pictures"))
    #expect(opened([.init("table", .values)]).contains("another field that is called table"))
    #expect(opened([.init("images", .values)], nil).contains("another field that is called images"))
    #expect(opened([.init("digit", .classes), .init("digit", .values)]).contains("another field that is called digit"))
    #expect(opened([.init("a b", .values)]).contains("with blanks"))
    #expect(opened([]).contains("there must be one label"))
    #expect(opened([.init("digit", .classes)], nil).contains("column file; all columns but the label must hold"))
    let error = message { _ = try DatasetSource.csv(table(path)).samples() }
    #expect(error.contains("the inputs images and table and the targets digit and ink"), "\(error)")
  }

  @Test("a record from a file is not believed: fields without names, twice, of no shape, or said in two ways")
  func hostile() throws {
    let record = try #require(try table(try samples()).open().record)
    let json = try #require(
      try JSONSerialization.jsonObject(with: try JSONEncoder().encode(record)) as? [String: Any])
    func fault(_ change: (inout [String: Any]) -> Void) throws -> String? {
      var changed = json
      change(&changed)
      let data = try JSONSerialization.data(withJSONObject: changed)
      return try JSONDecoder().decode(DatasetRecord.self, from: data).fault
    }
    #expect(try fault { _ in } == nil)
    func changing(_ list: String, _ index: Int, _ key: String, to value: Any) throws -> String? {
      try fault { json in
        var entries = json[list] as? [[String: Any]] ?? []
        entries[index][key] = value
        json[list] = entries
      }
    }
    let wrong: [(String, Int, String, Any)] = [
      ("inputFields", 0, "shape", [2, 2, 3]), ("inputFields", 1, "shape", [1 << 40, 1 << 40]),
      ("inputFields", 1, "shape", [3]), ("inputFields", 1, "name", "images"), ("inputFields", 1, "name", ""),
      ("targetFields", 1, "name", "digit"), ("targetFields", 1, "name", "table"),
      ("targetFields", 1, "targets", ["values": -1]), ("targetFields", 1, "targets", ["values": 1 << 62]),
      ("targetFields", 1, "classNames", ["a"]), ("targetFields", 0, "classNames", ["a"]),
      ("targetFields", 0, "columns", ["x"]), ("inputFields", 0, "channels", "rgb"),
      ("parts", 0, "classCountsByTarget", ["digit": [-1]]),
    ]
    for (list, index, key, value) in wrong {
      #expect(try changing(list, index, key, to: value) != nil, "\(list) \(index) \(key) \(value)")
    }
    #expect(try fault { $0["inputFields"] = [] } != nil)
    #expect(try fault { $0["targetFields"] = [] } != nil)
  }
}
