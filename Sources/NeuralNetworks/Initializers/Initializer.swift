import Glibc
import SwitchbackPrograms

/// How a weight starts: a pure function of the shape, the run's seed and the weight's name, drawn on the host, so that
/// every backend begins with the same bits. Names and defaults are Keras 3's.
public enum Initializer: Hashable, Codable, Sendable {
  case zeros
  case ones
  case constant(Double)
  /// Uniform in ±√(6 / (fanIn + fanOut)) (Glorot and Bengio, 2010, eq. 16).
  case glorotUniform
  /// Variance 2 / (fanIn + fanOut).
  case glorotNormal
  /// Uniform in ±√(6 / fanIn).
  case heUniform
  /// Variance 2 / fanIn (He et al., 2015, eq. 10).
  case heNormal
  /// Uniform in ±√(3 / fanIn).
  case lecunUniform
  /// Variance 1 / fanIn (LeCun et al., *Efficient BackProp*, 1998, §4.6).
  case lecunNormal
  /// Orthonormal rows or columns, whichever are fewer, times the gain; of a filter all axes but the last make one
  /// (Saxe et al., 2014). The Q of a QR decomposition of normal numbers, with R's diagonal positive.
  case orthogonal(gain: Double = 1)
  case randomUniform(minimum: Double = -0.05, maximum: Double = 0.05)
  case randomNormal(mean: Double = 0, standardDeviation: Double = 0.05)
  /// Numbers further than two standard deviations from the mean are drawn again.
  case truncatedNormal(mean: Double = 0, standardDeviation: Double = 0.05)
  /// These very numbers, in row-major order.
  case values([Float])

  /// Why no weight can start so; nil where it can.
  var obstacle: String? {
    let isFinite = if case .values(let values) = self { values.allSatisfy(\.isFinite) } else { true }
    return isFinite && numbers.allSatisfy(NumberRange.any.contains)
      ? nil : "an initializer's numbers must be finite in Float32"
  }

  /// Those that need no number, by Keras's word in lowerCamel.
  public static let named: [String: Initializer] = [
    "zeros": .zeros, "ones": .ones, "glorotUniform": .glorotUniform, "glorotNormal": .glorotNormal,
    "heUniform": .heUniform, "heNormal": .heNormal, "lecunUniform": .lecunUniform, "lecunNormal": .lecunNormal,
    "orthogonal": .orthogonal(), "randomUniform": .randomUniform(), "randomNormal": .randomNormal(),
    "truncatedNormal": .truncatedNormal(),
  ]

  /// Inputs and outputs of one unit by Keras's rule: of a filter `[Kh, Kw, Cin / groups, Cout]` the two last axes
  /// times the receptive field.
  public static func fans(of shape: Shape) -> (fanIn: Int, fanOut: Int) {
    switch shape.rank {
    case 0: return (1, 1)
    case 1: return (shape[0], shape[0])
    default:
      let field = shape.extents.dropLast(2).reduce(1, *)
      return (field * shape[shape.rank - 2], field * shape[shape.rank - 1])
    }
  }

  /// The numbers for the weight called `name`, row-major.
  public func values(shape: Shape, seed: Int64, name: String) -> [Float] {
    var numbers = RandomSequence(seed: seed, name: name)
    let (fanIn, fanOut) = Self.fans(of: shape)
    let average = max(1, Double(fanIn + fanOut) / 2)
    let incoming = max(1, Double(fanIn))
    let count = shape.elementCount
    switch self {
    case .zeros: return Array(repeating: 0, count: count)
    case .ones: return Array(repeating: 1, count: count)
    case .constant(let value): return Array(repeating: Float(value), count: count)
    case .values(let values): return values
    case .glorotUniform: return numbers.uniform(count, variance: 1 / average)
    case .heUniform: return numbers.uniform(count, variance: 2 / incoming)
    case .lecunUniform: return numbers.uniform(count, variance: 1 / incoming)
    case .glorotNormal: return numbers.scaledTruncatedNormal(count, variance: 1 / average)
    case .heNormal: return numbers.scaledTruncatedNormal(count, variance: 2 / incoming)
    case .lecunNormal: return numbers.scaledTruncatedNormal(count, variance: 1 / incoming)
    case .randomUniform(let minimum, let maximum):
      return (0..<count).map { _ in Float(minimum + (maximum - minimum) * numbers.nextUniform()) }
    case .randomNormal(let mean, let deviation):
      return (0..<count).map { _ in Float(mean + deviation * numbers.nextNormal()) }
    case .truncatedNormal(let mean, let deviation):
      return (0..<count).map { _ in Float(mean + deviation * numbers.nextTruncatedNormal()) }
    case .orthogonal(let gain): return numbers.orthogonal(shape, gain: gain)
    }
  }
}

extension Initializer {
  /// Those that configurations know, by their words.
  package static let kinds: [Settings<Initializer>] = [
    Settings("zeros", of: .zeros, help: "All 0"),
    Settings("ones", of: .ones, help: "All 1"),
    Settings(
      "constant", of: .constant(0), help: "All the same number",
      keys: [.number("value", \.first, in: .any, .required, help: "The number")]),
    Settings("glorot_uniform", of: .glorotUniform, help: "Uniform, variance 2 / (inputs + outputs of a unit)"),
    Settings("glorot_normal", of: .glorotNormal, help: "Normal, variance 2 / (inputs + outputs of a unit)"),
    Settings("he_uniform", of: .heUniform, help: "Uniform, variance 2 / inputs of a unit: for relu"),
    Settings("he_normal", of: .heNormal, help: "Normal, variance 2 / inputs of a unit: for relu"),
    Settings("lecun_uniform", of: .lecunUniform, help: "Uniform, variance 1 / inputs of a unit: for selu"),
    Settings("lecun_normal", of: .lecunNormal, help: "Normal, variance 1 / inputs of a unit: for selu"),
    Settings(
      "orthogonal", of: .orthogonal(), help: "Orthonormal rows or columns, whichever are fewer",
      keys: [.number("gain", \.first, in: .any, help: "What they are multiplied with")]),
    Settings(
      "random_uniform", of: .randomUniform(), help: "Uniform between two numbers",
      keys: [
        .number("minval", \.first, in: .any, help: "The lower bound"),
        .number("maxval", \.second, in: .any, help: "The upper bound"),
      ]),
    Settings("random_normal", of: .randomNormal(), help: "Normal", keys: normal),
    Settings(
      "truncated_normal", of: .truncatedNormal(), help: "Normal, without what is beyond two standard deviations",
      keys: normal),
  ]

  private static let normal: [Setting<Initializer>] = [
    .number("mean", \.first, in: .any, help: "The mean"),
    .number("stddev", \.second, in: .nonNegative, help: "The standard deviation"),
  ]

  /// The first number of those that have one.
  private var first: Double {
    get { numbers.first ?? 0 }
    set { numbers = [newValue] + numbers.dropFirst() }
  }

  private var second: Double {
    get { numbers.last ?? 0 }
    set { numbers = [first, newValue] }
  }

  /// In the order of the case's values.
  private var numbers: [Double] {
    get {
      switch self {
      case .constant(let value), .orthogonal(let value): [value]
      case .randomUniform(let minimum, let maximum): [minimum, maximum]
      case .randomNormal(let mean, let deviation), .truncatedNormal(let mean, let deviation): [mean, deviation]
      default: []
      }
    }
    set {
      switch self {
      case .constant: self = .constant(newValue[0])
      case .orthogonal: self = .orthogonal(gain: newValue[0])
      case .randomUniform: self = .randomUniform(minimum: newValue[0], maximum: newValue[1])
      case .randomNormal: self = .randomNormal(mean: newValue[0], standardDeviation: newValue[1])
      case .truncatedNormal: self = .truncatedNormal(mean: newValue[0], standardDeviation: newValue[1])
      default: break
      }
    }
  }
}

extension RandomSequence {
  fileprivate mutating func uniform(_ count: Int, variance: Double) -> [Float] {
    let limit = (3 * variance).squareRoot()
    return (0..<count).map { _ in Float(limit * (2 * nextUniform() - 1)) }
  }

  fileprivate mutating func scaledTruncatedNormal(_ count: Int, variance: Double) -> [Float] {
    // The standard deviation of a normal number cut at ±2, so that what is left has the variance wanted.
    let deviation = variance.squareRoot() / 0.87962566103423978
    return (0..<count).map { _ in Float(deviation * nextTruncatedNormal()) }
  }

  /// Gram and Schmidt, each vector twice, which is as orthogonal as Householder (Giraud et al., 2005) and leaves R's
  /// diagonal positive.
  fileprivate mutating func orthogonal(_ shape: Shape, gain: Double) -> [Float] {
    let columns = shape.extents.last ?? 1
    let rows = shape.extents.dropLast().reduce(1, *)
    let (length, vectorCount) = (max(rows, columns), min(rows, columns))
    var vectors: [[Double]] = []
    while vectors.count < vectorCount {
      var vector = (0..<length).map { _ in nextNormal() }
      for _ in 0..<2 {
        for other in vectors {
          var product = 0.0
          for index in 0..<length { product += vector[index] * other[index] }
          for index in 0..<length { vector[index] -= product * other[index] }
        }
      }
      let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
      // Random vectors that depend on each other: never seen, but a division by zero would be silent.
      if norm > 1e-9 { vectors.append(vector.map { $0 / norm }) }
    }
    return (0..<rows).flatMap { row in
      (0..<columns).map { column in
        Float(gain * (rows >= columns ? vectors[column][row] : vectors[row][column]))
      }
    }
  }
}
