import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

private func pgm(_ width: Int, _ height: Int) -> [UInt8] {
  Array("P5 \(width) \(height) 255\n".utf8) + [UInt8](repeating: 9, count: width * height)
}

@Suite struct DatasetSurveyTests {
  @Test("a folder of images: its classes, the middle size, and color where any has it")
  func folder() throws {
    let folder = try temporaryFolder()
    for (index, width) in [20, 30, 300].enumerated() { try write(pgm(width, 12), to: "\(folder)/a/\(index).pgm") }
    try write(pgm(30, 12), to: "\(folder)/b/1.pgm")
    let survey = try ImageFolderSurvey(folder + "/")
    #expect(survey.classNames == ["a", "b"] && survey.path == folder)
    let found = survey.images
    #expect((found.count, found.height, found.width, found.channels) == (4, 12, 30, 1))
    try write(Array("P6 128 64 255\n".utf8) + [UInt8](repeating: 0, count: 3 * 128 * 64), to: "\(folder)/b/2.ppm")
    try FileManager.default.removeItem(atPath: folder + "/a")
    try write(pgm(100, 50), to: "\(folder)/a/1.pgm")
    let large = try ImageFolderSurvey(folder).images
    #expect((large.height, large.width, large.channels) == (32, 64, 3))
    let empty = try temporaryFolder()
    try write([1], to: empty + "/a/1.pgm")
    #expect(throws: DatasetError.self) { try ImageFolderSurvey(empty) }
  }

  @Test("a table: its delimiter, whether a row names the columns, and what each column holds")
  func table() throws {
    let folder = try temporaryFolder()
    try write(pgm(8, 4), to: folder + "/x/1.pgm")
    let text =
      "id;photo;weight;kind;count\n"
      + (0..<40).map {
        "n\($0);x/1.pgm;\($0).5;\(["red", "blue"][$0 % 2]);\($0 % 3)\n"
      }.joined()
    let survey = try CSVSurvey(try write(text.utf8, to: folder + "/t.csv"))
    #expect(survey.delimiter == UInt8(ascii: ";") && survey.hasHeader && survey.rowCount == 40)
    #expect(survey.columns.map(\.name) == ["id", "photo", "weight", "kind", "count"])
    #expect(survey.columns.map(\.kind) == [.words, .pictures, .numbers, .words, .numbers])
    #expect(survey.columns.map(\.distinctCount) == [40, 1, 40, 2, 3])
    #expect(survey.columns.map(\.isWhole) == [false, false, false, false, true])
    let images = try #require(survey.images)
    #expect((images.height, images.width, images.channels) == (4, 8, 1))
    let bare = try CSVSurvey(try write("1,2\n3,4\n".utf8, to: folder + "/b.csv"))
    #expect(!bare.hasHeader && bare.rowCount == 2 && bare.columns.map(\.name) == ["0", "1"] && bare.images == nil)
    let unnamed = try CSVSurvey(try write("x/1.pgm,cat\nx/1.pgm,dog\n".utf8, to: folder + "/u.csv"))
    #expect(!unnamed.hasHeader && unnamed.rowCount == 2 && unnamed.columns.map(\.kind) == [.pictures, .words])
    for text in ["", "a,b\n", "a,b\n1\n"] {
      let path = try write(text.utf8, to: folder + "/broken.csv")
      #expect(#expect(throws: DatasetError.self) { try CSVSurvey(path) }?.message.hasPrefix(path) == true)
    }
  }

  @Test("a first row of data is none of names: numbers above numbers, or words that come again below")
  func headers() throws {
    let path = try temporaryFolder() + "/t.csv"
    func hasHeader(_ text: String) throws -> Bool { try CSVSurvey(try write(text.utf8, to: path)).hasHeader }
    #expect(try !hasHeader("5.1,3.5,setosa\n4.9,3.0,setosa\n6.2,3.4,virginica\n"))
    #expect(try !hasHeader("5.1,,setosa\n4.9,3.0,setosa\n6.2,3.4,virginica\n"))
    #expect(try !hasHeader("red,cat\nblue,cat\nred,dog\n"))
    #expect(try hasHeader("color,animal\nblue,cat\nred,dog\n"))
    #expect(try hasHeader("width,2024,kind\n1,2,a\n3,4,b\n"))
    #expect(try hasHeader(",width\n0,2\n1,4\n"))
    #expect(try hasHeader("width,height\n1,\nNA,4\n"))
    #expect(try !hasHeader("1,2\n"))
  }

  @Test("a table: numbers with gaps, constants, and columns that number the rows are told from measurements")
  func kindsOfNumbers() throws {
    let path = try temporaryFolder() + "/t.csv"
    func survey(_ header: String, _ rows: [String]) throws -> CSVSurvey {
      try CSVSurvey(try write((([header] + rows).joined(separator: "\n") + "\n").utf8, to: path))
    }
    let rows = (0..<40).map { row in
      "\(row + 7),\(row * 37 % 101),3,\(row == 4 ? "" : "\(row).5"),\(row == 9 ? "oops" : "\(row * 3)"),"
        + "\(row % 4 == 0 ? "x" : "\(row % 4)"),\(row == 11 ? "" : "w")"
    }
    let table = try survey("count,item_id,same,gap,typo,mixed,word", rows)
    let columns = table.columns
    #expect(columns.map(\.kind) == [.numbers, .numbers, .numbers, .numbersWithGaps, .numbersWithGaps, .words, .words])
    #expect(columns.map(\.numbersRows) == [true, true, false, false, false, false, false])
    #expect(columns[2].distinctCount == 1)
    #expect(columns[3].words == .init(count: 1, line: 6, text: "") && columns[3].empty == columns[3].words)
    #expect(columns[4].words == .init(count: 1, line: 11, text: "oops") && columns[4].empty == nil)
    #expect(columns[6].empty == .init(count: 1, line: 13, text: ""))
    let measured = try survey("width,weight", rows.indices.map { "\($0 * 2),\($0 == 20 ? 5 : $0)" })
    #expect(measured.columns.allSatisfy { !$0.numbersRows })
    // Without names the first row counts with the others.
    let bare = try CSVSurvey(try write((3..<23).map { "\($0),\($0 % 3)\n" }.joined().utf8, to: path))
    #expect(bare.rowCount == 20 && bare.columns.map(\.numbersRows) == [true, false])
    #expect(bare.columns.map(\.distinctCount) == [20, 3])
    let holed = try CSVSurvey(try write("1,a\n,b\n3,a\n,b\n".utf8, to: path))
    #expect(holed.columns[0].words == .init(count: 2, line: 2, text: ""))
  }

  @Test("folders that are called as parts of a data set are not taken for classes")
  func parts() throws {
    let folder = try temporaryFolder()
    for part in ["train", "test"] { try write(pgm(4, 4), to: "\(folder)/\(part)/1.pgm") }
    let flat = #expect(throws: DatasetError.self) { try ImageFolderSurvey(folder) }
    #expect(flat?.message.contains("(test, train) are called as parts") == true, "\(flat?.message ?? "")")
    let other = try temporaryFolder()
    for name in ["a", "b"] { try write(pgm(4, 4), to: "\(other)/Training/\(name)/1.pgm") }
    let named = #expect(throws: DatasetError.self) { try ImageFolderSurvey(other) }
    #expect(named?.message.contains("must be called train") == true, "\(named?.message ?? "")")
    for name in ["a", "b"] { try write(pgm(4, 4), to: "\(other)/train/\(name)/1.pgm") }
    #expect(try ImageFolderSurvey(other).classNames == ["a", "b"])
    try write(pgm(4, 4), to: folder + "/bus/1.pgm")
    #expect(try ImageFolderSurvey(folder).classNames == ["bus", "test", "train"])
  }

  @Test("columns that are to be ignored are not read, and a later file need not have them")
  func ignored() throws {
    let path = try temporaryFolder() + "/t.csv"
    let text = "id,x,kind,note\n" + (0..<30).map { "n\($0),\($0),\(["a", "b"][$0 % 2]),?\n" }.joined()
    var file = CSVFile(path: try write(text.utf8, to: path), labels: ["kind"])
    file.columns = ["id": .ignored, "3": .ignored]
    let parts = try file.open()
    #expect(parts.record?.features == ["x"] && parts.notes.isEmpty)
    #expect(parts.train.sampleShape == [1])
    try write("x,kind\n7,a\n".utf8, to: path)
    let later = try file.open(DatasetRequest(record: parts.record, mayLackParts: true))
    #expect(later.all.count == 1)
    // The fourth column, which the configuration ignores, is another one here.
    try write("a,b,kind,x\n1,2,a,7\n".utf8, to: path)
    let moved = try file.open(DatasetRequest(record: parts.record, mayLackParts: true))
    #expect(try moved.all.numbers([0])["images"] == [7])
    try write("x,kind\n7,a\n".utf8, to: path)
    let none = #expect(throws: DatasetError.self) { try file.open() }
    #expect(none?.message.contains("there is no column 3, which is to be ignored") == true)
    // Where no row names the columns, the record says how many there are.
    let bare = CSVFile(
      path: try write((0..<30).map { "\($0),\($0),\(["a", "b"][$0 % 2])\n" }.joined().utf8, to: path + ".bare"),
      labels: ["2"], hasHeader: false)
    var narrow = bare
    narrow.columns = ["0": .ignored]
    let record = try #require(try narrow.open().record)
    #expect(record.features == ["1"] && record.width == 3 && record.fault == nil)
    let said = String(decoding: try JSONEncoder().encode(record), as: UTF8.self)
    let earlier = said.replacingOccurrences(of: "\"columnCount\":3,", with: "")
      .replacingOccurrences(of: ",\"columnCount\":3", with: "")
    #expect(earlier != said)
    #expect(try JSONDecoder().decode(DatasetRecord.self, from: Data(earlier.utf8)).width == 2)
    #expect(try bare.open().record?.width == 3 && parts.record?.columnCount == nil)
    file.columns = ["kind": .ignored]
    let read = #expect(throws: DatasetError.self) { try file.open() }
    #expect(read?.message.contains("cannot be ignored") == true)
  }
}
