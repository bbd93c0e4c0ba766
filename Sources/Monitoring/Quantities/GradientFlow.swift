#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How the gradient changes on its way from the loss to the first layers, in decades (powers of ten).
///
/// On a chain of layers, log‖δ_l‖ − log‖δ_{l+1}‖ = log(‖Wᵀδ_{l+1}‖ / ‖δ_{l+1}‖) [weights] + log(‖φ′ ⊙ e‖ / ‖e‖) [gate]: the
/// loss of gradient splits exactly and additively into what the weights and what the activations' gates take. Where a
/// network branches and joins, several ways lead to a layer and no such sum holds.
public struct GradientFlow: Hashable, Sendable {
  public struct Layer: Hashable, Sendable {
    public var path: String
    /// ‖δ‖₂ after the gate.
    public var norm: Double
    /// log₁₀(‖δ after gate‖ / ‖δ before gate‖); 0 where the layer has no gate.
    public var gateDecades: Double
    /// The layers that it reads from, by their places.
    public var sources: [Int]
    /// ‖δ‖₂ before the gate; where nobody watches that, after it.
    fileprivate var incoming: Double
    /// The largest ‖δ‖ from here to the ends of the network, and the largest of the ends.
    fileprivate var largest = 0.0
    fileprivate var end = 0.0
    /// Layers on the longest way from here to an end, with both.
    public fileprivate(set) var length = 1
  }

  /// From the inputs to the loss: each stands behind those it reads from.
  public let layers: [Layer]
  /// Whether each layer is read by the next alone.
  public let isChain: Bool
  /// The layer that reads no other layer and has lost most: of several inputs each has one of its own. Its place.
  private let starved: Int?

  init(_ rows: [(probe: Probe, statistics: TensorStatistics)]) {
    var before: [Int: Double] = [:]
    var found: [(gate: Int, sources: [Int], path: String, norm: Double)] = []
    for (probe, statistics) in rows {
      guard let gate = probe.gate else { continue }
      switch probe.kind {
      case .deltaAfterGate: found.append((gate, probe.sources, probe.path, statistics.l2))
      case .deltaBeforeGate: before[gate] = statistics.l2
      case .deltaOverTime, .parameterGradient, .parameterUpdate, .parameter: break
      }
    }
    found.sort { $0.gate < $1.gate }
    let places = Dictionary(found.enumerated().map { ($1.gate, $0) }) { first, _ in first }
    var layers = found.map { gate, sources, path, norm in
      let incoming = before[gate] ?? norm
      return Layer(
        path: path, norm: norm, gateDecades: Self.decades(norm, incoming),
        sources: sources.compactMap { places[$0] }, incoming: incoming)
    }
    isChain = layers.indices.allSatisfy { place in layers[place].sources == [place - 1].filter { $0 >= 0 } }
    for place in layers.indices.reversed() {
      layers[place].largest = max(layers[place].largest, layers[place].norm)
      // Nobody reads it.
      if layers[place].length == 1 { layers[place].end = layers[place].norm }
      let layer = layers[place]
      for source in layer.sources {
        layers[source].largest = max(layers[source].largest, layer.largest)
        layers[source].end = max(layers[source].end, layer.end)
        layers[source].length = max(layers[source].length, layer.length + 1)
      }
    }
    self.layers = layers
    starved = layers.indices.filter { layers[$0].sources.isEmpty }.max { layers[$0].lost < layers[$1].lost }
  }

  fileprivate static func decades(_ value: Double, _ reference: Double) -> Double {
    value > 0 && reference > 0 ? log10(value / reference) : 0
  }

  // MARK: Towards the inputs

  /// The first layer that has lost most; nil where no layer has a δ.
  public var first: Layer? { starved.map { layers[$0] } }

  /// D: how many decades δ of `first` lies below the largest between it and the loss.
  public var lostDecades: Double { first?.lost ?? 0 }

  /// The largest ‖δ‖ between `first` and the loss.
  public var largest: Double { first?.largest ?? 0 }

  /// Layers between `first` and the loss whose δ lies so many decades below the largest one there.
  public func starved(below decades: Double) -> [Layer] {
    guard let starved else { return [] }
    var isBehind = Set([starved])
    for place in layers.indices where layers[place].sources.contains(where: isBehind.contains) {
      isBehind.insert(place)
    }
    return layers.indices.filter { isBehind.contains($0) && layers[$0].norm * pow10(decades) <= largest }
      .map { layers[$0] }
  }

  // MARK: Growth

  /// The first layer on whose way to the loss δ grows most; nil where none grows.
  public var firstGrown: Layer? {
    layers.filter { $0.sources.isEmpty && $0.end > 0 }.max { $0.largest / $0.end < $1.largest / $1.end }
  }

  /// How many decades a δ lies above the largest at the ends that it comes from.
  public var grownDecades: Double {
    layers.reduce(0) { $1.end > 0 && $1.norm > 0 ? max($0, log10($1.norm / $1.end)) : $0 }
  }

  /// The largest ‖δ‖ of any layer.
  public var peak: Double { layers.map(\.norm).max() ?? 0 }

  /// Layers whose δ lies so many decades above the largest at the ends that it comes from.
  public func grown(above decades: Double) -> [Layer] {
    layers.filter { $0.end > 0 && $0.norm >= $0.end * pow10(decades) }
  }

  // MARK: Who takes it

  /// What all gates take together; nil where the layers are no chain.
  public var gateDecades: Double? { isChain ? layers.reduce(0) { $0 + $1.gateDecades } : nil }

  /// What the weights between the layers take together; nil where the layers are no chain.
  public var weightDecades: Double? {
    isChain ? zip(layers, layers.dropFirst()).reduce(0) { $0 + Self.decades($1.0.incoming, $1.1.norm) } : nil
  }
}

extension GradientFlow.Layer {
  /// How many decades its δ lies below the largest between it and the loss.
  fileprivate var lost: Double {
    guard largest > 0 else { return 0 }
    return norm > 0 ? log10(largest / norm) : .infinity
  }
}
