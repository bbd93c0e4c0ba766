import SwitchbackPrograms

/// `y = activation(x ∗ kernel + bias)` with `depthMultiplier` filters for each channel, which read that channel alone:
/// x `[N, H, W, C]`, kernel `[Kh, Kw, 1, C · depthMultiplier]`, bias `[C · depthMultiplier]`, y
/// `[N, H′, W′, C · depthMultiplier]`. Filter m of channel c is number c · depthMultiplier + m. A convolution of as many
/// groups as channels.
///
/// The kernel has the numbers, and starts with those, of Keras's `[Kh, Kw, C, depthMultiplier]`.
public struct DepthwiseConv2D: UnaryLayer {
  public var kernelSize: (height: Int, width: Int)
  public var strides: (height: Int, width: Int)
  public var padding: Padding
  public var depthMultiplier: Int
  public var dilationRate: (height: Int, width: Int)
  public var activation: ActivationFunction
  public var useBias: Bool
  public var depthwiseInitializer: Initializer
  public var biasInitializer: Initializer
  public var depthwiseRegularizer: Regularizer?
  public var biasRegularizer: Regularizer?
  public var name: String?
  public var kind: String { "depthwiseConv2d" }

  public init(
    kernelSize: (height: Int, width: Int), strides: (height: Int, width: Int) = (1, 1), padding: Padding = .valid,
    depthMultiplier: Int = 1, dilationRate: (height: Int, width: Int) = (1, 1),
    activation: ActivationFunction = .linear, useBias: Bool = true,
    depthwiseInitializer: Initializer = .glorotUniform, biasInitializer: Initializer = .zeros,
    depthwiseRegularizer: Regularizer? = nil, biasRegularizer: Regularizer? = nil, name: String? = nil
  ) {
    self.kernelSize = kernelSize
    self.strides = strides
    self.padding = padding
    self.depthMultiplier = depthMultiplier
    self.dilationRate = dilationRate
    self.activation = activation
    self.useBias = useBias
    self.depthwiseInitializer = depthwiseInitializer
    self.biasInitializer = biasInitializer
    self.depthwiseRegularizer = depthwiseRegularizer
    self.biasRegularizer = biasRegularizer
    self.name = name
  }

  /// A square kernel.
  public init(
    kernelSize: Int, strides: Int = 1, padding: Padding = .valid, depthMultiplier: Int = 1, dilationRate: Int = 1,
    activation: ActivationFunction = .linear, useBias: Bool = true,
    depthwiseInitializer: Initializer = .glorotUniform, biasInitializer: Initializer = .zeros,
    depthwiseRegularizer: Regularizer? = nil, biasRegularizer: Regularizer? = nil, name: String? = nil
  ) {
    self.init(
      kernelSize: (kernelSize, kernelSize), strides: (strides, strides), padding: padding,
      depthMultiplier: depthMultiplier, dilationRate: (dilationRate, dilationRate), activation: activation,
      useBias: useBias, depthwiseInitializer: depthwiseInitializer, biasInitializer: biasInitializer,
      depthwiseRegularizer: depthwiseRegularizer, biasRegularizer: biasRegularizer, name: name)
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.requireImages(input)
    let window = try ConvolutionWindow(kernelSize, strides, dilationRate: dilationRate, in: context)
    let value = try context.convolveDepthwise(
      input, window, padding, depthMultiplier, "kernel", depthwiseInitializer.gained(for: activation),
      depthwiseRegularizer)
    return try context.end(value, useBias: useBias, biasInitializer, biasRegularizer, activation)
  }
}

extension LayerContext {
  /// Each channel of an image by filters of its own, whose weight is called `name`.
  mutating func convolveDepthwise(
    _ image: Value, _ window: ConvolutionWindow, _ padding: Padding, _ multiplier: Int, _ name: String,
    _ initializer: Initializer, _ regularizer: Regularizer?
  ) throws(ProgramError) -> Value {
    try require("depthMultiplier", isExtent: multiplier)
    let channels = image.shape[3]
    let kernel = try parameter(
      name, Shape(window.kernelSize + [1, channels * multiplier]),
      drawnShape: Shape(window.kernelSize + [channels, multiplier]), initializer: initializer,
      regularizer: regularizer)
    return try append(Convolution2D(window.geometry(of: image.shape, padding, groups: channels)), image, kernel)
  }
}

extension DepthwiseConv2D: ConfigurableLayer {
  package static let settings = Settings<DepthwiseConv2D>(
    "depthwise_conv2d", of: DepthwiseConv2D(kernelSize: 1),
    help: "A convolution of each channel by filters of its own: images [N, H, W, C]",
    keys: [
      .pair("kernel_size", \.kernelSize, .required, help: "Rows and columns of the kernel"),
      .pair("strides", \.strides, help: "How far the kernel moves at a time, down and right"),
      .padding("padding", \.padding),
      .integer("depth_multiplier", \.depthMultiplier, in: .extents, help: "How many filters each channel has"),
      .pair("dilation_rate", \.dilationRate, help: "How far apart the cells are that a kernel's neighbours read"),
      .activation("activation", \.activation, help: "What the result passes through"),
      .bool("use_bias", \.useBias, help: "Whether a bias is added"),
      .initializer("depthwise_initializer", \.depthwiseInitializer, help: "How the kernel starts"),
      .initializer("bias_initializer", \.biasInitializer, help: "How the bias starts"),
      .regularizer("depthwise_regularizer", \.depthwiseRegularizer, help: "What the kernel's size adds to the loss"),
      .regularizer("bias_regularizer", \.biasRegularizer, help: "What the bias's size adds to the loss"),
    ])
}
