#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How the gradient changes between two layers, and who takes it, in decades (powers of ten).
///
/// It follows one way from the later layer to the earlier one, at a fork the branch with the larger ‖δ‖. Each edge of the way
/// has the logarithm of the ratio of the norms at its ends:
///
/// log‖δ_l‖ − log‖δ_{l+1}‖ = log(‖Wᵀδ_{l+1}‖ / ‖δ_{l+1}‖) [weights] + log(‖φ′ ⊙ e‖ / ‖e‖) [gate],
///
/// and so for whatever else stands there. As each edge begins where the one before ends, the terms add up to the whole
/// exactly, whether the network is a chain or branches.
public struct GradientSpan: Hashable, Sendable {
  /// Who takes it: what stands between two values whose gradients are watched.
  public enum Part: String, Hashable, Sendable, CaseIterable {
    /// What has weights, and whatever else lies before a layer's pre-activation.
    case weights = "weight"
    /// The activation of a layer.
    case gate
    /// The steps of a recurrent layer.
    case recurrence
    case pooling
    case normalization
    case dropout
    /// A sum, a product or a joining of several inputs. On the way back it is a fork, whose δ is one of several that
    /// are added up before it.
    case join
  }

  /// The layer that the way begins at, and the earlier one that it ends at.
  public let from: String
  public let to: String
  /// ‖δ‖ of both, after their gates.
  public let fromNorm: Double
  public let toNorm: Double
  /// Layers on the way, both counted.
  public let layers: Int
  /// By who stands on the way: negative where ‖δ‖ shrinks. Of a way on which it ends, as far as there is any.
  public let decades: [Part: Double]
  /// The largest share of δ that is 0 behind a dropout on the way.
  public let droppedShare: Double
  /// Where all of δ ends; nil where some arrives.
  public let stop: Stop?

  /// An edge behind which nothing of δ is left.
  public struct Stop: Hashable, Sendable {
    public var part: Part
    /// The layer whose part it is.
    public var path: String
  }

  /// log₁₀ of the ratio of both norms: the sum of all terms. −∞ where nothing arrives.
  public var whole: Double { stop == nil ? decades.values.reduce(0, +) : -.infinity }

  /// Who takes most, or gives most; nil of a way without an edge.
  public var mostTaking: Part? { ordered.min { decades[$0]! < decades[$1]! } }
  public var mostGiving: Part? { ordered.max { decades[$0]! < decades[$1]! } }

  /// Those who stand on the way, always in the same order.
  private var ordered: [Part] { Part.allCases.filter { decades[$0] != nil } }

  /// For a finding: `gateDecades`, `weightDecades`, … of those who stand on the way.
  func evidence() -> [String: Double] {
    Dictionary(uniqueKeysWithValues: decades.map { ($0.rawValue + "Decades", $1) })
  }

  /// `Activation gates take 5.1 decades, weights -0.1.`, whoever takes most first. Empty where there is none.
  func takers() -> String {
    list(ordered.sorted { decades[$0]! < decades[$1]! }, verb: "take") { -$0 }
  }

  /// The same of growth: `Weights give 4.2 decades, activation gates -0.3.`
  func givers() -> String {
    list(ordered.sorted { decades[$0]! > decades[$1]! }, verb: "give") { $0 }
  }

  private func list(_ parts: [Part], verb: String, _ sign: (Double) -> Double) -> String {
    let words = parts.enumerated().map { place, part in
      let name = place == 0 ? part.words.prefix(1).uppercased() + part.words.dropFirst() : part.words
      let number = rounded(sign(decades[part]!))
      return place == 0 ? "\(name) \(verb) \(number) decades" : "\(name) \(number)"
    }
    return words.isEmpty ? "" : " " + words.joined(separator: ", ") + "."
  }
}

extension GradientSpan.Part {
  fileprivate var words: String {
    switch self {
    case .weights: "weights"
    case .gate: "activation gates"
    case .recurrence: "the steps of recurrent layers"
    case .pooling: "pooling layers"
    case .normalization: "normalizations"
    case .dropout: "dropouts"
    case .join: "joins of branches"
    }
  }
}

/// The values of a network whose gradients were watched in one step, each behind those that it is computed from.
struct GradientPoints: Hashable, Sendable {
  struct Point: Hashable, Sendable {
    var path: String
    var norm: Double
    /// Of its elements.
    var zeroShare: Double
    var part: GradientSpan.Part
    /// The points that it is computed from.
    var origins: [Int]
    /// Of a pre-activation: the place of its gate.
    var gate: Int?
  }

  private(set) var points: [Point] = []
  /// By the place of a gate: where its δ after it is.
  private var ofGate: [Int: Int] = [:]

  init(_ rows: [(probe: Probe, statistics: TensorStatistics)]) {
    var found: [(key: Int, origins: [[Int]], point: Point)] = []
    for (probe, statistics) in rows {
      guard let isBefore = probe.isBeforeGate, let key = probe.point ?? probe.gate.map({ 2 * $0 + (isBefore ? 1 : 0) })
      else { continue }
      // Where nobody numbered them: before the gate lies behind after it, and each gate behind those it reads from.
      let origins: [[Int]] =
        probe.point != nil
        ? probe.origins.map { [$0] } : isBefore ? [[key - 1]] : probe.sources.map { [2 * $0 + 1, 2 * $0] }
      let part = probe.point != nil ? probe.part : isBefore ? .gate : .weights
      let gate = probe.kind == .deltaAfterGate ? probe.gate : nil
      found.append(
        (
          key, origins,
          Point(
            path: probe.path, norm: statistics.l2, zeroShare: statistics.zeros / max(statistics.count, 1), part: part,
            origins: [], gate: gate)
        ))
    }
    found.sort { $0.key < $1.key }
    var places: [Int: Int] = [:]
    for (key, origins, point) in found {
      var point = point
      if let place = places[key] {
        // Two gates at one value.
        if let gate = point.gate { ofGate[gate] = place }
        continue
      }
      point.origins = origins.compactMap { $0.lazy.compactMap { places[$0] }.first }
      places[key] = points.count
      if let gate = point.gate { ofGate[gate] = points.count }
      points.append(point)
    }
  }

  /// The way from a gate back to an earlier one, both by their places; nil where none leads there.
  func span(from later: Int, to earlier: Int) -> GradientSpan? {
    guard let start = ofGate[later], let end = ofGate[earlier], start >= end else { return nil }
    var leadsThere = Set([end])
    for place in points.indices where place > end && points[place].origins.contains(where: leadsThere.contains) {
      leadsThere.insert(place)
    }
    guard leadsThere.contains(start) else { return nil }
    var (place, layers) = (start, 1)
    var decades: [GradientSpan.Part: Double] = [:]
    var stop: GradientSpan.Stop?
    var droppedShare = 0.0
    while place != end {
      let branches = points[place].origins.filter(leadsThere.contains)
      guard let first = branches.first else { return nil }
      // Of equal ones the nearest, which has more layers before it.
      let next = branches.reduce(first) { points[$1].norm >= points[$0].norm ? $1 : $0 }
      let (norm, left) = (points[place].norm, points[next].norm)
      if norm > 0, left > 0 {
        decades[points[place].part, default: 0] += log10(left / norm)
      } else if norm > 0, stop == nil {
        stop = GradientSpan.Stop(part: points[place].part, path: points[place].path)
      }
      if points[place].part == .dropout { droppedShare = max(droppedShare, points[next].zeroShare) }
      if points[next].gate != nil { layers += 1 }
      place = next
    }
    return GradientSpan(
      from: points[start].path, to: points[end].path, fromNorm: points[start].norm, toNorm: points[end].norm,
      layers: layers, decades: decades, droppedShare: droppedShare, stop: stop)
  }
}

extension Probe {
  /// Of a δ whether its gradient stands before a gate; nil of what is no δ.
  fileprivate var isBeforeGate: Bool? {
    switch kind {
    case .deltaBeforeGate: true
    case .deltaAfterGate, .deltaBetween: false
    case .deltaOverTime, .parameterGradient, .parameterUpdate, .parameter: nil
    }
  }
}
