import Yams

/// What the command line says of a configuration: `training.epochs=2`.
enum Overrides {
  /// Sets `a.b.0.c=value`; a list element is named by its index.
  static func apply(_ override: String, to root: Node?, _ problems: ProblemList) -> Node? {
    guard let equals = override.firstIndex(of: "="), equals != override.startIndex else {
      problems.add("\"\(override)\" is no override: write key=value, such as training.epochs=2", at: Node(override))
      return root
    }
    let keys = override[..<equals].split(separator: ".").map(String.init)
    let text = String(override[override.index(after: equals)...])
    guard let value = try? Yams.compose(yaml: text.isEmpty ? "\"\"" : text) else {
      problems.add("\(override): the value is no valid YAML", at: Node(override))
      return root
    }
    return set(keys[...], to: unmarked(value), in: root, below: nil, override, problems)
  }

  /// Values from the command line carry no place in the file.
  private static func unmarked(_ node: Node) -> Node {
    switch node {
    case .scalar(let scalar): .scalar(.init(scalar.string, scalar.tag, scalar.style))
    case .sequence(let items): .sequence(.init(items.map(unmarked)))
    case .mapping(let pairs): .mapping(.init(pairs.map { (unmarked($0.key), unmarked($0.value)) }))
    case .alias: node
    }
  }

  private static func set(
    _ keys: ArraySlice<String>, to value: Node, in node: Node?, below parent: String?, _ override: String,
    _ problems: ProblemList
  ) -> Node {
    guard let key = keys.first else { return value }
    switch node {
    case .sequence(var items):
      guard let index = Int(key), items.indices.contains(index) else {
        problems.add(
          "\(override): there is no element \(key) of \(items.count) (they count from 0)", at: Node(override))
        return .sequence(items)
      }
      items[index] = set(keys.dropFirst(), to: value, in: items[index], below: key, override, problems)
      return .sequence(items)
    case .mapping(var pairs):
      let inner = set(keys.dropFirst(), to: value, in: pairs[Node(key)], below: key, override, problems)
      if let index = pairs.firstIndex(where: { $0.key.string == key }) {
        let old = pairs[index].key
        pairs = .init(pairs.map { $0.key == old ? ($0.key, inner) : ($0.key, $0.value) }, .implicit, .any, pairs.mark)
      } else {
        pairs[Node(key)] = inner
      }
      return .mapping(pairs)
    default:
      // A bare word (`optimizer: adam`) keeps its meaning when a key beside it is set.
      guard let word = node?.scalar, let parent, node?.null == nil else {
        return .mapping(.init([(Node(key), set(keys.dropFirst(), to: value, in: nil, below: key, override, problems))]))
      }
      let long = Node.mapping(.init([(Node(parent == "backend" ? "name" : "type"), Node.scalar(word))]))
      return set(keys, to: value, in: long, below: parent, override, problems)
    }
  }
}
