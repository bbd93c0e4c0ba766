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
