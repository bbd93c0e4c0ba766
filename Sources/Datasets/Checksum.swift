/// Checksums of files, by the programs of coreutils.
package enum Checksum {
  /// SHA-256 of a file's bytes, unpacked where it ends in `.gz`, in hexadecimal.
  static func sha256(ofContent path: String) throws(DatasetError) -> String {
    guard path.hasSuffix(".gz") else { return try sha256(ofFile: path) }
    return try first(of: ["sh", "-c", "gzip -dc -- \"$1\" 2>/dev/null | sha256sum", "sh", path], path)
  }

  /// SHA-256 of a file's bytes as they are, in hexadecimal.
  package static func sha256(ofFile path: String) throws(DatasetError) -> String {
    try first(of: ["sha256sum", "--", inFolder(path)], path)
  }

  /// A file that is called `-` would be standard input.
  private static func inFolder(_ path: String) -> String { path == "-" ? "./-" : path }

  static func md5(of path: String) throws(DatasetError) -> String { try first(of: ["md5sum", "--", path], path) }

  /// SHA-256 of bytes in memory.
  static func sha256(of bytes: some Sequence<UInt8>) throws(DatasetError) -> String {
    try Subprocess.withTemporaryFile(holding: Array(bytes)) { path throws(DatasetError) in
      try first(of: ["sha256sum", "--", path], path)
    }
  }

  /// What several files hold together, unpacked: `sha256:` and a checksum of their checksums. Files are read side by
  /// side.
  static func identity(ofContents paths: [String]) throws(DatasetError) -> String {
    let results = onAllCores(paths.count) { index -> Result<String, DatasetError> in
      do throws(DatasetError) {
        return .success(try sha256(ofContent: paths[index]))
      } catch {
        return .failure(error)
      }
    }
    var found: [String] = []
    for result in results { found.append(try result.get()) }
    return try identity(of: found)
  }

  /// The same of checksums that were made; one alone is its own.
  static func identity(of checksums: [String]) throws(DatasetError) -> String {
    if checksums.count == 1 { return "sha256:" + checksums[0] }
    return "sha256:" + (try sha256(of: checksums.map { $0 + "\n" }.joined().utf8))
  }

  /// `sha256:` and a checksum of the lines that `sha256sum` prints of these files, in their order.
  static func identity(ofFiles names: [String], in folder: String) throws(DatasetError) -> String {
    var lines = ""
    // As many at once as fit into a command line.
    for start in stride(from: 0, to: names.count, by: 200) {
      let chunk = names[start..<min(start + 200, names.count)]
      let result = try Subprocess.run(
        ["sh", "-c", "CDPATH= cd -- \"$1\" && shift && exec sha256sum -- \"$@\"", "sh", folder] + chunk)
      guard result.status == 0 else {
        throw DatasetError(.corrupt, "no checksum of the files in \(folder) could be made")
      }
      lines += result.output
    }
    return "sha256:" + (try sha256(of: lines.utf8))
  }

  private static func first(of arguments: [String], _ path: String) throws(DatasetError) -> String {
    let result = try Subprocess.run(arguments)
    guard result.status == 0, let word = result.output.split(separator: " ").first else {
      throw DatasetError(.corrupt, "no checksum of \(path) could be made (\(arguments[0]) ended with \(result.status))")
    }
    // A backslash stands before it where the file's name has one.
    return String(word.drop { $0 == "\\" })
  }
}
