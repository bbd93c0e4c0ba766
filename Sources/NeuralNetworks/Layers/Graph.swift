import SwitchbackPrograms

/// Layers wired by name; itself a layer.
///
///     Graph(outputs: ["digit", "ink"]) {
///       Conv2D(16, kernelSize: 3, activation: .relu, name: "stem").reading("images")
///       GlobalAveragePooling2D(name: "seen")
///       Dense(8, name: "side").reading("table")
///       Concatenate(name: "both").reading("seen", "side")
///       Dense(10, activation: .softmax, name: "digit")
///       Dense(1, name: "ink").reading("seen")
///     }
///
/// A node reads the one before it, the first one what the graph reads, unless it names what it reads: an input of the
/// model, an input of the graph, an earlier node of the graph or of one around it. Node i has the path
/// `layers.<i>.<kind>`, or the name of its layer.
public struct Graph: Layer {
  public var nodes: [GraphNode]
  /// The names by which nodes read what the graph is called with, in that order; empty where the first node reads it.
  public var inputs: [String]
  /// The nodes whose first results are the graph's, in that order; empty: the last node.
  public var outputs: [String]
  public var name: String?
  public var kind: String { "graph" }
  public var masking: Masking { .consumed }
  public var resultNames: [String] { outputs }

  public init(_ nodes: [GraphNode], inputs: [String] = [], outputs: [String] = [], name: String? = nil) {
    (self.nodes, self.inputs, self.outputs, self.name) = (nodes, inputs, outputs, name)
  }

  public init(
    inputs: [String] = [], outputs: [String] = [], name: String? = nil, @GraphBuilder _ nodes: () -> [GraphNode]
  ) {
    self.init(nodes(), inputs: inputs, outputs: outputs, name: name)
  }

  public func callAsFunction(_ inputs: [Value], in context: inout LayerContext) throws(ProgramError) -> [Value] {
    try context.call(nodes, inputs, named: self.inputs, outputs: outputs)
  }
}

/// A layer of a graph and what it reads.
public struct GraphNode: Sendable {
  public var layer: any Layer
  /// Names of values; empty: the result of the node before.
  public var inputs: [String]

  public init(_ layer: any Layer, inputs: [String] = []) { (self.layer, self.inputs) = (layer, inputs) }

  /// A line of help for a list of nodes.
  package static let listHelp = "Layers, of which the first reads what the whole reads"

  /// What its path adds to that of its list: its layer's name, or `<word>.<index>.<kind>`.
  package func component(at index: Int, of word: String) -> String { layer.name ?? "\(word).\(index).\(layer.kind)" }
}

extension Layer {
  /// The layer as a node that reads what is called so: `images`, `stem`, `encoder:state`.
  public func reading(_ names: String...) -> GraphNode { GraphNode(self, inputs: names) }
}

/// Collects the nodes written in the braces of `Graph { … }`; layers, `if`, `for` and arrays work.
public typealias GraphBuilder = ListBuilder<GraphNode>

extension GraphBuilder {
  public static func buildExpression(_ layer: any Layer) -> [GraphNode] { [GraphNode(layer)] }
  public static func buildExpression(_ layers: [any Layer]) -> [GraphNode] { layers.map { GraphNode($0) } }
}

/// The names that nodes of one list can read, and who was read.
struct GraphScope {
  struct Entry {
    var results: [Value]
    var resultNames: [String]
    /// Of a node: its layer and the path of its weights, for `Shared`.
    var layer: (any Layer)?
    var weightsPath = ""
    /// The node's place in its list; nil for inputs.
    var index: Int?
  }

  var entries: [String: Entry] = [:]
  var read: Set<Int> = []
  /// Names of nodes that come later: whoever reads one is told so.
  var later: Set<String> = []
  /// Of the node that is being traced.
  var current: String?
  /// Names of nodes that are wrong themselves: what is wrong with their readers follows from it.
  var broken: Set<String> = []
}

extension LayerContext {
  /// Traces a list of nodes and answers the results called `outputs`, or the last node's first result. `component` is
  /// the word in the paths of nodes without a name.
  ///
  /// Where a node is wrong, the others are traced all the same, but for its readers: `faults` has what is wrong with each.
  public mutating func call(
    _ nodes: [GraphNode], _ inputs: [Value], named names: [String] = [], outputs: [String] = [],
    component: String = "layers"
  ) throws(ProgramError) -> [Value] {
    try require(names.isEmpty || names.count == inputs.count, "has \(names.count) inputs, but gets \(inputs.count)")
    var scope = GraphScope()
    for (name, value) in zip(names, inputs) { scope.entries[name] = .init(results: [value], resultNames: []) }
    scope.later = Set(nodes.compactMap(\.layer.name))
    let taken = Set(names).union(scopes.first?.entries.keys.map { $0 } ?? [])
    if let name = nodes.lazy.compactMap(\.layer.name).first(where: taken.contains) {
      throw ProgramError("a layer is called like an input: \(name)", path: Self.path(of: name, in: path))
    }
    scopes.append(scope)
    defer { scopes.removeLast() }

    // Nil behind a node that is wrong.
    var last: [Value]? = inputs
    var lastIndex: Int?
    var isWrong = false
    for (index, node) in nodes.enumerated() {
      let part = node.component(at: index, of: component)
      scopes[scopes.count - 1].current = node.layer.name
      do throws(ProgramError) {
        if node.inputs.isEmpty, let lastIndex { scopes[scopes.count - 1].read.insert(lastIndex) }
        let values = try node.inputs.isEmpty ? known(last) : values(called: node.inputs)
        let results = try call(node.layer, at: part, values)
        let layer = try (node.layer as? Shared).map { shared throws(ProgramError) in
          try find(shared.layer).entry.layer ?? node.layer
        }
        var entry = GraphScope.Entry(
          results: results, resultNames: (layer ?? node.layer).resultNames, layer: node.layer)
        (entry.weightsPath, entry.index) = (Self.path(of: part, in: weightsPath), index)
        if let name = node.layer.name {
          scopes[scopes.count - 1].entries[name] = entry
          scopes[scopes.count - 1].later.remove(name)
        }
        (last, lastIndex) = ([results[0]], index)
      } catch {
        try note(error.path.isEmpty ? ProgramError(error.message, path: Self.path(of: part, in: path)) : error)
        if let name = node.layer.name {
          scopes[scopes.count - 1].broken.insert(name)
          scopes[scopes.count - 1].later.remove(name)
        }
        (last, lastIndex, isWrong) = (nil, index, true)
      }
    }
    let known = try known(isWrong ? nil : last)
    let results = try outputs.isEmpty ? known : values(called: outputs)
    if outputs.isEmpty, let lastIndex { scopes[scopes.count - 1].read.insert(lastIndex) }
    if let index = nodes.indices.first(where: { !scopes[scopes.count - 1].read.contains($0) }) {
      let part = nodes[index].component(at: index, of: component)
      throw ProgramError(
        "nobody reads its result; name it among the outputs, or leave it out", path: Self.path(of: part, in: path))
    }
    return results
  }

  /// The values called so in this list or one around it.
  private mutating func values(called names: [String]) throws(ProgramError) -> [Value] {
    var values: [Value] = []
    for name in names {
      let parts = name.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let entry = try read(parts[0])
      guard parts.count == 2 else {
        values.append(entry.results[0])
        continue
      }
      guard let place = entry.resultNames.firstIndex(of: parts[1]), place < entry.results.count else {
        let known = entry.resultNames.isEmpty ? "" : "; it has \(entry.resultNames.joined(separator: ", "))"
        throw ProgramError("reads \(name), but \(parts[0]) has no result called \(parts[1])\(known)", path: "")
      }
      values.append(entry.results[place])
    }
    return values
  }

  /// The input or node of that name, which counts as read.
  private mutating func read(_ name: String) throws(ProgramError) -> GraphScope.Entry {
    let (place, entry) = try find(name)
    if let index = entry.index { scopes[place].read.insert(index) }
    return entry
  }

  /// The input or node of that name, nearest first, and the place of its list. `asLayer`: who asks runs a layer again.
  func find(_ name: String, asLayer: Bool = false) throws(ProgramError) -> (place: Int, entry: GraphScope.Entry) {
    for place in scopes.indices.reversed() {
      if let entry = scopes[place].entries[name] { return (place, entry) }
      if scopes[place].broken.contains(name) { throw followingFault }
      if scopes[place].later.contains(name) {
        let fault = scopes[place].current == name ? "its own result" : "which comes later"
        throw ProgramError("reads \(name), \(fault): a layer reads inputs and earlier layers", path: "")
      }
    }
    let known = Set(scopes.flatMap { $0.entries.filter { !asLayer || $0.value.layer != nil }.keys }).sorted()
    throw ProgramError(
      (asLayer
        ? "runs \(name) again, and no earlier layer is called so"
        : "reads \(name), and no input or earlier layer is called so")
        + NearestWord.hint(NearestWord.of(name, among: known))
        + (known.isEmpty ? "" : " (there are \(known.joined(separator: ", ")))"), path: "")
  }
}
