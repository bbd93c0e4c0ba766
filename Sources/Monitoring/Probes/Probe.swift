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
  /// Of a δ: the place of its gate among the network's gates, from the input.
  public var gate: Int?
  /// Of a δ: the places of the gates that its gate reads from, with no other gate between.
  public var sources: [Int]
  /// The program's output that holds the statistics.
  public var output: String
  /// Axes of the watched tensor: matrices and filters have at least 2, biases 1.
  public var rank: Int

  public init(
    kind: ProbeKind, path: String, gate: Int? = nil, sources: [Int] = [], output: String = "", rank: Int = 1
  ) {
    (self.kind, self.path, self.gate, self.sources) = (kind, path, gate, sources)
    (self.output, self.rank) = (output, rank)
  }
}

extension ProgramBuilder {
  /// Appends a `statistics` operation for each value; the probes come back with their outputs and ranks. Probes are
  /// operations of the program like any other: a backend folds them into the passes that touch the data anyway, and they
  /// change no other value.
  public mutating func attach(
    _ probes: [(probe: Probe, value: Value)], histogram: Bool = false
  ) throws(ProgramError) -> [Probe] {
    let outer = path
    defer { path = outer }
    var attached: [Probe] = []
    for (index, (probe, value)) in probes.enumerated() {
      path = String(probe.path.split(separator: "/").first ?? "")
      var probe = probe
      (probe.output, probe.rank) = ("probe/\(index)", value.shape.rank)
      output(probe.output, try append(Statistics(histogram: histogram), value))
      attached.append(probe)
    }
    return attached
  }
}
