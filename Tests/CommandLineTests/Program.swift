import Foundation
import TestFiles

/// The program, built beside the tests.
let binary = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
  .appendingPathComponent("switchback").path

/// The real MNIST beside the checkout.
let mnistFolder = root + "/../shared/data/mnist"
let runsLongTests = ProcessInfo.processInfo.environment["SWITCHBACK_LONG_TESTS"] != nil

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
func shell(_ line: String) throws -> Outcome { try run("/bin/sh", ["-c", line], [:]) }

func run(_ program: String, _ arguments: [String], _ environment: [String: String]) throws -> Outcome {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: program)
  process.arguments = arguments
  process.currentDirectoryURL = URL(fileURLWithPath: root)
  process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
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
