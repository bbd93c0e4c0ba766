import SwitchbackPrograms

/// y = gamma·(x − mean)/√(variance + epsilon) + beta for each channel (Ioffe and Szegedy, 2015, algorithms 1 and 2).
///
/// Training takes mean and variance of the batch over all axes but `axis`, and moves the running statistics by
/// moving ← momentum·moving + (1 − momentum)·batch. Inference and a frozen layer take the running statistics. The
/// variance is the biased one in both places, as in Keras (PyTorch's running variance is n/(n − 1) times as large). Of masked
/// sequences `[N, T, …]` both are of the valid steps, and masked ones are taken for 0.
public struct BatchNormalization: UnaryLayer {
  public var axis: Int
  public var momentum: Double
  public var epsilon: Double
  /// Whether there is a beta, and a gamma.
  public var center: Bool
  public var scale: Bool
  public var betaInitializer: Initializer
  public var gammaInitializer: Initializer
  public var movingMeanInitializer: Initializer
  public var movingVarianceInitializer: Initializer
  public var betaRegularizer: Regularizer?
  public var gammaRegularizer: Regularizer?
  public var name: String?
  public var kind: String { "batchNormalization" }
  public var gradientPart: WayPart { .normalization }
  public var masking: Masking { .consumed }

  public init(
    axis: Int = -1, momentum: Double = 0.99, epsilon: Double = 0.001, center: Bool = true, scale: Bool = true,
    betaInitializer: Initializer = .zeros, gammaInitializer: Initializer = .ones,
    movingMeanInitializer: Initializer = .zeros, movingVarianceInitializer: Initializer = .ones,
    betaRegularizer: Regularizer? = nil, gammaRegularizer: Regularizer? = nil, name: String? = nil
  ) {
    (self.axis, self.momentum, self.epsilon) = (axis, momentum, epsilon)
    (self.center, self.scale, self.name) = (center, scale, name)
    (self.betaInitializer, self.gammaInitializer) = (betaInitializer, gammaInitializer)
    (self.movingMeanInitializer, self.movingVarianceInitializer) = (movingMeanInitializer, movingVarianceInitializer)
    (self.betaRegularizer, self.gammaRegularizer) = (betaRegularizer, gammaRegularizer)
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.require(NumberRange.kept.contains(momentum), "the momentum must lie in 0 ..< 1, not be \(momentum)")
    try context.require(
      NumberRange.epsilon.contains(epsilon), "epsilon must be a number\(NumberRange.epsilon.words), not \(epsilon)")
    guard input.shape.rank >= 2 else { throw context.mismatch(input, takes: "a batch [N, features…]") }
    let axis = try context.axis(axis, of: input)
    try context.require(axis > 0, "axis 0 is the batch")
    let mask = context.mask(of: input)
    guard mask == nil || axis > 1 else { throw context.unreadMask(of: input, "its channels are the steps") }
    let channels: Shape = [input.shape[axis]]
    let gamma =
      try scale
      ? context.parameter("gamma", channels, initializer: gammaInitializer, regularizer: gammaRegularizer) : nil
    let beta =
      try center
      ? context.parameter("beta", channels, initializer: betaInitializer, regularizer: betaRegularizer) : nil
    let movingMean = try context.state("movingMean", channels, initializer: movingMeanInitializer)
    let movingVariance = try context.state("movingVariance", channels, initializer: movingVarianceInitializer)

    // Rows of the last axis broadcast as they are.
    let isLast = axis == input.shape.rank - 1
    func spread(_ value: Value) throws(ProgramError) -> Value {
      isLast
        ? value
        : try context.append(
          Reshape(shape: input.shape.extents.indices.map { $0 == axis ? input.shape[axis] : 1 }), value)
    }
    var (mean, variance) = (movingMean.value, movingVariance.value)
    let x = try context.masked(input)
    var centered: Value
    if context.learns {
      let others = input.shape.extents.indices.filter { $0 != axis }
      mean = try context.mean(of: x, over: others, mask)
      centered = try context.append(Binary(.subtract), x, spread(mean))
      let squares = try context.append(Unary(.square), centered)
      variance = try context.mean(of: squares, over: others, mask)
      try context.replace(movingMean, with: moved(movingMean, mean, in: &context))
      try context.replace(movingVariance, with: moved(movingVariance, variance, in: &context))
    } else {
      centered = try context.append(Binary(.subtract), x, spread(mean))
    }
    let kept = try context.append(Binary(.add), variance, context.constant(epsilon))
    var factor = try context.append(Unary(.rsqrt), kept)
    if let gamma { factor = try context.append(Binary(.multiply), factor, gamma) }
    var output = try context.append(Binary(.multiply), centered, spread(factor))
    if let beta { output = try context.append(Binary(.add), output, spread(beta)) }
    context.recordActivation("linear", output, output)
    try context.setMask(mask, of: output)
    return output
  }

  /// momentum·moving + (1 − momentum)·batch
  private func moved(
    _ moving: LayerState, _ batch: Value, in context: inout LayerContext
  ) throws(ProgramError) -> Value {
    let old = try context.append(Binary(.multiply), moving.value, context.constant(momentum))
    let new = try context.append(Binary(.multiply), batch, context.constant(1 - momentum))
    return try context.append(Binary(.add), old, new)
  }
}

extension LayerContext {
  /// The mean over some axes, the batch among them; with a mask that of the valid steps, and 0 where there is none.
  fileprivate mutating func mean(
    of value: Value, over axes: [Int], _ mask: Value?
  ) throws(ProgramError) -> Value {
    guard let mask else { return try append(Reduce(.mean, axes: axes), value) }
    let kept = try append(Select(), steps(mask, like: value), value, constant(0))
    let sum = try append(Reduce(.sum, axes: axes), kept)
    let steps = try append(Reduce(.sum, axes: [0, 1]), append(Cast(to: .float32), mask))
    // Numbers of a channel in a step.
    let numbers = axes.filter { $0 > 1 }.reduce(1) { $0 * value.shape[$1] }
    let count = try append(Binary(.multiply), append(Binary(.maximum), steps, constant(1)), constant(Double(numbers)))
    return try append(Binary(.divide), sum, count)
  }
}

extension BatchNormalization: ConfigurableLayer {
  package static let settings = Settings<BatchNormalization>(
    "batch_normalization", of: BatchNormalization(),
    help: "Channels to mean 0 and variance 1 over the batch, then times gamma plus beta",
    keys: [
      .integer("axis", \.axis, in: .axes, help: "The axis of the channels; negative ones count from the end"),
      .number("momentum", \.momentum, in: .kept, help: "What is kept of the running statistics at each step"),
      .number("epsilon", \.epsilon, in: .epsilon, help: "Added to the variance, so that nothing is divided by 0"),
      .bool("center", \.center, help: "Whether there is a beta, which is added"),
      .bool("scale", \.scale, help: "Whether there is a gamma, which is multiplied with"),
      .initializer("beta_initializer", \.betaInitializer, .whereGiven, help: "How beta starts"),
      .initializer("gamma_initializer", \.gammaInitializer, .whereGiven, help: "How gamma starts"),
      .initializer(
        "moving_mean_initializer", \.movingMeanInitializer, .whereGiven, help: "How the running mean starts"),
      .initializer(
        "moving_variance_initializer", \.movingVarianceInitializer, .whereGiven,
        help: "How the running variance starts"),
      .regularizer("beta_regularizer", \.betaRegularizer, help: "What beta's size adds to the loss"),
      .regularizer("gamma_regularizer", \.gammaRegularizer, help: "What gamma's size adds to the loss"),
    ])
}
