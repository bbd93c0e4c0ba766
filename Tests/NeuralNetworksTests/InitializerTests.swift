import SwitchbackNeuralNetworks
import SwitchbackPrograms
import Testing

@Suite("Initializers")
struct InitializerTests {
  private func moments(_ values: [Float]) -> (mean: Double, variance: Double, largest: Double) {
    let mean = values.reduce(0) { $0 + Double($1) } / Double(values.count)
    let variance = values.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(values.count)
    return (mean, variance, values.reduce(0) { max($0, abs(Double($1))) })
  }

  @Test("fans follow Keras's rule, with the receptive field of a filter")
  func fans() {
    #expect(Initializer.fans(of: []) == (1, 1))
    #expect(Initializer.fans(of: [7]) == (7, 7))
    #expect(Initializer.fans(of: [5, 3]) == (5, 3))
    #expect(Initializer.fans(of: [3, 3, 32, 64]) == (288, 576))
  }

  /// Variances for a filter with 288 inputs and 576 outputs.
  static let variances: [(Initializer, Double)] = [
    (.glorotUniform, 2.0 / 864), (.glorotNormal, 2.0 / 864), (.heUniform, 2.0 / 288), (.heNormal, 2.0 / 288),
    (.lecunUniform, 1.0 / 288), (.lecunNormal, 1.0 / 288),
  ]

  @Test("each scaled initializer has its variance, and its bound", arguments: variances)
  func scaled(_ initializer: Initializer, variance: Double) {
    let values = initializer.values(shape: [3, 3, 32, 64], seed: 1, name: "kernel")
    let found = moments(values)
    // 18,432 draws: the mean is within four standard errors, the variance within five percent.
    #expect(abs(found.mean) < 4 * (variance / 18432).squareRoot())
    #expect(abs(found.variance / variance - 1) < 0.05)
    let isUniform = [.glorotUniform, .heUniform, .lecunUniform].contains(initializer)
    let bound = isUniform ? (3 * variance).squareRoot() : 2 * variance.squareRoot() / 0.87962566103423978
    #expect(found.largest <= bound * 1.000001 && found.largest > 0.98 * bound)
  }

  @Test("plain distributions keep their parameters")
  func plain() {
    let uniform = Initializer.randomUniform(minimum: 1, maximum: 3).values(shape: [20000], seed: 3, name: "w")
    #expect(abs(moments(uniform).mean - 2) < 0.02 && uniform.min()! >= 1 && uniform.max()! <= 3)
    let normal = Initializer.randomNormal(mean: 1, standardDeviation: 2).values(shape: [20000], seed: 3, name: "w")
    #expect(abs(moments(normal).mean - 1) < 0.06 && abs(moments(normal).variance - 4) < 0.2)
    let truncated = Initializer.truncatedNormal(mean: 0, standardDeviation: 1)
      .values(shape: [20000], seed: 3, name: "w")
    #expect(moments(truncated).largest <= 2)
    #expect(abs(moments(truncated).variance - 0.7737) < 0.03)
    #expect(Initializer.constant(0.5).values(shape: [2, 2], seed: 0, name: "") == [0.5, 0.5, 0.5, 0.5])
    #expect(Initializer.zeros.values(shape: [], seed: 0, name: "") == [0])
  }

  @Test(
    "orthogonal rows or columns, whichever are fewer, times the gain", arguments: [[7, 5], [5, 7], [3, 3, 2, 6]])
  func orthogonal(_ extents: [Int]) {
    let values = Initializer.orthogonal(gain: 2).values(shape: Shape(extents), seed: 5, name: "kernel")
    let columns = extents.last!
    let rows = values.count / columns
    func vector(_ index: Int) -> [Double] {
      rows >= columns
        ? (0..<rows).map { Double(values[$0 * columns + index]) }
        : (0..<columns).map { Double(values[index * columns + $0]) }
    }
    for a in 0..<min(rows, columns) {
      for b in 0..<min(rows, columns) {
        let product = zip(vector(a), vector(b)).reduce(0) { $0 + $1.0 * $1.1 }
        #expect(abs(product - (a == b ? 4 : 0)) < 1e-5)
      }
    }
  }

  @Test(
    "a variance is scaled by inputs, outputs or their mean, for what is drawn", arguments: FanMode.allCases,
    ScaledDistribution.allCases)
  func varianceScaling(_ mode: FanMode, _ distribution: ScaledDistribution) {
    let fan: Double =
      switch mode {
      case .fanIn: 288
      case .fanOut: 576
      case .fanAverage: 432
      }
    let initializer = Initializer.varianceScaling(scale: 3, mode: mode, distribution: distribution)
    let found = moments(initializer.values(shape: [3, 3, 32, 64], seed: 1, name: "kernel"))
    #expect(abs(found.variance / (3 / fan) - 1) < 0.05)
    let deviation = (3 / fan).squareRoot()
    let bound: Double =
      switch distribution {
      case .truncatedNormal: 2 / 0.87962566103423978
      case .untruncatedNormal: 6
      case .uniform: 3.0.squareRoot()
      }
    #expect(found.largest <= bound * deviation * 1.000001)
    // Of 18,432 normal numbers some are beyond what is truncated.
    #expect(found.largest > deviation * (distribution == .untruncatedNormal ? 3 : 0.98 * bound))
  }

  @Test("he and glorot are cases of variance scaling, to the bit")
  func named() {
    let pairs: [(Initializer, Initializer)] = [
      (.heNormal, .varianceScaling(scale: 2)), (.lecunUniform, .varianceScaling(distribution: .uniform)),
      (.glorotUniform, .varianceScaling(mode: .fanAverage, distribution: .uniform)),
    ]
    for (one, other) in pairs {
      #expect(one.values(shape: [5, 7], seed: 3, name: "w") == other.values(shape: [5, 7], seed: 3, name: "w"))
    }
  }

  @Test("identity has the gain on the diagonal")
  func identity() {
    #expect(Initializer.identity(gain: 2).values(shape: [2, 3], seed: 1, name: "w") == [2, 0, 0, 0, 2, 0])
    #expect(Initializer.identity().values(shape: [3, 2], seed: 1, name: "w") == [1, 0, 0, 1, 0, 0])
  }

  @Test(
    "delta-orthogonal kernels are orthonormal rows in the middle, so that a convolution keeps each pixel's norm",
    arguments: [[3, 3, 4, 6], [5, 1, 3, 3], [2, 4, 2, 5], [7, 2, 3]])
  func deltaOrthogonal(_ extents: [Int]) {
    let values = Initializer.deltaOrthogonal(gain: 2).values(shape: Shape(extents), seed: 5, name: "kernel")
    let (channels, filters) = (extents[extents.count - 2], extents[extents.count - 1])
    let size = Array(extents.dropLast(2))
    // The cell before the middle, where there is none.
    let middle = size.reduce(0) { $0 * $1 + ($1 - 1) / 2 } * channels * filters
    let matrix = Array(values[middle..<middle + channels * filters])
    #expect(values[..<middle].allSatisfy { $0 == 0 } && values[(middle + matrix.count)...].allSatisfy { $0 == 0 })
    for a in 0..<channels {
      for b in 0..<channels {
        let product = (0..<filters).reduce(0.0) {
          $0 + Double(matrix[a * filters + $1]) * Double(matrix[b * filters + $1])
        }
        #expect(abs(product - (a == b ? 4 : 0)) < 1e-5)
      }
    }
  }

  static let activationGains: [(ActivationFunction, Double)] = [
    (.linear, 1), (.sigmoid, 1), (.softmax, 1), (.tanh, 5.0 / 3), (.relu, 2.0.squareRoot()), (.selu, 0.75),
    (.leakyRelu(negativeSlope: 0.5), (2 / 1.25).squareRoot()),
  ]

  @Test("a gain can be that of the layer's activation", arguments: activationGains)
  func gains(_ activation: ActivationFunction, _ gain: Double) throws {
    func initializer(_ asked: Initializer) throws -> Initializer? {
      try InferenceProgram.build(
        Sequential([Dense(5, activation: activation, kernelInitializer: asked)]), sampleShape: [4], batchSize: 1
      ).parameters.first?.initializer
    }
    #expect(try initializer(.orthogonal(gain: .activation)) == .orthogonal(gain: .number(gain)))
    #expect(try initializer(.identity(gain: .activation)) == .identity(gain: .number(gain)))
    #expect(
      try initializer(.varianceScaling(scale: .activation, mode: .fanOut))
        == .varianceScaling(scale: .number(gain * gain), mode: .fanOut))
    #expect(try initializer(.orthogonal(gain: 3)) == .orthogonal(gain: 3))
    // What He et al. state for relu is their initializer.
    #expect(activation != .relu || abs(gain * gain - 2) < 1e-15)
  }

  @Test("initializers that cannot start a weight are errors that name weight and layer")
  func obstacles() {
    func message(_ initializer: Initializer, _ activation: ActivationFunction = .linear) -> String {
      Networks.message([4], Dense(5, activation: activation, kernelInitializer: initializer))
    }
    #expect(
      message(.orthogonal(gain: .activation), .gelu()).hasPrefix(
        "layers.0.dense: kernel: the gain of the activation is that of the layer's own: linear, relu, "))
    #expect(
      Networks.message([4], Dense(5, biasInitializer: .orthogonal(gain: .activation))).hasPrefix(
        "layers.0.dense: bias: the gain of the activation"))
    #expect(message(.deltaOrthogonal()).contains("kernel: delta_orthogonal starts a convolution's filter, not [4,5]"))
    #expect(message(.varianceScaling(scale: 0)).contains("the scale of variance_scaling must be above 0, not 0.0"))
    let images = Networks.message([4, 4, 3], Conv2D(2, kernelSize: 3, kernelInitializer: .deltaOrthogonal()))
    #expect(images.contains("kernel: delta_orthogonal needs as many filters as channels or more"))
    #expect(
      Networks.message([4, 4, 3], Conv2D(2, kernelSize: 3, kernelInitializer: .identity())).contains(
        "kernel: identity starts a matrix, not [3,3,3,2]"))
    #expect(
      message(.orthogonal(gain: .number(.infinity))).contains("an initializer's numbers must be finite in Float32"))
  }

  @Test("the numbers depend on seed and name and on nothing else")
  func determinism() {
    func draw(_ seed: Int64, _ name: String) -> [Float] {
      Initializer.heNormal.values(shape: [64, 3], seed: seed, name: name)
    }
    #expect(draw(1, "layers.0.dense/kernel") == draw(1, "layers.0.dense/kernel"))
    #expect(draw(1, "layers.0.dense/kernel") != draw(2, "layers.0.dense/kernel"))
    #expect(draw(1, "layers.0.dense/kernel") != draw(1, "layers.1.dense/kernel"))
    // Golden: a change of the generator would change every published result.
    let first = Initializer.randomUniform(minimum: 0, maximum: 1).values(shape: [3], seed: 42, name: "kernel")
    #expect(first == InitializerTests.golden)
  }

  static let golden: [Float] = [0.5184808, 0.76367205, 0.5865566]
}
