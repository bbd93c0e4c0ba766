import Foundation

/// The process that started this one as its child (`ChildProcess`). A child ends with it, also where it was killed:
/// otherwise it computes for nobody.
enum ParentProcess {
  private static let variable = "SWITCHBACK_PARENT"

  /// What the environment of our children says of us.
  static var settingOfChildren: [String: String] { [variable: "\(getpid())"] }

  /// Called once at the start.
  static func endWithIt() {
    guard let parent = ProcessInfo.processInfo.environment[variable].flatMap({ pid_t($0) }) else { return }
    unsetenv(variable)
    #if os(Linux)
      // Swift has no functions with variable arguments.
      typealias Control = @convention(c) (CInt, CUnsignedLong, CUnsignedLong, CUnsignedLong, CUnsignedLong) -> CInt
      let setParentDeathSignal: CInt = 1
      if let control = dlsym(nil, "prctl") {
        _ = unsafeBitCast(control, to: Control.self)(setParentDeathSignal, CUnsignedLong(SIGKILL), 0, 0, 0)
      }
    #endif
    // It may have ended before the signal was asked for.
    if getppid() != parent { _exit(ExitStatus.failure.rawValue) }
  }
}
