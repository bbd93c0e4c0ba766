import SwitchbackPrograms

/// A depthwise convolution, then one of 1×1 that mixes the channels (Chollet, *Xception*, 2017, §1):
/// `y = activation((x ∗ depthwiseKernel) ∗ pointwiseKernel + bias)`. x `[N, H, W, C]`, depthwiseKernel
/// `[Kh, Kw, 1, C · depthMultiplier]` (as `DepthwiseConv2D` has it), pointwiseKernel
/// `[1, 1, C · depthMultiplier, filters]`, bias `[filters]`, y `[N, H′, W′, filters]`.
public struct SeparableConv2D: UnaryLayer {
  public var filters: Int
  public var kernelSize: (height: Int, width: Int)
  public var strides: (height: Int, width: Int)
  public var padding: Padding
  public var dilationRate: (height: Int, width: Int)
  public var depthMultiplier: Int
  public var activation: ActivationFunction
  public var useBias: Bool
  public var depthwiseInitializer: Initializer
  public var pointwiseInitializer: Initializer
  public var biasInitializer: Initializer
  public var depthwiseRegularizer: Regularizer?
  public var pointwiseRegularizer: Regularizer?
  public var biasRegularizer: Regularizer?
  public var name: String?
  public var kind: String { "separableConv2d" }

  public init(
    _ filters: Int, kernelSize: (height: Int, width: Int), strides: (height: Int, width: Int) = (1, 1),
    padding: Padding = .valid, dilationRate: (height: Int, width: Int) = (1, 1), depthMultiplier: Int = 1,
    activation: ActivationFunction = .linear, useBias: Bool = true,
    depthwiseInitializer: Initializer = .glorotUniform, pointwiseInitializer: Initializer = .glorotUniform,
    biasInitializer: Initializer = .zeros, depthwiseRegularizer: Regularizer? = nil,
    pointwiseRegularizer: Regularizer? = nil, biasRegularizer: Regularizer? = nil, name: String? = nil
  ) {
    self.filters = filters
    self.kernelSize = kernelSize
    self.strides = strides
    self.padding = padding
    self.dilationRate = dilationRate
    self.depthMultiplier = depthMultiplier
    self.activation = activation
    self.useBias = useBias
    self.depthwiseInitializer = depthwiseInitializer
    self.pointwiseInitializer = pointwiseInitializer
    self.biasInitializer = biasInitializer
    self.depthwiseRegularizer = depthwiseRegularizer
    self.pointwiseRegularizer = pointwiseRegularizer
    self.biasRegularizer = biasRegularizer
    self.name = name
  }

  /// A square kernel.
  public init(
    _ filters: Int, kernelSize: Int, strides: Int = 1, padding: Padding = .valid, dilationRate: Int = 1,
    depthMultiplier: Int = 1, activation: ActivationFunction = .linear, useBias: Bool = true,
    depthwiseInitializer: Initializer = .glorotUniform, pointwiseInitializer: Initializer = .glorotUniform,
    biasInitializer: Initializer = .zeros, depthwiseRegularizer: Regularizer? = nil,
    pointwiseRegularizer: Regularizer? = nil, biasRegularizer: Regularizer? = nil, name: String? = nil
  ) {
    self.init(
      filters, kernelSize: (kernelSize, kernelSize), strides: (strides, strides), padding: padding,
      dilationRate: (dilationRate, dilationRate), depthMultiplier: depthMultiplier, activation: activation,
      useBias: useBias, depthwiseInitializer: depthwiseInitializer, pointwiseInitializer: pointwiseInitializer,
      biasInitializer: biasInitializer, depthwiseRegularizer: depthwiseRegularizer,
      pointwiseRegularizer: pointwiseRegularizer, biasRegularizer: biasRegularizer, name: name)
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.requireImages(input)
    try context.require("filters", isExtent: filters)
    let window = try ConvolutionWindow(kernelSize, strides, dilationRate: dilationRate, in: context)
    let channels = try context.convolveDepthwise(
      input, window, padding, depthMultiplier, "depthwiseKernel", depthwiseInitializer.gained(for: .linear),
      depthwiseRegularizer)
    let kernel = try context.parameter(
      "pointwiseKernel", [1, 1, channels.shape[3], filters],
      initializer: pointwiseInitializer.gained(for: activation), regularizer: pointwiseRegularizer)
    let value = try context.append(Convolution2D(), channels, kernel)
    return try context.end(value, useBias: useBias, biasInitializer, biasRegularizer, activation)
  }
}

extension SeparableConv2D: ConfigurableLayer {
  package static let settings = Settings<SeparableConv2D>(
    "separable_conv2d", of: SeparableConv2D(1, kernelSize: 1),
    help: "A depthwise convolution, then one of 1×1: images [N, H, W, C]",
    keys: [
      .integer("filters", \.filters, in: .extents, .required, help: "How many filters: the channels of the result"),
      .pair("kernel_size", \.kernelSize, .required, help: "Rows and columns of the depthwise kernel"),
      .pair("strides", \.strides, help: "How far the kernel moves at a time, down and right"),
      .padding("padding", \.padding),
      .pair("dilation_rate", \.dilationRate, help: "How far apart the cells are that a kernel's neighbours read"),
      .integer("depth_multiplier", \.depthMultiplier, in: .extents, help: "How many depthwise filters a channel has"),
      .activation("activation", \.activation, help: "What the result passes through"),
      .bool("use_bias", \.useBias, help: "Whether a bias is added"),
      .initializer("depthwise_initializer", \.depthwiseInitializer, help: "How the depthwise kernel starts"),
      .initializer("pointwise_initializer", \.pointwiseInitializer, help: "How the kernel of 1×1 starts"),
      .initializer("bias_initializer", \.biasInitializer, help: "How the bias starts"),
      .regularizer(
        "depthwise_regularizer", \.depthwiseRegularizer, help: "What the depthwise kernel's size adds to the loss"),
      .regularizer(
        "pointwise_regularizer", \.pointwiseRegularizer, help: "What the size of the kernel of 1×1 adds to the loss"),
      .regularizer("bias_regularizer", \.biasRegularizer, help: "What the bias's size adds to the loss"),
    ])
}

/// The same for sequences: x `[N, T, C]`, depthwiseKernel `[1, kernelSize, 1, C · depthMultiplier]`, pointwiseKernel
/// `[1, 1, C · depthMultiplier, filters]`, y `[N, T′, filters]`.
public struct SeparableConv1D: UnaryLayer {
  public var filters: Int
  public var kernelSize: Int
  public var strides: Int
  public var padding: SequencePadding
  public var dilationRate: Int
  public var depthMultiplier: Int
  public var activation: ActivationFunction
  public var useBias: Bool
  public var depthwiseInitializer: Initializer
  public var pointwiseInitializer: Initializer
  public var biasInitializer: Initializer
  public var depthwiseRegularizer: Regularizer?
  public var pointwiseRegularizer: Regularizer?
  public var biasRegularizer: Regularizer?
  public var name: String?
  public var kind: String { "separableConv1d" }

  public init(
    _ filters: Int, kernelSize: Int, strides: Int = 1, padding: SequencePadding = .valid, dilationRate: Int = 1,
    depthMultiplier: Int = 1, activation: ActivationFunction = .linear, useBias: Bool = true,
    depthwiseInitializer: Initializer = .glorotUniform, pointwiseInitializer: Initializer = .glorotUniform,
    biasInitializer: Initializer = .zeros, depthwiseRegularizer: Regularizer? = nil,
    pointwiseRegularizer: Regularizer? = nil, biasRegularizer: Regularizer? = nil, name: String? = nil
  ) {
    self.filters = filters
    self.kernelSize = kernelSize
    self.strides = strides
    self.padding = padding
    self.dilationRate = dilationRate
    self.depthMultiplier = depthMultiplier
    self.activation = activation
    self.useBias = useBias
    self.depthwiseInitializer = depthwiseInitializer
    self.pointwiseInitializer = pointwiseInitializer
    self.biasInitializer = biasInitializer
    self.depthwiseRegularizer = depthwiseRegularizer
    self.pointwiseRegularizer = pointwiseRegularizer
    self.biasRegularizer = biasRegularizer
    self.name = name
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    let window = try ConvolutionWindow((1, kernelSize), (1, strides), dilationRate: (1, dilationRate), in: context)
    try context.requireSequences(input, for: window, isPadded: padding != .valid)
    let rows = SeparableConv2D(
      filters, kernelSize: (1, kernelSize), strides: (1, strides), padding: padding.padding(window),
      dilationRate: (1, dilationRate), depthMultiplier: depthMultiplier, activation: activation, useBias: useBias,
      depthwiseInitializer: depthwiseInitializer, pointwiseInitializer: pointwiseInitializer,
      biasInitializer: biasInitializer, depthwiseRegularizer: depthwiseRegularizer,
      pointwiseRegularizer: pointwiseRegularizer, biasRegularizer: biasRegularizer)
    return try context.throughImage(of: input, rows)
  }
}

extension SeparableConv1D: ConfigurableLayer {
  package static let settings = Settings<SeparableConv1D>(
    "separable_conv1d", of: SeparableConv1D(1, kernelSize: 1),
    help: "A depthwise convolution, then one of width 1: sequences [N, T, C]",
    keys: [
      .integer("filters", \.filters, in: .extents, .required, help: "How many filters: the channels of the result"),
      .integer("kernel_size", \.kernelSize, in: .extents, .required, help: "Steps of the depthwise kernel"),
      .integer("strides", \.strides, in: .extents, help: "How many steps the kernel moves at a time"),
      .choice("padding", \.padding, help: SequencePadding.help),
      .integer("dilation_rate", \.dilationRate, in: .extents, help: "How far apart the steps are that a kernel reads"),
      .integer("depth_multiplier", \.depthMultiplier, in: .extents, help: "How many depthwise filters a channel has"),
      .activation("activation", \.activation, help: "What the result passes through"),
      .bool("use_bias", \.useBias, help: "Whether a bias is added"),
      .initializer("depthwise_initializer", \.depthwiseInitializer, help: "How the depthwise kernel starts"),
      .initializer("pointwise_initializer", \.pointwiseInitializer, help: "How the kernel of width 1 starts"),
      .initializer("bias_initializer", \.biasInitializer, help: "How the bias starts"),
      .regularizer(
        "depthwise_regularizer", \.depthwiseRegularizer, help: "What the depthwise kernel's size adds to the loss"),
      .regularizer(
        "pointwise_regularizer", \.pointwiseRegularizer, help: "What the size of the kernel of width 1 adds to the loss"
      ),
      .regularizer("bias_regularizer", \.biasRegularizer, help: "What the bias's size adds to the loss"),
    ])
}
