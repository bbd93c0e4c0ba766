import Foundation

/// What standard input, output, error and signals are when the process starts.
enum StandardStreams {
  /// Opens those that are closed on /dev/null: the next file that is opened would get their number, and words for the
  /// terminal would land in it. A closed pipe becomes an error of writing (`Terminal.write`), not a signal.
  static func prepare() {
    for stream: Int32 in 0...2 where fcntl(stream, F_GETFD) < 0 && errno == EBADF {
      // The lowest free number, which is this one.
      _ = open("/dev/null", stream == 0 ? O_RDONLY : O_WRONLY)
    }
    signal(SIGPIPE, SIG_IGN)
    // Whoever started us may have had no use for the statuses of children; we have.
    signal(SIGCHLD, SIG_DFL)
  }
}
