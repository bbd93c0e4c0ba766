import Foundation
import Switchback

/// A run of this program in a process of its own: what may crash or hang must not take us with it.
struct ChildProcess {
  enum Ending: Equatable {
    case exited(Int32)
    case signal(Int32)
    /// It was ended, because it took longer than it may.
    case timedOut

    /// How it ended, unless by itself.
    var fault: String? {
      switch self {
      case .exited: nil
      case .signal(let number): "it crashed (\(ChildProcess.name(of: number)))"
      case .timedOut: "it did not come back in time"
      }
    }
  }

  let ending: Ending
  /// Of a child whose output is not shared with ours.
  let output: String
  let error: String

  /// Runs to the end, at most `limit` seconds. Its output is kept.
  init(_ arguments: [String], limit: Double) throws {
    let folder = FileManager.default.temporaryDirectory.path
    let names = ["out", "err"].map { "\(folder)/switchback-\(UUID().uuidString).\($0)" }
    defer { for name in names { unlink(name) } }
    for name in names {
      // posix_spawn would say of a folder that is not there ($TMPDIR) that there is no program.
      let file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
      guard file >= 0 else { throw FileError(name, .make) }
      close(file)
    }
    let child = try Self.spawn(arguments, writingTo: names)
    let deadline = Date().addingTimeInterval(limit)
    ending = Self.wait(for: child) { Date() > deadline }
    let texts = names.map { (try? String(contentsOfFile: $0, encoding: .utf8)) ?? "" }
    (output, error) = (texts[0], texts[1])
  }

  /// Runs with our output, until the file `progress` has not changed for `limit` seconds.
  init(_ arguments: [String], sharingOutputWhile progress: String, changesWithin limit: Double) throws {
    let child = try Self.spawn(arguments, writingTo: [])
    ending = Self.wait(for: child) {
      var status = stat()
      guard stat(progress, &status) == 0 else { return false }
      return Date().timeIntervalSince1970 - Double(status.st_mtim.tv_sec) > limit + 1
    }
    (output, error) = ("", "")
  }

  /// `files` take its standard output and error.
  private static func spawn(_ arguments: [String], writingTo files: [String]) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    for (index, name) in files.enumerated() {
      posix_spawn_file_actions_addopen(&actions, Int32(index + 1), name, O_WRONLY | O_TRUNC, 0o600)
    }
    var words = (["switchback"] + arguments).map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var child = pid_t()
    let failure = posix_spawn(&child, "/proc/self/exe", &actions, nil, &words, environ)
    guard failure == 0 else {
      throw fail("no process can be started: \(String(cString: strerror(failure)))", ExitStatus.failure)
    }
    return child
  }

  private static func wait(for child: pid_t, until isOver: () -> Bool) -> Ending {
    var (status, pause): (Int32, UInt32) = (0, 500)
    while true {
      let ended = waitpid(child, &status, WNOHANG)
      if ended == child { break }
      if ended < 0, errno != EINTR { return .exited(-1) }
      if isOver() {
        kill(child, SIGKILL)
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        return .timedOut
      }
      usleep(pause)
      pause = min(pause * 2, 20_000)
    }
    return status & 0x7f == 0 ? .exited(status >> 8 & 0xff) : .signal(status & 0x7f)
  }

  private static func name(of signal: Int32) -> String {
    switch signal {
    case SIGSEGV: "SIGSEGV: memory that is not its own"
    case SIGBUS: "SIGBUS: memory that is not there"
    case SIGABRT: "SIGABRT: it gave up by itself"
    case SIGILL: "SIGILL: an instruction this CPU lacks, or a trap"
    case SIGFPE: "SIGFPE: a division by zero"
    case SIGTRAP: "SIGTRAP: a trap"
    default: "signal \(signal)"
    }
  }
}
