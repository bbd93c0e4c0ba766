#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// What a wide layer with random weights makes of the size of its pre-activations and of their gradients, in the limit of
/// infinite width (Poole et al., *Exponential expressivity in deep neural networks through transient chaos*, 2016, of q;
/// Schoenholz et al., *Deep Information Propagation*, 2017, of χ and depth scales).
///
/// q is the variance of the pre-activations, σ_w² = fan-in · Var(W) and σ_b² that of the biases, Dz the Gaussian measure:
///
/// q′ = σ_w² ∫Dz φ(√q z)² + σ_b² and χ = σ_w² ∫Dz φ′(√q z)².
///
/// ‖δ‖² of a layer is χ(q) times that of the layer behind it: δ shrinks towards the input where χ < 1 and grows where χ > 1.
public struct MeanField: Sendable {
  public var activation: ActivationLaw
  /// σ_w²
  public var weightVariance: Double
  /// σ_b²
  public var biasVariance: Double

  public init(_ activation: ActivationLaw, weightVariance: Double, biasVariance: Double = 0) {
    (self.activation, self.weightVariance, self.biasVariance) = (activation, weightVariance, biasVariance)
  }

  /// ∫Dz φ(√q z)²: the mean square of what the layer before answers.
  public func secondMoment(at q: Double) -> Double {
    GaussianMean.of(
      {
        let y = activation.value($0); return y * y
      }, variance: q, kinks: activation.kinks)
  }

  /// ∫Dz φ(√q z)
  public func mean(at q: Double) -> Double {
    GaussianMean.of(activation.value, variance: q, kinks: activation.kinks)
  }

  /// ∫Dz |φ′(√q z)|ᵏ: 2 is the share of δ's square that the gate lets through.
  public func slopeMoment(_ k: Int, at q: Double) -> Double {
    GaussianMean.of({ pow(abs(activation.slope($0)), Double(k)) }, variance: q, kinks: activation.kinks)
  }

  /// q of the next layer.
  public func variance(after q: Double) -> Double { weightVariance * secondMoment(at: q) + biasVariance }

  /// χ, the factor of ‖δ‖².
  public func gradientFactor(at q: Double) -> Double { weightVariance * slopeMoment(2, at: q) }

  /// q*, where q′ = q, from 1; nil where it grows without end or has not settled. 0 where it dies out.
  public func fixedPoint(iterations: Int = 20_000) -> Double? {
    let (q, isSettled) = iterated(iterations, precision: 1e-13)
    return isSettled ? q : nil
  }

  /// q behind so many layers, from 1, and whether it has settled.
  private func iterated(_ iterations: Int, precision: Double) -> (q: Double, isSettled: Bool) {
    var q = 1.0
    for _ in 0..<iterations {
      let next = variance(after: q)
      guard next.isFinite, next < 1e30 else { return (q, false) }
      if next < 1e-30 { return (0, true) }
      if abs(next - q) <= precision * q { return (next, true) }
      q = next
    }
    return (q, false)
  }

  /// χ at q*; nil where there is no such. Where q dies out it is the limit there.
  public var fixedGradientFactor: Double? { fixedPoint().map { gradientFactor(at: max($0, 1e-30)) } }

  /// ξ = 1 / |ln χ|: over so many layers ‖δ‖² changes e-fold, downward where χ < 1. Networks of up to about 6 ξ layers train
  /// (Schoenholz et al., 2017). Infinite at criticality.
  public var gradientDepth: Double? {
    fixedGradientFactor.map { factor in
      let decay = abs(log(factor))
      return decay < 1e-13 ? .infinity : 1 / decay
    }
  }

  /// The σ_w² at which χ = 1 behind many layers, for a σ_b²: neither does the gradient vanish nor does it explode. To five
  /// digits; nil where there is none between 1e-3 and 1e3.
  public static func criticalWeightVariance(_ activation: ActivationLaw, biasVariance: Double = 0) -> Double? {
    func excess(_ weightVariance: Double) -> Double {
      let law = MeanField(activation, weightVariance: weightVariance, biasVariance: biasVariance)
      return law.gradientFactor(at: max(law.iterated(300, precision: 1e-10).q, 1e-30)) - 1
    }
    var (low, high) = (1e-3, 1e3)
    guard excess(low) < 0, excess(high) > 0 else { return nil }
    for _ in 0..<30 {
      let middle = (low * high).squareRoot()
      if excess(middle) < 0 { low = middle } else { high = middle }
    }
    return (low * high).squareRoot()
  }
}
