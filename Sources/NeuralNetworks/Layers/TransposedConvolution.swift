import SwitchbackPrograms

/// `y = activation(xᵀ ∗ kernel + bias)`, the transpose of a convolution from y to x: x `[N, H, W, C]`, kernel
/// `[Kh, Kw, filters, C]` (Keras), bias `[filters]`, y `[N, H′, W′, filters]` with, for the reach
/// k = (K − 1) · dilationRate + 1 of the kernel along an axis,
///
/// - `valid`: H′ = (H − 1) · stride + k + outputPadding; without one max(k, stride) − k is added.
/// - `same`: H′ = (H − 1) · stride + k mod 2 + outputPadding; without one H′ = H · stride. Of what `same` takes away from the
///   full result, the odd row goes at the bottom (and right), as in TensorFlow and JAX.
///
/// The forward pass is `conv2d/backwardInput`, and its gradients are `conv2d` and `conv2d/backwardFilter`.
public struct Conv2DTranspose: UnaryLayer {
  public var filters: Int
  public var kernelSize: (height: Int, width: Int)
  public var strides: (height: Int, width: Int)
  public var padding: PaddingRule
  /// Rows and columns that are added at the bottom and right, fewer than the strides.
  public var outputPadding: (height: Int, width: Int)?
  public var dilationRate: (height: Int, width: Int)
  public var activation: ActivationFunction
  public var useBias: Bool
  public var kernelInitializer: Initializer
  public var biasInitializer: Initializer
  public var kernelRegularizer: Regularizer?
  public var biasRegularizer: Regularizer?
  public var name: String?
  public var kind: String { "conv2dTranspose" }

  public init(
    _ filters: Int, kernelSize: (height: Int, width: Int), strides: (height: Int, width: Int) = (1, 1),
    padding: PaddingRule = .valid, outputPadding: (height: Int, width: Int)? = nil,
    dilationRate: (height: Int, width: Int) = (1, 1), activation: ActivationFunction = .linear,
    useBias: Bool = true, kernelInitializer: Initializer = .glorotUniform, biasInitializer: Initializer = .zeros,
    kernelRegularizer: Regularizer? = nil, biasRegularizer: Regularizer? = nil, name: String? = nil
  ) {
    self.filters = filters
    self.kernelSize = kernelSize
    self.strides = strides
    self.padding = padding
    self.outputPadding = outputPadding
    self.dilationRate = dilationRate
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
    _ filters: Int, kernelSize: Int, strides: Int = 1, padding: PaddingRule = .valid, outputPadding: Int? = nil,
    dilationRate: Int = 1, activation: ActivationFunction = .linear, useBias: Bool = true,
    kernelInitializer: Initializer = .glorotUniform, biasInitializer: Initializer = .zeros,
    kernelRegularizer: Regularizer? = nil, biasRegularizer: Regularizer? = nil, name: String? = nil
  ) {
    self.init(
      filters, kernelSize: (kernelSize, kernelSize), strides: (strides, strides), padding: padding,
      outputPadding: outputPadding.map { ($0, $0) }, dilationRate: (dilationRate, dilationRate),
      activation: activation, useBias: useBias, kernelInitializer: kernelInitializer,
      biasInitializer: biasInitializer, kernelRegularizer: kernelRegularizer, biasRegularizer: biasRegularizer,
      name: name)
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.requireImages(input)
    try context.require("filters", isExtent: filters)
    let window = try ConvolutionWindow(kernelSize, strides, dilationRate: dilationRate, in: context)
    try context.require(
      TransposedAxis.fits(outputPadding, strides), "outputPadding must be at least 0 and below the strides")
    let added = outputPadding.map { [$0.height, $0.width] }
    let axes = (0..<2).map {
      TransposedAxis(input.shape[1 + $0], window, axis: $0, padding, outputPadding: added?[$0])
    }
    guard axes.allSatisfy({ $0.size > 0 }) else {
      throw context.mismatch(input, takes: "images of more rows and columns: the result would have none")
    }
    let kernel = try context.parameter(
      "kernel", Shape(window.kernelSize + [filters, input.shape[3]]),
      initializer: kernelInitializer.gained(for: activation), regularizer: kernelRegularizer)
    let geometry = ConvolutionGeometry(
      strides: window.strides, padding: axes.flatMap(\.padding), dilations: window.dilations)
    let value = try context.append(
      Convolution2DBackwardInput(geometry, inputSize: axes.map(\.size)), input, kernel)
    return try context.end(value, useBias: useBias, biasInitializer, biasRegularizer, activation)
  }
}

/// One axis of a transposed convolution: how long the result is, and the padding of the convolution that it transposes.
private struct TransposedAxis {
  let size: Int
  let padding: [Int]

  init(_ count: Int, _ window: ConvolutionWindow, axis: Int, _ rule: PaddingRule, outputPadding: Int?) {
    let stride = window.strides[axis]
    let reach = window.reach(axis)
    let (whole, total): (Int, Int)
    switch rule {
    case .valid:
      (whole, total) = (reach + (outputPadding ?? max(stride - reach, 0)), 0)
    case .same:
      let added = outputPadding ?? stride - reach % 2
      (whole, total) = (reach % 2 + added, max(0, reach - reach % 2 - added))
    }
    size = (count - 1) * stride + whole
    padding = [total / 2, total - total / 2]
  }

  static func fits(_ outputPadding: (height: Int, width: Int)?, _ strides: (height: Int, width: Int)) -> Bool {
    guard let outputPadding else { return true }
    return outputPadding.height >= 0 && outputPadding.height < strides.height && outputPadding.width >= 0
      && outputPadding.width < strides.width
  }
}

extension Conv2DTranspose: ConfigurableLayer {
  package static let settings = Settings<Conv2DTranspose>(
    "conv2d_transpose", of: Conv2DTranspose(1, kernelSize: 1),
    help: "The transpose of a convolution, which makes images larger by its strides",
    keys: [
      .integer("filters", \.filters, in: .extents, .required, help: "How many filters: the channels of the result"),
      .pair("kernel_size", \.kernelSize, .required, help: "Rows and columns of the kernel"),
      .pair("strides", \.strides, help: "How far apart the inputs lie in the result, down and right"),
      .choice("padding", \.padding, help: "same: strides times as many rows and columns; valid: the whole result"),
      .pair(
        "output_padding", \.outputPadding, in: .edges,
        help: "Rows and columns more at the bottom and right, below strides; default: by padding"),
      .pair("dilation_rate", \.dilationRate, help: "How far apart the cells are that a kernel's neighbours write"),
      .activation("activation", \.activation, help: "What the result passes through"),
      .bool("use_bias", \.useBias, help: "Whether a bias is added"),
      .initializer("kernel_initializer", \.kernelInitializer, help: "How the kernel starts"),
      .initializer("bias_initializer", \.biasInitializer, help: "How the bias starts"),
      .regularizer("kernel_regularizer", \.kernelRegularizer, help: "What the kernel's size adds to the loss"),
      .regularizer("bias_regularizer", \.biasRegularizer, help: "What the bias's size adds to the loss"),
    ],
    fault: { TransposedAxis.fits($0.outputPadding, $0.strides) ? nil : "output_padding must be below strides" })
}

/// The same for sequences: x `[N, T, C]`, kernel `[1, kernelSize, filters, C]`, bias `[filters]`, y `[N, T′, filters]`.
public struct Conv1DTranspose: UnaryLayer {
  public var filters: Int
  public var kernelSize: Int
  public var strides: Int
  public var padding: PaddingRule
  /// Steps that are added at the end, fewer than the strides.
  public var outputPadding: Int?
  public var dilationRate: Int
  public var activation: ActivationFunction
  public var useBias: Bool
  public var kernelInitializer: Initializer
  public var biasInitializer: Initializer
  public var kernelRegularizer: Regularizer?
  public var biasRegularizer: Regularizer?
  public var name: String?
  public var kind: String { "conv1dTranspose" }

  public init(
    _ filters: Int, kernelSize: Int, strides: Int = 1, padding: PaddingRule = .valid, outputPadding: Int? = nil,
    dilationRate: Int = 1, activation: ActivationFunction = .linear, useBias: Bool = true,
    kernelInitializer: Initializer = .glorotUniform, biasInitializer: Initializer = .zeros,
    kernelRegularizer: Regularizer? = nil, biasRegularizer: Regularizer? = nil, name: String? = nil
  ) {
    self.filters = filters
    self.kernelSize = kernelSize
    self.strides = strides
    self.padding = padding
    self.outputPadding = outputPadding
    self.dilationRate = dilationRate
    self.activation = activation
    self.useBias = useBias
    self.kernelInitializer = kernelInitializer
    self.biasInitializer = biasInitializer
    self.kernelRegularizer = kernelRegularizer
    self.biasRegularizer = biasRegularizer
    self.name = name
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    let rows = Conv2DTranspose(
      filters, kernelSize: (1, kernelSize), strides: (1, strides), padding: padding,
      outputPadding: outputPadding.map { (0, $0) }, dilationRate: (1, dilationRate), activation: activation,
      useBias: useBias, kernelInitializer: kernelInitializer, biasInitializer: biasInitializer,
      kernelRegularizer: kernelRegularizer, biasRegularizer: biasRegularizer)
    return try context.throughImage(of: input, rows)
  }
}

extension Conv1DTranspose: ConfigurableLayer {
  package static let settings = Settings<Conv1DTranspose>(
    "conv1d_transpose", of: Conv1DTranspose(1, kernelSize: 1),
    help: "The transpose of a convolution, which makes sequences longer by its strides",
    keys: [
      .integer("filters", \.filters, in: .extents, .required, help: "How many filters: the channels of the result"),
      .integer("kernel_size", \.kernelSize, in: .extents, .required, help: "Steps of the kernel"),
      .integer("strides", \.strides, in: .extents, help: "How many steps the inputs lie apart in the result"),
      .choice("padding", \.padding, help: "same: strides times as many steps; valid: the whole result"),
      .integer(
        "output_padding", \.outputPadding, in: .edges,
        help: "Steps more at the end, below strides; default: by padding"),
      .integer("dilation_rate", \.dilationRate, in: .extents, help: "How far apart the steps are that a kernel writes"),
      .activation("activation", \.activation, help: "What the result passes through"),
      .bool("use_bias", \.useBias, help: "Whether a bias is added"),
      .initializer("kernel_initializer", \.kernelInitializer, help: "How the kernel starts"),
      .initializer("bias_initializer", \.biasInitializer, help: "How the bias starts"),
      .regularizer("kernel_regularizer", \.kernelRegularizer, help: "What the kernel's size adds to the loss"),
      .regularizer("bias_regularizer", \.biasRegularizer, help: "What the bias's size adds to the loss"),
    ],
    fault: { ($0.outputPadding ?? 0) < $0.strides ? nil : "output_padding must be below strides" })
}
