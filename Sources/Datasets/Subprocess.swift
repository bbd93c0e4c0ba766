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
    var ends: [Int32] = [0, 0]
    // Closed in every child but ours, or a child of another thread would keep the pipe open.
    #if os(Linux)
      let made = pipe2(&ends, O_CLOEXEC)
    #else
      let made = pipe(&ends)
      for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    #endif
    guard made == 0 else { throw DatasetError(.invalid, "no pipe: \(String(cString: strerror(errno)))") }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_addclose(&actions, ends[0])
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    posix_spawn_file_actions_addclose(&actions, ends[1])
    var words = arguments.map { strdup($0) } + [nil]
    var child = pid_t()
    let failure = posix_spawnp(&child, arguments[0], &actions, nil, &words, environ)
    posix_spawn_file_actions_destroy(&actions)
    for word in words { free(word) }
    close(ends[1])
    defer { close(ends[0]) }
    guard failure == 0 else {
      throw DatasetError(
        .invalid,
        "the program \(arguments[0]) cannot be started: \(String(cString: strerror(failure))); install the Debian "
          + "package \(package(of: arguments[0]))")
    }
    var output: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while true {
      let got = read(ends[0], &chunk, chunk.count)
      if got < 0, errno == EINTR { continue }
      guard got > 0 else { break }
      output += chunk[..<got]
    }
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0, errno == EINTR {}
    // The exit status, or 128 and the signal that ended it.
    let code = status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
    return (code, String(decoding: output, as: UTF8.self))
  }

  private static func package(of program: String) -> String {
    switch program {
    case "sha256sum", "md5sum": "coreutils"
    default: program
    }
  }
}
