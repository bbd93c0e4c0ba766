import SwitchbackPrograms

/// How a kernel goes over an image: what layers of convolution and pooling have in common. No number is beyond 2³⁰, so
/// that products of two fit.
struct ConvolutionWindow {
  let kernelSize: [Int]
  let strides: [Int]
  let dilations: [Int]

  /// `words`: what the layer calls its numbers.
  init(
    _ kernelSize: (height: Int, width: Int), _ strides: (height: Int, width: Int),
    dilationRate: (height: Int, width: Int) = (1, 1), _ words: String = "kernelSize, strides and dilationRate",
    in context: LayerContext
  ) throws(ProgramError) {
    self.kernelSize = [kernelSize.height, kernelSize.width]
    self.strides = [strides.height, strides.width]
    dilations = [dilationRate.height, dilationRate.width]
    try context.require(
      (self.kernelSize + self.strides + dilations).allSatisfy((1...1 << 30).contains),
      "\(words) must be positive, and at most 2³⁰")
  }

  /// Cells of the image from the first that the kernel meets along an axis to the last.
  func reach(_ axis: Int) -> Int { (kernelSize[axis] - 1) * dilations[axis] + 1 }

  func geometry(of image: Shape, _ padding: Padding, groups: Int = 1) -> ConvolutionGeometry {
    ConvolutionGeometry(
      strides: strides, padding: padding.cells(around: image, kernelSize, strides, dilations), dilations: dilations,
      groups: groups)
  }
}

extension LayerContext {
  /// Refuses sequences that are shorter than the kernel's reach, where nothing is padded.
  func requireSequences(
    _ input: Value, for window: ConvolutionWindow, isPadded: Bool
  ) throws(ProgramError) {
    try requireSequences(input)
    guard isPadded || input.shape[1] >= window.reach(1) else {
      throw mismatch(
        input, takes: "sequences of \(window.reach(1)) steps or more", hint: "use padding: same, or fewer steps")
    }
  }

  func requireImages(_ input: Value) throws(ProgramError) {
    guard input.shape.rank == 4 else { throw mismatch(input, takes: "images [N, H, W, C]") }
  }

  /// Refuses counts that make no sense: `filters must be positive, not 0`.
  func require(_ name: String, isExtent count: Int) throws(ProgramError) {
    try require(count > 0, "\(name) must be positive, not \(count)")
    try require(count <= 1 << 30, "\(name) must be at most 2³⁰, not \(count)")
  }

  /// activation(value + bias), with a bias for each channel.
  mutating func end(
    _ value: Value, useBias: Bool, _ initializer: Initializer, _ regularizer: Regularizer?,
    _ activation: ActivationFunction
  ) throws(ProgramError) -> Value {
    guard useBias else { return try activate(value, activation) }
    let channels = value.shape[value.shape.rank - 1]
    let bias = try parameter("bias", [channels], initializer: initializer, regularizer: regularizer)
    return try activate(append(Binary(.add), value, bias), activation)
  }
}
