import SwitchbackNeuralNetworks
import Yams

/// The layers of `model.layers`, by Keras's words.
///
/// A list of layers is a graph: an entry reads the one before unless `inputs` says otherwise. Lists stand in lists
/// (`residual`, `repeat`, `block`), and blocks are written out before their layers are read.
final class LayerReader {
  private struct Kind: Sendable {
    let word: String
    let read: @Sendable (LayerReader, SectionReader) -> any Layer

    init(_ word: String, _ read: @escaping @Sendable (SectionReader) -> any Layer) {
      (self.word, self.read) = (word, { read($1) })
    }

    /// A layer that is made of lists of layers.
    init(_ word: String, of read: @escaping @Sendable (LayerReader, SectionReader) -> any Layer) {
      (self.word, self.read) = (word, read)
    }
  }

  private static let kinds: [Kind] =
    [
      Kind("dense", dense), Kind("conv2d", conv2d), Kind("max_pooling2d", maxPooling2d),
      Kind("average_pooling2d", averagePooling2d),
      Kind("global_average_pooling2d") {
        GlobalAveragePooling2D(keepDimensions: $0.bool("keepdims", false), name: $0.optionalText("name"))
      },
      Kind("flatten") { Flatten(name: $0.optionalText("name")) },
      Kind("dropout") { Dropout($0.number("rate", nil, in: .kept), name: $0.optionalText("name")) },
      Kind("rescaling") {
        Rescaling(
          $0.number("scale", nil, in: .any), offset: $0.number("offset", 0, in: .any), name: $0.optionalText("name"))
      },
      Kind("activation") { Activation(activation($0, "function", nil), name: $0.optionalText("name")) },
      // The layer's slope is not the function's: Keras has 0.3 here and 0.2 there.
      Kind("leaky_relu") {
        LeakyReLU(negativeSlope: $0.number("negative_slope", 0.3), name: $0.optionalText("name"))
      },
      Kind("prelu") { PReLU(name: $0.optionalText("name")) },
      Kind("batch_normalization", batchNormalization), Kind("embedding", embedding),
      Kind("add") { Add(name: $0.optionalText("name")) }, Kind("multiply") { Multiply(name: $0.optionalText("name")) },
      Kind("concatenate") { Concatenate(axis: $0.int("axis", -1, in: axes), name: $0.optionalText("name")) },
      Kind("dot", dot), Kind("residual", of: { $0.residual($1) }), Kind("repeat", of: { $0.repetition($1) }),
      Kind("block", of: { $0.block($1) }),
      Kind("shared") { Shared($0.text("layer", nil), name: $0.optionalText("name")) },
    ]
    + functions.filter { $0.word != "leaky_relu" }.map { function in
      Kind(function.word) { Activation(function.read($0), name: $0.optionalText("name")) }
    }

  private typealias Function = (word: String, read: @Sendable (SectionReader) -> ActivationFunction)

  private static let functions =
    ownFunctions + ActivationFunction.rows.map { row -> Function in (row.word, { _ in row.function }) }

  private static let ownFunctions: [Function] = [
    ("linear", { _ in .linear }), ("relu", { _ in .relu }),
    ("leaky_relu", { .leakyRelu(negativeSlope: $0.number("negative_slope", 0.2)) }),
    ("elu", { .elu(alpha: $0.number("alpha", 1)) }), ("selu", { _ in .selu }),
    ("gelu", { .gelu(approximate: $0.bool("approximate", false)) }), ("swish", { _ in .swish }),
    ("sigmoid", { _ in .sigmoid }), ("hard_sigmoid", { _ in .hardSigmoid }), ("tanh", { _ in .tanh }),
    ("softplus", { _ in .softplus }), ("softmax", { _ in .softmax }),
  ]

  private let problems: ProblemList
  private let blocks: BlockLibrary
  private var depth = 0
  private var count = 0
  /// How often a layer that is read now will be there.
  private var multiplicity = 1

  /// Beyond is a slip of the pen, or made to take all memory.
  private static let (mostLayers, deepest) = (10_000, 40)

  /// Reads `model.inputs`, `blocks`, `layers` and `outputs`, which are the last layer unless said. Without `inputs` the
  /// model reads the only field that the data has for it.
  static func model(_ section: SectionReader) -> Graph {
    let inputs = section.optionalTexts("inputs") ?? []
    let reader = LayerReader(section.problems, BlockLibrary(section))
    let nodes = reader.nodes(section, "layers")
    let outputs = section.optionalTexts("outputs")
    for (index, output) in (outputs ?? []).enumerated() {
      let (names, word) = (nodes.compactMap(\.layer.name), output.prefix { $0 != ":" })
      if !names.contains(String(word)) {
        section.problems.add(
          "\(section.full("outputs")): no layer of the list is called "
            + "\(word)\(Suggestion.words(for: String(word), among: names))", at: section.take("outputs"))
      } else if outputs?[..<index].contains(output) == true {
        section.problems.add("\(section.full("outputs")): \(output) is given twice", at: section.take("outputs"))
      }
    }
    // Behind a colon stands one of several results: such a name cannot be asked for.
    let last = nodes.last?.layer.name.flatMap { $0.contains(":") ? nil : $0 }
    return Graph(nodes, inputs: inputs, outputs: outputs ?? last.map { [$0] } ?? [])
  }

  private init(_ problems: ProblemList, _ blocks: BlockLibrary) { (self.problems, self.blocks) = (problems, blocks) }

  // MARK: Lists

  /// A list of layers under `key`; without a fallback there must be one.
  private func nodes(_ section: SectionReader, _ key: String, _ fallback: [GraphNode]? = nil) -> [GraphNode] {
    section.describe(key, isRequired: fallback == nil, Self.listSchema)
    guard let node = section.take(key) else {
      if fallback == nil { missing(section, key, at: section.node) }
      if fallback != nil { section.record(key, Node([Node]())) }
      return fallback ?? []
    }
    guard let list = node.sequence, fallback != nil || !list.isEmpty else {
      missing(section, key, at: node.mark == nil ? section.node : node)
      return []
    }
    guard depth < Self.deepest else {
      problems.add("lists of layers stand in each other more than \(Self.deepest) deep", at: node)
      return []
    }
    depth += 1
    defer { depth -= 1 }
    var resolved: [Node] = []
    let nodes = list.enumerated().compactMap { index, node in
      entry(node, path: "\(section.full(key)).\(index)", &resolved)
    }
    section.record(key, Node(resolved))
    return nodes
  }

  private func missing(_ section: SectionReader, _ key: String, at node: Node?) {
    problems.add("\(section.full(key)) must be a list of layers, such as - dense: {units: 10}", at: node)
  }

  /// `- dense: {units: 10}`, or a bare word: `- flatten`, `- relu`.
  private func entry(_ node: Node, path: String, _ resolved: inout [Node]) -> GraphNode? {
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
        "\(path): there is no layer \(word)\(Suggestion.words(for: word, among: Self.kinds.map(\.word)))", at: node)
      return nil
    }
    guard count <= Self.mostLayers else { return nil }
    count += multiplicity
    if count > Self.mostLayers { problems.add("the model has more than \(Self.mostLayers) layers", at: node) }
    let reader = SectionReader(keys, path: "\(path).\(word)", problems)
    let entry = read(kind, reader)
    reader.finish()
    resolved.append(reader.resolved.isEmpty ? Node(word) : Node([(Node(word), Node(reader.resolved))]))
    return entry
  }

  /// The layer, and what every entry takes.
  private func read(_ kind: Kind, _ section: SectionReader) -> GraphNode {
    let layer = kind.read(self, section)
    let inputs = section.optionalTexts("inputs") ?? []
    let isTrainable = section.optionalBool("trainable", true)
    return GraphNode(isTrainable ? layer : Frozen(layer), inputs: inputs)
  }

  /// A list of layers, which may hold lists of layers: `Configuration.schema` has the definition.
  private static var listSchema: SchemaPart { .list(of: SchemaPart(json: ["$ref": "#/$defs/layer"])) }

  /// One entry of a list: a word where a layer needs no key, or a mapping with one key.
  static func entrySchema(_ problems: ProblemList) -> SchemaPart {
    let layers = LayerReader(problems, BlockLibrary())
    var (words, mapping) = ([String](), ObjectSchema())
    for kind in kinds {
      let (_, keys) = SectionReader.describing(path: kind.word, problems) { layers.read(kind, $0) }
      if keys.required.isEmpty { words.append(kind.word) }
      mapping.add(
        kind.word, keys.required.isEmpty ? .any([.object(keys), SchemaPart(json: ["type": "null"])]) : .object(keys),
        isRequired: false)
    }
    var one = mapping.json
    (one["minProperties"], one["maxProperties"]) = (1, 1)
    return .any([.choice(words, nil), SchemaPart(json: one)])
  }

  // MARK: Layers of layers

  private func residual(_ section: SectionReader) -> any Layer {
    Residual(
      nodes(section, "layers"), shortcut: nodes(section, "shortcut", []),
      activation: Self.activation(section, "activation", "linear"), name: section.optionalText("name"))
  }

  private func repetition(_ section: SectionReader) -> any Layer {
    let times = section.int("times", nil, in: 1...1000)
    let outer = multiplicity
    defer { multiplicity = outer }
    multiplicity = min(outer * times, Self.mostLayers + 1)
    return Repeat(times, nodes(section, "layers"), name: section.optionalText("name"))
  }

  /// `{use: NAME, PARAMETER: …}`, or `{layers: […]}`, which is what one with `use` is written out as.
  private func block(_ section: SectionReader) -> any Layer {
    if problems.isDescribing {
      section.describe("use", .text(nil))
      _ = nodes(section, "layers", [])
      section.allowOthers()
      return Block([], name: section.optionalText("name"))
    }
    let name = section.optionalText("name")
    guard section.isGiven("use") else { return Block(nodes(section, "layers"), name: name) }
    guard let written = blocks.layers(of: section) else { return Block([], name: name) }
    let reader = SectionReader(Node([(Node("layers"), written.layers)]), path: section.path, problems)
    let nodes = problems.using(written.use, path: section.path, at: section.node) { self.nodes(reader, "layers") }
    let resolved = problems.expandsBlocks ? reader.resolved : written.resolved
    for (key, value) in resolved { section.record(key.string ?? "", value) }
    return Block(nodes, name: name)
  }

  // MARK: Parts of layers

  /// A word, or `{type: elu, alpha: 0.5}`.
  private static func activation(_ section: SectionReader, _ key: String, _ fallback: String?) -> ActivationFunction {
    section.section(key, shorthand: "type") { section in
      section.choice("type", fallback, isSelector: true, functions.map { ($0.word, $0.read) })(section)
    }
  }

  private static let initializers: [(String, @Sendable (SectionReader) -> Initializer)] = [
    ("zeros", { _ in .zeros }), ("ones", { _ in .ones }), ("constant", { .constant(anyNumber($0, "value", nil)) }),
    ("glorot_uniform", { _ in .glorotUniform }), ("glorot_normal", { _ in .glorotNormal }),
    ("he_uniform", { _ in .heUniform }), ("he_normal", { _ in .heNormal }),
    ("lecun_uniform", { _ in .lecunUniform }), ("lecun_normal", { _ in .lecunNormal }),
    ("orthogonal", { .orthogonal(gain: anyNumber($0, "gain", 1)) }),
    (
      "random_uniform",
      { .randomUniform(minimum: anyNumber($0, "minval", -0.05), maximum: anyNumber($0, "maxval", 0.05)) }
    ),
    (
      "random_normal",
      { .randomNormal(mean: anyNumber($0, "mean", 0), standardDeviation: $0.number("stddev", 0.05)) }
    ),
    (
      "truncated_normal",
      { .truncatedNormal(mean: anyNumber($0, "mean", 0), standardDeviation: $0.number("stddev", 0.05)) }
    ),
  ]

  @Sendable private static func anyNumber(_ section: SectionReader, _ key: String, _ fallback: Double?) -> Double {
    section.number(key, fallback, in: .any)
  }

  /// A word, or `{type: random_normal, stddev: 0.01}`.
  private static func initializer(_ section: SectionReader, _ key: String, _ fallback: String) -> Initializer {
    section.section(key, shorthand: "type") { section in
      section.choice("type", fallback, isSelector: true, initializers)(section)
    }
  }

  /// `{l1: …, l2: …}`
  private static func regularizer(_ section: SectionReader, _ key: String) -> Regularizer? {
    section.optionalSection(key) {
      Regularizer(l1: $0.number("l1", 0, in: .factor), l2: $0.number("l2", 0, in: .factor))
    }
  }

  @Sendable private static func dense(_ section: SectionReader) -> any Layer {
    Dense(
      section.int("units", nil, in: SectionReader.extents), activation: activation(section, "activation", "linear"),
      useBias: section.bool("use_bias", true),
      kernelInitializer: initializer(section, "kernel_initializer", "glorot_uniform"),
      biasInitializer: initializer(section, "bias_initializer", "zeros"),
      kernelRegularizer: regularizer(section, "kernel_regularizer"),
      biasRegularizer: regularizer(section, "bias_regularizer"), name: section.optionalText("name"))
  }

  @Sendable private static func conv2d(_ section: SectionReader) -> any Layer {
    Conv2D(
      section.int("filters", nil, in: SectionReader.extents), kernelSize: section.pair("kernel_size", nil),
      strides: section.pair("strides", 1), padding: padding(section),
      dilationRate: section.pair("dilation_rate", 1), groups: section.int("groups", 1, in: SectionReader.extents),
      activation: activation(section, "activation", "linear"), useBias: section.bool("use_bias", true),
      kernelInitializer: initializer(section, "kernel_initializer", "glorot_uniform"),
      biasInitializer: initializer(section, "bias_initializer", "zeros"),
      kernelRegularizer: regularizer(section, "kernel_regularizer"),
      biasRegularizer: regularizer(section, "bias_regularizer"), name: section.optionalText("name"))
  }

  private static func padding(_ section: SectionReader) -> Padding {
    section.choice("padding", "valid", [("valid", .valid), ("same", .same)])
  }

  @Sendable private static func maxPooling2d(_ section: SectionReader) -> any Layer {
    let size = section.pair("pool_size", 2)
    let strides = section.optionalPair("strides")
    return MaxPooling2D(poolSize: size, strides: strides, padding: padding(section), name: section.optionalText("name"))
  }

  private static let axes = -8...8

  @Sendable private static func batchNormalization(_ section: SectionReader) -> any Layer {
    BatchNormalization(
      axis: section.int("axis", -1, in: axes), momentum: section.number("momentum", 0.99, in: .kept),
      epsilon: section.number("epsilon", 0.001, in: .epsilon), center: section.bool("center", true),
      scale: section.bool("scale", true), name: section.optionalText("name"))
  }

  @Sendable private static func embedding(_ section: SectionReader) -> any Layer {
    Embedding(
      section.int("input_dim", nil, in: 1...1 << 30), section.int("output_dim", nil, in: SectionReader.extents),
      embeddingsInitializer: initializer(section, "embeddings_initializer", "random_uniform"),
      embeddingsRegularizer: regularizer(section, "embeddings_regularizer"), name: section.optionalText("name"))
  }

  @Sendable private static func dot(_ section: SectionReader) -> any Layer {
    Dot(
      axes: section.twoIntegers("axes", -1, in: axes), normalize: section.bool("normalize", false),
      name: section.optionalText("name"))
  }

  @Sendable private static func averagePooling2d(_ section: SectionReader) -> any Layer {
    let size = section.pair("pool_size", 2)
    let strides = section.optionalPair("strides")
    return AveragePooling2D(
      poolSize: size, strides: strides, padding: padding(section), name: section.optionalText("name"))
  }
}
