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
  /// The gradient on a side of pooling, normalization, dropout or a join, where no gate is.
  case deltaBetween
  /// δ after the gate of a recurrent layer by step of time: `TimeCourse`.
  case deltaOverTime
  case parameterGradient
  /// New minus old parameter, as applied.
  case parameterUpdate
  /// The parameter before the update: what an update is compared with.
  case parameter
}

/// A `statistics` operation in a training step, or sums by step of time, and where the numbers come out.
public struct Probe: Hashable, Sendable {
  public var kind: ProbeKind
  /// The layer (`layers.2.conv2d`) or the parameter (`layers.2.conv2d/kernel`).
  public var path: String
  /// Of a δ: the place of its gate among the network's gates, from the input.
  public var gate: Int?
  /// Of a δ: the places of the gates that its gate reads from, with no other gate between.
  public var sources: [Int]
  /// Of a δ: its place among the values of the network whose gradients are watched.
  public var point: Int?
  /// The places of those that its value is computed from, with no other between, and who stands there.
  public var origins: [Int] = []
  public var part = GradientSpan.Part.weights
  /// Of a δ: the activation of its gate, `relu`.
  public var function: String?
  /// Of `deltaOverTime`: whether the layer goes from the last step to the first, and whether gates say what a step keeps.
  public var isReversed = false
  public var isGated = false
  /// The program's output that holds the statistics, or the sums `[N, T]` of `TimeCourse`.
  public var output: String
  /// Axes of the watched tensor: matrices and filters have at least 2, biases 1.
  public var rank: Int

  public init(
    kind: ProbeKind, path: String, gate: Int? = nil, sources: [Int] = [], output: String = "", rank: Int = 1,
    isReversed: Bool = false, isGated: Bool = false
  ) {
    (self.kind, self.path, self.gate, self.sources) = (kind, path, gate, sources)
    (self.output, self.rank) = (output, rank)
    (self.isReversed, self.isGated) = (isReversed, isGated)
  }
}

extension ProgramBuilder {
  /// Appends a `statistics` operation for each value, or what `TimeCourse` reads; the probes come back with their outputs
  /// and ranks. Probes of one value share an operation. They are operations of the program like any other: a backend folds
  /// them into the passes that touch the data anyway, and they change no other value.
  public mutating func attach(
    _ probes: [(probe: Probe, value: Value)], histogram: Bool = false
  ) throws(ProgramError) -> [Probe] {
    let outer = path
    defer { path = outer }
    var attached: [Probe] = []
    // By value.
    var statistics: [Int: String] = [:]
    for (index, (probe, value)) in probes.enumerated() {
      path = String(probe.path.split(separator: "/").first ?? "")
      var probe = probe
      (probe.output, probe.rank) = ("probe/\(index)", value.shape.rank)
      if probe.kind == .deltaOverTime {
        output(probe.output, try squaresByStep(value))
      } else if let known = statistics[value.id] {
        probe.output = known
      } else {
        statistics[value.id] = probe.output
        output(probe.output, try append(Statistics(histogram: histogram), value))
      }
      attached.append(probe)
    }
    return attached
  }

  /// Σ (scale · x)² of each sample's steps: `[N, T]` of `[N, T, …]`.
  package mutating func squaresByStep(_ value: Value) throws(ProgramError) -> Value {
    let scale = try scalar(TimeCourse.scale, value.type.elementType)
    let scaled = try append(Binary(.multiply), value, scale)
    return try append(Reduce(.sumSquares, axes: Array(2..<value.shape.rank)), scaled)
  }
}
