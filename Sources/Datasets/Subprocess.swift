#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Running the system's programs that fetch, unpack and check files. (Not Foundation's Process, which puts the child
/// into a process group of its own: Ctrl-C would end us and leave it running.)
enum Subprocess {
  /// Runs a program of the PATH to its end; what it writes on standard output comes back, standard error is ours.
  static func run(_ arguments: [String]) throws(DatasetError) -> (status: Int32, output: String) {
    try start(arguments).finish()
  }

  /// Starts a program of the PATH; `input` becomes its standard input.
  static func start(_ arguments: [String], input: Int32? = nil) throws(DatasetError) -> Child {
    // A file, not a pipe: a child that another thread starts at the same moment would keep the pipe's end open, and we
    // would wait for that child too.
    let (template, file) = try temporaryFile()
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    if let input { posix_spawn_file_actions_adddup2(&actions, input, 0) }
    posix_spawn_file_actions_addopen(&actions, 1, template, O_WRONLY | O_TRUNC, 0)
    var words = arguments.map { strdup($0) } + [nil]
    var child = pid_t()
    let failure = posix_spawnp(&child, arguments[0], &actions, nil, &words, environ)
    posix_spawn_file_actions_destroy(&actions)
    for word in words { free(word) }
    guard failure == 0 else {
      close(file)
      unlink(template)
      throw DatasetError(
        .invalid,
        "the program \(arguments[0]) cannot be started: \(String(cString: strerror(failure))); install the Debian "
          + "package \(package(of: arguments[0]))")
    }
    return Child(id: child, outputPath: template, output: file)
  }

  /// A program that was started, to be finished once.
  struct Child {
    fileprivate let id: pid_t
    fileprivate let outputPath: [CChar]
    fileprivate let output: Int32

    /// Waits for its end: the exit status, or 128 and the signal that ended it, and what it wrote.
    func finish() -> (status: Int32, output: String) {
      defer {
        close(output)
        unlink(outputPath)
      }
      var status: Int32 = 0
      while waitpid(id, &status, 0) < 0, errno == EINTR {}
      var bytes: [UInt8] = []
      var chunk = [UInt8](repeating: 0, count: 4096)
      while true {
        let got = read(output, &chunk, chunk.count)
        if got < 0, errno == EINTR { continue }
        guard got > 0 else { break }
        bytes += chunk[..<got]
      }
      return (status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f, String(decoding: bytes, as: UTF8.self))
    }
  }

  /// An open file of a name that is new, and that name.
  private static func temporaryFile() throws(DatasetError) -> ([CChar], Int32) {
    let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array((folder + "/switchback-XXXXXX").utf8CString)
    let file = mkstemp(&template)
    guard file >= 0 else {
      throw DatasetError(
        .unwritable, "no temporary file can be made in \(folder) ($TMPDIR): \(String(cString: strerror(errno)))")
    }
    return (template, file)
  }

  /// Calls `body` with the path of a file that holds these bytes, and removes it.
  static func withTemporaryFile<Answer>(
    holding bytes: [UInt8], _ body: (String) throws(DatasetError) -> Answer
  ) throws(DatasetError) -> Answer {
    let (template, file) = try temporaryFile()
    defer {
      close(file)
      unlink(template)
    }
    var done = 0
    while done < bytes.count {
      let count = bytes[done...].withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        throw DatasetError(.unwritable, "a temporary file cannot be written: \(String(cString: strerror(errno)))")
      }
      done += count
    }
    return try body(String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
  }

  private static func package(of program: String) -> String {
    switch program {
    case "sha256sum", "md5sum": "coreutils"
    default: program
    }
  }
}
