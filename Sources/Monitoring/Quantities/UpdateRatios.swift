/// How much one update changed a matrix or filter: ‖ΔW‖ / ‖W‖, of the weights that it found.
public struct UpdateRatio: Hashable, Sendable {
  /// `layers.2.conv2d/kernel`, and its layer.
  public var parameter: String
  public var layer: String
  public var ratio: Double
}

extension ProbeRows {
  /// Of all matrices and filters that are not zero, in the order of the layers. Biases begin at 0, so they have none.
  public var updateRatios: [UpdateRatio] {
    var norms: [String: Double] = [:]
    for (probe, statistics) in rows where probe.kind == .parameter && probe.rank >= 2 {
      norms[probe.path] = statistics.l2
    }
    return rows.compactMap { probe, statistics in
      guard probe.kind == .parameterUpdate, let norm = norms[probe.path], norm > 0 else { return nil }
      return UpdateRatio(parameter: probe.path, layer: layerPath(probe.path), ratio: statistics.l2 / norm)
    }
  }
}

/// The layer of a parameter's path; a layer's path is its own.
func layerPath(_ path: String) -> String { String(path.split(separator: "/").first ?? "") }
