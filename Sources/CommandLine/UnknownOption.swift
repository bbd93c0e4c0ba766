import ArgumentParser
import Foundation
import SwitchbackPrograms
import SwitchbackTraining

/// A word that looks like an option and is none of its command's. The parser says so only where it finds nothing else to
/// say: of `train --hlep` that a configuration is missing.
enum UnknownOption {
  private struct Help: Decodable { var command: Command }

  private struct Command: Decodable {
    struct Argument: Decodable {
      struct Name: Decodable {
        var kind: String
        var name: String
      }
      var names: [Name]?
      var kind: String
    }
    var commandName: String
    var arguments: [Argument]?
    var subcommands: [Command]?
    var defaultSubcommand: String?
  }

  /// What is wrong with the words behind `switchback`; nil where every option is known. `help` is the program's description
  /// of itself.
  static func words(in arguments: ArraySlice<String>, help: String) -> String? {
    guard var command = try? JSONDecoder().decode(Help.self, from: Data(help.utf8)).command else { return nil }
    var rest = arguments
    while let word = rest.first, let next = command.subcommands?.first(where: { $0.commandName == word }) {
      command = next
      rest = rest.dropFirst()
    }
    let ownCommand = command.subcommands?.first { $0.commandName == command.defaultSubcommand } ?? command
    let known = (command.arguments ?? []) + (ownCommand.arguments ?? [])
    func names(_ kinds: [String]) -> Set<String> {
      Set(known.filter { kinds.contains($0.kind) }.flatMap { $0.names ?? [] }.filter { $0.kind == "long" }.map(\.name))
    }
    let (flags, options) = (names(["flag"]), names(["option"]))
    var isValue = false
    for word in rest {
      if word == "--" { return nil }
      defer { isValue = options.contains(String(word.dropFirst(2))) && word.hasPrefix("--") }
      guard !isValue, word.hasPrefix("--") else { continue }
      let name = String(word.dropFirst(2).prefix { $0 != "=" })
      guard !flags.contains(name), !options.contains(name), name != "help", name != "version" else { continue }
      let nearest = Suggestion.nearest(to: name, among: flags.union(options).union(["help"]).sorted())
      return "there is no option --\(name)" + NearestWord.hint(nearest.map { "--" + $0 })
    }
    return nil
  }
}
