public import SwitchbackPrograms

/// What a probe looks at.
///
/// δ is the gradient of a layer's pre-activation. Watching it before and after the activation's gate tells a gate
/// that closes from weights that shrink; the gradients of parameters alone are blind to a network whose activations
/// shrink forward exactly as δ shrinks backward.
public enum ProbeKind: String, Sendable, CaseIterable {
  /// The gradient of an activation's result: δ before the gate.
  case deltaBeforeGate
  /// The gradient of the pre-activation: δ after the gate.
  case deltaAfterGate
  case parameterGradient
  /// New minus old parameter, as applied.
  case parameterUpdate
  /// The parameter after the update: what an update is compared with.
  case parameter
}

/// A `statistics` operation in a training step, and where its numbers come out.
public struct Probe: Hashable, Sendable {
  public var kind: ProbeKind
  /// The layer (`layers.2.conv2d`) or the parameter (`layers.2.conv2d/kernel`).
  public var path: String
  /// Position of the layer from the input, counted over what has a δ or a parameter.
  public var depth: Int
  /// The program's output that holds the statistics.
  public var output: String
  /// Axes of the watched tensor: matrices and filters have at least 2, biases 1.
  public var rank: Int
}

/// A value that somebody wants watched.
public struct ProbePoint: Sendable {
  public var kind: ProbeKind
  public var path: String
  public var depth: Int
  public var value: Value

  public init(kind: ProbeKind, path: String, depth: Int, value: Value) {
    (self.kind, self.path, self.depth, self.value) = (kind, path, depth, value)
  }
}

extension ProgramBuilder {
  /// Appends a `statistics` operation for each point. Probes are operations of the program like any other: a backend
  /// folds them into the passes that touch the data anyway, and they change no other value.
  public mutating func attachProbes(
    at points: [ProbePoint], histogram: Bool = false
  ) throws(ProgramError) -> [Probe] {
    let outer = path
    defer { path = outer }
    var probes: [Probe] = []
    for (index, point) in points.enumerated() {
      path = String(point.path.split(separator: "/").first ?? "")
      let name = "probe/\(index)"
      output(name, try append(Statistics(histogram: histogram), point.value))
      probes.append(
        Probe(
          kind: point.kind, path: point.path, depth: point.depth, output: name, rank: point.value.shape.rank))
    }
    return probes
  }
}
