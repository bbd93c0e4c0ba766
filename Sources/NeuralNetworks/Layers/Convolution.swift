import SwitchbackPrograms

/// What surrounds an image at its edges.
public enum Padding: String, Hashable, Codable, Sendable, CaseIterable {
  /// Nothing: the result shrinks by the kernel's reach.
  case valid
  /// Zeros, so that the result has ⌈size / stride⌉ rows and columns; the odd one goes to the bottom and right (Keras).
  case same
}

/// `y = activation(conv2d(x, kernel) + bias)`: x `[N, H, W, C]`, kernel `[Kh, Kw, C / groups, filters]`,
/// bias `[filters]`, y `[N, H′, W′, filters]`.
public struct Conv2D: UnaryLayer {
  public var filters: Int
  public var kernelSize: (height: Int, width: Int)
  public var strides: (height: Int, width: Int)
  public var padding: Padding
  public var dilationRate: (height: Int, width: Int)
  public var groups: Int
  public var activation: ActivationFunction
  public var useBias: Bool
  public var kernelInitializer: Initializer
  public var biasInitializer: Initializer
  public var kernelRegularizer: Regularizer?
  public var biasRegularizer: Regularizer?
  public var name: String?
  public var kind: String { "conv2d" }

  public init(
    _ filters: Int, kernelSize: (height: Int, width: Int), strides: (height: Int, width: Int) = (1, 1),
    padding: Padding = .valid, dilationRate: (height: Int, width: Int) = (1, 1), groups: Int = 1,
    activation: ActivationFunction = .linear, useBias: Bool = true,
    kernelInitializer: Initializer = .glorotUniform, biasInitializer: Initializer = .zeros,
    kernelRegularizer: Regularizer? = nil, biasRegularizer: Regularizer? = nil, name: String? = nil
  ) {
    self.filters = filters
    self.kernelSize = kernelSize
    self.strides = strides
    self.padding = padding
    self.dilationRate = dilationRate
    self.groups = groups
    self.activation = activation
    self.useBias = useBias
    self.kernelInitializer = kernelInitializer
    self.biasInitializer = biasInitializer
    self.kernelRegularizer = kernelRegularizer
    self.biasRegularizer = biasRegularizer
    self.name = name
  }

  /// A square kernel.
  public init(
    _ filters: Int, kernelSize: Int, strides: Int = 1, padding: Padding = .valid, dilationRate: Int = 1,
    groups: Int = 1, activation: ActivationFunction = .linear, useBias: Bool = true,
    kernelInitializer: Initializer = .glorotUniform, biasInitializer: Initializer = .zeros,
    kernelRegularizer: Regularizer? = nil, biasRegularizer: Regularizer? = nil, name: String? = nil
  ) {
    self.init(
      filters, kernelSize: (kernelSize, kernelSize), strides: (strides, strides), padding: padding,
      dilationRate: (dilationRate, dilationRate), groups: groups, activation: activation, useBias: useBias,
      kernelInitializer: kernelInitializer, biasInitializer: biasInitializer, kernelRegularizer: kernelRegularizer,
      biasRegularizer: biasRegularizer, name: name)
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    guard input.shape.rank == 4 else { throw context.mismatch(input, takes: "images [N, H, W, C]") }
    let kernel = [kernelSize.height, kernelSize.width]
    let steps = [strides.height, strides.width]
    let dilations = [dilationRate.height, dilationRate.width]
    try context.require(filters > 0, "filters must be positive, not \(filters)")
    try context.require(
      (kernel + steps + dilations).allSatisfy { $0 > 0 }, "kernelSize, strides and dilationRate must be positive")
    let channels = input.shape[3]
    guard groups > 0, filters % groups == 0, channels % groups == 0 else {
      throw context.mismatch(
        input, takes: "channels, and has filters, that \(groups) groups divide (it has \(filters) filters)")
    }
    let geometry = ConvolutionGeometry(
      strides: steps, padding: padding.cells(around: input.shape, kernel, steps, dilations), dilations: dilations,
      groups: groups)
    let weight = try context.parameter(
      "kernel", Shape(kernel + [channels / groups, filters]), initializer: kernelInitializer.gained(for: activation),
      regularizer: kernelRegularizer)
    var value = try context.append(Convolution2D(geometry), input, weight)
    if useBias {
      let bias = try context.parameter("bias", [filters], initializer: biasInitializer, regularizer: biasRegularizer)
      value = try context.append(Binary(.add), value, bias)
    }
    return try context.activate(value, activation)
  }
}

extension Conv2D: ConfigurableLayer {
  package static let settings = Settings<Conv2D>(
    "conv2d", of: Conv2D(1, kernelSize: 1), help: "A convolution over images [N, H, W, C]",
    keys: [
      .integer("filters", \.filters, in: .extents, .required, help: "How many filters: the channels of the result"),
      .pair("kernel_size", \.kernelSize, .required, help: "Rows and columns of the kernel"),
      .pair("strides", \.strides, help: "How far the kernel moves at a time, down and right"),
      .choice("padding", \.padding, help: Padding.help),
      .pair("dilation_rate", \.dilationRate, help: "How far apart the cells are that a kernel's neighbours read"),
      .integer("groups", \.groups, in: .extents, help: "Into how many groups channels and filters are split"),
      .activation("activation", \.activation, help: "What the result passes through"),
      .bool("use_bias", \.useBias, help: "Whether a bias is added"),
      .initializer("kernel_initializer", \.kernelInitializer, help: "How the kernel starts"),
      .initializer("bias_initializer", \.biasInitializer, help: "How the bias starts"),
      .regularizer("kernel_regularizer", \.kernelRegularizer, help: "What the kernel's size adds to the loss"),
      .regularizer("bias_regularizer", \.biasRegularizer, help: "What the bias's size adds to the loss"),
    ])
}

extension Padding {
  static let help = "same: padded, so that only strides shrink the image; valid: not padded"

  /// `[top, bottom, left, right]` for an image `[N, H, W, C]`.
  func cells(around image: Shape, _ kernelSize: [Int], _ strides: [Int], _ dilations: [Int] = [1, 1]) -> [Int] {
    switch self {
    case .valid: [0, 0, 0, 0]
    case .same:
      ConvolutionGeometry.samePadding(
        size: [image[1], image[2]], kernelSize: kernelSize, strides: strides, dilations: dilations)
    }
  }
}
