import SwitchbackPrograms

/// An image without rows and columns at its edges: x `[N, H, W, C]`, y `[N, H − top − bottom, W − left − right, C]`.
public struct Cropping2D: UnaryLayer {
  public var cropping: ImageEdges
  public var name: String?
  public var kind: String { "cropping2d" }

  public init(_ cropping: ImageEdges = ImageEdges(0), name: String? = nil) {
    (self.cropping, self.name) = (cropping, name)
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.requireImages(input)
    return try context.crop(
      input, [(cropping.top, cropping.bottom), (cropping.left, cropping.right)],
      "images of more than \(cropping.top) + \(cropping.bottom) rows and \(cropping.left) + \(cropping.right) columns")
  }
}

extension Cropping2D: ConfigurableLayer {
  package static let settings = Settings<Cropping2D>(
    "cropping2d", of: Cropping2D(), help: "An image [N, H, W, C] without rows and columns at its edges",
    keys: [
      .edges("cropping", \.cropping, help: "How many are left out: [height, width], or [top, bottom, left, right]")
    ])
}

/// A sequence without its first and last steps: x `[N, T, C]`, y `[N, T − first − second, C]`.
public struct Cropping1D: UnaryLayer {
  /// The first steps, and the last.
  public var cropping: (first: Int, second: Int)
  public var name: String?
  public var kind: String { "cropping1d" }

  public init(_ cropping: (first: Int, second: Int), name: String? = nil) {
    (self.cropping, self.name) = (cropping, name)
  }
  public init(_ cropping: Int = 1, name: String? = nil) { self.init((cropping, cropping), name: name) }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.requireSequences(input)
    return try context.crop(
      input, [(cropping.first, cropping.second)], "sequences of more than \(cropping.first) + \(cropping.second) steps")
  }
}

extension Cropping1D: ConfigurableLayer {
  package static let settings = Settings<Cropping1D>(
    "cropping1d", of: Cropping1D(), help: "A sequence [N, T, C] without its first and last steps",
    keys: [
      .twoIntegers("cropping", \.cropping, in: .edges, help: "How many at both ends, or of the first and the last")
    ]
  )
}

extension LayerContext {
  /// The middle of the axes between the batch and the channels. `words`: what it is the middle of.
  fileprivate mutating func crop(
    _ input: Value, _ edges: [(low: Int, high: Int)], _ words: String
  ) throws(ProgramError) -> Value {
    let counts = edges.flatMap { [$0.low, $0.high] }
    try require(
      counts.allSatisfy((0...1 << 30).contains), "the cropping must be at least 0 and at most 2³⁰, not \(counts)")
    guard counts.contains(where: { $0 > 0 }) else { return input }
    let extents = input.shape.extents
    let sizes = edges.enumerated().map { extents[1 + $0] - $1.low - $1.high }
    guard sizes.allSatisfy({ $0 > 0 }) else { throw mismatch(input, takes: words) }
    return try append(
      Slice(starts: [0] + edges.map(\.low) + [0], sizes: [extents[0]] + sizes + [extents[extents.count - 1]]), input)
  }
}
