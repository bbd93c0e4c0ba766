import SwitchbackPrograms

/// Chains of more than a cache holds: what makes one kernel of them works them off in blocks or tiles, whose places a small
/// chain never shows. And what comes before a first layer.
extension ChainPrograms {
  static func large() throws(ProgramError) -> [(name: String, replay: ReplayFile)] {
    try [largeProduct(), largeConvolution(), pictures(), hiddenNotANumber()]
  }

  /// A dense layer, and the gradient of its input through the relu below.
  private static func largeProduct() throws(ProgramError) -> (name: String, replay: ReplayFile) {
    var builder = ProgramBuilder(name: "large")
    let below = try builder.append(Unary(.relu), builder.input("x", .float32([61, 600])))
    let kernel = builder.state("kernel", .float32([600, 520]))
    let bias = builder.state("bias", .float32([520]))
    let sum = try builder.append(Binary(.add), builder.append(MatrixMultiplication(), below, kernel), bias)
    builder.output("y", try builder.append(Unary(.relu), sum))
    let dy = builder.input("dy", .float32([61, 520]))
    let gradient = try builder.append(MatrixMultiplication(transposeB: true), dy, kernel)
    builder.output("dx", try builder.append(UnaryBackward(.relu), below, gradient))
    return ("large product, bias, relu, and its gradient through the relu below", replay(builder))
  }

  private static func largeConvolution() throws(ProgramError) -> (name: String, replay: ReplayFile) {
    let block = Block(image: [33, 28, 28, 3], filters: 40)
    return ("large convolution, bias, relu, max pooling", replay(try block.program()))
  }

  /// A batch's bytes become numbers, are scaled, and go into a layer.
  private static func pictures() throws(ProgramError) -> (name: String, replay: ReplayFile) {
    var builder = ProgramBuilder(name: "pictures")
    let pictures = builder.input("pictures", TensorType(.uint8, [61, 7, 6, 1]))
    let numbers = try builder.append(Cast(to: .float32), pictures)
    let scaled = try builder.append(Binary(.multiply), numbers, builder.input("scale", .float32([])))
    let flat = try builder.append(Reshape(shape: [61, 42]), scaled)
    builder.output("y", try builder.append(MatrixMultiplication(), flat, builder.state("kernel", .float32([42, 33]))))
    var file = replay(builder)
    file.values["pictures"] = (0..<61 * 42).map { Double($0 * 37 % 256) }
    return ("bytes of pictures, scaled, product", file)
  }

  /// The only NaN of a convolution lies where no window of the pooling sees it: it makes gradients NaN all the same.
  private static func hiddenNotANumber() throws(ProgramError) -> (name: String, replay: ReplayFile) {
    let block = Block(image: [17, 7, 6, 24])
    var file = replay(try block.program())
    // The last row of the image is zeros, and the kernel's last row, which reads it for that result alone, has an infinity.
    let (row, image) = (6 * 24, 7 * 6 * 24)
    file.values["x"] = (0..<17 * image).map { (place: Int) -> Double in
      place % image / row == 6 ? 0 : Double(1 + place % 5)
    }
    file.values["kernel"]?[2 * 3 * 24 * 33] = -.infinity
    return ("convolution, bias, relu, max pooling, a NaN that no window sees", file)
  }
}
