#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The pictures that the rows of a table name.
struct CSVPictures {
  /// The table's file.
  let table: String
  /// The column's name.
  let column: String
  private var mentions: [Mention] = []

  private struct Mention {
    var path: String
    /// Where the row begins, and in it the field.
    var line: Int
    var position: Int
  }

  init(table: String, column: String) { (self.table, self.column) = (table, column) }

  /// Where a picture lies that a table names so: relative to the table's folder.
  static func path(of field: CSVRow.Field, table: String) throws(CSVRow.Problem) -> String {
    let name = try field.text
    guard !name.isEmpty else { throw CSVRow.Problem(message: "the path of a picture is missing", column: field.column) }
    guard !name.utf8.contains(0) else {
      throw CSVRow.Problem(message: "the path of a picture has a zero byte", column: field.column)
    }
    return path(of: name, table: table)
  }

  static func path(of name: String, table: String) -> String {
    guard !name.hasPrefix("/"), let slash = table.lastIndex(of: "/") else { return name }
    return table[...slash] + name
  }

  mutating func add(_ field: CSVRow.Field, line: Int) throws(CSVRow.Problem) {
    mentions.append(Mention(path: try Self.path(of: field, table: table), line: line, position: field.column))
  }

  /// What stands before an error about a picture.
  static func place(_ table: String, line: Int, position: Int, column: String) -> String {
    "\(table):\(line):\(position) (column \(column)): "
  }

  /// Each once, by its path, with where it is named first.
  var files: [ImageCheck.File] {
    let sorted = mentions.sorted {
      $0.path.utf8.elementsEqual($1.path.utf8)
        ? $0.line < $1.line : $0.path.utf8.lexicographicallyPrecedes($1.path.utf8)
    }
    var files: [ImageCheck.File] = []
    for mention in sorted where files.last.map({ !$0.path.utf8.elementsEqual(mention.path.utf8) }) ?? true {
      let place = Self.place(table, line: mention.line, position: mention.position, column: column)
      files.append(ImageCheck.File(path: mention.path, place: place))
    }
    return files
  }

  /// The table's folder, with a slash behind it; empty: where the program was started.
  private var folder: Substring { table.lastIndex(of: "/").map { table[...$0] } ?? "" }

  /// What a path is called in sums over files, which do not depend on where the table's folder lies.
  private func name(of path: String) -> String {
    guard path.utf8.starts(with: folder.utf8) else { return path }
    return String(decoding: path.utf8.dropFirst(folder.utf8.count), as: UTF8.self)
  }

  /// A checksum of what the table and all pictures hold.
  var contents: String {
    get throws(DatasetError) {
      let names = ([table] + files.map(\.path)).map(name).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
      // A file that is called so would be standard input.
      return try Checksum.identity(
        ofFiles: names.map { $0 == "-" ? "./-" : $0 }, in: folder.isEmpty ? "." : String(folder))
    }
  }

  /// A sum over what the pictures hold.
  var contentsSum: String? {
    let paths = files.map(\.path)
    return PictureContents.sum(of: paths, names: paths.map(name(of:)))
  }

  /// Names and sizes, a line each; what is not there is an error.
  func sizes() throws(DatasetError) -> String {
    let files = files
    let sizes = onAllCores(files.count) { index -> Result<Int, DatasetError> in
      var info = stat()
      guard stat(files[index].path, &info) == 0 else {
        let reason = String(cString: strerror(errno))
        return .failure(DatasetError(.corrupt, "\(files[index].place)\(files[index].path): \(reason)"))
      }
      return .success(Int(info.st_size))
    }
    var lines = ""
    for (file, size) in zip(files, sizes) { lines += "\(name(of: file.path))\0\(try size.get())\n" }
    return lines
  }
}
