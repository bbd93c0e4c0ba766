import SwitchbackNeuralNetworks
import Yams

/// The layers of `model.layers`, by Keras's words.
enum LayerReader {
  private static let kinds: [(String, @Sendable (SectionReader) -> any Layer)] = [
    ("dense", dense), ("conv2d", conv2d), ("max_pooling2d", maxPooling2d), ("average_pooling2d", averagePooling2d),
    ("global_average_pooling2d", { GlobalAveragePooling2D(keepDimensions: $0.bool("keepdims", false)) }),
    ("flatten", { _ in Flatten() }), ("dropout", { Dropout($0.number("rate", nil, in: 0...0.999)) }),
    ("activation", { Activation(activation($0, "function", nil)) }),
    ("leaky_relu", { LeakyReLU(negativeSlope: $0.number("negative_slope", 0.3)) }), ("prelu", { _ in PReLU() }),
  ]

  /// Words that stand for an activation layer.
  private static let activations: [(String, ActivationFunction)] = [
    ("linear", .linear), ("relu", .relu), ("leaky_relu", .leakyRelu()), ("elu", .elu()), ("selu", .selu),
    ("gelu", .gelu()), ("swish", .swish), ("sigmoid", .sigmoid), ("hard_sigmoid", .hardSigmoid), ("tanh", .tanh),
    ("softplus", .softplus), ("softmax", .softmax),
  ]

  static func layers(_ section: SectionReader) -> [any Layer] {
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
    let layer: any Layer
    if let kind = kinds.first(where: { $0.0 == word }) {
      layer = kind.1(reader)
    } else if let function = activations.first(where: { $0.0 == word }) {
      layer = Activation(function.1)
    } else {
      let known = kinds.map(\.0) + activations.map(\.0)
      problems.add("\(path): there is no layer \(word)\(Suggestion.words(for: word, among: known))", at: node)
      return nil
    }
    reader.finish()
    resolved.append(reader.resolved.isEmpty ? Node(word) : Node([(Node(word), Node(reader.resolved))]))
    return layer
  }

  private static func activation(_ section: SectionReader, _ key: String, _ fallback: String?) -> ActivationFunction {
    section.choice(key, fallback, activations)
  }

  private static let initializers: [(String, Initializer)] = [
    ("zeros", .zeros), ("ones", .ones), ("glorot_uniform", .glorotUniform), ("glorot_normal", .glorotNormal),
    ("he_uniform", .heUniform), ("he_normal", .heNormal), ("lecun_uniform", .lecunUniform),
    ("lecun_normal", .lecunNormal), ("orthogonal", .orthogonal()), ("random_uniform", .randomUniform()),
    ("random_normal", .randomNormal()), ("truncated_normal", .truncatedNormal()),
  ]

  private static func initializer(_ section: SectionReader, _ key: String, _ fallback: String) -> Initializer {
    section.choice(key, fallback, initializers)
  }

  /// `l2: 0.01`, or `{l1: …, l2: …}`.
  private static func regularizer(_ section: SectionReader, _ key: String) -> Regularizer? {
    guard section.isGiven(key) else {
      _ = section.take(key)
      return nil
    }
    return section.section(key) { Regularizer(l1: $0.number("l1", 0), l2: $0.number("l2", 0)) }
  }

  @Sendable private static func dense(_ section: SectionReader) -> any Layer {
    Dense(
      section.int("units", nil, in: 1...Int.max), activation: activation(section, "activation", "linear"),
      useBias: section.bool("use_bias", true),
      kernelInitializer: initializer(section, "kernel_initializer", "glorot_uniform"),
      biasInitializer: initializer(section, "bias_initializer", "zeros"),
      kernelRegularizer: regularizer(section, "kernel_regularizer"), name: section.optionalText("name"))
  }

  @Sendable private static func conv2d(_ section: SectionReader) -> any Layer {
    Conv2D(
      section.int("filters", nil, in: 1...Int.max), kernelSize: section.pair("kernel_size", nil),
      strides: section.pair("strides", 1), padding: padding(section),
      dilationRate: section.pair("dilation_rate", 1), groups: section.int("groups", 1, in: 1...Int.max),
      activation: activation(section, "activation", "linear"), useBias: section.bool("use_bias", true),
      kernelInitializer: initializer(section, "kernel_initializer", "glorot_uniform"),
      biasInitializer: initializer(section, "bias_initializer", "zeros"),
      kernelRegularizer: regularizer(section, "kernel_regularizer"), name: section.optionalText("name"))
  }

  private static func padding(_ section: SectionReader) -> Padding {
    section.choice("padding", "valid", [("valid", .valid), ("same", .same)])
  }

  @Sendable private static func maxPooling2d(_ section: SectionReader) -> any Layer {
    let size = section.pair("pool_size", 2)
    let strides = section.isGiven("strides") ? section.pair("strides", 2) : nil
    _ = section.take("strides")
    return MaxPooling2D(poolSize: size, strides: strides, padding: padding(section))
  }

  @Sendable private static func averagePooling2d(_ section: SectionReader) -> any Layer {
    let size = section.pair("pool_size", 2)
    let strides = section.isGiven("strides") ? section.pair("strides", 2) : nil
    _ = section.take("strides")
    return AveragePooling2D(poolSize: size, strides: strides, padding: padding(section))
  }
}
