#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How the gradient changes on its way from the loss to the first layers, in decades (powers of ten).
///
/// Each layer has its δ, the gradient of its pre-activation. Two spans say where it is lost and where it grows, and who is
/// at work there: from the largest δ to the first layer that has lost most, and from the end of the network to the largest.
public struct GradientFlow: Hashable, Sendable {
  public struct Layer: Hashable, Sendable {
    public var path: String
    /// ‖δ‖₂ after the gate.
    public var norm: Double
    /// The layers that it reads from, by their places.
    public var sources: [Int]
    /// The largest ‖δ‖ from here to the ends of the network, and the largest of the ends; with the places of both.
    fileprivate var largest = 0.0
    fileprivate var largestPlace = 0
    fileprivate var end = 0.0
    fileprivate var endPlace = 0
  }

  /// From the inputs to the loss: each stands behind those it reads from.
  public let layers: [Layer]
  /// Whether each layer is read by the next alone.
  public let isChain: Bool
  /// The layer that reads no other layer and has lost most: of several inputs each has one of its own. Its place.
  private let starved: Int?
  /// From the largest δ between it and the loss to `first`; nil where no layer has a δ.
  public let fall: GradientSpan?
  /// From the end of the network to the δ that lies most above it; nil where none has an end with a δ.
  public let rise: GradientSpan?

  init(_ rows: [(probe: Probe, statistics: TensorStatistics)]) {
    let found = rows.filter { $0.probe.kind == .deltaAfterGate && $0.probe.gate != nil }
      .sorted { $0.probe.gate! < $1.probe.gate! }
    let gates = found.map { $0.probe.gate! }
    let places = Dictionary(gates.enumerated().map { ($1, $0) }) { first, _ in first }
    var layers = found.enumerated().map { place, row in
      Layer(
        path: row.probe.path, norm: row.statistics.l2, sources: row.probe.sources.compactMap { places[$0] },
        largest: row.statistics.l2, largestPlace: place)
    }
    isChain = layers.indices.allSatisfy { place in layers[place].sources == [place - 1].filter { $0 >= 0 } }
    let isRead = Set(layers.flatMap(\.sources))
    for place in layers.indices.reversed() {
      if !isRead.contains(place) { (layers[place].end, layers[place].endPlace) = (layers[place].norm, place) }
      let layer = layers[place]
      for source in layer.sources {
        if layer.largest > layers[source].largest {
          (layers[source].largest, layers[source].largestPlace) = (layer.largest, layer.largestPlace)
        }
        if layer.end > layers[source].end {
          (layers[source].end, layers[source].endPlace) = (layer.end, layer.endPlace)
        }
      }
    }
    self.layers = layers
    starved = layers.indices.filter { layers[$0].sources.isEmpty }.max { layers[$0].lost < layers[$1].lost }
    let points = GradientPoints(rows)
    fall = starved.flatMap { points.span(from: gates[layers[$0].largestPlace], to: gates[$0]) }
    let grown = layers.indices.filter { layers[$0].end > 0 && layers[$0].norm > 0 }
      .max { layers[$0].norm / layers[$0].end < layers[$1].norm / layers[$1].end }
    rise = grown.flatMap { points.span(from: gates[layers[$0].endPlace], to: gates[$0]) }
  }

  // MARK: Towards the inputs

  /// The first layer that has lost most; nil where no layer has a δ.
  public var first: Layer? { starved.map { layers[$0] } }

  /// D: how many decades δ of `first` lies below the largest between it and the loss.
  public var lostDecades: Double { first?.lost ?? 0 }

  /// The largest ‖δ‖ between `first` and the loss.
  public var largest: Double { first?.largest ?? 0 }

  /// Whether the largest δ is that of an end of the network: `fall` begins at the loss.
  public var fallsFromTheEnd: Bool { first.map { layers[$0.largestPlace].endPlace == $0.largestPlace } ?? true }

  /// Layers between `first` and the loss whose δ lies so many decades below the largest one there, where that lies between
  /// them and the loss too.
  public func starved(below decades: Double) -> [Layer] {
    guard let starved else { return [] }
    var isBehind = Set([starved])
    for place in layers.indices where layers[place].sources.contains(where: isBehind.contains) {
      isBehind.insert(place)
    }
    return layers.indices.filter { isBehind.contains($0) && layers[$0].norm * pow10(decades) <= layers[$0].largest }
      .map { layers[$0] }
  }

  // MARK: Growth

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
}

extension GradientFlow.Layer {
  /// How many decades its δ lies below the largest between it and the loss.
  fileprivate var lost: Double {
    guard largest > 0 else { return 0 }
    return norm > 0 ? log10(largest / norm) : .infinity
  }
}
