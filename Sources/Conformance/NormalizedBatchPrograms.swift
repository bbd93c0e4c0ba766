import SwitchbackPrograms

/// Batch normalization as training runs it behind a product or a convolution, with what follows and all gradients: what a
/// backend may make of two sums and one pass in each direction.
extension ChainPrograms {
  struct Normalization {
    /// Of the images; nil: rows of a product.
    var image: [Int]?
    var rows = 61
    var channels = 33
    var shortcut = Shortcut.none
    var hasRelu = true
    var isTrained = true
    /// Whether running statistics take the place of the batch's, as in an evaluation.
    var isRunning = false
    /// What a second operation reads, or who looks.
    var reader = Reader.none
    /// How far x lies from 0, in units of how far it spreads.
    var offset = 0.0

    enum Shortcut { case none, first, last, normalized }
    enum Reader: CaseIterable { case none, centered, factor, last, watched }

    func program() throws(ProgramError) -> ProgramBuilder {
      var builder = ProgramBuilder(name: "normalization")
      // Made here, so that a result may take its place.
      let below = try builder.append(Unary(.tanh), builder.input("x", .float32(Shape(image ?? [rows, 40]))))
      var x = try multiply(below, "kernel", in: &builder)
      if offset != 0 {
        let shift = try builder.append(Fill(value: offset, shape: [], elementType: .float32))
        x = try builder.append(Binary(.add), x, shift)
      }
      let shortcut = try builder.append(Unary(.tanh), builder.input("shortcut", x.type))
      let isAllowed = builder.input("isAllowed", TensorType(.bool, []))
      // And what is looked at, whose gradients are looked at too.
      var (parameters, looked): ([Value], [Value]) = ([], [])
      var y = try normalize(x, "", isAllowed, &parameters, &looked, in: &builder)
      switch self.shortcut {
      case .none: break
      case .first: y = try builder.append(Binary(.add), shortcut, y)
      case .last: y = try builder.append(Binary(.add), y, shortcut)
      case .normalized:
        let projected = try multiply(below, "projection", in: &builder)
        y = try builder.append(
          Binary(.add), y, normalize(projected, " of the shortcut", isAllowed, &parameters, &looked, in: &builder))
      }
      if hasRelu { y = try builder.append(Unary(.relu), y) }
      builder.output("y", y)
      if reader == .last { builder.output("z", try builder.append(Unary(.tanh), y)) }
      guard isTrained else { return builder }
      let weighted = try builder.append(Binary(.multiply), y, builder.input("dy", y.type))
      let loss = try builder.append(Reduce(.sum, axes: Array(0..<y.shape.rank)), weighted)
      let gradients = try builder.gradients(of: loss, for: [below, shortcut] + parameters)
      for (index, value) in ([below, shortcut] + parameters + looked).enumerated() {
        if let gradient = gradients[value.id] { builder.output("gradient \(index)", gradient) }
      }
      return builder
    }

    private func multiply(_ x: Value, _ name: String, in builder: inout ProgramBuilder) throws(ProgramError) -> Value {
      guard let image else {
        return try builder.append(MatrixMultiplication(), x, builder.state(name, .float32([40, channels])))
      }
      let kernel = builder.state(name, .float32([3, 3, image[3], channels]))
      return try builder.append(Convolution2D(ConvolutionGeometry(padding: [1, 1, 1, 1])), x, kernel)
    }

    /// As the layer appends it, with what moves its statistics.
    private func normalize(
      _ x: Value, _ name: String, _ isAllowed: Value, _ parameters: inout [Value], _ looked: inout [Value],
      in builder: inout ProgramBuilder
    ) throws(ProgramError) -> Value {
      let axes = Array(0..<x.shape.rank - 1)
      let type = TensorType.float32([channels])
      func constant(_ number: Double, _ builder: inout ProgramBuilder) throws(ProgramError) -> Value {
        try builder.append(Fill(value: number, shape: [], elementType: .float32))
      }
      let (gamma, beta) = (builder.state("gamma" + name, type), builder.state("beta" + name, type))
      guard !isRunning else { return try scale(x, name, gamma, beta, in: &builder) }
      let mean = try builder.append(Reduce(.mean, axes: axes), x)
      let centered = try builder.append(Binary(.subtract), x, mean)
      let variance = try builder.append(Reduce(.mean, axes: axes), builder.append(Unary(.square), centered))
      for (word, batch) in [("mean", mean), ("variance", variance)] {
        let moving = builder.state("moving \(word)" + name, type)
        let old = try builder.append(Binary(.multiply), moving, constant(0.75, &builder))
        let new = try builder.append(Binary(.multiply), batch, constant(0.25, &builder))
        let moved = try builder.append(Binary(.add), old, new)
        try builder.append(Assign(), [moving, builder.append(Select(), isAllowed, moved, moving)])
      }
      let kept = try builder.append(Binary(.add), variance, constant(0.001, &builder))
      let inverse = try builder.append(Unary(.rsqrt), kept)
      let factor = try builder.append(Binary(.multiply), inverse, gamma)
      let scaled = try builder.append(Binary(.multiply), centered, factor)
      let y = try builder.append(Binary(.add), scaled, beta)
      parameters += [gamma, beta]
      switch reader {
      case .centered: builder.output("z" + name, try builder.append(Unary(.tanh), centered))
      case .factor: builder.output("z" + name, try builder.append(Unary(.tanh), factor))
      case .watched:
        let values = [
          ("centered", centered), ("kept", kept), ("inverse", inverse), ("factor", factor), ("scaled", scaled),
        ]
        for (word, value) in values + [("sum", y)] { builder.output(word + name, value) }
        looked += values.map(\.1) + [variance, mean]
      case .none, .last: break
      }
      return y
    }

    /// By running statistics; a square is a variance.
    private func scale(
      _ x: Value, _ name: String, _ gamma: Value, _ beta: Value, in builder: inout ProgramBuilder
    ) throws(ProgramError) -> Value {
      let mean = builder.state("moving mean" + name, gamma.type)
      let variance = try builder.append(Unary(.square), builder.state("moving variance" + name, gamma.type))
      let epsilon = try builder.append(Fill(value: 0.001, shape: [], elementType: .float32))
      let centered = try builder.append(Binary(.subtract), x, mean)
      let inverse = try builder.append(Unary(.rsqrt), builder.append(Binary(.add), variance, epsilon))
      let factor = try builder.append(Binary(.multiply), inverse, gamma)
      let scaled = try builder.append(Binary(.multiply), centered, factor)
      if reader == .centered { builder.output("z" + name, try builder.append(Unary(.tanh), centered)) }
      if reader == .watched {
        for (word, value) in [("centered", centered), ("scaled", scaled)] { builder.output(word + name, value) }
      }
      return try builder.append(Binary(.add), scaled, beta)
    }
  }

  static func normalizations(isQuick: Bool) throws(ProgramError) -> [(name: String, replay: ReplayFile)] {
    let image = [17, 7, 6, 16]
    var all: [(String, Normalization)] = [
      ("product, batch normalization, relu", Normalization()),
      ("convolution, batch normalization, relu", Normalization(image: image)),
      ("convolution, batch normalization, residual addition, relu", Normalization(image: image, shortcut: .last)),
      (
        "convolution, batch normalization, residual addition; the shortcut first",
        Normalization(image: image, channels: 16, shortcut: .first, hasRelu: false)
      ),
      (
        "convolution, batch normalization, an addition of another, relu",
        Normalization(image: image, channels: 21, shortcut: .normalized)
      ),
      ("product, batch normalization; x far from 0", Normalization(hasRelu: false, offset: 20)),
      ("product, batch normalization without gradients", Normalization(isTrained: false)),
      (
        "convolution of images of many chunks, batch normalization, relu",
        Normalization(image: [33, 28, 28, 3], channels: 17)
      ),
    ]
    for (words, reader) in [
      ("x - mean", Normalization.Reader.centered), ("the scale", .factor), ("the relu", .last),
    ] {
      all.append(("product, batch normalization, relu, \(words) read twice", Normalization(reader: reader)))
    }
    for shortcut in [Normalization.Shortcut.none, .first, .normalized] {
      let words = shortcut == .none ? "" : shortcut == .first ? ", residual addition" : ", an addition of another"
      all.append(
        (
          "convolution, normalization by running statistics\(words), relu",
          Normalization(image: image, shortcut: shortcut, isTrained: false, isRunning: true)
        ))
    }
    for (words, reader) in [("x - mean read twice", Normalization.Reader.centered), ("watched", .watched)] {
      all.append(
        (
          "product, normalization by running statistics, relu, \(words)",
          Normalization(isTrained: false, isRunning: true, reader: reader)
        ))
    }
    all.append(("product, batch normalization, relu, watched", Normalization(reader: .watched)))
    if !isQuick {
      all += [
        ("product, batch normalization of one row", Normalization(rows: 1)),
        ("product, batch normalization, relu; 530 rows", Normalization(rows: 530)),
        ("product, batch normalization of one channel", Normalization(channels: 1)),
        (
          "convolution, batch normalization, residual addition, relu, watched",
          Normalization(image: image, shortcut: .last, reader: .watched)
        ),
      ]
    }
    var average = replay(try movingAverage())
    average.values["isAllowed"] = [1]
    var programs = [("an average that moves, of many numbers", average)]
    for (words, normalization) in all {
      var file = replay(try normalization.program())
      file.values["isAllowed"] = [1]
      programs.append((words, file))
      guard words == "product, batch normalization, relu" else { continue }
      file.values["isAllowed"] = [0]
      programs.append((words + ", no step allowed", file))
      file.plantSpecialValues()
      programs.append((words + ", special values among the operands", file))
    }
    return programs
  }

  /// Of so many numbers that nothing beside it takes as much memory.
  private static func movingAverage() throws(ProgramError) -> ProgramBuilder {
    var builder = ProgramBuilder(name: "moving average")
    let type = TensorType.float32([70_001])
    let moving = builder.state("moving", type)
    let new = try builder.append(Unary(.tanh), builder.input("x", type))
    let isAllowed = builder.input("isAllowed", TensorType(.bool, []))
    func share(_ value: Value, _ share: Double, in builder: inout ProgramBuilder) throws(ProgramError) -> Value {
      let factor = try builder.append(Fill(value: share, shape: [], elementType: .float32))
      return try builder.append(Binary(.multiply), value, factor)
    }
    let moved = try builder.append(
      Binary(.add), share(moving, 0.75, in: &builder), share(new, 0.25, in: &builder))
    try builder.append(Assign(), [moving, builder.append(Select(), isAllowed, moved, moving)])
    return builder
  }
}
