import SwitchbackPrograms

/// How a training step ends: the loss with its gradient, then updates that wait for what a check says of the gradients.
extension ChainPrograms {
  static func stepEnds() throws(ProgramError) -> [(name: String, replay: ReplayFile)] {
    try [crossEntropy(isWeighted: false), crossEntropy(isWeighted: true)]
      + CheckedGradient.allCases.map(notFinite)
  }

  /// `isWeighted`: the gradient of a row's loss is the row's weight times one number. The program stretches that number to a
  /// vector too, so that a backend which takes one call for the other has one number for all rows.
  private static func crossEntropy(isWeighted: Bool) throws(ProgramError) -> (name: String, replay: ReplayFile) {
    var builder = ProgramBuilder(name: "loss")
    let (x, given) = (builder.input("x", .float32([61, 40])), builder.input("dloss", .float32([61])))
    let targets = builder.input("targets", .float32([61, 17]))
    let (kernel, bias) = (builder.state("kernel", .float32([40, 17])), builder.state("bias", .float32([17])))
    let logits = try builder.append(Binary(.add), builder.append(MatrixMultiplication(), x, kernel), bias)
    builder.output("predictions", try builder.append(Softmax(axis: 1), logits))
    var dloss = given
    if isWeighted {
      let one = builder.input("scale", .float32([]))
      dloss = try builder.append(Binary(.multiply), one, given)
      builder.output("stretched", try builder.append(Broadcast(shape: [61]), one))
    }
    builder.output("loss", try builder.append(SoftmaxCrossEntropy(), logits, targets))
    let dlogits = try builder.append(SoftmaxCrossEntropyBackward(), logits, targets, dloss)
    builder.output("dbias", try builder.append(Reduce(.sum, axes: [0]), dlogits))
    builder.output("dkernel", try builder.append(MatrixMultiplication(transposeA: true), x, dlogits))
    let weights = isWeighted ? " of weighted rows" : ""
    return ("product, bias, softmax with cross-entropy\(weights), and their gradients", replay(builder))
  }

  /// What may be made in different ways, by tiles, by parts of the batch that are added up, or by few numbers.
  private enum CheckedGradient: String, CaseIterable {
    case product = "a large product", convolution = "a convolution", bias = "a bias"
    case biasBesideProduct = "a bias beside that of a large product"
  }

  /// Only the last numbers of the gradient are not finite: no update must be made.
  private static func notFinite(_ gradient: CheckedGradient) throws(ProgramError) -> (name: String, replay: ReplayFile)
  {
    var builder = ProgramBuilder(name: "check")
    let rate = builder.step("learningRate", .float32([]))
    var made: [Value] = []
    if gradient == .product || gradient == .biasBesideProduct {
      let (x, dy) = (builder.input("x", .float32([61, 600])), builder.input("dy", .float32([61, 520])))
      made.append(try builder.append(MatrixMultiplication(transposeA: true), x, dy))
    }
    if gradient == .convolution {
      let (x, dy) = (builder.input("x", .float32([61, 5, 4, 3])), builder.input("dy", .float32([61, 5, 4, 17])))
      let geometry = ConvolutionGeometry(padding: [1, 1, 1, 1])
      made.append(try builder.append(Convolution2DBackwardFilter(geometry, kernelSize: [3, 3]), x, dy))
    }
    if gradient == .bias || gradient == .biasBesideProduct {
      // It stands last, and is looked at first.
      made.insert(try builder.append(Reduce(.sum, axes: [0]), builder.input("dsum", .float32([61, 33]))), at: 0)
    }
    let isFinite = try builder.append(AllFinite(), made)[0]
    for (index, gradient) in made.enumerated() {
      try builder.append(SGDUpdate(), [builder.state("weights\(index)", gradient.type), gradient, rate, isFinite])
    }
    var file = replay(builder)
    // Of a product the last row, of the others the last column.
    let name = ["dsum", gradient == .product ? "x" : "dy"].first { file.values[$0] != nil } ?? "dy"
    if let last = file.values[name]?.indices.last { file.values[name]?[last] = .nan }
    return ("the gradient of \(gradient.rawValue), not finite at its end, its check and its update", file)
  }
}
