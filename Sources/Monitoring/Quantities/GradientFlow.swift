#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How the gradient changes on its way from the loss to the first layer, in decades (powers of ten).
///
/// log‖δ_l‖ − log‖δ_{l+1}‖ = log(‖Wᵀδ_{l+1}‖ / ‖δ_{l+1}‖) [weights] + log(‖φ′ ⊙ e‖ / ‖e‖) [gate]: the loss of
/// gradient splits exactly and additively into what the weights and what the activations' gates take.
public struct GradientFlow: Hashable, Sendable {
  public struct Layer: Hashable, Sendable {
    public var path: String
    /// ‖δ‖₂ after the gate.
    public var norm: Double
    /// log₁₀(‖δ after gate‖ / ‖δ before gate‖); 0 where the layer has no gate.
    public var gateDecades: Double
    /// log₁₀ of what the weights between this layer and the next do to δ; 0 for the last.
    public var weightDecades: Double
  }

  /// From the input to the loss.
  public var layers: [Layer]

  public init(_ rows: ProbeRows) {
    var after: [(depth: Int, path: String, norm: Double)] = []
    var before: [Int: Double] = [:]
    for (probe, statistics) in rows.rows {
      switch probe.kind {
      case .deltaAfterGate: after.append((probe.depth, probe.path, statistics.l2))
      case .deltaBeforeGate: before[probe.depth] = statistics.l2
      case .parameterGradient, .parameterUpdate, .parameter: break
      }
    }
    after.sort { $0.depth < $1.depth }
    layers = after.enumerated().map { index, layer in
      let incoming = before[layer.depth] ?? layer.norm
      let next = index + 1 < after.count ? after[index + 1].norm : incoming
      return Layer(
        path: layer.path, norm: layer.norm, gateDecades: Self.decades(layer.norm, incoming),
        weightDecades: index + 1 < after.count ? Self.decades(incoming, next) : 0)
    }
  }

  private static func decades(_ value: Double, _ reference: Double) -> Double {
    value > 0 && reference > 0 ? log10(value / reference) : 0
  }

  /// The largest ‖δ‖ of any layer.
  public var largest: Double { layers.map(\.norm).max() ?? 0 }

  /// D: how many decades the first layer's δ lies below the largest.
  public var lostDecades: Double {
    guard let first = layers.first?.norm, largest > 0 else { return 0 }
    return first > 0 ? log10(largest / first) : .infinity
  }

  /// How many decades the largest δ lies above the last layer's: growth towards the input.
  public var grownDecades: Double {
    guard let last = layers.last?.norm, last > 0, largest > 0 else { return 0 }
    return log10(largest / last)
  }

  public var gateDecades: Double { layers.reduce(0) { $0 + $1.gateDecades } }
  public var weightDecades: Double { layers.reduce(0) { $0 + $1.weightDecades } }
}
