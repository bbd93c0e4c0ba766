import Dispatch

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

  /// SHA-256 of bytes in memory.
  static func sha256(of bytes: some Sequence<UInt8>) throws(DatasetError) -> String {
    try Subprocess.withTemporaryFile(holding: Array(bytes)) { path throws(DatasetError) in
      try first(of: ["sha256sum", "--", path], path)
    }
  }

  /// What several files hold together, unpacked: `sha256:` and a checksum of their checksums. Files are read side by
  /// side.
  static func identity(ofContents paths: [String]) throws(DatasetError) -> String {
    if paths.count == 1 { return "sha256:" + (try sha256(ofContent: paths[0])) }
    let results = Results(count: paths.count)
    DispatchQueue.concurrentPerform(iterations: paths.count) { index in
      do throws(DatasetError) {
        results[index] = .success(try sha256(ofContent: paths[index]))
      } catch {
        results[index] = .failure(error)
      }
    }
    var lines = ""
    for index in paths.indices { lines += (try results[index]?.get() ?? "") + "\n" }
    return "sha256:" + (try sha256(of: lines.utf8))
  }

  /// Of several threads, each of which writes one element of its own.
  private final class Results: @unchecked Sendable {
    // Unchecked: no two threads share an element, and they are read when all have ended.
    private let elements: UnsafeMutableBufferPointer<Result<String, DatasetError>?>

    init(count: Int) {
      elements = .allocate(capacity: count)
      elements.initialize(repeating: nil)
    }

    deinit { elements.deinitialize().deallocate() }

    subscript(index: Int) -> Result<String, DatasetError>? {
      get { elements[index] }
      set { elements[index] = newValue }
    }
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
