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
  private var uses: [String] = []
  /// Problems without their uses: one of a block is said once.
  private var said: Set<String> = []

  init(file: String, isDescribing: Bool = false, expandsBlocks: Bool = false) {
    (self.file, self.isDescribing, self.expandsBlocks) = (file, isDescribing, expandsBlocks)
  }

  /// A node without a mark comes from the command line; without a node there is no line to name.
  func add(_ message: String, at node: Node?) {
    let file = node.map { $0.mark == nil } == true ? "command line" : file
    let (line, column) = (node?.mark?.line, node?.mark?.column)
    if !uses.isEmpty, !said.insert("\(line ?? 0) \(column ?? 0) \(message)").inserted { return }
    problems.append(.init(file: file, line: line, column: column, message: message + uses.joined()))
  }

  /// Reads the layers of a block for the entry at `node`.
  func using<Result>(_ block: String, at node: Node?, _ read: () -> Result) -> Result {
    uses.append(" (in the block \(block)\(node?.mark.map { ", used in line \($0.line)" } ?? ""))")
    defer { uses.removeLast() }
    return read()
  }
}
