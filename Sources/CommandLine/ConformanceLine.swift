/// A `conformance` command for the shell, which shows again what was found.
struct ConformanceLine {
  var backend: String
  /// Key=value of the backend.
  var options: [String] = []
  /// 0: one a core.
  var threads = 0
  var seed = 1
  var isQuick = false
  /// Seconds that one case may take.
  var limit = Self.usualLimit

  static let usualLimit = 300

  /// Runs one program.
  func again(program file: String) -> String { line(["--program", file]) }

  /// Asks the cases whose family and name contain `name`. A quick run numbers its cases otherwise, so it stays one.
  func again(case name: String) -> String {
    line((isQuick ? ["--quick"] : []) + (name.isEmpty ? [] : ["--filter", name]))
  }

  private func line(_ more: [String]) -> String {
    var words = ["switchback", "conformance", "--backend", backend] + options.flatMap { ["--option", $0] }
    if threads != 0 { words += ["--threads", "\(threads)"] }
    if seed != 1 { words.append("--seed=\(seed)") }
    if limit != Self.usualLimit { words += ["--limit", "\(limit)"] }
    return (words + more).map(\.quotedForShell).joined(separator: " ")
  }
}
