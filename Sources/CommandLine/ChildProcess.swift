import Foundation
import Switchback

/// A run of this program in a process of its own: what may crash or hang must not take us with it.
struct ChildProcess {
  enum Ending: Equatable {
    case exited(Int32)
    case signal(Int32)
    /// It was ended, because it took longer than it may: so many seconds.
    case timedOut(Double)

    /// How it ended, unless by itself.
    var fault: String? {
      switch self {
      case .exited: nil
      case .signal(let number): "it crashed (\(ChildProcess.name(of: number)))"
      case .timedOut(let limit): "it did not come back within \(Int(limit)) seconds"
      }
    }
  }

  let ending: Ending
  /// Of a child whose output is not shared with ours.
  let output: String
  let error: String

  /// Runs to the end, at most `limit` seconds. Its output is kept.
  init(_ arguments: [String], limit: Double) throws {
    let (out, err) = (try UnnamedFile(), try UnnamedFile())
    let child = try Self.spawn(arguments, [(out, 1), (err, 2)])
    let deadline = Date().addingTimeInterval(limit)
    ending = Self.wait(for: child, limit) { Date() > deadline }
    (output, error) = (out.text, err.text)
    // What it said may have found no room.
    if ending == .exited(ExitStatus.writeFailed.rawValue) { try out.checkRoom() }
  }

  /// The number under which a child has the file that it tells its progress in.
  static let progressDescriptor: Int32 = 3

  /// Runs with our output, until the file `progress`, which it has as `progressDescriptor`, has not changed for `limit`
  /// seconds.
  init(_ arguments: [String], sharingOutputWhile progress: UnnamedFile, changesWithin limit: Double) throws {
    let child = try Self.spawn(arguments, [(progress, Self.progressDescriptor)])
    ending = Self.wait(for: child, limit) {
      var status = stat()
      guard fstat(progress.descriptor, &status) == 0 else { return false }
      return Date().timeIntervalSince1970 - Double(status.st_mtim.tv_sec) > limit + 1
    }
    (output, error) = ("", "")
    // It had no reader left, as we have none: that ends us as it ends every program of a shell.
    if ending == .signal(SIGPIPE) { Terminal.endByClosedPipe() }
  }

  /// `files` are its files of these numbers.
  private static func spawn(_ arguments: [String], _ files: [(UnnamedFile, Int32)]) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    for (file, number) in files { posix_spawn_file_actions_adddup2(&actions, file.descriptor, number) }
    var words = (["switchback"] + arguments).map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    let environment = ProcessInfo.processInfo.environment.merging(ParentProcess.settingOfChildren) { $1 }
    var settings = environment.map { strdup("\($0)=\($1)") } + [nil]
    defer { for setting in settings { free(setting) } }
    var child = pid_t()
    let failure = posix_spawn(&child, "/proc/self/exe", &actions, nil, &words, &settings)
    guard failure == 0 else {
      throw fail("no process can be started: \(String(cString: strerror(failure)))", ExitStatus.failure)
    }
    return child
  }

  private static func wait(for child: pid_t, _ limit: Double, until isOver: () -> Bool) -> Ending {
    var (status, pause): (Int32, UInt32) = (0, 500)
    while true {
      let ended = waitpid(child, &status, WNOHANG)
      if ended == child { break }
      if ended < 0, errno != EINTR { return .exited(-1) }
      if isOver() {
        kill(child, SIGKILL)
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        return .timedOut(limit)
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
