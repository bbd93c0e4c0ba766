import SwitchbackPrograms

/// −Σ target·ln prediction over classes that exclude each other: predictions and targets `[N, classes]`.
///
/// Where the model ends with softmax (or `fromLogits` says that it ends before one) the loss is taken from the logits
/// by the operation `softmaxCrossEntropy`, which neither overflows nor loses digits. Other predictions are divided by
/// their sum and kept 1e-7 away from 0 and 1, as Keras does.
public struct CategoricalCrossentropy: Loss {
  public var fromLogits: Bool
  /// Targets become y·(1 − s) + s / classes.
  public var labelSmoothing: Double
  public var name: String { "categoricalCrossentropy" }
  public var impliedGate: ActivationFunction? { fromLogits ? .softmax : nil }
  public var activation: String? { fromLogits ? nil : "softmax" }
  public var targets: Targets { .classes }

  public init(fromLogits: Bool = false, labelSmoothing: Double = 0) {
    self.fromLogits = fromLogits
    self.labelSmoothing = labelSmoothing
  }

  public func callAsFunction(
    _ predictions: Predictions, _ targets: Value, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value {
    let values = predictions.values
    guard values.shape.rank == 2 else {
      throw ProgramError("\(name) takes predictions [N, classes], not \(values.shape)", path: builder.path)
    }
    let smoothed = try builder.smooth(targets, labelSmoothing, share: 1 / Double(max(1, values.shape[1])))
    if predictions.gate == .softmax || fromLogits {
      return try builder.append(SoftmaxCrossEntropy(), fromLogits ? values : predictions.logits, smoothed)
    }
    let sum = try builder.append(Reduce(.sum, axes: [1], keepDimensions: true), values)
    let shares = try builder.append(Binary(.divide), values, sum)
    let clamped = try builder.clamp(shares, probabilityEpsilon, 1 - probabilityEpsilon)
    let information = try builder.append(Binary(.multiply), smoothed, builder.append(Unary(.log), clamped))
    return try builder.append(Unary(.negate), builder.append(Reduce(.sum, axes: [1]), information))
  }
}

extension CategoricalCrossentropy: ConfigurableLoss {
  package static let settings = Settings<CategoricalCrossentropy>(
    "categorical_crossentropy", of: CategoricalCrossentropy(),
    help: "Of classes that exclude each other: −ln of the right one's probability",
    keys: [
      .bool("from_logits", \.fromLogits, help: "Whether the model ends before the activation that makes probabilities"),
      .number(
        "label_smoothing", \.labelSmoothing, in: NumberRange(0...1),
        help: "The share of each target that is spread over all classes"),
    ])
}

/// `CategoricalCrossentropy` by its name for labels that are class numbers. Both take either here, since the program
/// makes one-hot targets itself.
public struct SparseCategoricalCrossentropy: Loss {
  public var fromLogits: Bool
  public var name: String { "sparseCategoricalCrossentropy" }
  public var impliedGate: ActivationFunction? { fromLogits ? .softmax : nil }
  public var activation: String? { fromLogits ? nil : "softmax" }
  public var targets: Targets { .classes }

  public init(fromLogits: Bool = false) { self.fromLogits = fromLogits }

  public func callAsFunction(
    _ predictions: Predictions, _ targets: Value, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value {
    try CategoricalCrossentropy(fromLogits: fromLogits)(predictions, targets, in: &builder)
  }
}

extension SparseCategoricalCrossentropy: ConfigurableLoss {
  package static let settings = Settings<SparseCategoricalCrossentropy>(
    "sparse_categorical_crossentropy", of: SparseCategoricalCrossentropy(),
    help: "categorical_crossentropy by its name for labels that are class numbers",
    keys: [
      .bool("from_logits", \.fromLogits, help: "Whether the model ends before the activation that makes probabilities")
    ])
}

/// −(z·ln p + (1 − z)·ln(1 − p)), the mean over outputs that do not exclude each other; class labels 0 and 1 fit one
/// output.
///
/// Where the model ends with sigmoid (or `fromLogits`) it is softplus(x) − x·z of the logits x, finite for any of
/// them. Other predictions are kept 1e-7 away from 0 and 1.
public struct BinaryCrossentropy: Loss {
  public var fromLogits: Bool
  /// Targets become z·(1 − s) + s / 2.
  public var labelSmoothing: Double
  public var name: String { "binaryCrossentropy" }
  public var activation: String? { fromLogits ? nil : "sigmoid" }
  public var targets: Targets { .classes }

  public init(fromLogits: Bool = false, labelSmoothing: Double = 0) {
    self.fromLogits = fromLogits
    self.labelSmoothing = labelSmoothing
  }

  public func callAsFunction(
    _ predictions: Predictions, _ targets: Value, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value {
    let z = try builder.smooth(targets, labelSmoothing, share: 0.5)
    if predictions.gate == .sigmoid || fromLogits {
      let x = fromLogits ? predictions.values : predictions.logits
      let normalizer = try builder.append(Unary(.softplus), x)
      let product = try builder.append(Binary(.multiply), x, z)
      return try builder.meanOverFeatures(builder.append(Binary(.subtract), normalizer, product))
    }
    let p = try builder.clamp(predictions.values, probabilityEpsilon, 1 - probabilityEpsilon)
    let one = try builder.scalar(1, p.type.elementType)
    let yes = try builder.append(Binary(.multiply), z, builder.append(Unary(.log), p))
    let notP = try builder.append(Binary(.subtract), one, p)
    let notZ = try builder.append(Binary(.subtract), one, z)
    let no = try builder.append(Binary(.multiply), notZ, builder.append(Unary(.log), notP))
    let sum = try builder.append(Binary(.add), yes, no)
    return try builder.meanOverFeatures(builder.append(Unary(.negate), sum))
  }
}

extension BinaryCrossentropy: ConfigurableLoss {
  package static let settings = Settings<BinaryCrossentropy>(
    "binary_crossentropy", of: BinaryCrossentropy(),
    help: "Of outputs that do not exclude each other, or of one output for two classes",
    keys: [
      .bool("from_logits", \.fromLogits, help: "Whether the model ends before the activation that makes probabilities"),
      .number(
        "label_smoothing", \.labelSmoothing, in: NumberRange(0...1),
        help: "The share of each target that is spread over all classes"),
    ])
}
