/// Checksums of files, by the programs of coreutils.
enum Checksum {
  /// SHA-256 of a file's bytes, unpacked where it ends in `.gz`, in hexadecimal.
  static func sha256(ofContent path: String) throws(DatasetError) -> String {
    let arguments =
      path.hasSuffix(".gz")
      ? ["sh", "-c", "gzip -dc -- \"$1\" 2>/dev/null | sha256sum", "sh", path] : ["sha256sum", "--", path]
    return try first(of: arguments, path)
  }

  static func md5(of path: String) throws(DatasetError) -> String { try first(of: ["md5sum", "--", path], path) }

  private static func first(of arguments: [String], _ path: String) throws(DatasetError) -> String {
    let result = try Subprocess.run(arguments)
    guard result.status == 0, let word = result.output.split(separator: " ").first else {
      throw DatasetError(.corrupt, "no checksum of \(path) could be made (\(arguments[0]) ended with \(result.status))")
    }
    // A backslash stands before it where the file's name has one.
    return String(word.drop { $0 == "\\" })
  }
}
