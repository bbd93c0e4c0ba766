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
  /// Keys of an entry that are no parameters.
  private static let reserved: Set = ["use", "name", "inputs", "trainable", "layers"]

  init() {}

  init(_ section: SectionReader) {
    section.describe("blocks", Self.schema)
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
      if layers?.sequence?.isEmpty != false {
        section.problems.add(
          "\(definition.full("layers")) must be a list of layers, such as - dense: {units: $units}", at: layers ?? node)
      }
      definition.finish()
      definitions[name] = Definition(parameters: parameters, layers: layers ?? Node([Node]()))
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
      return nil
    }
    guard let definition = definitions[use] else {
      let words = Suggestion.words(for: use, among: definitions.keys.sorted())
      problems.add("\(section.full("use")): model.blocks has no block \(use)\(words)", at: useNode)
      return nil
    }
    var (values, resolved) = ([String: Node](), [(Node("use"), Node(use))])
    for (name, fallback) in definition.parameters {
      let given = section.take(name)
      if let given { resolved.append((Node(name), given)) }
      guard let value = given ?? fallback else {
        problems.add("\(section.path): the block \(use) needs \(name)", at: section.node)
        return nil
      }
      values[name] = value
    }
    var isComplete = true
    let layers = Self.replace(definition.layers, values) { name, node in
      isComplete = false
      let known = definition.parameters.map(\.name)
      problems.add(
        "model.blocks.\(use): $\(name) is not among its parameters\(Suggestion.words(for: name, among: known))",
        at: node)
    }
    return isComplete ? Use(use: use, resolved: resolved, layers: layers) : nil
  }

  private static func replace(
    _ node: Node, _ values: [String: Node], _ unknown: (String, Node) -> Void
  ) -> Node {
    switch node {
    case .scalar(let scalar):
      guard scalar.string.hasPrefix("$") else { return node }
      let name = String(scalar.string.dropFirst())
      guard let value = values[name] else {
        unknown(name, node)
        return node
      }
      return value
    case .sequence(let items):
      return .sequence(.init(items.map { replace($0, values, unknown) }, items.tag, items.style, items.mark))
    case .mapping(let pairs):
      return .mapping(
        .init(pairs.map { ($0.key, replace($0.value, values, unknown)) }, pairs.tag, pairs.style, pairs.mark))
    case .alias: return node
    }
  }

  private static var schema: SchemaPart {
    let definition: [String: Any] = [
      "type": "object", "required": ["layers"], "additionalProperties": false,
      "properties": ["parameters": ["type": "object"], "layers": ["type": "array", "minItems": 1]] as [String: Any],
    ]
    return SchemaPart(json: ["type": "object", "additionalProperties": definition])
  }
}
