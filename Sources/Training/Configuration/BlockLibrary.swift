import Yams

/// `model.blocks`: lists of layers with parameters, written once and used with values.
///
///     blocks:
///       basic:
///         parameters: {filters: ~, strides: 1}   # ~: must be given
///         layers:
///           - conv2d: {filters: $filters, kernel_size: 3, strides: $strides}
///     layers:
///       - block: {use: basic, filters: 16}
///
/// `$name` stands for a whole value of any kind, and is replaced before the layers are read.
struct BlockLibrary {
  private struct Definition {
    var parameters: [(name: String, fallback: Node?)]
    var layers: Node
  }

  private var definitions: [String: Definition] = [:]
  /// Blocks that are not written out, since something wrong was said of them.
  private var broken: Set<String> = []
  /// Keys of an entry that are no parameters.
  private static let reserved: Set = ["use", "name", "inputs", "trainable", "layers"]

  init() {}

  init(_ section: SectionReader) {
    section.describe(
      "blocks", help: "Lists of layers with parameters, by name: {parameters: {units: 4}, layers: […]}", Self.schema)
    guard let given = section.take("blocks"), !section.problems.isDescribing else { return }
    let reader = SectionReader(given, path: section.full("blocks"), section.problems)
    for name in reader.keys {
      guard let node = reader.take(name) else { continue }
      let definition = SectionReader(node, path: reader.full(name), section.problems)
      var parameters: [(String, Node?)] = []
      let declared = SectionReader(definition.take("parameters"), path: definition.full("parameters"), section.problems)
      for parameter in declared.keys {
        if Self.reserved.contains(parameter) {
          section.problems.add("\(declared.full(parameter)): \(parameter) cannot be a parameter's name", at: node)
        }
        parameters.append((parameter, declared.take(parameter)))
      }
      let layers = definition.take("layers")
      let isParameter = layers?.scalar?.string.hasPrefix("$") == true
      if !isParameter, layers?.sequence?.isEmpty != false {
        section.problems.add(
          "\(definition.full("layers")) must be a list of layers, such as - dense: {units: $units}", at: layers ?? node)
      }
      definition.finish()
      let names = Set(parameters.map(\.0))
      Self.visit(Node([layers ?? node])) { _, value in
        guard let word = value.scalar?.string, word.hasPrefix("$"), !names.contains(String(word.dropFirst())) else {
          return
        }
        section.problems.add(
          "\(reader.full(name)): \(word) is not among its parameters"
            + Suggestion.words(for: String(word.dropFirst()), among: parameters.map(\.0)), at: value)
        broken.insert(name)
      }
      definitions[name] = Definition(parameters: parameters, layers: layers ?? Node([Node]()))
    }
    for name in reader.keys where used(by: name).contains(name) {
      section.problems.add("\(reader.full(name)): the block \(name) uses itself", at: definitions[name]?.layers)
      broken.insert(name)
    }
    // As it is written: `config show --expanded` has none left.
    if !section.problems.expandsBlocks { section.record("blocks", given) }
  }

  /// An entry `block: {use: NAME, PARAMETER: …}`.
  struct Use {
    var use: String
    /// What was written.
    var resolved: [(Node, Node)]
    /// What it stands for.
    var layers: Node
  }

  /// Nil where something is wrong.
  func layers(of section: SectionReader) -> Use? {
    let problems = section.problems
    guard let useNode = section.take("use"), let use = useNode.scalar?.string else {
      problems.add("\(section.full("use")) must be the name of a block", at: section.node)
      section.allowRest()
      return nil
    }
    guard let definition = definitions[use] else {
      let words = Suggestion.words(for: use, among: definitions.keys.sorted())
      problems.add("\(section.full("use")): model.blocks has no block \(use)\(words)", at: useNode)
      section.allowRest()
      return nil
    }
    var (values, resolved) = ([String: Node](), [(Node("use"), Node(use))])
    for (name, fallback) in definition.parameters {
      let given = section.take(name)
      if let given { resolved.append((Node(name), given)) }
      values[name] = given ?? fallback
    }
    let lacks = definition.parameters.map(\.name).filter { values[$0] == nil }
    for name in lacks { section.missing(name, "\(section.path): the block \(use) needs \(name)") }
    guard lacks.isEmpty, !broken.contains(use) else { return nil }
    return Use(use: use, resolved: resolved, layers: Self.replace(definition.layers, values))
  }

  private static func replace(_ node: Node, _ values: [String: Node]) -> Node {
    switch node {
    case .scalar(let scalar):
      return scalar.string.hasPrefix("$") ? values[String(scalar.string.dropFirst())] ?? node : node
    case .sequence(let items):
      return .sequence(.init(items.map { replace($0, values) }, items.tag, items.style, items.mark))
    case .mapping(let pairs):
      return .mapping(.init(pairs.map { ($0.key, replace($0.value, values)) }, pairs.tag, pairs.style, pairs.mark))
    case .alias: return node
    }
  }

  /// Calls `body` for every value below, with its key in a mapping.
  private static func visit(_ node: Node, _ body: (_ key: String?, _ value: Node) -> Void) {
    for item in node.sequence.map({ Array($0) }) ?? [] {
      body(nil, item)
      visit(item, body)
    }
    for pair in node.mapping.map({ Array($0) }) ?? [] {
      body(pair.key.string, pair.value)
      visit(pair.value, body)
    }
  }

  /// The blocks that its layers use, themselves and through others.
  private func used(by name: String) -> Set<String> {
    var (found, next): (Set<String>, [String]) = ([], [name])
    while let definition = next.popLast().flatMap({ definitions[$0] }) {
      Self.visit(definition.layers) { key, value in
        guard key == "use", let word = value.scalar?.string, found.insert(word).inserted else { return }
        if definitions[word] != nil { next.append(word) }
      }
    }
    return found
  }

  private static var schema: SchemaPart {
    let definition: [String: Any] = [
      "type": "object", "required": ["layers"], "additionalProperties": false,
      "properties": [
        "parameters": ["type": "object", "additionalProperties": [String: Any]()] as [String: Any],
        "layers": ["type": "array", "minItems": 1],
      ] as [String: Any],
    ]
    return SchemaPart(json: ["type": "object", "additionalProperties": definition])
  }
}
