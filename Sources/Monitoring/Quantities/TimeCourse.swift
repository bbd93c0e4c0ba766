#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// ‖δ_t‖ of a recurrent layer by step of time: what of the loss arrives at the pre-activations of a step, over all samples
/// and units.
///
/// It counts steps back from the one that a sequence takes last, at its own end: the gradient comes from there. Masked
/// steps, whose δ is exactly 0, lie before or behind a sequence and are none of it. A step whose own output is judged or
/// read gets that part of the gradient directly, so that little can be lost on the way.
public struct TimeCourse: Hashable, Sendable {
  /// How far ‖δ‖ falls, or rises, from one step to an earlier one.
  public struct Change: Hashable, Sendable {
    /// Steps back from the last one.
    public var from: Int
    public var to: Int
    /// log₁₀ of the ratio of both, positive.
    public var decades: Double
    public var steps: Int { to - from }
    public var decadesPerStep: Double { steps > 0 ? decades / Double(steps) : 0 }
  }

  /// ‖δ‖₂ at the step taken last, at the one before it, …, as far as anything arrives.
  public let norms: [Double]
  /// Number of that last step in the order of time, from 1; nil where sequences end at different steps.
  public let last: Int?
  public let isReversed: Bool

  /// What δ is multiplied with before it is squared, a power of two: squares of what lies below 1e-19 vanish in Float32,
  /// and so they hold 1e-28 to 1e9.
  static let scale = 0x1p32

  /// From the sums Σ (scale · δ)² `[N, T]`, row-major.
  public init(squares: UnsafeBufferPointer<Float>, steps: Int, isReversed: Bool) {
    var sums = [Double](repeating: 0, count: steps)
    var ends: Set<Int> = []
    for start in stride(from: 0, to: steps > 0 ? squares.count - steps + 1 : 0, by: max(steps, 1)) {
      /// By the order in which the layer takes the steps.
      func square(_ number: Int) -> Double { Double(squares[start + (isReversed ? steps - 1 - number : number)]) }
      guard let end = (0..<steps).last(where: { square($0) != 0 }) else { continue }
      ends.insert(end)
      for back in 0...end { sums[back] += square(end - back) }
    }
    let reached = sums.lastIndex { $0 != 0 }.map { $0 + 1 } ?? 0
    norms = sums.prefix(reached).map { $0.squareRoot() / Self.scale }
    self.isReversed = isReversed
    last = ends.count == 1 ? ends.first.map { isReversed ? steps - $0 : $0 + 1 } : nil
  }

  /// The largest norm; 0 where nothing arrives.
  public var largest: Double { norms.max() ?? 0 }

  /// Where that is; nil where nothing arrives.
  private var peak: Int? { norms.indices.max { norms[$0] < norms[$1] } }

  /// From the largest norm to the smallest behind it that is not 0.
  public var fall: Change {
    guard let peak else { return Change(from: 0, to: 0, decades: 0) }
    let least = (peak..<norms.count).filter { norms[$0] > 0 }.min { norms[$0] < norms[$1] } ?? peak
    return Change(from: peak, to: least, decades: norms[least] > 0 ? log10(norms[peak] / norms[least]) : 0)
  }

  /// From the step taken last to the largest norm.
  public var rise: Change {
    guard let peak else { return Change(from: 0, to: 0, decades: 0) }
    return Change(from: 0, to: peak, decades: norms[0] > 0 ? log10(norms[peak] / norms[0]) : 0)
  }

  /// How many steps further back than `from` the norm first lies so many decades lower; nil where it never does.
  public func reach(of decades: Double, from: Int) -> Int? {
    (from..<norms.count).first { norms[$0] * pow10(decades) <= norms[from] }.map { $0 - from }
  }

  /// A change with its steps in words: `between step 100 and step 1`.
  func words(_ change: Change) -> String {
    guard last != nil else {
      return
        "between \(change.from == 0 ? "the end of each sequence" : "\(change.from) steps before each sequence's end") "
        + "and \(change.to) steps before it"
    }
    return "between step \(number(change.from)) and step \(number(change.to))"
  }

  /// A step's number from 1 in the order of time; of sequences that end at different steps, back from the end.
  private func number(_ back: Int) -> Int { last.map { isReversed ? $0 + back : $0 - back } ?? back }

  /// What a finding says in numbers.
  func evidence(_ change: Change) -> [String: Double] {
    [
      "decades": change.decades, "steps": Double(change.steps), "decadesPerStep": change.decadesPerStep,
      "fromStep": Double(number(change.from)), "toStep": Double(number(change.to)),
    ]
  }
}
