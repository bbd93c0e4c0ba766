/// The table of functions of one variable: all that is known of one is its row. `make operations` makes of it what the
/// backends' sources need (`ElementwiseSources`); a backend that has no kernel for a row declines it.
extension UnaryFunction {
  struct Row: Sendable {
    /// The word for it in programs and in the C contract. C kernels say it in capitals, OpenCL kernels as it stands.
    let name: String
    let law: String
    let derivative: Derivative
    let usesAlpha: Bool
    /// Where the formula, or that of the derivative, changes its branch.
    let kinks: [Double]
    /// Whether NaN comes out where NaN goes in.
    let keepsNaN: Bool
    /// Where samples of the operand, and of what the derivative is written in, are drawn.
    let operand: Drawn
    let slopeOperand: Drawn
    let bound: ErrorBound
    let slopeBound: ErrorBound
    let kernels: Kernels
  }

  /// What `UnaryBackward` multiplies dy with. At a kink it is what the formula gives there.
  enum Derivative: Sendable {
    case ofOperand(String)
    case ofResult(String)
    /// The same everywhere: the operand is not read.
    case constant(String)
    /// 0 almost everywhere, so that none is built.
    case zero
  }

  /// Numbers for samples.
  struct Drawn: Sendable {
    let domain: OperationSample.Domain
    /// Beyond kinks and what finite differences can stand; nil where the formula is not defined there.
    let wide: OperationSample.Domain?

    static let anywhere = Drawn(domain: .range(-3, 3), wide: .range(-6, 6))
    static let offKinks = Drawn(domain: .distinct, wide: .range(-6, 6))
    static func within(_ low: Double, _ high: Double) -> Drawn { Drawn(domain: .range(low, high), wide: nil) }
  }

  enum Kernels: Sendable {
    /// Each backend that has it has one written by hand.
    case written
    /// Made from these formulas, that of the slope in terms of what the derivative names. `activation` is the word that
    /// configurations have for it as an activation. `known` are values from elsewhere to test by: x, y and dy/dx.
    case made(
      forward: Formula, slope: Formula, activation: String?, known: [(x: Double, y: Double, slope: Double)])
  }

  static let table: [Row] = [
    Row(
      name: "identity", law: "x", derivative: .constant("1"), usesAlpha: false, kinks: [], keepsNaN: true,
      operand: .anywhere, slopeOperand: .anywhere, bound: .ulps(1), slopeBound: .ulpsOfLargest(2), kernels: .written),
    Row(
      name: "negate", law: "−x", derivative: .constant("−1"), usesAlpha: false, kinks: [], keepsNaN: true,
      operand: .anywhere, slopeOperand: .anywhere, bound: .ulps(1), slopeBound: .ulpsOfLargest(2), kernels: .written),
    Row(
      name: "absolute", law: "|x|", derivative: .ofOperand("sign x (0 at 0)"), usesAlpha: false, kinks: [0],
      keepsNaN: true, operand: .offKinks, slopeOperand: .offKinks, bound: .ulps(1), slopeBound: .ulpsOfLargest(2),
      kernels: .written),
    Row(
      name: "exp", law: "eˣ", derivative: .ofResult("y"), usesAlpha: false, kinks: [], keepsNaN: true,
      operand: .anywhere, slopeOperand: .anywhere, bound: .ulps(8), slopeBound: .ulpsOfLargest(16), kernels: .written),
    Row(
      name: "log", law: "ln x", derivative: .ofOperand("1/x"), usesAlpha: false, kinks: [], keepsNaN: true,
      operand: .within(0.25, 4), slopeOperand: .within(0.25, 4), bound: .ulps(8), slopeBound: .ulpsOfLargest(16),
      kernels: .written),
    Row(
      name: "sqrt", law: "√x", derivative: .ofResult("1/(2y)"), usesAlpha: false, kinks: [], keepsNaN: true,
      operand: .within(0.25, 4), slopeOperand: .within(0.25, 4), bound: .ulps(8), slopeBound: .ulpsOfLargest(16),
      kernels: .written),
    Row(
      name: "rsqrt", law: "1/√x", derivative: .ofResult("−y³/2"), usesAlpha: false, kinks: [], keepsNaN: true,
      operand: .within(0.25, 4), slopeOperand: .within(0.25, 4), bound: .ulps(8), slopeBound: .ulpsOfLargest(16),
      kernels: .written),
    Row(
      name: "square", law: "x²", derivative: .ofOperand("2x"), usesAlpha: false, kinks: [], keepsNaN: true,
      operand: .anywhere, slopeOperand: .anywhere, bound: .ulps(1), slopeBound: .ulpsOfLargest(2), kernels: .written),
    Row(
      name: "reciprocal", law: "1/x", derivative: .ofResult("−y²"), usesAlpha: false, kinks: [], keepsNaN: true,
      operand: .within(0.25, 4), slopeOperand: .within(0.25, 4), bound: .ulps(8), slopeBound: .ulpsOfLargest(16),
      kernels: .written),
    Row(
      name: "sign", law: "sign x", derivative: .zero, usesAlpha: false, kinks: [0], keepsNaN: true, operand: .anywhere,
      slopeOperand: .anywhere, bound: .ulps(1), slopeBound: .ulpsOfLargest(2), kernels: .written),
    Row(
      name: "floor", law: "⌊x⌋", derivative: .zero, usesAlpha: false, kinks: [], keepsNaN: true, operand: .anywhere,
      slopeOperand: .anywhere, bound: .ulps(1), slopeBound: .ulpsOfLargest(2), kernels: .written),
    Row(
      name: "relu", law: "max(x, 0)",
      derivative: .ofResult("y > 0 ? 1 : 0 (0 at 0), and dx = 0 for any dy where it is 0"), usesAlpha: false,
      kinks: [0], keepsNaN: true, operand: .offKinks, slopeOperand: .offKinks, bound: .ulps(1),
      slopeBound: .ulpsOfLargest(2), kernels: .written),
    Row(
      name: "leakyRelu", law: "x > 0 ? x : alpha·x", derivative: .ofResult("y > 0 ? 1 : alpha (alpha at 0)"),
      usesAlpha: true, kinks: [0], keepsNaN: true, operand: .offKinks, slopeOperand: .offKinks, bound: .ulps(1),
      slopeBound: .ulpsOfLargest(2), kernels: .written),
    Row(
      name: "elu", law: "x > 0 ? x : alpha·(eˣ − 1)", derivative: .ofResult("y > 0 ? 1 : y + alpha (alpha at 0)"),
      usesAlpha: true, kinks: [0], keepsNaN: true, operand: .offKinks, slopeOperand: .offKinks, bound: .ulps(8),
      slopeBound: .ulpsOfLargest(16), kernels: .written),
    Row(
      name: "selu", law: "1.0507009873554805·(x > 0 ? x : 1.6732632423543772·(eˣ − 1))",
      derivative: .ofResult("y > 0 ? 1.0507009873554805 : y + 1.7580993408473766 (the latter at 0)"), usesAlpha: false,
      kinks: [0],
      keepsNaN: true, operand: .offKinks, slopeOperand: .offKinks, bound: .ulps(8), slopeBound: .ulpsOfLargest(16),
      kernels: .written),
    // Far on the negative side gelu is a large number times a difference of nearly equal ones.
    Row(
      name: "gelu", law: "x·Φ(x) = x/2·(1 + erf(x/√2))", derivative: .ofOperand("Φ(x) + x·φ(x)"), usesAlpha: false,
      kinks: [], keepsNaN: true, operand: .anywhere, slopeOperand: .anywhere, bound: .ulpsOfLargest(4),
      slopeBound: .ulpsOfLargest(16), kernels: .written),
    Row(
      name: "geluTanh", law: "x/2·(1 + tanh(√(2/π)·(x + 0.044715x³)))",
      derivative: .ofOperand(
        "(1 + t)/2 + x/2·(1 − t²)·√(2/π)·(1 + 0.134145x²), t = tanh(√(2/π)·(x + 0.044715x³))"),
      usesAlpha: false, kinks: [], keepsNaN: true, operand: .anywhere, slopeOperand: .anywhere,
      bound: .ulpsOfLargest(4), slopeBound: .ulpsOfLargest(16), kernels: .written),
    Row(
      name: "swish", law: "x/(1 + e⁻ˣ)", derivative: .ofOperand("s·(1 + x·(1 − s)), s = 1/(1 + e⁻ˣ)"),
      usesAlpha: false, kinks: [], keepsNaN: true, operand: .anywhere, slopeOperand: .anywhere, bound: .ulps(8),
      slopeBound: .ulpsOfLargest(16), kernels: .written),
    Row(
      name: "sigmoid", law: "1/(1 + e⁻ˣ)", derivative: .ofResult("y·(1 − y)"), usesAlpha: false, kinks: [],
      keepsNaN: true, operand: .anywhere, slopeOperand: .within(0.1, 0.9), bound: .ulps(8),
      slopeBound: .ulpsOfLargest(16), kernels: .written),
    Row(
      name: "hardSigmoid", law: "min(max(x/6 + 1/2, 0), 1)",
      derivative: .ofOperand("−3 < x < 3 ? 1/6 : 0 (0 at −3 and 3)"),
      usesAlpha: false, kinks: [-3, 3], keepsNaN: true, operand: .offKinks, slopeOperand: .offKinks, bound: .ulps(8),
      slopeBound: .ulpsOfLargest(16), kernels: .written),
    Row(
      name: "tanh", law: "tanh x", derivative: .ofResult("1 − y²"), usesAlpha: false, kinks: [], keepsNaN: true,
      operand: .anywhere, slopeOperand: .within(-0.9, 0.9), bound: .ulps(8), slopeBound: .ulpsOfLargest(16),
      kernels: .written),
    Row(
      name: "softplus", law: "ln(1 + eˣ), computed so that it does not overflow: max(x, 0) + ln(1 + e^(−|x|))",
      derivative: .ofResult("1 − e⁻ʸ"), usesAlpha: false, kinks: [],
      keepsNaN: true, operand: .anywhere, slopeOperand: .within(0.1, 3), bound: .ulps(8),
      slopeBound: .ulpsOfLargest(16), kernels: .written),
    Row(
      name: "isFinite", law: "1 where x is finite, else 0", derivative: .zero, usesAlpha: false, kinks: [],
      keepsNaN: false, operand: .anywhere, slopeOperand: .anywhere, bound: .ulps(1), slopeBound: .ulpsOfLargest(2),
      kernels: .written),
    // Howard et al., *Searching for MobileNetV3* (2019), §5.2. Known values are fractions by the formula.
    Row(
      name: "hardSwish", law: "x ≤ −3 ? 0 : x ≥ 3 ? x : x·(x + 3)/6 (0 at −∞)",
      derivative: .ofOperand("−3 < x < 3 ? x/3 + 1/2 : x ≥ 3 ? 1 : 0 (0 at −3, 1 at 3)"), usesAlpha: false,
      kinks: [-3, 3], keepsNaN: true, operand: .anywhere, slopeOperand: .anywhere, bound: .ulps(8),
      slopeBound: .ulpsOfLargest(16),
      kernels: .made(
        forward: .choice(
          .variable <= -3, then: 0,
          otherwise: .choice(.variable >= 3, then: .variable, otherwise: .variable * (.variable + 3) / 6)),
        slope: .choice(
          .variable <= -3, then: 0, otherwise: .choice(.variable >= 3, then: 1, otherwise: .variable / 3 + 0.5)),
        activation: "hard_swish",
        known: [
          (-4, 0, 0), (-1, -1.0 / 3, 1.0 / 6), (0, 0, 0.5), (1, 2.0 / 3, 5.0 / 6), (2.5, 13.75 / 6, 4.0 / 3), (7, 7, 1),
        ])),
  ]
}
