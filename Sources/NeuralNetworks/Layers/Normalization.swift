// Normalizations by statistics of each sample, which are the same in training and in inference. All are the operation
// `Normalize` with a gamma and a beta behind it.

import SwitchbackPrograms

/// y = gamma·(x − μ)/√(σ² + epsilon) + beta, where mean and variance are of each sample over the axes `axis` (Ba, Kiros and
/// Hinton, 2016, equation 4). Gamma and beta have the shape of these axes, in their order in x.
///
/// x is [N, features…]; a negative axis counts from the end, and axis 0 is the batch. The variance is the biased one.
public struct LayerNormalization: UnaryLayer {
  public var axis: [Int]
  public var epsilon: Double
  /// Whether there is a beta, and a gamma.
  public var center: Bool
  public var scale: Bool
  public var betaInitializer: Initializer
  public var gammaInitializer: Initializer
  public var betaRegularizer: Regularizer?
  public var gammaRegularizer: Regularizer?
  public var name: String?
  public var kind: String { "layerNormalization" }
  public var gradientPart: WayPart { .normalization }
  public var masking: Masking { .consumed }

  public init(
    axis: [Int] = [-1], epsilon: Double = 0.001, center: Bool = true, scale: Bool = true,
    betaInitializer: Initializer = .zeros, gammaInitializer: Initializer = .ones,
    betaRegularizer: Regularizer? = nil, gammaRegularizer: Regularizer? = nil, name: String? = nil
  ) {
    (self.axis, self.epsilon, self.center, self.scale, self.name) = (axis, epsilon, center, scale, name)
    (self.betaInitializer, self.gammaInitializer) = (betaInitializer, gammaInitializer)
    (self.betaRegularizer, self.gammaRegularizer) = (betaRegularizer, gammaRegularizer)
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.normalize(input, over: axis, epsilon: epsilon, isCentered: true) {
      (normalized, shape, context) throws(ProgramError) in
      try context.scaleAndShift(
        normalized, scale ? Weight("gamma", gammaInitializer, gammaRegularizer) : nil,
        center ? Weight("beta", betaInitializer, betaRegularizer) : nil, shape)
    }
  }
}

extension LayerNormalization: ConfigurableLayer {
  package static let settings = Settings<LayerNormalization>(
    "layer_normalization", of: LayerNormalization(),
    help: "Each sample's features to mean 0 and variance 1, then times gamma plus beta",
    keys: [
      .oneOrMoreIntegers(
        "axis", \.axis, in: .axes, help: "The axis, or axes, of the features; negative ones count from the end"),
      .number("epsilon", \.epsilon, in: .epsilon, help: "Added to the variance, so that nothing is divided by 0"),
      .bool("center", \.center, help: "Whether there is a beta, which is added"),
      .bool("scale", \.scale, help: "Whether there is a gamma, which is multiplied with"),
      .initializer("beta_initializer", \.betaInitializer, .whereGiven, help: "How beta starts"),
      .initializer("gamma_initializer", \.gammaInitializer, .whereGiven, help: "How gamma starts"),
      .regularizer("beta_regularizer", \.betaRegularizer, help: "What beta's size adds to the loss"),
      .regularizer("gamma_regularizer", \.gammaRegularizer, help: "What gamma's size adds to the loss"),
    ])
}

/// y = scale·x/√(mean(x²) + epsilon), where the mean is of each sample over the axes `axis` (Zhang and Sennrich, 2019,
/// equation 4). The scale has the shape of these axes, in their order in x.
///
/// x is [N, features…]; a negative axis counts from the end, and axis 0 is the batch.
public struct RMSNormalization: UnaryLayer {
  public var axis: [Int]
  public var epsilon: Double
  /// Whether there is a weight that is multiplied with.
  public var scale: Bool
  public var gammaInitializer: Initializer
  public var gammaRegularizer: Regularizer?
  public var name: String?
  public var kind: String { "rmsNormalization" }
  public var gradientPart: WayPart { .normalization }
  public var masking: Masking { .consumed }

  public init(
    axis: [Int] = [-1], epsilon: Double = 1e-6, scale: Bool = true, gammaInitializer: Initializer = .ones,
    gammaRegularizer: Regularizer? = nil, name: String? = nil
  ) {
    (self.axis, self.epsilon, self.scale, self.name) = (axis, epsilon, scale, name)
    (self.gammaInitializer, self.gammaRegularizer) = (gammaInitializer, gammaRegularizer)
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.normalize(input, over: axis, epsilon: epsilon, isCentered: false) {
      (normalized, shape, context) throws(ProgramError) in
      try context.scaleAndShift(
        normalized, scale ? Weight("scale", gammaInitializer, gammaRegularizer) : nil, nil, shape)
    }
  }
}

extension RMSNormalization: ConfigurableLayer {
  package static let settings = Settings<RMSNormalization>(
    "rms_normalization", of: RMSNormalization(),
    help: "Each sample's features to root mean square 1, then times a scale",
    keys: [
      .oneOrMoreIntegers(
        "axis", \.axis, in: .axes, help: "The axis, or axes, of the features; negative ones count from the end"),
      .number("epsilon", \.epsilon, in: .epsilon, help: "Added to the mean square, so that nothing is divided by 0"),
      .bool("scale", \.scale, help: "Whether there is a scale, which is multiplied with"),
      .initializer("gamma_initializer", \.gammaInitializer, .whereGiven, help: "How the scale starts"),
      .regularizer("gamma_regularizer", \.gammaRegularizer, help: "What the scale's size adds to the loss"),
    ])
}

/// y = gamma·(x − μ)/√(σ² + epsilon) + beta for each channel; mean and variance are of each sample's groups of neighbouring
/// channels, over all other axes (Wu and He, 2018, equations 1 and 2).
///
/// With -1 groups each channel is one: instance normalization (Ulyanov, Vedaldi and Lempitsky, 2016, equation 2). x is
/// [N, features…] with the channels along `axis`; a negative axis counts from the end, and axis 0 is the batch.
public struct GroupNormalization: UnaryLayer {
  /// They divide the channels; -1: as many as there are channels.
  public var groups: Int
  public var axis: Int
  public var epsilon: Double
  /// Whether there is a beta, and a gamma.
  public var center: Bool
  public var scale: Bool
  public var betaInitializer: Initializer
  public var gammaInitializer: Initializer
  public var betaRegularizer: Regularizer?
  public var gammaRegularizer: Regularizer?
  public var name: String?
  public var kind: String { "groupNormalization" }
  public var gradientPart: WayPart { .normalization }

  public init(
    groups: Int = 32, axis: Int = -1, epsilon: Double = 0.001, center: Bool = true, scale: Bool = true,
    betaInitializer: Initializer = .zeros, gammaInitializer: Initializer = .ones,
    betaRegularizer: Regularizer? = nil, gammaRegularizer: Regularizer? = nil, name: String? = nil
  ) {
    (self.groups, self.axis, self.epsilon) = (groups, axis, epsilon)
    (self.center, self.scale, self.name) = (center, scale, name)
    (self.betaInitializer, self.gammaInitializer) = (betaInitializer, gammaInitializer)
    (self.betaRegularizer, self.gammaRegularizer) = (betaRegularizer, gammaRegularizer)
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    guard input.shape.rank >= 2 else { throw context.mismatch(input, takes: "a batch [N, features…]") }
    let axis = try context.axis(axis, of: input)
    try context.require(axis > 0, "axis 0 is the batch")
    let channels = input.shape[axis]
    let groups = self.groups == -1 ? channels : self.groups
    try context.require(groups > 0, "groups must be positive, or -1 for a group of each channel, not \(groups)")
    try context.require(
      channels % groups == 0, "\(groups) groups do not divide the \(channels) channels along axis \(self.axis)")
    return try context.normalize(input, last: [axis], from: 1, groups: groups, epsilon: epsilon, isCentered: true) {
      (normalized, context) throws(ProgramError) in
      try context.scaleAndShift(
        normalized, scale ? Weight("gamma", gammaInitializer, gammaRegularizer) : nil,
        center ? Weight("beta", betaInitializer, betaRegularizer) : nil, [channels])
    }
  }
}

extension GroupNormalization: ConfigurableLayer {
  package static let settings = Settings<GroupNormalization>(
    "group_normalization", of: GroupNormalization(),
    help: "Each sample's groups of channels to mean 0 and variance 1, then times gamma plus beta",
    keys: [
      .integer(
        "groups", \.groups, in: -1...1 << 20,
        help: "Groups, which divide the channels; -1: one for each channel (instance normalization)"),
      .integer("axis", \.axis, in: .axes, help: "The axis of the channels; negative ones count from the end"),
      .number("epsilon", \.epsilon, in: .epsilon, help: "Added to the variance, so that nothing is divided by 0"),
      .bool("center", \.center, help: "Whether there is a beta, which is added"),
      .bool("scale", \.scale, help: "Whether there is a gamma, which is multiplied with"),
      .initializer("beta_initializer", \.betaInitializer, .whereGiven, help: "How beta starts"),
      .initializer("gamma_initializer", \.gammaInitializer, .whereGiven, help: "How gamma starts"),
      .regularizer("beta_regularizer", \.betaRegularizer, help: "What beta's size adds to the loss"),
      .regularizer("gamma_regularizer", \.gammaRegularizer, help: "What gamma's size adds to the loss"),
    ], fault: { $0.groups == 0 ? "groups must be positive, or -1 for a group of each channel" : nil })
}

/// A gamma or a beta that is to be declared.
private struct Weight {
  let name: String
  let initializer: Initializer
  let regularizer: Regularizer?

  init(_ name: String, _ initializer: Initializer, _ regularizer: Regularizer?) {
    (self.name, self.initializer, self.regularizer) = (name, initializer, regularizer)
  }
}

extension LayerContext {
  /// Normalizes over some axes of each sample; `weighted` scales what has these axes last, in their order, of that shape.
  fileprivate mutating func normalize(
    _ input: Value, over axes: [Int], epsilon: Double, isCentered: Bool,
    weighted: (Value, Shape, inout LayerContext) throws(ProgramError) -> Value
  ) throws(ProgramError) -> Value {
    guard input.shape.rank >= 2 else { throw mismatch(input, takes: "a batch [N, features…]") }
    try require(!axes.isEmpty, "axis names no axis")
    var places: [Int] = []
    for axis in axes {
      let place = try self.axis(axis, of: input)
      try require(place > 0, "axis 0 is the batch")
      try require(!places.contains(place), "axis names axis \(axis) of \(input.shape) twice")
      places.append(place)
    }
    places.sort()
    guard mask(of: input) == nil || !places.contains(1) else {
      throw unreadMask(of: input, "its statistics are over the steps")
    }
    let shape = Shape(places.map { input.shape[$0] })
    if places == [2], input.shape.rank == 3, let rows = origin(of: input, .tokenRows) {
      // Token by token, so what it reads and gives stays rows.
      let normalized = try normalize(rows, over: [1], epsilon: epsilon, isCentered: isCentered, weighted: weighted)
      let result = try sequences(of: normalized, .tokenRows, steps: input.shape[1])
      try passMask(of: input, to: result)
      return result
    }
    let result = try normalize(
      input, last: places, from: input.shape.rank - places.count, groups: 1, epsilon: epsilon, isCentered: isCentered
    ) { (normalized, context) throws(ProgramError) in try weighted(normalized, shape, &context) }
    try passMask(of: input, to: result)
    return result
  }

  /// Normalizes with the axes `last` moved to the end, over the axes from `first` on, and moves them back behind `weighted`.
  fileprivate mutating func normalize(
    _ input: Value, last axes: [Int], from first: Int, groups: Int, epsilon: Double, isCentered: Bool,
    weighted: (Value, inout LayerContext) throws(ProgramError) -> Value
  ) throws(ProgramError) -> Value {
    try require(
      NumberRange.epsilon.contains(epsilon), "epsilon must be a number\(NumberRange.epsilon.words), not \(epsilon)")
    let rank = input.shape.rank
    let order = (0..<rank).filter { !axes.contains($0) } + axes
    let isMoved = order != Array(0..<rank)
    let moved = isMoved ? try append(Transpose(permutation: order), input) : input
    let operation = Normalize(axis: first, groups: groups, epsilon: epsilon, centered: isCentered)
    let output = try weighted(builder.append(operation, [moved])[0], &self)
    let back = (0..<rank).map { place in order.firstIndex(of: place) ?? place }
    let result = isMoved ? try append(Transpose(permutation: back), output) : output
    recordActivation("linear", result, result)
    return result
  }

  /// Times the weight `gamma` plus the weight `beta`, as far as there are such; they have the shape of the last axes.
  fileprivate mutating func scaleAndShift(
    _ value: Value, _ gamma: Weight?, _ beta: Weight?, _ shape: Shape
  ) throws(ProgramError) -> Value {
    var result = value
    if let gamma { result = try append(Binary(.multiply), result, parameter(gamma, shape)) }
    if let beta { result = try append(Binary(.add), result, parameter(beta, shape)) }
    return result
  }

  private mutating func parameter(_ weight: Weight, _ shape: Shape) throws(ProgramError) -> Value {
    try parameter(weight.name, shape, initializer: weight.initializer, regularizer: weight.regularizer)
  }
}
