#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Means of functions of a Gaussian number, ∫Dz f(√q·z).
///
/// Gauss's rule of 16 points on panels between the nodes 0, ±2⁻²⁰ … ±1, ±2 … ±9, and the kinks of f. Hermite's rule, which
/// has one set of points for the whole line, is off by some per cent where a function has a kink or a jump (the slope of
/// relu), and by more where √q is so large that a sigmoid is a jump too. Panels that halve towards 0 resolve any q, and
/// give twelve digits for all functions here. Beyond 9 lies less than 1e-18 of the measure.
enum GaussianMean {
  /// Points and weights of Legendre's rule on −1 … 1.
  private static let legendre: [(point: Double, weight: Double)] = rule(of: 16)
  private static let nodes: [Double] = (-20...0).map { pow(2, Double($0)) } + (2...9).map(Double.init)

  /// ∫Dz f(√q·z). `kinks` are those of f.
  static func of(_ f: (Double) -> Double, variance q: Double, kinks: [Double] = []) -> Double {
    guard q > 0 else { return f(0) }
    let deviation = q.squareRoot()
    let ends = Set([0] + nodes + nodes.map { -$0 } + kinks.map { $0 / deviation }.filter { abs($0) < 9 }).sorted()
    var sum = 0.0
    for (low, high) in zip(ends, ends.dropFirst()) {
      let (middle, half) = ((low + high) / 2, (high - low) / 2)
      for (point, weight) in legendre {
        let z = middle + half * point
        sum += half * weight * exp(-z * z / 2) * f(deviation * z)
      }
    }
    return sum / (2 * Double.pi).squareRoot()
  }

  /// Roots of Legendre's polynomial by Newton's method (Press et al., *Numerical Recipes*, 3rd ed., §4.6.1: the roots lie
  /// near cos(π·(i + 3/4) / (n + 1/2)), and the weights are 2 / ((1 − x²)·P′(x)²)).
  private static func rule(of count: Int) -> [(point: Double, weight: Double)] {
    (0..<count).map { index in
      var x = cos(Double.pi * (Double(index) + 0.75) / (Double(count) + 0.5))
      var slope = 0.0
      for _ in 0..<100 {
        // P of this degree and the one below, by their recurrence.
        var (before, value) = (0.0, 1.0)
        for degree in 1...count {
          let n = Double(degree)
          (before, value) = (value, ((2 * n - 1) * x * value - (n - 1) * before) / n)
        }
        slope = Double(count) * (x * value - before) / (x * x - 1)
        let change = value / slope
        x -= change
        if abs(change) < 1e-15 { break }
      }
      return (x, 2 / ((1 - x * x) * slope * slope))
    }
  }
}
