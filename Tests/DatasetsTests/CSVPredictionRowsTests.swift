import SwitchbackDatasets
import TestFiles
import Testing

@Suite struct CSVPredictionRowsTests {
  private struct Read: Equatable {
    var rows: [[Double]] = []
    /// Without the table's folder before them.
    var pictures: [String] = []
    var errors: [String] = []
    var ignored: [String] = []
  }

  private func read(
    _ text: String, features: [String] = ["a", "b"], words: [DatasetRecord.WordColumn] = [], pictures: [String] = [],
    labels: [String] = ["y"], hasHeader: Bool = true, delimiter: Character = ",", width: Int? = nil
  ) throws -> Read {
    let path = try write(text.utf8, to: temporaryFolder() + "/rows.csv")
    var read = Read()
    var next = 1
    try CSVPredictionRows(
      path: path, features: features, words: words, pictures: pictures, labels: labels, hasHeader: hasHeader,
      delimiter: delimiter.asciiValue!, width: width
    ).forEach {
      read.ignored += $0
    } _: { row in
      #expect(row.number == next)
      next += 1
      switch row.contents {
      case .success(let contents):
        read.rows.append(contents.values)
        read.pictures += contents.pictures.map { String($0.dropFirst(path.utf8.count - "rows.csv".utf8.count)) }
      case .failure(let error): read.errors.append(error.message)
      }
    }
    return read
  }

  @Test("a feature that is called as the label is not the label")
  func twin() throws {
    #expect(try read("a,y,y\n1,x,3\n", features: ["a", "y"]).rows == [[1, 3]])
    #expect(try read("a,y\n1,3\n", features: ["a", "y"]).rows == [[1, 3]])
  }

  @Test("columns are found by their names, in any order, with the label or without, among others")
  func names() throws {
    #expect(try read("a,b,y\n1,2,x\n3,4,z\n").rows == [[1, 2], [3, 4]])
    #expect(try read("b,a\n1,2\n").rows == [[2, 1]])
    #expect(try read("y,b,id,a,\"what, else\"\nx,1,7,2,9\n") == Read(rows: [[2, 1]], ignored: ["id", "what, else"]))
    #expect(try read("\u{FEFF}a;b\r\n1;\" 2\"\r\n", delimiter: ";").rows == [[1, 2]])
    // Two columns of one name are two features, in their order.
    #expect(try read("a,b,a\n1,2,3\n", features: ["a", "b", "a"]).rows == [[1, 2, 3]])
    // Numbers keep what Float32 would lose.
    #expect(try read("a,b\n100000003,1e-300\n").rows == [[100_000_003, 1e-300]])
  }

  @Test("columns that name pictures are found as features are, and lie in the table's folder")
  func pictures() throws {
    #expect(
      try read("a,file,y,b\n1,x/1.png,q,2\n3,\"2, 3.png\",q,4\n", pictures: ["file"])
        == Read(rows: [[1, 2], [3, 4]], pictures: ["x/1.png", "2, 3.png"]))
    // By places, with the label and without.
    for text in ["1,p.png,q,2\n", "1,p.png,2\n"] {
      #expect(
        try read(text, features: ["0", "3"], pictures: ["1"], labels: ["2"], hasHeader: false)
          == Read(rows: [[1, 2]], pictures: ["p.png"]))
    }
    #expect(
      try read("a,b,file\n1,2,\n", pictures: ["file"]).errors.first?.contains("path of a picture is missing") == true)
    let error = #expect(throws: DatasetError.self) { try read("a,b\n1,2\n", pictures: ["file"]) }
    #expect(error?.message.contains("there is no column file") == true)
  }

  @Test("words become the features that they were in training; others are an error of their row")
  func words() throws {
    let features = ["a", "colour=blue", "colour=red", "size"]
    let words = [
      DatasetRecord.WordColumn("colour", .oneHot, feature: 1, words: ["blue", "red"]),
      DatasetRecord.WordColumn("size", .ordinal, feature: 3, words: ["small", "large"]),
    ]
    let read = try read(
      "size,file,a,colour\nlarge,p.png,1,red\nsmall,q.png,2,\"blue\"\nlarge,r.png,3,pink\n,s.png,4,red\n",
      features: features, words: words, pictures: ["file"])
    #expect(read.rows == [[1, 0, 1, 1], [2, 1, 0, 0]] && read.pictures == ["p.png", "q.png"])
    #expect(read.errors.count == 2)
    #expect(read.errors[0].contains(":4:15: \"pink\" is none of the words of the column colour"), "\(read.errors)")
    #expect(read.errors[0].contains("(blue, red)") && read.errors[1].contains(":5:1: a word is missing (column size)"))
    // By places, and with the columns that are named.
    let bare = DatasetRecord.WordColumn("1", .oneHot, feature: 1, words: ["blue", "red"])
    #expect(
      try self.read(
        "7,red,x\n", features: ["0", "1=blue", "1=red"], words: [bare], labels: ["2"], hasHeader: false
      ).rows == [[7, 0, 1]])
    let error = #expect(throws: DatasetError.self) {
      try self.read("a,size\n1,large\n", features: features, words: words)
    }
    #expect(error?.message.contains("there is no column colour") == true, "\(error?.message ?? "")")
  }

  @Test("without a row of names they are found by their places, with the label where it was or without")
  func places() throws {
    #expect(
      try read("1,x,2\n3,y,4\n", features: ["0", "2"], labels: ["1"], hasHeader: false).rows == [[1, 2], [3, 4]])
    #expect(try read("1,2\n3,4\n", features: ["0", "2"], labels: ["1"], hasHeader: false).rows == [[1, 2], [3, 4]])
    let error = #expect(throws: DatasetError.self) {
      try read("1,2,3,4\n", features: ["0", "2"], labels: ["1"], hasHeader: false)
    }
    #expect(error?.message.contains("the row has 4 fields, and the network was trained on rows of 3, 1 of") == true)
  }

  @Test("without names rows have the columns that are not read, too: another number of fields is refused")
  func widths() throws {
    // id, x, y and the label, of which id is ignored.
    func rows(_ text: String, _ features: [String] = ["1", "2"], labels: [String] = ["3"]) throws -> Read {
      try read(text, features: features, labels: labels, hasHeader: false, width: 4)
    }
    #expect(try rows("7,1,2,a\n").rows == [[1, 2]])
    #expect(try rows("7,1,2\n").rows == [[1, 2]])
    // A network that reads y alone, of a table whose label stands before it.
    #expect(try rows("7,1,a,2\n", ["3"], labels: ["2"]).rows == [[2]])
    #expect(try rows("7,1,2\n", ["3"], labels: ["2"]).rows == [[2]])
    for text in ["1,2\n", "7,1,2,a,0\n", "1\n"] {
      let error = #expect(throws: DatasetError.self) { try rows(text) }
      #expect(error?.message.contains("was trained on rows of 4, 1 of them to be learnt") == true)
    }
    // What no record can say is refused, and read nowhere.
    #expect(throws: DatasetError.self) { try rows("7,1,2\n", ["1", "9"]) }
    #expect(throws: DatasetError.self) { try rows("7,1,2\n", ["1", "3"]) }
    #expect(throws: DatasetError.self) { try rows("7,1,2\n", ["a", "b"]) }
  }

  @Test("a broken row is one error with its place, and the others are read")
  func broken() throws {
    let read = try read("a,b\n1,2\nx,3\n4\n5,\n6,7\n1e999,8\n")
    #expect(read.rows == [[1, 2], [6, 7]])
    #expect(read.errors.count == 4)
    for (error, words) in zip(
      read.errors, [":3:1: \"x\" is no finite number", ":4:1: the row has 1", ":5:3: a number is missing", ":7:1:"])
    { #expect(error.contains(words), "\(error)") }
  }

  @Test("missing columns are named, and a file without rows of names is an error")
  func missing() throws {
    let error = #expect(throws: DatasetError.self) { try read("a,c\n1,2\n", features: ["a", "b", "d"]) }
    #expect(error?.message.contains(":1:1: there is no column b, d") == true, "\(error?.message ?? "")")
    // Who reads them says which is meant, of those that are not read already.
    let path = try write("a,colum\n1,2\n".utf8, to: temporaryFolder() + "/rows.csv")
    var rows = CSVPredictionRows(path: path, features: ["a", "column"], labels: [])
    rows.hint = { "; \($0) of \($1)" }
    let hinted = #expect(throws: DatasetError.self) { try rows.forEach(ignored: { _ in }) { _ in } }
    #expect(
      hinted?.message.contains("no column column, which the network was trained on; column of [\"colum\"]; columns")
        == true,
      "\(hinted?.message ?? "")")
    #expect(throws: DatasetError.self) { try read("") }
    #expect(try read("a,b\n").rows.isEmpty)
  }

  @Test("what the caller throws ends the reading, and is thrown")
  func callers() throws {
    struct Enough: Error {}
    let path = try write("a\n1\n2\n3\n".utf8, to: temporaryFolder() + "/rows.csv")
    var count = 0
    #expect(throws: Enough.self) {
      try CSVPredictionRows(path: path, features: ["a"], labels: []).forEach {
        _ in
      } _: { _ in
        count += 1
        if count == 2 { throw Enough() }
      }
    }
    #expect(count == 2)
  }
}
