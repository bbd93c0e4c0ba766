import Foundation
import Yams

/// Which of another framework's tensors become which of ours, and how: a list of patterns.
///
///     - theirs: conv1.weight
///       ours: layers.0.conv2d/kernel
///       transform: permute 2 3 1 0
///     - theirs: [rnn.bias_ih_l0, rnn.bias_hh_l0]
///       ours: layers.1.lstm/bias
///       transform: sum
///     - theirs: blocks.*.norm.weight     # * is any part of a name between its points and strokes
///       ours: layers.*.layer_normalization/gamma
///     - theirs: "*.num_batches_tracked"
///       ours: ~                          # not taken
package struct WeightMap: Hashable, Sendable {
  package struct Entry: Hashable, Sendable {
    package var theirs: [String]
    /// Nil: their tensors are left out.
    package var ours: String?
    package var steps: [WeightStep] = []

    package init(_ theirs: [String], _ ours: String?, _ steps: [WeightStep] = []) {
      (self.theirs, self.ours, self.steps) = (theirs, ours, steps)
    }
  }

  package var entries: [Entry]

  package init(_ entries: [Entry]) { self.entries = entries }

  // MARK: Text

  /// Reads the text of a map; `file` is for messages.
  package init(text: String, file: String) throws(WeightError) {
    let root: Node?
    do { root = try Yams.compose(yaml: text) } catch { throw WeightError("\(file) is no YAML: \(error)") }
    guard let items = root?.sequence else { throw WeightError("\(file) is no list of theirs and ours") }
    entries = []
    for item in items {
      let line = item.mark.map { ":\($0.line)" } ?? ""
      guard let keys = item.mapping, let theirs = keys["theirs"], keys["ours"] != nil else {
        throw WeightError("\(file)\(line): an item has theirs, ours and, where it needs one, a transform")
      }
      if let unknown = keys.keys.compactMap(\.string).first(where: { !["theirs", "ours", "transform"].contains($0) }) {
        throw WeightError("\(file)\(line): an item has no key \(unknown)")
      }
      let names = theirs.sequence.map { $0.compactMap(\.string) } ?? theirs.string.map { [$0] } ?? []
      guard !names.isEmpty, let ours = keys["ours"]?.string else {
        throw WeightError("\(file)\(line): theirs and ours are names")
      }
      var steps: [WeightStep] = []
      for words in (keys["transform"]?.string ?? "").split(separator: ",") {
        do { steps.append(try WeightStep(words.trimmingCharacters(in: .whitespaces))) } catch {
          throw WeightError("\(file)\(line): \(error)")
        }
      }
      entries.append(Entry(names, ["~", "null", ""].contains(ours) ? nil : ours, steps))
    }
  }

  /// As it is read again; `unsure` are their tensors that no weight of ours takes, as comments.
  package func text(leftOver: [String] = []) -> String {
    func quoted(_ name: String) -> String {
      let escaped = name.unicodeScalars.map { scalar in
        switch scalar {
        case "\\", "\"": "\\\(scalar)"
        case " "..."~": String(scalar)
        default: String(format: "\\U%08x", scalar.value)
        }
      }
      return "\"\(escaped.joined())\""
    }
    var lines: [String] = []
    for entry in entries {
      let theirs = entry.theirs.map(quoted)
      lines.append("- theirs: \(theirs.count == 1 ? theirs[0] : "[\(theirs.joined(separator: ", "))]")")
      lines.append("  ours: \(entry.ours.map(quoted) ?? "~")")
      if !entry.steps.isEmpty { lines.append("  transform: \(entry.steps.map(\.words).joined(separator: ", "))") }
    }
    if !leftOver.isEmpty {
      lines.append("# Left over: say what they become, or take the mark away and they are left out.")
    }
    for name in leftOver { lines += ["#- theirs: \(quoted(name))", "#  ours: ~"] }
    return lines.joined(separator: "\n") + "\n"
  }

  // MARK: Patterns

  /// The same without patterns, for tensors of these names; a pattern that fits none stands as it is.
  func expanded(over names: [String]) -> WeightMap {
    WeightMap(
      entries.flatMap { entry -> [Entry] in
        guard entry.theirs.contains(where: { $0.contains("*") }) else { return [entry] }
        let found = names.compactMap { name in
          Self.captures(of: name, in: entry.theirs[0]).map { captures in
            Entry(
              entry.theirs.map { Self.filled($0, captures) }, entry.ours.map { Self.filled($0, captures) }, entry.steps)
          }
        }
        return found.isEmpty ? [entry] : found
      })
  }

  /// What each `*` of a pattern stands for in a name; nil where the name is none of it. Where nothing else stands in it, it
  /// is any name.
  private static func captures(of name: String, in pattern: String) -> [Substring]? {
    let pieces = pattern.split(separator: "*", omittingEmptySubsequences: false)
    guard pieces.count > 1 else { return name == pattern ? [] : nil }
    guard name.hasPrefix(pieces[0]) else { return nil }
    var (rest, captures) = (name[name.index(name.startIndex, offsetBy: pieces[0].count)...], [Substring]())
    for (index, piece) in pieces.dropFirst().enumerated() {
      let isLast = index == pieces.count - 2
      if isLast {
        guard rest.hasSuffix(piece) else { return nil }
        captures.append(rest.dropLast(piece.count))
      } else {
        guard let found = rest.range(of: piece) else { return nil }
        captures.append(rest[..<found.lowerBound])
        rest = rest[found.upperBound...]
      }
    }
    // A pattern that begins with its only `*` may leave whole layers out.
    let isFree = pieces.count == 2 && pieces[0].isEmpty
    return isFree || captures.allSatisfy { !$0.contains(".") && !$0.contains("/") } ? captures : nil
  }

  private static func filled(_ pattern: String, _ captures: [Substring]) -> String {
    var rest = captures[...]
    return pattern.map { $0 == "*" ? String(rest.popFirst() ?? "*") : String($0) }.joined()
  }
}
