#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// What a probed step knows besides what its probes saw. Nothing of it is computed by the program: who finishes the step has
/// it, or finds it in the batch. What is not known is nil, or empty.
public struct StepFacts: Hashable, Sendable {
  public var learningRate: Double?
  /// How gradients are kept small; nil where they are not, and of accumulated batches, whose sum nobody watches.
  public var clipping: Clipping?
  /// The only objective's target, where it is a class a sample and all samples count alike.
  public var classes: Classes?
  /// What the first weights read of each field of numbers, at the first looks of a run.
  public var inputs: [Input] = []
  /// How far the units of each kernel are from each other, at the third to fifth update of a run.
  public var spreads: [UnitSpread] = []
  /// Whether the run began with the weights of another one (`model.from`), for which nothing holds that is known of weights
  /// just drawn.
  public var beganTrained = false

  public init() {}

  /// The limit of each element, of each weight's norm, of the norm of all.
  public enum Clipping: Hashable, Sendable {
    case value(Double)
    case norm(Double)
    case globalNorm(Double)
  }

  /// The labels of a batch, and how many of them the network said.
  public struct Classes: Hashable, Sendable {
    /// How many samples of each class the batch has, by the class numbers.
    public var counts: [Int]
    public var right: Double
    /// Whether the loss is the mean cross-entropy of the right class, in nats: guessing by the classes' shares has their entropy.
    public var isJudgedByEntropy = true

    public init(counts: [Int], right: Double) { (self.counts, self.right) = (counts, right) }
  }

  /// A field behind what only scales and shapes it.
  public struct Input: Hashable, Sendable {
    public var field: String
    public var rms: Double
    public var absMax: Double

    public init(field: String, rms: Double, absMax: Double) {
      (self.field, self.rms, self.absMax) = (field, rms, absMax)
    }
  }

  /// The kernel of a layer, behind an update.
  public struct UnitSpread: Hashable, Sendable {
    /// `layers.2.dense/kernel`
    public var parameter: String
    public var units: Int
    /// ‖W − W̄‖₂ with W̄ the mean over the units: 0 where all are the same.
    public var spread: Double

    public init(parameter: String, units: Int, spread: Double) {
      (self.parameter, self.units, self.spread) = (parameter, units, spread)
    }
  }
}

extension StepFacts.UnitSpread {
  /// Of a kernel whose last axis is the units.
  public init(parameter: String, kernel: UnsafeBufferPointer<Float>, units: Int) {
    var sum = 0.0
    for start in stride(from: 0, to: units > 0 ? kernel.count - units + 1 : 0, by: max(units, 1)) {
      let row = kernel[start..<start + units]
      let mean = row.reduce(0) { $0 + Double($1) } / Double(units)
      for weight in row { sum += (Double(weight) - mean) * (Double(weight) - mean) }
    }
    self.init(parameter: parameter, units: units, spread: sum.squareRoot())
  }
}

extension StepFacts.Input {
  /// Of factor · x + offset for all x; nil of none, and where one is not finite.
  public init?(field: String, _ numbers: some Sequence<Float>, factor: Double, offset: Double) {
    var (count, squares, largest) = (0.0, 0.0, 0.0)
    for number in numbers {
      let value = factor * Double(number) + offset
      count += 1
      squares += value * value
      largest = max(largest, abs(value))
    }
    guard count > 0, squares.isFinite else { return nil }
    self.init(field: field, rms: (squares / count).squareRoot(), absMax: largest)
  }
}

extension ProbeRows {
  /// How many times its limit the gradient is before clipping: of the norm of all, of the middle one of the weights' norms,
  /// or of the middle one of their root mean squares. Nil where nothing is clipped, and without probes.
  public var clippedBy: Double? {
    let gradients = rows.filter { $0.probe.kind == .parameterGradient && $0.statistics.count > 0 }.map(\.statistics)
    guard let clipping = facts.clipping, !gradients.isEmpty else { return nil }
    func middle(_ numbers: [Double]) -> Double { numbers.sorted()[numbers.count / 2] }
    switch clipping {
    case .value(let limit): return middle(gradients.map { $0.l2 / $0.count.squareRoot() }) / limit
    case .norm(let limit): return middle(gradients.map(\.l2)) / limit
    case .globalNorm(let limit): return gradients.reduce(0) { hypot($0, $1.l2) } / limit
    }
  }
}
