import Foundation
import TestFiles
import Testing

/// The program, built beside the tests.
let binary = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
  .appendingPathComponent("switchback").path

/// Why a backend cannot be used on this machine, by name.
let missingBackends: [String: String] = {
  struct Row: Decodable {
    var name: String
    var reason: String?
  }
  guard let list = try? switchback("backends", "--json").output,
    let rows = try? JSONDecoder().decode([Row].self, from: Data(list.utf8))
  else { return [:] }
  return Dictionary(uniqueKeysWithValues: rows.compactMap { row in row.reason.map { (row.name, $0) } })
}()

/// Skips a test, and says why, where this machine lacks a backend's library or device.
func skipWithout(_ backend: String) throws {
  if let reason = missingBackends[backend] { try Test.cancel("\(backend): \(reason)") }
}

struct Outcome {
  var status: Int32
  var output: String
  var error: String
}

func switchback(_ arguments: String..., environment: [String: String] = [:]) throws -> Outcome {
  try run(binary, arguments, environment)
}

func switchback(_ arguments: [String]) throws -> Outcome { try run(binary, arguments, [:]) }

/// A line for `sh`, which can set limits first.
func shell(_ line: String, _ arguments: String...) throws -> Outcome { try shell(line, arguments) }

func shell(_ line: String, _ arguments: [String]) throws -> Outcome {
  try run("/bin/sh", ["-c", line] + arguments, [:])
}

/// A command that the program has printed, as it stands, in a shell that knows the program.
func printed(_ command: String) throws -> Outcome { try shell("switchback() { '\(binary)' \"$@\"; }; \(command)") }

/// What is measured under a test's load must not be remembered for the user's own runs. PoCL's compiled kernels are as
/// good from there as from here, and take minutes.
private let cache: [String: String] = {
  let user = ProcessInfo.processInfo.environment
  let folder = user["XDG_CACHE_HOME"] ?? (user["HOME"] ?? "") + "/.cache"
  return ["XDG_CACHE_HOME": temporary(), "POCL_CACHE_DIR": user["POCL_CACHE_DIR"] ?? folder + "/pocl/kcache"]
}()

func run(_ program: String, _ arguments: [String], _ environment: [String: String]) throws -> Outcome {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: program)
  process.arguments = arguments
  process.currentDirectoryURL = URL(fileURLWithPath: root)
  process.environment = ProcessInfo.processInfo.environment.merging(cache) { $1 }.merging(environment) { $1 }
  let folder = FileManager.default.temporaryDirectory
  let (out, err) = (folder.appendingPathComponent(UUID().uuidString), folder.appendingPathComponent(UUID().uuidString))
  try Data().write(to: out)
  try Data().write(to: err)
  process.standardOutput = try FileHandle(forWritingTo: out)
  process.standardError = try FileHandle(forWritingTo: err)
  try process.run()
  process.waitUntilExit()
  return Outcome(
    status: process.terminationStatus, output: try String(contentsOf: out, encoding: .utf8),
    error: try String(contentsOf: err, encoding: .utf8))
}

func temporary() -> String {
  FileManager.default.temporaryDirectory.appendingPathComponent("runs-\(UUID().uuidString)").path
}
