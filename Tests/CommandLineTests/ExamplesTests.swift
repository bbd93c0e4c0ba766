import Foundation
import TestFiles
import Testing

/// What a newcomer copies: the examples of every command's help, and the commands of README.
@Suite struct ExamplesTests {
  private struct Help: Decodable { var command: Command }

  private struct Command: Decodable {
    var commandName: String
    var discussion: String?
    var subcommands: [Command]?

    /// Of this command and those below it.
    func discussions(after parent: String = "") -> [(name: String, text: String)] {
      let name = parent + commandName
      return [(name, discussion ?? "")] + (subcommands ?? []).flatMap { $0.discussions(after: name + " ") }
    }
  }

  /// Whether a shell reads it; nothing is run.
  private func parse(_ text: String, _ name: String) throws {
    let outcome = try run("/usr/bin/env", ["bash", "-n", "-c", text], [:])
    #expect(outcome.status == 0, "\(name): \(outcome.error)\(text)")
  }

  @Test("examples of help can be pasted, and stand on one line of 80 characters each")
  func help() throws {
    let help = try JSONDecoder().decode(Help.self, from: Data(switchback("--experimental-dump-help").output.utf8))
    let discussions = help.command.discussions()
    #expect(discussions.count > 20)
    var count = 0
    for (name, text) in discussions {
      let lines = text.split(separator: "\n").filter { $0.hasPrefix("  ") }
      for line in lines { #expect(line.count <= 80, "\(name): \(line)") }
      let examples = lines.filter { $0.firstMatch(of: /^ +(switchback|SWITCHBACK|#|--|\(|\|)/) != nil }
      count += examples.count
      try parse(examples.joined(separator: "\n"), name)
    }
    #expect(count > 60)
  }

  @Test("commands of README can be pasted")
  func readme() throws {
    let text = try String(contentsOfFile: root + "/README.md", encoding: .utf8)
    let lines = text.split(separator: "\n").filter { $0.hasPrefix("switchback ") || $0.hasPrefix("make ") }
    #expect(lines.count > 8)
    for line in lines { try parse(String(line), "README.md") }
  }

  @Test("README's block stands in a configuration that runs on MNIST")
  func block() throws {
    let text = try String(contentsOfFile: root + "/README.md", encoding: .utf8)
    let start = try #require(text.range(of: "```yaml\nmodel:\n  blocks:\n"))
    let end = try #require(text.range(of: "\n```", range: start.upperBound..<text.endIndex))
    let model = text[start.lowerBound..<end.lowerBound].dropFirst("```yaml\n".count)
    let file = temporary() + ".yaml"
    try """
    version: 1
    \(model)
    data: {dataset: mnist}
    training: {loss: categorical_crossentropy, optimizer: adam}
    """.write(toFile: file, atomically: true, encoding: .utf8)
    let outcome = try switchback("config", "check", file, "--backend", "reference", "--data", dataFolder())
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(outcome.output.contains("is valid"), "\(outcome.output)")
  }
}
