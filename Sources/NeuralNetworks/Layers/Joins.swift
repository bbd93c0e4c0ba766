import SwitchbackPrograms

/// The sum of all inputs, which have one shape.
public struct Add: Layer {
  public var name: String?
  public var kind: String { "add" }
  public var gradientPart: WayPart { .join }
  public var masking: Masking { .passed }

  public init(name: String? = nil) { self.name = name }

  public func callAsFunction(_ inputs: [Value], in context: inout LayerContext) throws(ProgramError) -> [Value] {
    [try context.join(inputs, .add)]
  }
}

extension Add: ConfigurableLayer {
  package static let settings = Settings<Add>(
    "add", of: Add(), help: "The sum of its inputs, which have one shape")
}

/// The product of all inputs, element by element, which have one shape.
public struct Multiply: Layer {
  public var name: String?
  public var kind: String { "multiply" }
  public var gradientPart: WayPart { .join }
  public var masking: Masking { .passed }

  public init(name: String? = nil) { self.name = name }

  public func callAsFunction(_ inputs: [Value], in context: inout LayerContext) throws(ProgramError) -> [Value] {
    [try context.join(inputs, .multiply)]
  }
}

extension Multiply: ConfigurableLayer {
  package static let settings = Settings<Multiply>(
    "multiply", of: Multiply(), help: "The product of its inputs element by element, which have one shape")
}

/// The inputs one after another along `axis`: `[N, a]` and `[N, b]` give `[N, a + b]`. A negative axis counts from the
/// end, and axis 0 is the batch.
public struct Concatenate: Layer {
  public var axis: Int
  public var name: String?
  public var kind: String { "concatenate" }
  public var gradientPart: WayPart { .join }
  public var masking: Masking { .consumed }

  public init(axis: Int = -1, name: String? = nil) { (self.axis, self.name) = (axis, name) }

  public func callAsFunction(_ inputs: [Value], in context: inout LayerContext) throws(ProgramError) -> [Value] {
    try context.requireSeveral(inputs)
    let rank = inputs[0].shape.rank
    let place = try context.axis(axis, of: inputs[0])
    for input in inputs.dropFirst() {
      let fits =
        input.shape.rank == rank && (0..<rank).allSatisfy { $0 == place || input.shape[$0] == inputs[0].shape[$0] }
      guard fits else {
        throw context.mismatch(inputs[0], input, "all axes but axis \(axis) must agree")
      }
    }
    let result = try context.builder.append(SwitchbackPrograms.Concatenate(axis: place), inputs)[0]
    try context.setMask(mask(of: inputs, joinedAlong: place, in: &context), of: result)
    return [result]
  }

  /// Of features a step is valid where it is in all inputs; steps keep their masks one after another, where those of an
  /// input without are valid.
  private func mask(
    of inputs: [Value], joinedAlong place: Int, in context: inout LayerContext
  ) throws(ProgramError) -> Value? {
    guard let masked = inputs.first(where: { context.mask(of: $0) != nil }) else { return nil }
    guard place > 0 else { throw context.unreadMask(of: masked, "it joins samples") }
    guard place == 1 else { return try context.jointMask(of: inputs) }
    let masks = try inputs.map { input throws(ProgramError) in
      if let mask = context.mask(of: input) { return mask }
      return try context.append(Fill(value: 1, shape: Array(input.shape.extents.prefix(2)), elementType: .bool))
    }
    return try context.builder.append(SwitchbackPrograms.Concatenate(axis: 1), masks)[0]
  }
}

extension Concatenate: ConfigurableLayer {
  package static let settings = Settings<Concatenate>(
    "concatenate", of: Concatenate(), help: "Its inputs one after another along an axis",
    keys: [
      .integer("axis", \.axis, in: .axes, help: "The axis they are joined along; negative ones count from the end")
    ])
}

/// The sum of products of two inputs along an axis of each: `[N, k]` and `[N, k]` give `[N, 1]`, `[N, a, k]` and
/// `[N, b, k]` along the last axes give `[N, a, b]`.
///
/// With `normalize` both are scaled to length 1 along it before, so that the result is the cosine of their angle.
public struct Dot: Layer {
  /// One axis of each input; negative ones count from the end.
  public var axes: (first: Int, second: Int)
  public var normalize: Bool
  public var name: String?
  public var kind: String { "dot" }
  public var gradientPart: WayPart { .join }

  public init(axes: (first: Int, second: Int) = (-1, -1), normalize: Bool = false, name: String? = nil) {
    (self.axes, self.normalize, self.name) = (axes, normalize, name)
  }

  public func callAsFunction(_ inputs: [Value], in context: inout LayerContext) throws(ProgramError) -> [Value] {
    try context.require(inputs.count == 2, "takes two inputs, not \(inputs.count)")
    let (a, b) = (inputs[0], inputs[1])
    let axes = (try context.axis(self.axes.first, of: a), try context.axis(self.axes.second, of: b))
    guard axes.0 > 0, axes.1 > 0, a.shape[0] == b.shape[0], a.shape[axes.0] == b.shape[axes.1] else {
      throw context.mismatch(a, b, "axis \(self.axes.first) of one and \(self.axes.second) of the other must agree")
    }
    let first = try matrix(a, axes.0, in: &context)
    let second = try matrix(b, axes.1, in: &context)
    let product = try context.append(MatrixMultiplication(transposeB: true), first, second)
    let rest = [a.shape.extents.removing(0, axes.0), b.shape.extents.removing(0, axes.1)].flatMap { $0 }
    let shape = [a.shape[0]] + (rest.isEmpty ? [1] : rest)
    return [product.shape.extents == shape ? product : try context.append(Reshape(shape: shape), product)]
  }

  /// `[N, everything else, k]`
  private func matrix(_ value: Value, _ axis: Int, in context: inout LayerContext) throws(ProgramError) -> Value {
    let rank = value.shape.rank
    var moved = value
    if axis != rank - 1 {
      moved = try context.append(Transpose(permutation: (0..<rank).filter { $0 != axis } + [axis]), value)
    }
    if normalize {
      let squares = try context.append(Unary(.square), moved)
      let sum = try context.append(Reduce(.sum, axes: [rank - 1], keepDimensions: true), squares)
      let kept = try context.append(Binary(.maximum), sum, context.constant(1e-12))
      moved = try context.append(Binary(.multiply), moved, context.append(Unary(.rsqrt), kept))
    }
    let (batch, terms) = (value.shape[0], value.shape[axis])
    let rows = value.shape.extents.removing(0, axis).reduce(1, *)
    return moved.shape.rank == 3 ? moved : try context.append(Reshape(shape: [batch, rows, terms]), moved)
  }
}

extension Dot: ConfigurableLayer {
  package static let settings = Settings<Dot>(
    "dot", of: Dot(), help: "The sums of products of two inputs along an axis of each",
    keys: [
      .twoIntegers("axes", \.axes, in: .axes, help: "The axis of both inputs, or one of each"),
      .bool("normalize", \.normalize, help: "Whether both get length 1 before: the cosine of their angle"),
    ])
}

extension LayerContext {
  /// Combines inputs of one shape, from the first to the last.
  fileprivate mutating func join(_ inputs: [Value], _ function: BinaryFunction) throws(ProgramError) -> Value {
    try requireSeveral(inputs)
    var result = inputs[0]
    for input in inputs.dropFirst() {
      guard input.shape == inputs[0].shape else { throw mismatch(inputs[0], input, "the shapes must agree") }
      result = try append(Binary(function), result, input)
    }
    return result
  }

  fileprivate func requireSeveral(_ inputs: [Value]) throws(ProgramError) {
    try require(inputs.count >= 2, "joins two or more inputs, and gets \(inputs.count); name them with `inputs`")
  }

  /// The axis from the beginning.
  func axis(_ axis: Int, of value: Value) throws(ProgramError) -> Int {
    let place = axis < 0 ? axis + value.shape.rank : axis
    try require((0..<value.shape.rank).contains(place), "there is no axis \(axis) of \(value.shape)")
    return place
  }

  /// Two inputs do not fit together: the message names both layers and both shapes.
  fileprivate func mismatch(_ a: Value, _ b: Value, _ rule: String) -> ProgramError {
    ProgramError(
      "joins \(a.shape) from \(source(of: a)) and \(b.shape) from \(source(of: b)): \(rule)", path: path)
  }
}

extension [Int] {
  fileprivate func removing(_ places: Int...) -> [Int] { indices.filter { !places.contains($0) }.map { self[$0] } }
}
