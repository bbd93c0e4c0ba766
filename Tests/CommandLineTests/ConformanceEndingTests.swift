import Foundation
import TestFiles
import Testing

private let template = "Backends/Template/template_backend.c"
private let opening = "(*device)->host = host;"

/// A template whose `open` does something first.
private func plugin(opening words: String) throws -> String {
  try compilePlugin(
    template,
    replacing: [
      (opening, "\(words) \(opening)"),
      ("#include <stdlib.h>", "#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>"),
    ])
}

/// Whether a process computes; what nobody has reaped does not.
private func isRunning(_ process: String) -> Bool {
  guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8) else { return false }
  return text.split(separator: ")").last?.hasPrefix(" Z") == false
}

/// How conformance and its children end, and what is left of them.
@Suite struct ConformanceEndingTests {
  @Test("what was found is shown where the folder of failures, or the file of JUnit, cannot be made")
  func unwritable() throws {
    let wrong = try compilePlugin(template, replacing: [("k < s->inner; k++", "k + 1 < s->inner; k++")])
    let outcome = try switchback(
      "conformance", "--backend", wrong, "--quick", "--filter", "matmul", "--failures", "/dev/null/folder", "--json")
    #expect(outcome.status == 1 && outcome.error.contains("/dev/null/folder cannot be made"), "\(outcome.error)")
    let result = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    #expect((result["failures"] as? [Any])?.isEmpty == false)
    let right = try switchback(
      "conformance", "--backend", "reference", "--quick", "--filter", "matmul 0", "--junit", "/dev/null/file.xml")
    #expect([73, 74].contains(right.status) && right.error.contains("/dev/null/file.xml"), "\(right.error)")
    #expect(right.output.contains(" passed, "), "\(right.output)")
  }

  @Test("workers and seconds that cannot be are refused by name; more workers than cores are none of a contract's case")
  func absurd() throws {
    for word in ["--threads=4294967296", "--threads=-1", "--limit=0", "--limit=-3"] {
      let outcome = try switchback("conformance", "--backend", "reference", "--quick", word)
      #expect(outcome.status == 64 && outcome.error.contains(word.prefix { $0 != "=" }), "\(word): \(outcome.error)")
    }
    #expect(try switchback("backends", "check", "reference", "--limit=0").status == 64)
    let library = try plugin(opening: "if ((long)host->workers > sysconf(_SC_NPROCESSORS_ONLN)) abort();")
    let outcome = try switchback(
      "conformance", "--backend", library, "--quick", "--threads", "1000", "--filter", "contract the same question")
    #expect(outcome.status == 0, "\(outcome.output)\(outcome.error)")
  }

  @Test("a child ends with a parent that is killed or ended, and nothing of both stays", arguments: [SIGKILL, SIGTERM])
  func killed(signal: Int32) throws {
    let folder = try temporaryFolder()
    let file = temporary()
    let library = try plugin(
      opening: """
        FILE *file = fopen("\(file)", "w"); fprintf(file, "%d\\n", (int)getpid()); fclose(file); for (;;) sleep(1);
        """)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: binary)
    process.arguments = ["conformance", "--backend", library, "--quick"]
    process.environment = ProcessInfo.processInfo.environment.merging(["TMPDIR": folder]) { $1 }
    (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
    try process.run()
    var child = ""
    for _ in 0..<6000 where !child.hasSuffix("\n") {
      usleep(10_000)
      child = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
    }
    child = child.trimmingCharacters(in: .newlines)
    try #require(!child.isEmpty && isRunning(child))
    kill(process.processIdentifier, signal)
    for _ in 0..<3000 where process.isRunning { usleep(10_000) }
    // Its case would end it after minutes.
    try #require(!process.isRunning)
    for _ in 0..<1000 where isRunning(child) { usleep(10_000) }
    #expect(!isRunning(child))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == [])
  }

  @Test("a reader that goes away accuses no backend")
  func closedPipe() throws {
    let outcome = try shell(
      "{ \"$@\"; echo \"status $?\" >&2; } | true",
      ["sh", binary, "conformance", "--backend", "reference", "--quick", "--filter", "unary 0"])
    #expect(outcome.error.contains("status 141"), "\(outcome.error)")
    #expect(!outcome.error.contains("crashed") && !outcome.error.contains("again"), "\(outcome.error)")
  }

  @Test(
    "results that find no room are an error of every command",
    arguments: [
      ["config", "schema"], ["--help"], ["--version"], ["data", "list"],
      ["conformance", "--backend", "reference", "--quick", "--filter", "unary 0"],
    ])
  func full(arguments: [String]) throws {
    let outcome = try shell("\"$@\" >/dev/full", ["sh", binary] + arguments)
    #expect(outcome.status == 74 && outcome.error.contains("standard output cannot be written"), "\(outcome)")
  }

  @Test(
    "a library that closes standard output, or writes to it, spoils no report",
    arguments: ["close(1);", "printf(\"passed \\n{}\\n\"), fflush(stdout);"])
  func output(words: String) throws {
    let outcome = try switchback(
      "conformance", "--backend", try plugin(opening: words), "--quick", "--json", "--filter",
      "contract the same question", "--filter", "matmul 0")
    #expect(outcome.status == 0, "\(outcome.output)\(outcome.error)")
    let result = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    #expect((result["families"] as? [Any])?.count == 2, "\(result)")
  }

  @Test("a temporary folder without room is said to be that")
  func noRoom() throws {
    let outcome = try shell(
      "{ ulimit -f 0; \"$@\" 2>&1; echo \"status $?\"; } | cat",
      [
        "sh", "/usr/bin/env", "--ignore-signal=XFSZ", binary, "conformance", "--backend", "reference", "--quick",
        "--filter", "contract the same question",
      ])
    #expect(outcome.output.contains("status 74") && outcome.output.contains("cannot be written"), "\(outcome.output)")
    #expect(!outcome.output.contains("ended the process"), "\(outcome.output)")
  }

  @Test("an operation that hangs is told with the seconds it had, and asked again with as many")
  func hangs() throws {
    let hang = "({ for (;;) { volatile int x = 0; (void)x; } 0; })"
    let library = try compilePlugin(
      template, replacing: [("k < s->inner; k++", "(s->inner <= 100 || \(hang)) && k < s->inner; k++")])
    let outcome = try switchback(
      "conformance", "--backend", library, "--quick", "--filter", "matmul", "--limit", "2")
    #expect(outcome.status == 1 && outcome.error.contains("did not come back within 2 seconds: matmul "), "\(outcome)")
    let command = try #require(commands(outcome.error).first)
    #expect(command.contains(" --limit 2"), "\(command)")
  }
}
