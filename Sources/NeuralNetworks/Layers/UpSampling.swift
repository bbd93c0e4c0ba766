import SwitchbackPrograms

/// What stands between the pixels of an image that is made larger.
public enum Interpolation: String, Hashable, Codable, Sendable, CaseIterable {
  /// Every pixel becomes a block of equal ones.
  case nearest
  /// Along each axis a mean of the two nearest pixels, by distance between centres; beyond the outermost centres the pixel at
  /// the edge (Keras; PyTorch without `align_corners`).
  case bilinear
}

/// An image `size` times as large: x `[N, H, W, C]`, y `[N, H · height, W · width, C]`.
public struct UpSampling2D: UnaryLayer {
  public var size: (height: Int, width: Int)
  public var interpolation: Interpolation
  public var name: String?
  public var kind: String { "upSampling2d" }

  public init(
    size: (height: Int, width: Int) = (2, 2), interpolation: Interpolation = .nearest, name: String? = nil
  ) {
    (self.size, self.interpolation, self.name) = (size, interpolation, name)
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.requireImages(input)
    try context.require("size", isExtent: size.height)
    try context.require("size", isExtent: size.width)
    switch interpolation {
    case .nearest: return try context.repeatElements(input, [size.height, size.width])
    case .bilinear:
      // A handful of calls each.
      try context.require(
        max(size.height, size.width) <= 256, "bilinear makes images at most 256 times as large, not \(size)")
      // The rows of the input are fewer.
      let wide = try context.interpolate(input, axis: 2, size.width)
      return try context.interpolate(wide, axis: 1, size.height)
    }
  }
}

extension UpSampling2D: ConfigurableLayer {
  package static let settings = Settings<UpSampling2D>(
    "up_sampling2d", of: UpSampling2D(), help: "An image [N, H, W, C] several times as large",
    keys: [
      .pair("size", \.size, help: "How many rows become of one, and how many columns"),
      .choice(
        "interpolation", \.interpolation, help: "nearest: blocks of equal pixels; bilinear: means of the two nearest"),
    ])
}

/// Every step `size` times: x `[N, T, C]`, y `[N, T · size, C]`.
public struct UpSampling1D: UnaryLayer {
  public var size: Int
  public var name: String?
  public var kind: String { "upSampling1d" }

  public init(size: Int = 2, name: String? = nil) { (self.size, self.name) = (size, name) }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.requireSequences(input)
    try context.require("size", isExtent: size)
    return try context.repeatElements(input, [size])
  }
}

extension UpSampling1D: ConfigurableLayer {
  package static let settings = Settings<UpSampling1D>(
    "up_sampling1d", of: UpSampling1D(), help: "Every step of a sequence [N, T, C] several times",
    keys: [.integer("size", \.size, in: .extents, help: "How many times")])
}

extension LayerContext {
  /// Each element so many times along the axes from 1 on.
  fileprivate mutating func repeatElements(_ input: Value, _ sizes: [Int]) throws(ProgramError) -> Value {
    let extents = input.shape.extents
    let (first, last) = (extents[0], extents[extents.count - 1])
    let axes = zip(extents.dropFirst(), sizes)
    let apart = try append(Reshape(shape: [first] + axes.flatMap { count, _ in [count, 1] } + [last]), input)
    let blocks = try append(Broadcast(shape: [first] + axes.flatMap { count, size in [count, size] } + [last]), apart)
    return try append(Reshape(shape: [first] + axes.map { count, size in count * size } + [last]), blocks)
  }

  /// An axis `size` times as long. Output p of the `size` that an element x[i] becomes has its centre
  /// (p + 1/2) / size − 1/2 elements behind that of x[i]; so much of it is the neighbour there, the rest x[i].
  fileprivate mutating func interpolate(_ x: Value, axis: Int, _ size: Int) throws(ProgramError) -> Value {
    guard size > 1 else { return x }
    let (previous, next) = (try neighbours(of: x, axis, isNext: false), try neighbours(of: x, axis, isNext: true))
    var apart = x.shape.extents
    apart.insert(1, at: axis + 1)
    var outputs: [Value] = []
    for place in 0..<size {
      let offset = (Double(place) + 0.5) / Double(size) - 0.5
      var output = x
      if offset != 0 {
        let own = try append(Binary(.multiply), x, constant(1 - abs(offset)))
        let other = try append(Binary(.multiply), offset < 0 ? previous : next, constant(abs(offset)))
        output = try append(Binary(.add), own, other)
      }
      outputs.append(try append(Reshape(shape: apart), output))
    }
    let joined = try builder.append(SwitchbackPrograms.Concatenate(axis: axis + 1), outputs)[0]
    var shape = x.shape.extents
    shape[axis] *= size
    return try append(Reshape(shape: shape), joined)
  }

  /// At each place of an axis the element before or behind; at the edge the element itself.
  private mutating func neighbours(of x: Value, _ axis: Int, isNext: Bool) throws(ProgramError) -> Value {
    let count = x.shape[axis]
    guard count > 1 else { return x }
    var (start, size) = (x.shape.extents.map { _ in 0 }, x.shape.extents)
    (start[axis], size[axis]) = (isNext ? count - 1 : 0, 1)
    let edge = try append(Slice(starts: start, sizes: size), x)
    (start[axis], size[axis]) = (isNext ? 1 : 0, count - 1)
    let others = try append(Slice(starts: start, sizes: size), x)
    return try append(SwitchbackPrograms.Concatenate(axis: axis), isNext ? others : edge, isNext ? edge : others)
  }
}
