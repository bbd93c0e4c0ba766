/// The numbers of a run's last updates, in memory of a fixed size: a finding that opens takes them along.
///
/// After the first 32 updates a further one allocates nothing.
public struct FlightRecorder: Hashable, Sendable {
  public static let capacity = 32

  public struct Entry: Hashable, Sendable, Codable {
    public var step: Int
    public var loss: Double
    public var learningRate: Double
    /// False where the loss or a gradient was not finite.
    public var isApplied: Bool
    /// What the probes saw in this step or, where they did not look, last.
    public var look: Look?
  }

  public struct Look: Hashable, Sendable, Codable {
    public var step: Int
    /// ‖g‖₂ of all weights together, before clipping.
    public var gradientNorm: Double
    /// What clipping multiplied the gradient with; nil where nothing is clipped by a norm of all.
    public var clip: Double?
    /// The smallest and the largest ‖ΔW‖ / ‖W‖ of all layers; nil without one.
    public var smallestRatio: Double?
    public var largestRatio: Double?
  }

  private var ring: [Entry] = []
  /// The oldest one's place, once the ring is full.
  private var oldest = 0
  private var look: Look?

  public init() { ring.reserveCapacity(Self.capacity) }

  /// From the oldest to the newest.
  public var entries: [Entry] { Array(ring[oldest...] + ring[..<oldest]) }

  /// `rows` are nil where the probes did not look.
  public mutating func record(
    step: Int, loss: Double, learningRate: Double, isApplied: Bool, _ rows: ProbeRows? = nil
  ) {
    if let rows, !rows.rows.isEmpty { look = Look(rows) }
    let entry = Entry(step: step, loss: loss, learningRate: learningRate, isApplied: isApplied, look: look)
    guard ring.count == Self.capacity else { return ring.append(entry) }
    ring[oldest] = entry
    oldest = (oldest + 1) % Self.capacity
  }
}

extension FlightRecorder.Look {
  fileprivate init(_ rows: ProbeRows) {
    step = rows.step
    let gradients = rows.rows.filter { $0.probe.kind == .parameterGradient }
    gradientNorm = gradients.reduce(0) { $0 + $1.statistics.l2 * $1.statistics.l2 }.squareRoot()
    if case .globalNorm(let limit)? = rows.facts.clipping { clip = min(1, limit / max(gradientNorm, limit)) }
    let ratios = rows.updateRatios.map(\.ratio)
    (smallestRatio, largestRatio) = (ratios.min(), ratios.max())
  }
}

extension FlightRecorder {
  /// Where the ring begins does not count.
  public static func == (one: FlightRecorder, other: FlightRecorder) -> Bool { one.entries == other.entries }
  public func hash(into hasher: inout Hasher) { hasher.combine(entries) }
}

extension FlightRecorder: Codable {
  /// It comes from a file, which may hold more.
  public init(from decoder: any Decoder) throws {
    self.init()
    for entry in try [Entry](from: decoder).suffix(Self.capacity) {
      ring.append(entry)
      look = entry.look
    }
  }

  public func encode(to encoder: any Encoder) throws { try entries.encode(to: encoder) }
}

/// The updates before a finding, for a file in the run's folder.
public struct FlightRecording: Hashable, Sendable, Codable {
  /// The file's name, as the finding says it.
  public var name: String
  public var rule: String
  public var step: Int
  /// From the oldest to that of the finding.
  public var updates: [FlightRecorder.Entry]
}

extension FlightRecorder {
  /// Names a finding's recording in it, and answers that. `known` are the findings before.
  public func recording(of finding: inout Finding, known: [Finding]) -> FlightRecording {
    let base = "flight-\(finding.rule)-\(finding.step)"
    // A run that went back comes by a step again.
    let others = known.count { $0.rule == finding.rule && $0.step == finding.step }
    let name = base + (others > 0 ? "-\(others + 1)" : "") + ".json"
    finding.recording = name
    return FlightRecording(name: name, rule: finding.rule, step: finding.step, updates: entries)
  }
}
