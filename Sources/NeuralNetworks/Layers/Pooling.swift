import SwitchbackPrograms

/// The largest element of each window: x `[N, H, W, C]`, y `[N, H′, W′, C]`. Padded cells never win.
public struct MaxPooling2D: UnaryLayer {
  public var poolSize: (height: Int, width: Int)
  public var strides: (height: Int, width: Int)
  public var padding: Padding
  public var name: String?
  public var kind: String { "maxPooling2d" }

  /// Without `strides` the windows stand side by side.
  public init(
    poolSize: (height: Int, width: Int), strides: (height: Int, width: Int)? = nil, padding: Padding = .valid,
    name: String? = nil
  ) {
    self.poolSize = poolSize
    self.strides = strides ?? poolSize
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

/// The mean of each window: x `[N, H, W, C]`, y `[N, H′, W′, C]`. Padded cells do not count.
public struct AveragePooling2D: UnaryLayer {
  public var poolSize: (height: Int, width: Int)
  public var strides: (height: Int, width: Int)
  public var padding: Padding
  public var name: String?
  public var kind: String { "averagePooling2d" }

  /// Without `strides` the windows stand side by side.
  public init(
    poolSize: (height: Int, width: Int), strides: (height: Int, width: Int)? = nil, padding: Padding = .valid,
    name: String? = nil
  ) {
    self.poolSize = poolSize
    self.strides = strides ?? poolSize
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

/// The mean of each channel over the whole image: x `[N, H, W, C]`, y `[N, C]`, or `[N, 1, 1, C]` with
/// `keepDimensions`.
public struct GlobalAveragePooling2D: UnaryLayer {
  public var keepDimensions: Bool
  public var name: String?
  public var kind: String { "globalAveragePooling2d" }

  public init(keepDimensions: Bool = false, name: String? = nil) {
    self.keepDimensions = keepDimensions
    self.name = name
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    guard input.shape.rank == 4 else { throw context.mismatch(input, takes: "images [N, H, W, C]") }
    return try context.append(Reduce(.mean, axes: [1, 2], keepDimensions: keepDimensions), input)
  }
}

extension LayerContext {
  fileprivate func poolingGeometry(
    _ input: Value, _ poolSize: (height: Int, width: Int), _ strides: (height: Int, width: Int), _ padding: Padding
  ) throws(ProgramError) -> PoolingGeometry {
    guard input.shape.rank == 4 else { throw mismatch(input, takes: "images [N, H, W, C]") }
    let window = [poolSize.height, poolSize.width]
    let steps = [strides.height, strides.width]
    try require((window + steps).allSatisfy { $0 > 0 }, "poolSize and strides must be positive")
    return PoolingGeometry(
      poolSize: window, strides: steps, padding: padding.cells(around: input.shape, window, steps))
  }
}
