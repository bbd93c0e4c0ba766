#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// What theory says of a chain of layers before its first step: how far pre-activations and gradients grow or shrink, and
/// how far a network of finite width may lie from that.
public struct NetworkTheory: Sendable {
  public struct Layer: Sendable {
    /// Its activation, and σ_w² and σ_b² of its own weights.
    public var law: MeanField
    /// Units, or channels: what its fluctuations average over.
    public var width: Int

    public init(_ law: MeanField, width: Int) { (self.law, self.width) = (law, width) }
  }

  public let layers: [Layer]
  /// q of each layer.
  public let variances: [Double]
  /// χ of each layer, of the weights behind it: ‖δ_l‖² / ‖δ_{l+1}‖². One fewer than layers.
  public let gradientFactors: [Double]

  /// `inputMoment` is the mean square of what the first layer reads.
  public init(_ layers: [Layer], inputMoment: Double = 1) {
    self.layers = layers
    var (variances, factors): ([Double], [Double]) = ([], [])
    for (place, layer) in layers.enumerated() {
      let moment = place == 0 ? inputMoment : layers[place - 1].law.secondMoment(at: variances[place - 1])
      variances.append(layer.law.weightVariance * moment + layer.law.biasVariance)
      if place > 0 {
        factors.append(layer.law.weightVariance * layers[place - 1].law.slopeMoment(2, at: variances[place - 1]))
      }
    }
    (self.variances, gradientFactors) = (variances, factors)
  }

  /// log₁₀ of ‖δ‖ of the first layer over that of the last: negative where it vanishes.
  public var gradientDecades: Double { gradientFactors.reduce(0) { $0 + log10($1) / 2 } }

  /// log₁₀ of q of the last layer over that of the first.
  public var forwardDecades: Double {
    guard let first = variances.first, let last = variances.last else { return 0 }
    return log10(last / first)
  }

  /// What the gates take of `gradientDecades`, and what the weights do: both add up to it.
  public var gateDecades: Double {
    zip(layers, variances).dropLast().reduce(0) { $0 + log10($1.0.law.slopeMoment(2, at: $1.1)) / 2 }
  }
  public var weightDecades: Double { layers.dropFirst().reduce(0) { $0 + log10($1.law.weightVariance) / 2 } }

  /// The standard deviation of `gradientDecades` over initializations: √β / (2 ln 10), where ln ‖J u‖² is normal with variance
  /// β = Σ (3 μ₄/μ₂² − 1) / n_l, μ_k = ∫Dz φ′ᵏ. Of relu that is 5 Σ 1/n_l (Hanin and Nica, *Products of Many Large Random
  /// Matrices and Gradients in Deep Neural Networks*, 2018), of linear layers 2 Σ 1/n_l; of others it follows in
  /// the same way where slopes and weights are independent. What lies beyond three of them is no chance.
  public var deviation: Double {
    let beta = zip(layers, variances).reduce(0) { sum, layer in
      let (second, fourth) = (layer.0.law.slopeMoment(2, at: layer.1), layer.0.law.slopeMoment(4, at: layer.1))
      return sum + (second > 0 ? (3 * fourth / (second * second) - 1) / Double(max(layer.0.width, 1)) : 0)
    }
    return beta.squareRoot() / (2 * log(10))
  }

  // MARK: Batch normalization

  /// ‖δ‖² towards the input grows by this factor a layer of relu behind batch normalization, whatever the weights are: π / (π −
  /// 1) for large batches (Yang et al., *A Mean Field Theory of Batch Normalization*, 2019). 1.42 was measured at
  /// batches of 256.
  public static let batchNormalizedRelu = Double.pi / (Double.pi - 1)
}

/// How many inputs a number of a convolution's result is the sum of.
public enum ConvolutionFan {
  /// Taps of a kernel along one axis that lie within the input, on average over the results: 3 taps over 28 cells with
  /// one cell of padding on both sides are 82/28. Nil where there is no result.
  public static func taps(
    _ kernel: Int, over cells: Int, stride: Int = 1, dilation: Int = 1, padding: (before: Int, after: Int) = (0, 0)
  ) -> Double? {
    guard kernel > 0, cells > 0, stride > 0, dilation > 0, padding.before >= 0, padding.after >= 0 else { return nil }
    let results = (cells + padding.before + padding.after - (kernel - 1) * dilation - 1) / stride + 1
    guard results > 0, cells + padding.before + padding.after > (kernel - 1) * dilation else { return nil }
    var inside = 0
    for result in 0..<results {
      for tap in 0..<kernel where (0..<cells).contains(result * stride + tap * dilation - padding.before) {
        inside += 1
      }
    }
    return Double(inside) / Double(results)
  }

  /// The fan-in of a kernel `[Kh, Kw, Cin/groups, Cout]`, by the taps that lie within the image. σ_w² = fan-in · Var(W): as each
  /// δ meets as many weights on the way back, it is the fan of the gradient too, whatever the strides are.
  public static func fanIn(rows: Double, columns: Double, channelsPerGroup: Int) -> Double {
    rows * columns * Double(channelsPerGroup)
  }
}
