import SwitchbackNeuralNetworks
import Yams

/// The layers of `model.layers`, by Keras's words.
///
/// A list of layers is a graph: an entry reads the one before unless `inputs` says otherwise. Lists stand in lists
/// (`residual`, `repeat`, `block`), and blocks are written out before their layers are read.
final class LayerReader {
  private struct Kind: Sendable {
    let word: String
    let help: String
    let read: @Sendable (LayerReader, SectionReader) -> any Layer

    init(_ word: String, help: String, _ read: @escaping @Sendable (LayerReader, SectionReader) -> any Layer) {
      (self.word, self.help, self.read) = (word, help, read)
    }

    /// A layer by its own table.
    init<Described: ConfigurableLayer>(_ type: Described.Type) {
      self.init(type.word, help: type.help) { reader, section in
        var layer = section.read(type.settings, lists: reader)
        layer.name = LayerReader.name(section)
        return layer
      }
    }

    /// An activation function as a layer.
    init(_ function: Settings<ActivationFunction>) {
      self.init(function.word, help: function.help) { _, section in
        Activation(section.read(function), name: LayerReader.name(section))
      }
    }
  }

  private static let kinds: [Kind] = {
    let kinds =
      LayerCatalog.layers.map { Kind($0) } + [
        Kind("block", help: "Layers of model.blocks with other parameters, or layers under a path of their own") {
          $0.block($1)
        }
      ]
    // The layer leaky_relu is not the function: Keras has other slopes.
    return kinds
      + ActivationFunction.kinds.filter { function in !kinds.contains { $0.word == function.word } }.map { Kind($0) }
  }()

  private let problems: ProblemList
  private let blocks: BlockLibrary
  private var depth = 0
  private var count = 0
  /// How often a layer that is read now will be there.
  private var multiplicity = 1
  /// The layers that were read of the layer whose lists are being read: of `residual` those of both.
  private var places: [LayerPlaces.Entry] = []
  /// Names of entries that could not be read: that there is no such layer follows from it.
  private var unreadNames: Set<String> = []

  /// `LayerContext` says why, and guards what is built without a configuration.
  private static let (mostLayers, deepest) = (10_000, 40)

  /// Reads `model.inputs`, `blocks`, `layers` and `outputs`, which are the last layer unless said. Without `inputs` the
  /// model reads the only field that the data has for it.
  static func model(_ section: SectionReader) -> (graph: Graph, places: LayerPlaces) {
    let inputs =
      section.optionalTexts("inputs", help: "The data's fields that the network reads; default: the only one") ?? []
    for (index, input) in inputs.enumerated() where inputs[..<index].contains(input) {
      section.problems.add("\(section.full("inputs")): \(input) is given twice", at: section.take("inputs"))
    }
    let reader = LayerReader(section.problems, BlockLibrary(section))
    let nodes = reader.nodes(section, "layers", help: "The network: layers, from the data on")
    let outputs = section.optionalTexts("outputs", help: "The layers that answer; default: the last")
    for (index, output) in (outputs ?? []).enumerated() {
      let (names, word) = (nodes.compactMap(\.layer.name), String(output.prefix { $0 != ":" }))
      let layer = nodes.first { $0.layer.name == word }?.layer
      // A shared layer has the results of another: tracing looks at them.
      let hasResult = layer is Shared || layer?.resultNames.contains(String(output.dropFirst(word.count + 1))) == true
      if layer == nil {
        guard !reader.unreadNames.contains(word) else { continue }
        section.problems.add(
          "\(section.full("outputs")): no layer of the list is called "
            + "\(word)\(Suggestion.words(for: word, among: names))", at: section.take("outputs"))
      } else if word != output, !hasResult {
        section.problems.add(
          "\(section.full("outputs")): \(word) has no result \(output.dropFirst(word.count + 1))",
          at: section.take("outputs"))
      } else if outputs?[..<index].contains(output) == true {
        section.problems.add("\(section.full("outputs")): \(output) is given twice", at: section.take("outputs"))
      }
    }
    // Behind a colon stands one of several results: such a name cannot be asked for.
    let last = nodes.last?.layer.name.flatMap { $0.contains(":") ? nil : $0 }
    return (
      Graph(nodes, inputs: inputs, outputs: outputs ?? last.map { [$0] } ?? []), LayerPlaces(reader.places)
    )
  }

  private init(_ problems: ProblemList, _ blocks: BlockLibrary) { (self.problems, self.blocks) = (problems, blocks) }

  // MARK: Lists

  /// A list of layers under `key`, which will be there so many times; where it is required, with a layer in it.
  func nodes(
    _ section: SectionReader, _ key: String, isRequired: Bool = true, times: Int = 1, help: String
  ) -> [GraphNode] {
    section.describe(key, isRequired: isRequired, help: help, Self.listSchema)
    guard let node = section.take(key) else {
      if isRequired {
        section.missing(key, Self.lack(section, key))
      } else {
        section.record(key, Node([Node]()))
      }
      return []
    }
    guard let list = node.sequence, !(isRequired && list.isEmpty) else {
      problems.add(Self.lack(section, key), at: node.mark == nil ? section.node : node)
      return []
    }
    guard depth < Self.deepest else {
      problems.add("lists of layers stand in each other more than \(Self.deepest) deep", at: node)
      return []
    }
    let outer = multiplicity
    depth += 1
    multiplicity = min(outer * times, Self.mostLayers + 1)
    defer { (depth, multiplicity) = (depth - 1, outer) }
    var resolved: [Node] = []
    let first = places.count
    let nodes = list.enumerated().compactMap { index, node in
      entry(node, path: "\(section.full(key)).\(index)", placesFrom: first, &resolved) {
        $0.component(at: index, of: key)
      }
    }
    section.record(key, Node(resolved))
    return nodes
  }

  /// One layer under `key`, which the network has under `component`; nil where it is absent or wrong.
  func layer(
    _ section: SectionReader, _ key: String, as component: String, isRequired: Bool, help: String
  ) -> (any Layer)? {
    section.describe(key, isRequired: isRequired, help: help, Self.layerSchema)
    guard let node = section.take(key) else {
      if isRequired {
        section.missing(key, "\(section.full(key)) must be a layer, such as lstm: {units: 10}")
      }
      return nil
    }
    guard depth < Self.deepest else {
      problems.add("layers stand in each other more than \(Self.deepest) deep", at: node)
      return nil
    }
    depth += 1
    defer { depth -= 1 }
    var resolved: [Node] = []
    let entry = entry(node, path: section.full(key), placesFrom: places.count, &resolved) { _ in component }
    if let one = resolved.first { section.record(key, one) }
    if let entry, entry.layer.name != nil || !entry.inputs.isEmpty {
      problems.add("\(section.full(key)) takes no name and no inputs: those of the layer around it are meant", at: node)
    }
    return entry?.layer
  }

  private static func lack(_ section: SectionReader, _ key: String) -> String {
    "\(section.full(key)) must be a list of layers, such as - dense: {units: 10}"
  }

  /// `- dense: {units: 10}`, or a bare word: `- flatten`, `- relu`. From `first` on, `places` are those of its own list.
  private func entry(
    _ node: Node, path: String, placesFrom first: Int, _ resolved: inout [Node], component: (GraphNode) -> String
  ) -> GraphNode? {
    let word: String
    let keys: Node?
    if let scalar = node.scalar {
      (word, keys) = (scalar.string, nil)
    } else if let mapping = node.mapping, mapping.count == 1, let pair = mapping.first {
      (word, keys) = (pair.key.string ?? "", pair.value)
    } else {
      problems.add("\(path) must be one layer: a word such as flatten, or dense: {units: 10}", at: node)
      return nil
    }
    guard let kind = Self.kinds.first(where: { $0.word == word }) else {
      problems.add(
        "\(path): there is no layer \(word)"
          + Suggestion.words(for: word, among: Self.words, listing: "switchback config keys model.layers"), at: node)
      if let name = keys?.mapping?["name"]?.string { unreadNames.insert(name) }
      return nil
    }
    guard count <= Self.mostLayers else { return nil }
    count += multiplicity
    if count > Self.mostLayers { problems.add("the model has more than \(Self.mostLayers) layers", at: node) }
    let reader = SectionReader(keys, path: "\(path).\(word)", problems)
    var inner: [LayerPlaces.Entry] = []
    swap(&inner, &places)
    let entry = read(kind, reader)
    swap(&inner, &places)
    reader.finish { Self.place(of: $0, outside: kind.word) }
    let component = component(entry)
    if entry.layer.name != nil, let other = places[first...].first(where: { $0.component == component }) {
      let line = other.place.line.map { ", in line \($0)" } ?? ""
      problems.add("\(reader.path): there is another layer called \(component)\(line)", at: node)
    }
    places.append(
      LayerPlaces.Entry(
        component: component, path: reader.path, place: problems.place(of: node), uses: problems.useWords,
        isRepeated: kind.word == "repeat", inner: inner))
    resolved.append(reader.resolved.isEmpty ? Node(word) : Node([(Node(word), Node(reader.resolved))]))
    return entry
  }

  private static let words = kinds.map(\.word)

  /// Where a key goes that the layer `word` does not know; nil where nothing is known of it.
  private static func place(of key: String, outside word: String) -> (words: String, under: String?)? {
    func keys<Described: ConfigurableLayer>(_ type: Described.Type) -> [String] { type.settings.keys.map(\.word) }
    let owners = LayerCatalog.layers.filter { keys($0).contains(key) }.map { $0.word }
    if word == Bidirectional.word {
      if words.contains(key) { return ("the recurrent layer goes under layer, as in layer: {\(key): …}", "layer") }
      if let owner = [LSTM.word, GRU.word, SimpleRNN.word].first(where: owners.contains) {
        return ("it goes under layer, with the recurrent layer's keys: layer: {\(owner): {…, \(key): …}}", "layer")
      }
    }
    // A word that many layers have tells nothing.
    guard key.contains("_"), (1...4).contains(owners.count) else { return nil }
    return ("it is one of \(owners.joined(separator: ", "))", nil)
  }

  /// The layer, and what every entry takes.
  private func read(_ kind: Kind, _ section: SectionReader) -> GraphNode {
    let layer = kind.read(self, section)
    let inputs =
      section.optionalTexts("inputs", help: "The layers or fields that it reads, instead of the layer before") ?? []
    let isTrainable = section.withoutDefaults {
      section.bool("trainable", true, help: "Whether it is trained; false: its weights and statistics stand still")
    }
    return GraphNode(isTrainable ? layer : Frozen(layer), inputs: inputs)
  }

  private static func name(_ section: SectionReader) -> String? {
    section.optionalText("name", help: "What others call it by, and its weights, instead of its place in the list")
  }

  /// A list of layers, which may hold lists of layers: `Configuration.schema` has the definition.
  private static var listSchema: SchemaPart { .list(of: layerSchema) }
  private static var layerSchema: SchemaPart { SchemaPart(json: ["$ref": "#/$defs/layer"]) }

  /// A layer's word and what may stand below it.
  struct DescribedKind {
    let word: String
    let help: String
    let keys: ObjectSchema
  }

  static func describedKinds(_ problems: ProblemList) -> [DescribedKind] {
    let layers = LayerReader(problems, BlockLibrary())
    return kinds.map { kind in
      let (_, keys) = SectionReader.describing(path: kind.word, problems) { layers.read(kind, $0) }
      return DescribedKind(word: kind.word, help: kind.help, keys: keys)
    }
  }

  /// One entry of a list: a word where a layer needs no key, or a mapping with one key.
  static func entrySchema(_ kinds: [DescribedKind]) -> SchemaPart {
    var (words, mapping) = ([String](), ObjectSchema())
    for kind in kinds {
      if kind.keys.required.isEmpty { words.append(kind.word) }
      let keys = SchemaPart.object(kind.keys)
      mapping.add(
        kind.word, kind.keys.required.isEmpty ? .any([keys, SchemaPart(json: ["type": "null"])]) : keys,
        isRequired: false)
    }
    var one = mapping.json
    (one["minProperties"], one["maxProperties"]) = (1, 1)
    return .any([.choice(words, nil), SchemaPart(json: one)])
  }

  // MARK: Blocks

  /// `{use: NAME, PARAMETER: …}`, or `{layers: […]}`, which is what one with `use` is written out as.
  private func block(_ section: SectionReader) -> any Layer {
    if problems.isDescribing {
      section.describe("use", help: "The name of a block of model.blocks; its parameters are keys beside", .text(nil))
      _ = nodes(section, "layers", isRequired: false, help: "Layers, where no block is used")
      section.allowOthers("PARAMETER", help: "The value of a parameter of the block")
      return Block([], name: Self.name(section))
    }
    let name = Self.name(section)
    if !section.isGiven("use"), !section.isGiven("layers") {
      _ = (section.take("use"), section.take("layers"))
      section.missing("use", "\(section.path) must name a block of model.blocks with use, or have layers")
      return Block([], name: name)
    }
    guard section.isGiven("use") else { return Block(nodes(section, "layers", help: GraphNode.listHelp), name: name) }
    guard let written = blocks.layers(of: section) else { return Block([], name: name) }
    let reader = SectionReader(Node([(Node("layers"), written.layers)]), path: section.path, problems)
    let nodes = problems.using(written.use, path: section.path, at: section.node) {
      self.nodes(reader, "layers", help: GraphNode.listHelp)
    }
    let resolved = problems.expandsBlocks ? reader.resolved : written.resolved
    for (key, value) in resolved { section.record(key.string ?? "", value) }
    return Block(nodes, name: name)
  }
}
