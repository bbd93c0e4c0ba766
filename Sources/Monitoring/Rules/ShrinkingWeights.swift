#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The kernels together are a small part of what they were at the first look: a regularizer, or a decay of weights, takes more
/// than training gives.
///
/// Weights of healthy networks grow, or lose a half behind normalizations, whose layers do not mind their size. A penalty of l2:
/// 1 on an MLP of MNIST left less than a tenth within 100 steps, at the accuracy of guessing.
public struct ShrinkingWeights: Rule {
  public let name = "shrinkingWeights"
  /// Of the first ‖W‖ of all kernels together.
  public var share: Double
  private var persistence: Persistence
  /// log₁₀ of that norm in thousandths.
  private var first: Int?

  /// `observations` is how many looks in a row must show it.
  public init(share: Double = 0.1, observations: Int = 5) {
    self.share = share
    persistence = Persistence(needed: observations)
  }

  public var memory: [String: Int] {
    get {
      var memory = persistence.memory()
      memory["first"] = first
      return memory
    }
    set {
      persistence.recall(newValue)
      first = kept(thousandths: newValue["first"])
    }
  }

  public mutating func observe(_ rows: ProbeRows) -> Finding? {
    let kernels = rows.rows.filter { $0.probe.kind == .parameter && $0.probe.rank >= 2 }
    let norm = kernels.reduce(0) { hypot($0, $1.statistics.l2) }
    guard rows.isFinite, !kernels.isEmpty, first != nil || norm > 0 else { return nil }
    let begun = first ?? thousandths(norm)
    first = begun
    let left = norm / pow10(Double(begun) / 1000)
    guard persistence.opens(left < share) else { return nil }
    return Finding(
      rule: name, severity: .warning, step: rows.step, layers: kernels.map { layerPath($0.probe.path) },
      cause: "regularizer", evidence: ["share": left, "norm": norm],
      message:
        "All kernels together have \(shortened(left)) of the size that they began with: what pulls weights to 0 is stronger "
        + "than what they learn. Lower the factors of kernel_regularizer (l2: 1e-4 is usual), or "
        + "training.optimizer.weight_decay.")
  }
}
