import Foundation
import TestFiles
import Testing

@Suite struct ProcessTests {
  /// A run without an end, under `sh`, which may set up signals and streams for it.
  private func start(_ runs: String, _ line: String = "exec \"$@\"") throws -> Process {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = [
      "-c", line, "sh", binary, "train", "configs/mnist-linear.yaml", "--backend", "reference", "--epochs", "1000000",
      "--data", try dataFolder(), "--runs", runs,
    ]
    process.currentDirectoryURL = URL(fileURLWithPath: root)
    (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
    try process.run()
    while process.isRunning, !FileManager.default.fileExists(atPath: runs + "/latest/checkpoints") { usleep(5000) }
    return process
  }

  @Test(
    "INT, TERM and HUP finish the step, save and report, and say which it was", arguments: [SIGINT, SIGTERM, SIGHUP])
  func signals(number: Int32) throws {
    let runs = temporary()
    let process = try start(runs)
    kill(process.processIdentifier, number)
    process.waitUntilExit()
    #expect(process.terminationStatus == 128 + number && process.terminationReason == .exit)
    #expect(FileManager.default.fileExists(atPath: runs + "/latest/report.html"))
    #expect(try switchback("checkpoint", "verify", runs + "/latest").status == 0)
  }

  @Test("nohup's run survives the terminal")
  func noHangup() throws {
    let runs = temporary()
    let process = try start(runs, "trap '' HUP; exec \"$@\"")
    kill(process.processIdentifier, SIGHUP)
    usleep(300_000)
    #expect(process.isRunning)
    kill(process.processIdentifier, SIGTERM)
    process.waitUntilExit()
    #expect(process.terminationStatus == 143)
  }

  @Test("a reader that goes away costs no run; other commands end with it")
  func closedPipe() throws {
    let runs = temporary()
    let line = """
      { "$@" --json --steps 300 --set training.epochs=100; echo "status $?" >&2; } | head -1 >/dev/null
      """
    let trained = try shell(
      line,
      [
        "sh", binary, "train", "configs/mnist-linear.yaml", "--backend", "reference", "--data", try dataFolder(),
        "--runs", runs,
      ])
    #expect(trained.error.contains("status 0"), "\(trained.error)")
    #expect(FileManager.default.fileExists(atPath: runs + "/latest/report.html"))
    let listed = try shell("{ \"$@\"; echo \"status $?\" >&2; } | true", ["sh", binary, "config", "schema"])
    #expect(listed.error.contains("status 141") || listed.error.contains("status 0"), "\(listed.error)")
  }

  @Test("streams that are closed at the start are none of the run's files")
  func closedStreams() throws {
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
      let runs = temporary()
      let outcome = try shell(
        "\"$@\" \(closed)",
        [
          "sh", binary, "train", "configs/mnist-linear.yaml", "--backend", "reference", "--steps", "2", "--data",
          try dataFolder(), "--runs", runs,
        ])
      #expect(outcome.status == 0, "\(closed): \(outcome.error)")
      for name in ["metrics.jsonl", "gradients.jsonl", "findings.jsonl"] {
        let lines = try String(contentsOfFile: "\(runs)/latest/\(name)", encoding: .utf8).split(separator: "\n")
        #expect(lines.allSatisfy { $0.hasPrefix("{") }, "\(closed) \(name): \(lines)")
      }
    }
  }

  @Test("caches are where the XDG rules have them: what is empty or relative counts as unset")
  func caches() throws {
    let folder = try temporaryFolder()
    let line = "cd \(folder) && exec \"$@\""
    for settings in [["XDG_CACHE_HOME=", "HOME=\(folder)/home"], ["XDG_CACHE_HOME=cache", "HOME=\(folder)/home"]] {
      let outcome = try shell(
        line, ["sh", "env"] + settings + [binary, "data"])
      #expect(outcome.status == 0, "\(outcome.error)")
      #expect(outcome.output.contains("\(folder)/home/.cache/switchback") || !outcome.output.contains("/switchback/"))
      #expect(!outcome.output.contains(" /switchback") && !outcome.output.contains(" cache/switchback"))
      #expect(!FileManager.default.fileExists(atPath: folder + "/cache"))
    }
    #expect(
      try shell(line, ["sh", "env", "-u", "XDG_CACHE_HOME", "HOME=", binary, "backends", "check", "reference"]).status
        == 0)
    #expect(
      !FileManager.default.fileExists(atPath: "/switchback")
        && !FileManager.default.fileExists(atPath: "/.cache/switchback"))
  }

  @Test("what has no room in the address space ends with what limits it, and does not wait for it")
  func addressSpace() throws {
    try skipWithout("openblas")
    let small = try shell(
      "ulimit -v 400000; exec \"$@\"",
      [
        "sh", "timeout", "-k", "1", "60", binary, "train", "configs/mnist-linear.yaml", "--backend", "openblas",
        "--steps", "2", "--data", try dataFolder(), "--runs", temporary(),
      ])
    // Where it has room after all, it trains.
    #expect(small.status == 0 || (small.status != 124 && small.status != 137 && small.error.contains("ulimit -v")))
    let large = try shell(
      "ulimit -v 4000000; exec \"$@\"",
      [
        "sh", binary, "train", "configs/mnist-cnn.yaml", "--backend", "reference", "--set",
        "training.batch_size=50000", "--steps", "2", "--data", try dataFolder(), "--runs", temporary(),
      ])
    #expect(large.status != 0 && large.status < 128, "\(large)")
    #expect(large.error.contains("host memory cannot be had") || large.error.contains("ulimit -v"), "\(large)")
  }

  @Test("a parent that ignores its children's ends takes no status from us")
  func ignoredChildren() throws {
    // `trap '' CHLD` does not last through exec in every shell.
    let outcome = try run("/usr/bin/env", ["--ignore-signal=CHLD", binary, "backends", "check", "reference"], [:])
    #expect(outcome.status == 0, "\(outcome.error)")
  }

  @Test("a library that prints while it is loaded is listed; a temporary folder that is not there is named")
  func listing() throws {
    let library = try compilePlugin(
      "Backends/Template/template_backend.c",
      replacing: [
        (
          "#include <stdlib.h>",
          "#include <stdlib.h>\n#include <stdio.h>\n__attribute__((constructor)) static void hi(void) { puts(\"{}\"), printf(\"init\"), fflush(stdout); }"
        )
      ])
    let folder = try temporaryFolder()
    try FileManager.default.copyItem(atPath: library, toPath: folder + "/libSwitchbackchatty.so")
    let listed = try switchback("backends", "--json", environment: ["SWITCHBACK_BACKEND_PATH": folder])
    let rows = try #require(try JSONSerialization.jsonObject(with: Data(listed.output.utf8)) as? [[String: Any]])
    #expect(rows.contains { $0["name"] as? String == "template" && $0["available"] as? Bool == true }, "\(rows)")
    let nowhere = try switchback("backends", environment: ["TMPDIR": "/no/where"])
    #expect(nowhere.status == 73 && nowhere.error.contains("/no/where"), "\(nowhere.status) \(nowhere.error)")
  }

  @Test("a checkpoint of holes that says it has exabytes is no checkpoint, and no end of the process")
  func holes() throws {
    let runs = temporary()
    let train = [
      "train", "configs/mnist-linear.yaml", "--backend", "reference", "--data", try dataFolder(), "--runs", runs,
      "--steps", "2",
    ]
    #expect(try switchback(train).status == 0)
    let folder = runs + "/latest/checkpoints"
    let name = try #require(try FileManager.default.contentsOfDirectory(atPath: folder).first { $0.hasPrefix("step-") })
    #expect(truncate(folder + "/" + name, 1 << 42) == 0)
    let outcome = try switchback("checkpoint", "verify", runs + "/latest")
    #expect(outcome.status == 65, "\(outcome.status) \(outcome.output)\(outcome.error)")
  }

  @Test("a run that was left amid a later epoch is no run of fewer epochs")
  func fewerEpochs() throws {
    let runs = temporary()
    let process = try start(runs)
    kill(process.processIdentifier, SIGTERM)
    process.waitUntilExit()
    let before = try switchback("checkpoint", "verify", runs + "/latest").output
    let outcome = try switchback("train", "--resume", runs + "/latest", "--steps", "1")
    #expect(
      outcome.status == 64 && outcome.error.contains("is past that already"), "\(outcome.status) \(outcome.error)")
    #expect(!FileManager.default.fileExists(atPath: runs + "/latest/summary.json"))
    #expect(try switchback("checkpoint", "verify", runs + "/latest").output == before)
  }
}
