import Yams

/// Collects what is wrong while a configuration is read, so that all of it is said at once.
final class ProblemList {
  let file: String
  /// Whether nothing is read and the keys say what they take: see `ConfigurationSchema`.
  let isDescribing: Bool
  /// Whether blocks are written out in what is resolved.
  let expandsBlocks: Bool
  private(set) var problems: [ConfigurationError.Problem] = []
  /// What the layers being read were written for: ` (in the block basic, used in line 12)`.
  private var uses: [(path: String, words: String)] = []
  /// Where blocks have problems: each is said once, for the first use.
  private var said: Set<String> = []

  init(file: String, isDescribing: Bool = false, expandsBlocks: Bool = false) {
    (self.file, self.isDescribing, self.expandsBlocks) = (file, isDescribing, expandsBlocks)
  }

  /// A node without a mark comes from the command line; without a node there is no line to name.
  func place(of node: Node?) -> ConfigurationError.Place {
    .init(
      file: node.map { $0.mark == nil } == true ? "command line" : file, line: node?.mark?.line,
      column: node?.mark?.column)
  }

  /// What is said of a file that is YAML, as most texts are, and no configuration; `found` is what it holds.
  func noConfiguration(_ found: String) -> String {
    let name = file.lowercased()
    let isTable = [".csv", ".tsv"].contains { name.hasSuffix($0) }
    return "this is no configuration, which holds keys and values such as model, data and training, but \(found); "
      + (isTable
        ? "switchback config init NEW.yaml --dataset csv --path \(file) writes one for this table"
        : "switchback config init prints one to start from")
  }

  func add(_ message: String, at node: Node?) { add(message, place(of: node)) }

  func add(_ message: String, _ place: ConfigurationError.Place) {
    if let use = uses.last {
      let place = "\(place.line ?? 0):\(place.column ?? 0) \(message.replacing(use.path, with: ""))"
      guard said.insert(place).inserted else { return }
    }
    problems.append(.init(place, message + useWords))
  }

  /// Takes back what was added, since another problem says it better.
  func withdraw(_ message: String, at node: Node?) {
    let problem = ConfigurationError.Problem(place(of: node), message + useWords)
    if let index = problems.lastIndex(of: problem) { problems.remove(at: index) }
  }

  /// What the layers being read were written for; empty outside of blocks.
  var useWords: String { uses.map(\.words).joined() }

  /// Reads the layers of a block for the entry at `node`, whose path they are under.
  func using<Result>(_ block: String, path: String, at node: Node?, _ read: () -> Result) -> Result {
    let line = node?.mark.map { ", used in line \($0.line)" } ?? ""
    uses.append((path, " (in the block \(block)\(line))"))
    defer { uses.removeLast() }
    return read()
  }
}
