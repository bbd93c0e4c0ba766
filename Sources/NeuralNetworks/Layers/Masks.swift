import SwitchbackPrograms

/// What a layer does with the masks of its inputs.
///
/// A mask belongs to a value `[N, T, …]`: bool `[N, T]`, true where a step holds something, false where it only fills a batch
/// up. `LayerContext` asks each layer that is called with a masked input.
public enum Masking: Hashable, Sendable {
  /// It takes all steps for valid ones: an input with a mask is an error that names the layer.
  case unsupported
  /// It makes of each step what it would make of it alone. Its results keep the steps, and have the mask of its inputs: of
  /// several ones a step is valid where it is in all. What it makes at masked steps of finite numbers must be finite: the
  /// gradient that arrives there is 0, and the weights of the layers behind are given 0 times what stands there.
  case passed
  /// It reads masks itself and says those of its results (`LayerContext.mask(of:)` and `setMask`); what it says nothing of
  /// has none.
  case consumed
}

extension LayerContext {
  /// Which steps of `value` `[N, T, …]` are valid: bool `[N, T]`; nil where all are.
  public func mask(of value: Value) -> Value? { masks[value.id] }

  /// Says which steps of `value` are valid; with nil all are. Throws where the mask is not bool of the value's first two axes.
  public mutating func setMask(_ mask: Value?, of value: Value) throws(ProgramError) {
    if let mask {
      let expected = TensorType(.bool, Shape(Array(value.shape.extents.prefix(2))))
      guard value.shape.rank >= 2, mask.type == expected else {
        throw ProgramError(
          "a mask of \(value.shape) is bool of its first two axes [N, T], and this one is \(mask.type)", path: path)
      }
    }
    masks[value.id] = mask
  }

  /// The mask of what is made step by step of several values: a step is valid where it is in all. Nil where none has a mask.
  public mutating func jointMask(of values: [Value]) throws(ProgramError) -> Value? {
    var joint: [Value] = []
    for mask in values.compactMap({ masks[$0.id] }) where !joint.contains(mask) { joint.append(mask) }
    guard var result = joint.first else { return nil }
    for mask in joint.dropFirst() { result = try builder.both(result, mask) }
    return result
  }

  /// `value` `[N, T, …]` with `filler` at the masked steps, whatever stands there: their gradient is exactly 0. As it is
  /// where it has no mask.
  public mutating func masked(_ value: Value, filler: Double = 0) throws(ProgramError) -> Value {
    guard let mask = mask(of: value) else { return value }
    let isValid = try steps(mask, like: value)
    return try append(Select(), isValid, value, builder.scalar(filler, value.type.elementType))
  }

  /// A mask `[N, T]` as `[N, T, 1, …]`, of as many axes as `value` has.
  public mutating func steps(_ mask: Value, like value: Value) throws(ProgramError) -> Value {
    guard value.shape.rank > 2 else { return mask }
    let ones = [Int](repeating: 1, count: value.shape.rank - 2)
    return try append(Reshape(shape: mask.shape.extents + ones), mask)
  }

  /// Says that the steps of `result` are those of `value`, and as valid.
  mutating func passMask(of value: Value, to result: Value) throws(ProgramError) {
    try setMask(mask(of: value), of: result)
  }

  /// Runs a layer and holds it to what it says of masks.
  mutating func run(_ layer: any Layer, _ inputs: [Value]) throws(ProgramError) -> [Value] {
    let results = try runMasked(layer, inputs)
    let part = layer.gradientPart
    if part != .weights, let result = results.first, !inputs.contains(result) {
      recordPassage(part, from: part == .join ? nil : inputs.first, to: result)
    }
    return results
  }

  private mutating func runMasked(_ layer: any Layer, _ inputs: [Value]) throws(ProgramError) -> [Value] {
    guard let masked = inputs.first(where: { masks[$0.id] != nil }), layer.masking != .consumed else {
      return try layer(inputs, in: &self)
    }
    guard layer.masking == .passed else { throw unreadMask(of: masked) }
    guard inputs.allSatisfy({ $0.shape.rank >= 3 }) else {
      throw unreadMask(of: masked, "steps of [N, T] have no features of their own; put a reshape to [T, 1] before")
    }
    let mask = try jointMask(of: inputs)
    let results = try layer(inputs, in: &self)
    for result in results where !inputs.contains(result) { try setMask(mask, of: result) }
    return results
  }

  /// For a layer that cannot honour the mask of its input.
  func unreadMask(
    of input: Value,
    _ reason: String =
      "it takes all steps for valid ones. Pool over time before it (global_average_pooling1d), read the steps with a recurrent "
      + "layer, or take the mask away (mask_zero: false, data.masks)"
  ) -> ProgramError {
    ProgramError("cannot honour the mask of \(input.shape) from \(source(of: input)): \(reason)", path: path)
  }
}

extension ProgramBuilder {
  /// True where two bools are: the smaller of two truths.
  mutating func both(_ a: Value, _ b: Value) throws(ProgramError) -> Value { try append(Binary(.minimum), a, b) }

  /// How many steps of each sample are valid, but 1 where none is, since it is divided by: f32 `[N]`.
  mutating func validCounts(_ mask: Value) throws(ProgramError) -> Value {
    let numbers = try append(Cast(to: .float32), mask)
    let counts = try append(Reduce(.sum, axes: [1]), numbers)
    return try append(Binary(.maximum), counts, scalar(1, .float32))
  }
}
