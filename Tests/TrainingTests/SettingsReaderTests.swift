import SwitchbackNeuralNetworks
import SwitchbackTraining
import Testing

private let text = """
  version: 1
  model:
    layers:
      - prelu
      - flatten
      - dense: {units: 10, activation: softmax}
  data: {dataset: mnist}
  training:
    optimizer: {type: sgd, learning_rate: 0.1}
  """

private func read(_ overrides: String...) throws -> Configuration {
  try Configuration(text: text, file: "test.yaml", overrides: overrides)
}

private func problems(_ overrides: String...) -> [String] {
  do {
    _ = try Configuration(text: text, file: "test.yaml", overrides: overrides)
    return []
  } catch {
    return error.problems.map(\.message)
  }
}

@Suite("What tables say and YAML once could not")
struct SettingsReaderTests {
  @Test("prelu's shared axes, slopes and penalty are read, and recorded only where they are given")
  func sharedAxes() throws {
    #expect(try read().resolvedText.contains("- prelu\n"))
    let given = try read(
      "model.layers.0={prelu: {shared_axes: [1, 2], alpha_initializer: {type: constant, value: 0.25}}}")
    let layer = try #require(given.model.nodes[0].layer as? PReLU)
    #expect(layer.sharedAxes == [1, 2] && layer.alphaInitializer == .constant(0.25) && layer.alphaRegularizer == nil)
    #expect(try Configuration(text: given.resolvedText, file: "test.yaml").resolvedText == given.resolvedText)
    #expect(given.resolvedText.contains("shared_axes:") && !given.resolvedText.contains("alpha_regularizer"))
    #expect(
      problems("model.layers.0={prelu: {shared_axes: [0]}}").first?.contains(
        "shared_axes must be a list, each a whole number from 1 to 8") == true)
    #expect(problems("model.layers.0={prelu: {shared_axes: 1}}").first?.contains("must be a list") == true)
  }

  @Test("normalizations take one axis or several; numbers that say nothing are refused")
  func normalizations() throws {
    func first(_ entry: String) throws -> any Layer {
      let given = try read("model.layers.0=\(entry)")
      #expect(try Configuration(text: given.resolvedText, file: "test.yaml").resolvedText == given.resolvedText)
      return given.model.nodes[0].layer
    }
    let plain = try #require(try first("layer_normalization") as? LayerNormalization)
    #expect(plain.axis == [-1] && plain.epsilon == 0.001)
    #expect((try first("{layer_normalization: {axis: 2}}") as? LayerNormalization)?.axis == [2])
    let several = try #require(
      try first("{rms_normalization: {axis: [1, -1], epsilon: 1e-5, scale: false}}") as? RMSNormalization)
    #expect(several.axis == [1, -1] && several.epsilon == 1e-5 && !several.scale)
    let instance = try #require(try first("{group_normalization: {groups: -1, center: false}}") as? GroupNormalization)
    #expect(instance.groups == -1 && instance.axis == -1 && !instance.center && instance.scale)
    #expect(try read("model.layers.0=layer_normalization").resolvedText.contains("axis: -1"))
    func says(_ entry: String, _ words: String) {
      let found = problems("model.layers.0=\(entry)")
      #expect(found.first?.contains(words) == true, "\(found)")
    }
    says("{layer_normalization: {axis: []}}", "axis must be a whole number from -8 to 8, or a list of them")
    says("{rms_normalization: {axis: [1, 9]}}", "axis must be a whole number from -8 to 8, or a list of them")
    says("{layer_normalization: {axis: last}}", "axis must be a whole number from -8 to 8, or a list of them")
    says("{group_normalization: {groups: 0}}", "groups must be positive, or -1")
    says("{group_normalization: {groups: -2}}", "groups must be")
    says("{layer_normalization: {epsilon: 0}}", "epsilon must be")
  }

  @Test("weights are excluded from decay by words of their names, recorded only where they are given")
  func exclusions() throws {
    #expect(!(try read().resolvedText.contains("exclude_from_weight_decay")))
    for type in ["sgd", "rmsprop", "adagrad", "adam", "adamw"] {
      let given = try read("training.optimizer={type: \(type), exclude_from_weight_decay: [bias, gamma]}")
      #expect(given.training.optimizer.weightDecayExclusions == ["bias", "gamma"])
      #expect(try Configuration(text: given.resolvedText, file: "test.yaml").resolvedText == given.resolvedText)
    }
    let word = try read("training.optimizer={type: adamw, exclude_from_weight_decay: bias}")
    #expect(word.training.optimizer.weightDecayExclusions == ["bias"])
  }

  @Test("a piecewise constant schedule has its rates up to its boundaries, and behind a warm-up too")
  func piecewise() throws {
    let rates = "{type: piecewise_constant, boundaries: [10, 20], values: [1, 0.5, 0.1]}"
    let given = try read("training.optimizer.learning_rate=\(rates)")
    let rate = given.training.optimizer.learningRate
    #expect([0, 10, 11, 20, 21, 1000].map { rate($0) } == [1, 1, 0.5, 0.5, 0.1, 0.1])
    #expect(try Configuration(text: given.resolvedText, file: "test.yaml").resolvedText == given.resolvedText)
    let warmed = try read("training.optimizer.learning_rate={type: linear_warmup, steps: 4, then: \(rates)}")
    #expect([0, 2, 4, 14, 15].map { warmed.training.optimizer.learningRate($0) } == [0, 0.5, 1, 1, 0.5])
    for wrong in [
      "{type: piecewise_constant, boundaries: [10, 20], values: [1, 0.5]}",
      "{type: piecewise_constant, boundaries: [20, 10], values: [1, 0.5, 0.1]}",
    ] {
      let found = problems("training.optimizer.learning_rate=\(wrong)")
      #expect(found.count == 1 && found[0].contains("increasing boundaries and one value more"), "\(found)")
      #expect(found.first?.hasPrefix("training.optimizer.learning_rate: ") == true)
    }
    // What is said of a list itself is enough.
    #expect(
      problems("training.optimizer.learning_rate={type: piecewise_constant, boundaries: [-1], values: [1]}").count == 1)
    #expect(problems("training.optimizer.learning_rate={type: piecewise_constant}").count == 2)
  }

  @Test("a branch's last scale at zero, and stochastic depth, are said by keys, and recorded only where they are given")
  func residual() throws {
    for (word, gamma) in [
      ("batch_normalization", \BatchNormalization.gammaInitializer as AnyKeyPath),
      ("layer_normalization", \LayerNormalization.gammaInitializer),
      ("group_normalization", \GroupNormalization.gammaInitializer),
      ("rms_normalization", \RMSNormalization.gammaInitializer),
    ] {
      let given = try read(
        "model.layers.0={residual: {layers: [{\(word): {gamma_initializer: zeros}}], stochastic_depth: 0.2}}")
      #expect(try Configuration(text: given.resolvedText, file: "test.yaml").resolvedText == given.resolvedText)
      let layer = try #require(given.model.nodes[0].layer as? Residual)
      #expect(layer.stochasticDepth == 0.2)
      #expect(layer.nodes[0].layer[keyPath: gamma] as? Initializer == .zeros, "\(word)")
      let plain = try read("model.layers.0={residual: {layers: [\(word)]}}")
      #expect(!plain.resolvedText.contains("stochastic_depth") && !plain.resolvedText.contains("gamma_initializer"))
    }
    let statistics = try read(
      "model.layers.0={batch_normalization: {moving_mean_initializer: ones, moving_variance_initializer: "
        + "{type: constant, value: 2}, beta_initializer: ones, beta_regularizer: {l2: 0.1}}}")
    let layer = try #require(statistics.model.nodes[0].layer as? BatchNormalization)
    #expect(layer.movingMeanInitializer == .ones && layer.movingVarianceInitializer == .constant(2))
    #expect(layer.betaInitializer == .ones && layer.betaRegularizer == Regularizer(l1: 0, l2: 0.1))
    let wrong = problems("model.layers.0={residual: {layers: [relu], stochastic_depth: 1}}")
    #expect(
      wrong.count == 1 && wrong[0].contains("stochastic_depth must be a number of at least 0.0 and below 1.0"),
      "\(wrong)")
  }

  @Test("a gain is a number or the layer's activation's")
  func gains() throws {
    func initializer(_ keys: String) throws -> Initializer? {
      let given = try read("model.layers.2={dense: {units: 10, kernel_initializer: {\(keys)}}}")
      #expect(try Configuration(text: given.resolvedText, file: "test.yaml").resolvedText == given.resolvedText)
      return (given.model.nodes[2].layer as? Dense)?.kernelInitializer
    }
    #expect(try initializer("type: orthogonal") == .orthogonal(gain: 1))
    #expect(try initializer("type: orthogonal, gain: 1.5") == .orthogonal(gain: 1.5))
    #expect(try initializer("type: orthogonal, gain: activation") == .orthogonal(gain: .activation))
    #expect(try initializer("type: identity, gain: 2") == .identity(gain: 2))
    #expect(
      try initializer("type: variance_scaling, scale: activation, mode: fan_avg, distribution: untruncated_normal")
        == .varianceScaling(scale: .activation, mode: .fanAverage, distribution: .untruncatedNormal))
    for wrong in [".inf", "relu", "[1]", "1e39"] {
      let initializer = "{type: orthogonal, gain: \(wrong)}"
      let found = problems("model.layers.2={dense: {units: 10, kernel_initializer: \(initializer)}}")
      #expect(found.count == 1 && found[0].contains("gain must be a finite number or activation"), "\(found)")
    }
    let gain = Configuration.keys.flatMap(\.all).first { $0.path == "model.layers.N.dense.kernel_initializer.gain" }
    #expect(gain?.takes == "a number, or activation" && gain?.fallback == "1")
  }

  @Test("the schema has the keys that were missing")
  func schema() {
    for key in ["shared_axes", "alpha_initializer", "exclude_from_weight_decay", "boundaries", "values"] {
      #expect(Configuration.schema.contains("\"\(key)\" : "), "\(key)")
    }
  }
}
