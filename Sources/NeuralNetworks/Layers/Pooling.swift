import SwitchbackPrograms

/// The largest element of each window: x `[N, H, W, C]`, y `[N, H′, W′, C]`. Padded cells never win.
public struct MaxPooling2D: UnaryLayer {
  public var poolSize: (height: Int, width: Int)
  /// Those of the window where none are said: windows then stand side by side.
  public var strides: (height: Int, width: Int) {
    get { ownStrides ?? poolSize }
    set { ownStrides = newValue }
  }
  private var ownStrides: (height: Int, width: Int)?
  public var padding: Padding
  public var name: String?
  public var kind: String { "maxPooling2d" }
  public var gradientPart: WayPart { .pooling }

  public init(
    poolSize: (height: Int, width: Int), strides: (height: Int, width: Int)? = nil, padding: Padding = .valid,
    name: String? = nil
  ) {
    self.poolSize = poolSize
    ownStrides = strides
    self.padding = padding
    self.name = name
  }

  public init(_ poolSize: Int = 2, strides: Int? = nil, padding: Padding = .valid, name: String? = nil) {
    self.init(
      poolSize: (poolSize, poolSize), strides: strides.map { ($0, $0) }, padding: padding, name: name)
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    let geometry = try context.poolingGeometry(input, poolSize, strides, padding)
    return try context.append(MaxPool2D(geometry), input)
  }
}

extension MaxPooling2D: ConfigurableLayer {
  package static let settings = Settings<MaxPooling2D>(
    "max_pooling2d", of: MaxPooling2D(), help: "The largest element of each window",
    keys: [
      .pair("pool_size", \.poolSize, help: "Rows and columns of a window"),
      .pair("strides", \.ownStrides, help: "How far the window moves; without it windows stand side by side"),
      .padding("padding", \.padding),
    ])
}

/// The mean of each window: x `[N, H, W, C]`, y `[N, H′, W′, C]`. Padded cells do not count.
public struct AveragePooling2D: UnaryLayer {
  public var poolSize: (height: Int, width: Int)
  /// Those of the window where none are said: windows then stand side by side.
  public var strides: (height: Int, width: Int) {
    get { ownStrides ?? poolSize }
    set { ownStrides = newValue }
  }
  private var ownStrides: (height: Int, width: Int)?
  public var padding: Padding
  public var name: String?
  public var kind: String { "averagePooling2d" }
  public var gradientPart: WayPart { .pooling }

  public init(
    poolSize: (height: Int, width: Int), strides: (height: Int, width: Int)? = nil, padding: Padding = .valid,
    name: String? = nil
  ) {
    self.poolSize = poolSize
    ownStrides = strides
    self.padding = padding
    self.name = name
  }

  public init(_ poolSize: Int = 2, strides: Int? = nil, padding: Padding = .valid, name: String? = nil) {
    self.init(
      poolSize: (poolSize, poolSize), strides: strides.map { ($0, $0) }, padding: padding, name: name)
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    let geometry = try context.poolingGeometry(input, poolSize, strides, padding)
    return try context.append(AveragePool2D(geometry), input)
  }
}

extension AveragePooling2D: ConfigurableLayer {
  package static let settings = Settings<AveragePooling2D>(
    "average_pooling2d", of: AveragePooling2D(), help: "The mean of each window; padded cells do not count",
    keys: [
      .pair("pool_size", \.poolSize, help: "Rows and columns of a window"),
      .pair("strides", \.ownStrides, help: "How far the window moves; without it windows stand side by side"),
      .padding("padding", \.padding),
    ])
}

extension LayerContext {
  fileprivate func poolingGeometry(
    _ input: Value, _ poolSize: (height: Int, width: Int), _ strides: (height: Int, width: Int), _ padding: Padding
  ) throws(ProgramError) -> PoolingGeometry {
    try requireImages(input)
    let window = try ConvolutionWindow(poolSize, strides, "poolSize and strides", in: self)
    return PoolingGeometry(
      poolSize: window.kernelSize, strides: window.strides,
      padding: padding.cells(around: input.shape, window.kernelSize, window.strides))
  }
}
