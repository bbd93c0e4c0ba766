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
  case orthogonal(gain: Gain = 1)
  /// Of a filter `[K…, Cin, Cout]` with Cin ≤ Cout: orthonormal rows times the gain in the middle of the kernel, 0
  /// elsewhere, so that a convolution begins as an isometry of each pixel's channels (Xiao et al., 2018, delta-orthogonal kernels).
  case deltaOrthogonal(gain: Gain = 1)
  /// Of a matrix: the gain on the diagonal, 0 elsewhere (Le et al., 2015, for recurrent weights).
  case identity(gain: Gain = 1)
  /// Variance scale / n with n = fanIn, fanOut or their mean; a scale by the activation is the square of its gain.
  case varianceScaling(
    scale: Gain = 1, mode: FanMode = .fanIn, distribution: ScaledDistribution = .truncatedNormal)
  case randomUniform(minimum: Double = -0.05, maximum: Double = 0.05)
  case randomNormal(mean: Double = 0, standardDeviation: Double = 0.05)
  /// Numbers further than two standard deviations from the mean are drawn again.
  case truncatedNormal(mean: Double = 0, standardDeviation: Double = 0.05)
  /// These very numbers, in row-major order.
  case values([Float])
  /// Of the bias of an LSTM `[4 · units]`, gates i f c o: 1 for the forget gate, for the others what that initializer gives
  /// (Jozefowicz, Zaremba and Sutskever, 2015, §2.2).
  indirect case openForgetGate(Initializer, units: Int)

  /// Why no weight of that shape can start so; nil where it can.
  func obstacle(for shape: Shape) -> String? {
    if case .openForgetGate(let others, let units) = self {
      guard shape.elementCount % 4 == 0, units == shape.elementCount / 4 else {
        return "it has the shape \(shape), and four gates of \(units) units have another"
      }
      return others.obstacle(for: shape)
    }
    if case .values(let values) = self, values.count != shape.elementCount {
      return "it has the shape \(shape), but \(values.count) values are given"
    }
    let isFinite = if case .values(let values) = self { values.allSatisfy(\.isFinite) } else { true }
    guard isFinite, numbers.allSatisfy(NumberRange.any.contains) else {
      return "an initializer's numbers must be finite in Float32"
    }
    switch self {
    case _ where gain == .activation: return Gain.obstacle
    case .varianceScaling(.number(let scale), _, _) where !NumberRange.positive.contains(scale):
      return "the scale of variance_scaling must be above 0, not \(scale)"
    case .identity where shape.rank != 2: return "identity starts a matrix, not \(shape)"
    case .deltaOrthogonal where shape.rank < 3: return "delta_orthogonal starts a convolution's filter, not \(shape)"
    case .deltaOrthogonal where shape[shape.rank - 2] > shape[shape.rank - 1]:
      return "delta_orthogonal needs as many filters as channels or more, and \(shape) has \(shape[shape.rank - 1]) of "
        + "\(shape[shape.rank - 2])"
    default: return nil
    }
  }

  /// Those that need no number, by Keras's word in lowerCamel.
  public static let named: [String: Initializer] = [
    "zeros": .zeros, "ones": .ones, "glorotUniform": .glorotUniform, "glorotNormal": .glorotNormal,
    "heUniform": .heUniform, "heNormal": .heNormal, "lecunUniform": .lecunUniform, "lecunNormal": .lecunNormal,
    "orthogonal": .orthogonal(), "randomUniform": .randomUniform(), "randomNormal": .randomNormal(),
    "truncatedNormal": .truncatedNormal(), "deltaOrthogonal": .deltaOrthogonal(), "identity": .identity(),
    "varianceScaling": .varianceScaling(),
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
    case .openForgetGate(let others, let units):
      var values = others.values(shape: shape, seed: seed, name: name)
      for unit in units..<2 * units { values[unit] = 1 }
      return values
    case .glorotUniform: return numbers.scaled(count, .uniform, variance: 1 / average)
    case .heUniform: return numbers.scaled(count, .uniform, variance: 2 / incoming)
    case .lecunUniform: return numbers.scaled(count, .uniform, variance: 1 / incoming)
    case .glorotNormal: return numbers.scaled(count, .truncatedNormal, variance: 1 / average)
    case .heNormal: return numbers.scaled(count, .truncatedNormal, variance: 2 / incoming)
    case .lecunNormal: return numbers.scaled(count, .truncatedNormal, variance: 1 / incoming)
    case .randomUniform(let minimum, let maximum):
      return (0..<count).map { _ in Float(minimum + (maximum - minimum) * numbers.nextUniform()) }
    case .randomNormal(let mean, let deviation):
      return (0..<count).map { _ in Float(mean + deviation * numbers.nextNormal()) }
    case .truncatedNormal(let mean, let deviation):
      return (0..<count).map { _ in Float(mean + deviation * numbers.nextTruncatedNormal()) }
    case .orthogonal(let gain): return numbers.orthogonal(shape, gain: gain.factor)
    case .deltaOrthogonal(let gain): return numbers.deltaOrthogonal(shape, gain: gain.factor)
    case .identity(let gain):
      let columns = shape.extents.last ?? 1
      return (0..<count).map { $0 / columns == $0 % columns ? Float(gain.factor) : 0 }
    case .varianceScaling(let scale, let mode, let distribution):
      let fan = max(1, mode.fan(of: shape))
      return numbers.scaled(count, distribution, variance: scale.factor / fan)
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
      keys: [.gain("gain", \.gain, help: Gain.help)]),
    Settings(
      "delta_orthogonal", of: .deltaOrthogonal(),
      help: "Orthonormal rows in the middle of a convolution's kernel, 0 around",
      keys: [.gain("gain", \.gain, help: Gain.help)]),
    Settings(
      "identity", of: .identity(), help: "1 on a matrix's diagonal, 0 elsewhere",
      keys: [.gain("gain", \.gain, help: Gain.help)]),
    Settings(
      "variance_scaling", of: .varianceScaling(), help: "Variance scale / n, n by mode",
      keys: [
        .gain("scale", \.gain, help: "The variance times n; activation: the square of the activation's gain"),
        .choice("mode", \.mode, help: "n: inputs of a unit, outputs, or their mean"),
        .choice("distribution", \.distribution, help: "What is drawn; truncated: within two standard deviations"),
      ],
      fault: { $0.gain == .number(0) || $0.numbers.contains { $0 < 0 } ? "scale must be above 0" : nil }),
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

  /// That of those that have one; the scale of `varianceScaling`.
  private var gain: Gain {
    get {
      switch self {
      case .orthogonal(let gain), .deltaOrthogonal(let gain), .identity(let gain), .varianceScaling(let gain, _, _):
        gain
      default: 1
      }
    }
    set {
      switch self {
      case .orthogonal: self = .orthogonal(gain: newValue)
      case .deltaOrthogonal: self = .deltaOrthogonal(gain: newValue)
      case .identity: self = .identity(gain: newValue)
      case .varianceScaling(_, let mode, let distribution):
        self = .varianceScaling(scale: newValue, mode: mode, distribution: distribution)
      default: break
      }
    }
  }

  private var mode: FanMode {
    get { if case .varianceScaling(_, let mode, _) = self { mode } else { .fanIn } }
    set {
      guard case .varianceScaling(let scale, _, let distribution) = self else { return }
      self = .varianceScaling(scale: scale, mode: newValue, distribution: distribution)
    }
  }

  private var distribution: ScaledDistribution {
    get { if case .varianceScaling(_, _, let distribution) = self { distribution } else { .truncatedNormal } }
    set {
      guard case .varianceScaling(let scale, let mode, _) = self else { return }
      self = .varianceScaling(scale: scale, mode: mode, distribution: newValue)
    }
  }

  /// With the gain of that activation, where it is asked for and there is one.
  func gained(for activation: ActivationFunction) -> Initializer {
    guard gain == .activation, let factor = Gain.factor(of: activation) else { return self }
    var gained = self
    if case .varianceScaling = self { gained.gain = .number(factor * factor) } else { gained.gain = .number(factor) }
    return gained
  }

  /// In the order of the case's values.
  private var numbers: [Double] {
    get {
      switch self {
      case .constant(let value): [value]
      case .orthogonal(.number(let value)), .deltaOrthogonal(.number(let value)), .identity(.number(let value)),
        .varianceScaling(.number(let value), _, _):
        [value]
      case .randomUniform(let minimum, let maximum): [minimum, maximum]
      case .randomNormal(let mean, let deviation), .truncatedNormal(let mean, let deviation): [mean, deviation]
      default: []
      }
    }
    set {
      switch self {
      case .constant: self = .constant(newValue[0])
      case .randomUniform: self = .randomUniform(minimum: newValue[0], maximum: newValue[1])
      case .randomNormal: self = .randomNormal(mean: newValue[0], standardDeviation: newValue[1])
      case .truncatedNormal: self = .truncatedNormal(mean: newValue[0], standardDeviation: newValue[1])
      default: break
      }
    }
  }
}
