import SwitchbackNeuralNetworks
import Yams

/// The layers of `model.layers`, by Keras's words.
enum LayerReader {
  private typealias Kind = (word: String, read: @Sendable (SectionReader) -> any Layer)

  private static let kinds: [Kind] =
    [
      ("dense", dense), ("conv2d", conv2d), ("max_pooling2d", maxPooling2d), ("average_pooling2d", averagePooling2d),
      (
        "global_average_pooling2d",
        { GlobalAveragePooling2D(keepDimensions: $0.bool("keepdims", false), name: $0.optionalText("name")) }
      ),
      ("flatten", { Flatten(name: $0.optionalText("name")) }),
      ("dropout", { Dropout($0.number("rate", nil, in: .kept), name: $0.optionalText("name")) }),
      (
        "rescaling",
        {
          Rescaling(
            $0.number("scale", nil, in: .any), offset: $0.number("offset", 0, in: .any), name: $0.optionalText("name"))
        }
      ),
      ("activation", { Activation(activation($0, "function", nil), name: $0.optionalText("name")) }),
      // The layer's slope is not the function's: Keras has 0.3 here and 0.2 there.
      ("leaky_relu", { LeakyReLU(negativeSlope: $0.number("negative_slope", 0.3), name: $0.optionalText("name")) }),
      ("prelu", { PReLU(name: $0.optionalText("name")) }),
    ]
    + functions.filter { $0.word != "leaky_relu" }.map { function in
      (function.word, { Activation(function.read($0), name: $0.optionalText("name")) })
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

  static func layers(_ section: SectionReader) -> [any Layer] {
    if section.problems.isDescribing { section.describe("layers", isRequired: true, layerList(section.problems)) }
    guard let list = section.take("layers")?.sequence, !list.isEmpty else {
      section.problems.add("model.layers must be a list of layers, such as - dense: {units: 10}", at: section.node)
      return []
    }
    var resolved: [Node] = []
    let layers = list.enumerated().compactMap { index, node in
      layer(node, path: "model.layers.\(index)", section.problems, &resolved)
    }
    section.record("layers", Node(resolved))
    return layers
  }

  /// `- dense: {units: 10}`, or a bare word: `- flatten`, `- relu`.
  private static func layer(
    _ node: Node, path: String, _ problems: ProblemList, _ resolved: inout [Node]
  ) -> (any Layer)? {
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
    let reader = SectionReader(keys, path: "\(path).\(word)", problems)
    guard let kind = kinds.first(where: { $0.word == word }) else {
      problems.add(
        "\(path): there is no layer \(word)\(Suggestion.words(for: word, among: kinds.map(\.word)))", at: node)
      return nil
    }
    let layer = kind.read(reader)
    reader.finish()
    resolved.append(reader.resolved.isEmpty ? Node(word) : Node([(Node(word), Node(reader.resolved))]))
    return layer
  }

  /// A word where a layer needs no key, or a mapping with one key.
  private static func layerList(_ problems: ProblemList) -> SchemaPart {
    var (words, mapping) = ([String](), ObjectSchema())
    for kind in kinds {
      let (_, keys) = SectionReader.describing(path: kind.word, problems, kind.read)
      if keys.required.isEmpty { words.append(kind.word) }
      mapping.add(
        kind.word, keys.required.isEmpty ? .any([.object(keys), SchemaPart(json: ["type": "null"])]) : .object(keys),
        isRequired: false)
    }
    var one = mapping.json
    (one["minProperties"], one["maxProperties"]) = (1, 1)
    return .list(of: .any([.choice(words, nil), SchemaPart(json: one)]))
  }

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

  @Sendable private static func averagePooling2d(_ section: SectionReader) -> any Layer {
    let size = section.pair("pool_size", 2)
    let strides = section.optionalPair("strides")
    return AveragePooling2D(
      poolSize: size, strides: strides, padding: padding(section), name: section.optionalText("name"))
  }
}
