import SwitchbackPrograms

/// The largest element of each window of steps: x `[N, T, C]`, y `[N, T′, C]`. Padded steps never win.
public struct MaxPooling1D: UnaryLayer {
  public var poolSize: Int
  /// That of the window where none is said: windows then stand side by side.
  public var strides: Int {
    get { ownStrides ?? poolSize }
    set { ownStrides = newValue }
  }
  private var ownStrides: Int?
  public var padding: PaddingRule
  public var name: String?
  public var kind: String { "maxPooling1d" }
  public var gradientPart: WayPart { .pooling }

  public init(_ poolSize: Int = 2, strides: Int? = nil, padding: PaddingRule = .valid, name: String? = nil) {
    (self.poolSize, ownStrides, self.padding, self.name) = (poolSize, strides, padding, name)
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    let rows = MaxPooling2D(poolSize: (1, poolSize), strides: (1, strides), padding: padding.padding)
    return try context.pool(input, by: rows, poolSize, strides, padding)
  }
}

extension MaxPooling1D: ConfigurableLayer {
  package static let settings = Settings<MaxPooling1D>(
    "max_pooling1d", of: MaxPooling1D(), help: "The largest element of each window of steps: sequences [N, T, C]",
    keys: [
      .integer("pool_size", \.poolSize, in: .extents, help: "Steps of a window"),
      .integer(
        "strides", \.ownStrides, in: .extents, help: "How far the window moves; without it windows stand side by side"),
      .choice("padding", \.padding, help: PaddingRule.help),
    ])
}

/// The mean of each window of steps: x `[N, T, C]`, y `[N, T′, C]`. Padded steps do not count.
public struct AveragePooling1D: UnaryLayer {
  public var poolSize: Int
  /// That of the window where none is said: windows then stand side by side.
  public var strides: Int {
    get { ownStrides ?? poolSize }
    set { ownStrides = newValue }
  }
  private var ownStrides: Int?
  public var padding: PaddingRule
  public var name: String?
  public var kind: String { "averagePooling1d" }
  public var gradientPart: WayPart { .pooling }

  public init(_ poolSize: Int = 2, strides: Int? = nil, padding: PaddingRule = .valid, name: String? = nil) {
    (self.poolSize, ownStrides, self.padding, self.name) = (poolSize, strides, padding, name)
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    let rows = AveragePooling2D(poolSize: (1, poolSize), strides: (1, strides), padding: padding.padding)
    return try context.pool(input, by: rows, poolSize, strides, padding)
  }
}

extension AveragePooling1D: ConfigurableLayer {
  package static let settings = Settings<AveragePooling1D>(
    "average_pooling1d", of: AveragePooling1D(),
    help: "The mean of each window of steps; padded steps do not count: sequences [N, T, C]",
    keys: [
      .integer("pool_size", \.poolSize, in: .extents, help: "Steps of a window"),
      .integer(
        "strides", \.ownStrides, in: .extents, help: "How far the window moves; without it windows stand side by side"),
      .choice("padding", \.padding, help: PaddingRule.help),
    ])
}

extension LayerContext {
  /// What a pooling of images makes of the row that a sequence is.
  fileprivate mutating func pool(
    _ input: Value, by rows: some UnaryLayer, _ poolSize: Int, _ strides: Int, _ padding: PaddingRule
  ) throws(ProgramError) -> Value {
    let window = try ConvolutionWindow((1, poolSize), (1, strides), "poolSize and strides", in: self)
    try requireSequences(input, for: window, isPadded: padding != .valid)
    return try throughImage(of: input, rows)
  }
}
