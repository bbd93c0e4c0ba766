import ArgumentParser
import Switchback
import SwitchbackPrograms
import SwitchbackTraining

struct ConfigKeysCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "keys", abstract: "Lists the keys of configurations: what each takes, its default, what it means.",
    discussion: flowing(
      """
      Examples:

        switchback config keys                               # all of them
        switchback config keys training.optimizer            # that section, or key
        switchback config keys model.layers                  # which layers there are
        switchback config keys model.layers.dense            # without its number
        switchback config keys monitor --json                # an array of keys
        switchback config keys --markdown > configs/KEYS.md  # make operations
      """))

  @Argument(help: "The beginning of the keys that are listed; without it all are.")
  var prefix = ""

  @Flag(help: "One JSON array of keys: key, takes, default, required, help, words.")
  var json = false

  @Flag(help: "A page of tables.")
  var markdown = false

  func validate() throws {
    if json && markdown { throw ValidationError("--json and --markdown exclude each other") }
    if markdown && !prefix.isEmpty { throw ValidationError("--markdown writes all keys, without a prefix") }
  }

  func run() throws {
    let keys = Configuration.keys
    if markdown { return Terminal.write(ConfigurationKeyPage(keys).text) }
    let all = keys.flatMap(\.all)
    let found = all.filter { $0.matches(prefix: prefix) }
    guard let first = found.first else {
      throw fail("there is no key \(prefix)\(suggestion(among: all))", ExitCode(64))
    }
    if json { return Terminal.write(Terminal.json(found)) }
    let near = Set([first.path] + first.keys.map(\.path))
    // The keys of all layers are a book: of the list itself it says which layers there are.
    let shown = first.path == "model.layers" ? [first] + first.keys : found
    for key in shown {
      Terminal.write(lines(of: key, saysWords: !prefix.isEmpty && near.contains(key.path)).joined(separator: "\n"))
    }
  }

  private func lines(of key: ConfigurationKey, saysWords: Bool) -> [String] {
    let fallback = key.isRequired ? "; required" : key.fallback.map { "; default: \($0)" } ?? ""
    let condition = key.condition.map { " (with \($0))" } ?? ""
    let words = saysWords ? key.words.map { "    \($0.word): \($0.help)" } : []
    return ["\(key.path): \(key.takes)\(fallback)", "  \(key.help)\(condition)"] + words
  }

  /// The end of a path is as good as the whole: `layers.lstm`.
  private func suggestion(among keys: [ConfigurationKey]) -> String {
    let count = prefix.split(separator: ".").count
    func distance(_ key: ConfigurationKey) -> Int {
      let path = key.path.replacing(".N.", with: ".")
      let end = path.split(separator: ".").suffix(count).joined(separator: ".")
      return min(NearestWord.distance(prefix, path), NearestWord.distance(prefix, end))
    }
    let nearest = keys.map { ($0.path, distance($0)) }.min { $0.1 < $1.1 }
    guard let nearest, nearest.1 <= max(2, prefix.count / 3) else { return "; switchback config keys lists all" }
    return "; did you mean \(nearest.0)?"
  }
}
