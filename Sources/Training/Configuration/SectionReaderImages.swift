import SwitchbackNeuralNetworks
import Yams

/// Keys of layers of images: what surrounds them.
extension SectionReader {
  /// `valid`, `same`, or `[top, bottom, left, right]`.
  func padding(_ key: String, _ fallback: Padding, help: String) -> Padding {
    let words = ["valid", "same"]
    describe(key, help: help, .any([.choice(words, Self.word(for: fallback)), .list(of: .edges, count: 4)]))
    guard let node = take(key) else {
      record(key, Self.node(for: fallback))
      return fallback
    }
    if let counts = counts(node, 4) {
      record(key, node)
      return .explicit(ImageEdges(top: counts[0], bottom: counts[1], left: counts[2], right: counts[3]))
    }
    switch node.string {
    case "valid"?, "same"?:
      record(key, node)
      return node.string == "same" ? .same : .valid
    default:
      let nearest = node.scalar.map { Suggestion.words(for: $0.string, among: words) } ?? ""
      problems.add(
        "\(full(key)) must be valid, same, or four whole numbers [top, bottom, left, right], not "
          + Self.word(for: node) + nearest, at: node)
      return fallback
    }
  }

  /// One number for all edges, `[height, width]`, `[top, bottom, left, right]`, or Keras's `[[top, bottom], [left, right]]`.
  func edges(_ key: String, _ fallback: ImageEdges, help: String) -> ImageEdges {
    describe(key, help: help, .edges(fallback))
    guard let node = take(key) else {
      record(key, Self.node(for: fallback))
      return fallback
    }
    if let counts = counts(node, 4) {
      record(key, node)
      return ImageEdges(top: counts[0], bottom: counts[1], left: counts[2], right: counts[3])
    }
    let sides = node.sequence.map { $0.map(side) } ?? [side(node), side(node)]
    guard sides.count == 2, let vertical = sides[0], let horizontal = sides[1] else {
      problems.add(
        "\(full(key)) must be \(Self.words(for: .edges)), [height, width], [top, bottom, left, right], or "
          + "[[top, bottom], [left, right]]", at: node)
      return fallback
    }
    record(key, node)
    return ImageEdges(top: vertical.0, bottom: vertical.1, left: horizontal.0, right: horizontal.1)
  }

  /// A number for both ends of an axis, or a list of two.
  private func side(_ node: Node) -> (Int, Int)? {
    if let count = node.int { return ClosedRange<Int>.edges.contains(count) ? (count, count) : nil }
    return counts(node, 2).map { ($0[0], $0[1]) }
  }

  /// So many numbers of cells; nil where the node is something else.
  private func counts(_ node: Node, _ count: Int) -> [Int]? {
    guard let items = node.sequence, items.count == count else { return nil }
    let counts = items.compactMap(\.int).filter(ClosedRange<Int>.edges.contains)
    return counts.count == count ? counts : nil
  }

  private static func word(for padding: Padding) -> String? {
    switch padding {
    case .valid: "valid"
    case .same: "same"
    case .explicit: nil
    }
  }

  private static func node(for padding: Padding) -> Node {
    if case .explicit(let edges) = padding { return list(edges.counts) }
    return Node(word(for: padding) ?? "")
  }

  private static func node(for edges: ImageEdges) -> Node {
    guard Set(edges.counts).count > 1 else { return Node("\(edges.top)", Tag(.int)) }
    return Node([list([edges.top, edges.bottom]), list([edges.left, edges.right])])
  }

  private static func list(_ counts: [Int]) -> Node { Node(counts.map { Node("\($0)", Tag(.int)) }) }
}

extension SchemaPart {
  /// Cells at one edge.
  fileprivate static var edges: SchemaPart { integer(.edges, nil) }

  /// A list of so many.
  fileprivate static func list(of part: SchemaPart, count: Int) -> SchemaPart {
    var list = list(of: part)
    (list.json["minItems"], list.json["maxItems"]) = (count, count)
    return list
  }

  fileprivate static func edges(_ fallback: ImageEdges) -> SchemaPart {
    var part = any([edges, list(of: any([edges, list(of: edges, count: 2)]), count: 2), list(of: edges, count: 4)])
    part.json["default"] =
      Set(fallback.counts).count == 1
      ? fallback.top as Any : [[fallback.top, fallback.bottom], [fallback.left, fallback.right]]
    return part
  }
}
