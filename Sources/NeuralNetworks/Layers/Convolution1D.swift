import SwitchbackPrograms

/// `y = activation(conv1d(x, kernel) + bias)`: x `[N, T, C]`, kernel `[1, kernelSize, C / groups, filters]`, bias
/// `[filters]`, y `[N, T′, filters]`. A convolution of images of one row.
public struct Conv1D: UnaryLayer {
  public var filters: Int
  public var kernelSize: Int
  public var strides: Int
  public var padding: SequencePadding
  public var dilationRate: Int
  public var groups: Int
  public var activation: ActivationFunction
  public var useBias: Bool
  public var kernelInitializer: Initializer
  public var biasInitializer: Initializer
  public var kernelRegularizer: Regularizer?
  public var biasRegularizer: Regularizer?
  public var name: String?
  public var kind: String { "conv1d" }

  public init(
    _ filters: Int, kernelSize: Int, strides: Int = 1, padding: SequencePadding = .valid, dilationRate: Int = 1,
    groups: Int = 1, activation: ActivationFunction = .linear, useBias: Bool = true,
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

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.require("filters", isExtent: filters)
    let window = try ConvolutionWindow((1, kernelSize), (1, strides), dilationRate: (1, dilationRate), in: context)
    try context.requireSequences(input, for: window, isPadded: padding != .valid)
    try context.requireGroups(groups, of: input, filters: filters)
    let rows = Conv2D(
      filters, kernelSize: (1, kernelSize), strides: (1, strides), padding: padding.padding(window),
      dilationRate: (1, dilationRate), groups: groups, activation: activation, useBias: useBias,
      kernelInitializer: kernelInitializer, biasInitializer: biasInitializer, kernelRegularizer: kernelRegularizer,
      biasRegularizer: biasRegularizer)
    return try context.throughImage(of: input, rows)
  }
}

extension Conv1D: ConfigurableLayer {
  package static let settings = Settings<Conv1D>(
    "conv1d", of: Conv1D(1, kernelSize: 1), help: "A convolution over sequences [N, T, C]",
    keys: [
      .integer("filters", \.filters, in: .extents, .required, help: "How many filters: the channels of the result"),
      .integer("kernel_size", \.kernelSize, in: .extents, .required, help: "Steps of the kernel"),
      .integer("strides", \.strides, in: .extents, help: "How many steps the kernel moves at a time"),
      .choice("padding", \.padding, help: SequencePadding.help),
      .integer("dilation_rate", \.dilationRate, in: .extents, help: "How far apart the steps are that a kernel reads"),
      .integer("groups", \.groups, in: .extents, help: "Into how many groups channels and filters are split"),
      .activation("activation", \.activation, help: "What the result passes through"),
      .bool("use_bias", \.useBias, help: "Whether a bias is added"),
      .initializer("kernel_initializer", \.kernelInitializer, help: "How the kernel starts"),
      .initializer("bias_initializer", \.biasInitializer, help: "How the bias starts"),
      .regularizer("kernel_regularizer", \.kernelRegularizer, help: "What the kernel's size adds to the loss"),
      .regularizer("bias_regularizer", \.biasRegularizer, help: "What the bias's size adds to the loss"),
    ])
}
