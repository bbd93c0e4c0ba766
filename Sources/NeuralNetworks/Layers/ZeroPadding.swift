import SwitchbackPrograms

/// Rows and columns of zeros around an image: x `[N, H, W, C]`, y `[N, top + H + bottom, left + W + right, C]`.
public struct ZeroPadding2D: UnaryLayer {
  public var padding: ImageEdges
  public var name: String?
  public var kind: String { "zeroPadding2d" }

  public init(_ padding: ImageEdges = ImageEdges(1), name: String? = nil) {
    (self.padding, self.name) = (padding, name)
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.requireImages(input)
    return try context.pad(input, [(padding.top, padding.bottom), (padding.left, padding.right)])
  }
}

extension ZeroPadding2D: ConfigurableLayer {
  package static let settings = Settings<ZeroPadding2D>(
    "zero_padding2d", of: ZeroPadding2D(), help: "Rows and columns of zeros around an image [N, H, W, C]",
    keys: [.edges("padding", \.padding, help: "How many: [height, width], or [top, bottom, left, right]")])
}

/// Steps of zeros before and behind a sequence: x `[N, T, C]`, y `[N, first + T + second, C]`.
public struct ZeroPadding1D: UnaryLayer {
  /// Before the first step, and behind the last.
  public var padding: (first: Int, second: Int)
  public var name: String?
  public var kind: String { "zeroPadding1d" }

  public init(_ padding: (first: Int, second: Int), name: String? = nil) { (self.padding, self.name) = (padding, name) }
  public init(_ padding: Int = 1, name: String? = nil) { self.init((padding, padding), name: name) }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.requireSequences(input)
    return try context.pad(input, [(padding.first, padding.second)])
  }
}

extension ZeroPadding1D: ConfigurableLayer {
  package static let settings = Settings<ZeroPadding1D>(
    "zero_padding1d", of: ZeroPadding1D(), help: "Steps of zeros before and behind a sequence [N, T, C]",
    keys: [.twoIntegers("padding", \.padding, in: .edges, help: "How many at both ends, or before and behind")])
}

extension LayerContext {
  /// Zeros around the axes between the batch and the channels.
  fileprivate mutating func pad(_ input: Value, _ edges: [(low: Int, high: Int)]) throws(ProgramError) -> Value {
    let counts = edges.flatMap { [$0.low, $0.high] }
    try require(
      counts.allSatisfy((0...1 << 30).contains), "the padding must be at least 0 and at most 2³⁰, not \(counts)")
    guard counts.contains(where: { $0 > 0 }) else { return input }
    return try append(Pad(low: [0] + edges.map(\.low) + [0], high: [0] + edges.map(\.high) + [0]), input)
  }
}
