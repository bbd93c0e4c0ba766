import Switchback

/// The keys of configurations as a page of tables, one a section. A section like an earlier one is named, not repeated.
struct ConfigurationKeyPage {
  private(set) var text = """
    # Keys of configurations

    Every key that a configuration may have, from the code that reads it; `switchback config keys PREFIX` says the same of
    some. `N` is the place of a layer in its list, from 0. Written by `make operations`.

    """
  /// What each section says, and the first section that says it.
  private var first: [String: String] = [:]

  init(_ keys: [ConfigurationKey]) {
    for key in keys { collect(key) }
    text += "\n## The whole\n\n" + table(of: keys)
    for key in keys { add(key, depth: 2) }
    while text.hasSuffix("\n") { text.removeLast() }
  }

  private mutating func collect(_ key: ConfigurationKey) {
    let signature = signature(of: key)
    guard !key.keys.isEmpty, first[signature] == nil else { return }
    first[signature] = key.path
    for below in key.keys { collect(below) }
  }

  /// What the sections below say too, but not where. A default that is a word stands in the section's own row.
  private func signature(of key: ConfigurationKey) -> String {
    key.keys.map { below in
      var row = below
      if !below.words.isEmpty { (row.fallback, row.isRequired) = (nil, false) }
      return self.row(row, takes: row.takes) + "\(row.words)" + signature(of: below)
    }.joined()
  }

  private mutating func add(_ key: ConfigurationKey, depth: Int) {
    guard !key.keys.isEmpty, first[signature(of: key)] == key.path else { return }
    text += "\n\(String(repeating: "#", count: depth)) `\(key.path)`\n\n\(key.help).\n\n" + table(of: key.keys)
    for key in key.keys where !key.words.isEmpty {
      text += "\n" + key.words.map { "- `\($0.word)`: \($0.help)\n" }.joined()
    }
    for below in key.keys { add(below, depth: min(depth + 1, 4)) }
  }

  private func table(of keys: [ConfigurationKey]) -> String {
    let rows = keys.map { key in
      let hasWords = key.takes.hasPrefix("one of ") && key.keys.contains { !$0.words.isEmpty }
      let like = key.keys.isEmpty ? nil : first[signature(of: key)].flatMap { $0 == key.path ? nil : $0 }
      return row(key, takes: (hasWords ? "a word, or a section" : key.takes) + (like.map { " as `\($0)`" } ?? ""))
    }
    return "| key | takes | default | meaning |\n|---|---|---|---|\n" + rows.joined()
  }

  private func row(_ key: ConfigurationKey, takes: String) -> String {
    let fallback = key.isRequired ? "required" : key.fallback.map { "`\($0)`" } ?? "–"
    let condition = key.condition.map { " (with \($0))" } ?? ""
    let cells = ["`\(key.word)`", takes, fallback, key.help + condition]
    return "| " + cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |\n"
  }
}
