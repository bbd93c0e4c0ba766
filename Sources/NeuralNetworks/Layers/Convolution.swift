import SwitchbackPrograms

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
    try context.requireImages(input)
    try context.require("filters", isExtent: filters)
    let window = try ConvolutionWindow(kernelSize, strides, dilationRate: dilationRate, in: context)
    try context.requireGroups(groups, of: input, filters: filters)
    let kernel = try context.parameter(
      "kernel", Shape(window.kernelSize + [input.shape[3] / groups, filters]),
      initializer: kernelInitializer.gained(for: activation), regularizer: kernelRegularizer)
    let value = try context.append(
      Convolution2D(window.geometry(of: input.shape, padding, groups: groups)), input, kernel)
    return try context.end(value, useBias: useBias, biasInitializer, biasRegularizer, activation)
  }
}

extension LayerContext {
  /// Refuses groups that do not divide the channels, which are the last axis, or the filters.
  func requireGroups(_ groups: Int, of input: Value, filters: Int) throws(ProgramError) {
    guard groups > 0, filters % groups == 0, input.shape[input.shape.rank - 1] % groups == 0 else {
      throw mismatch(
        input, takes: "channels, and has filters, that \(groups) groups divide (it has \(filters) filters)")
    }
  }
}

extension Conv2D: ConfigurableLayer {
  package static let settings = Settings<Conv2D>(
    "conv2d", of: Conv2D(1, kernelSize: 1), help: "A convolution over images [N, H, W, C]",
    keys: [
      .integer("filters", \.filters, in: .extents, .required, help: "How many filters: the channels of the result"),
      .pair("kernel_size", \.kernelSize, .required, help: "Rows and columns of the kernel"),
      .pair("strides", \.strides, help: "How far the kernel moves at a time, down and right"),
      .padding("padding", \.padding),
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
