import SwitchbackPrograms

/// An update makes of a weight and its slots what its optimizer's law says, in Float64 and with its own count of updates.
public struct UpdateLaw: Law {
  public let name = "updateLaw"
  public init() {}

  public func breaches(in update: SampledUpdate) -> [Finding] {
    guard update.isApplied else { return heldBack(update) }
    let rest = update.accumulator.map { abs($0) }.max() ?? 0
    guard rest == 0 else {
      return [
        breach(
          step: update.step, layers: [update.weight.layer], subject: update.weight.name, cause: "notCleared",
          evidence: ["rest": rest],
          "The sum of accumulated gradients of \(update.weight.name) is not 0 behind its update: the next one gets this "
            + "batch's gradient once more. Clear it in every update.")
      ]
    }
    guard let law = update.operation as? any OptimizerLaw else { return [] }
    let correction = law.correction(atUpdate: update.number)
    let apart = Self.distances(of: update, from: law, correction)
    guard let most = apart.max(), most > 1 else { return [] }
    return [finding(update, apart, law, correction)]
  }

  /// An update that is not allowed changes nothing.
  private func heldBack(_ update: SampledUpdate) -> [Finding] {
    // A weight that is not a number differs from itself.
    let isSame = zip(update.before, update.after).allSatisfy { pair in
      zip(pair.0, pair.1).allSatisfy { $0.bitPattern == $1.bitPattern }
    }
    guard !isSame else { return [] }
    return [
      breach(
        step: update.step, layers: [update.weight.layer], subject: update.weight.name, cause: "notHeldBack",
        "The loss or a gradient of this step was not finite, and \(update.weight.name) was changed all the same.")
    ]
  }

  // MARK: Comparison

  /// Float32 rounds by 2⁻²⁴ of a number; kernels may round some times more, and fuse products and sums.
  private static let rounding = 0x1p-21
  /// What kernels may differ by in how far they move: an approximate root or quotient is far below it, every fault that
  /// changes what is learnt is far above.
  private static let share = 1e-3

  /// How far the weight and each slot are from the law, in units of what is allowed; none where no element can be judged.
  private static func distances(
    of update: SampledUpdate, from law: any OptimizerLaw, _ correction: Double
  ) -> [Double] {
    guard let gradient = update.gradient, update.before.count == law.slotNames.count + 1 else { return [] }
    var sums = [Sums](repeating: Sums(), count: update.before.count)
    for (element, gradient) in gradient.enumerated() {
      let old = update.before.map { $0[element] }
      guard
        let moved = law.moved(old, gradient: gradient, rate: update.learningRate, correction: correction),
        (old + moved + [gradient]).allSatisfy({ abs($0) < 1e30 })
      else { continue }
      for place in moved.indices { sums[place].add(old[place], moved[place], update.after[place][element]) }
    }
    return sums[0].count > 0 ? sums.map(\.distance) : []
  }

  private struct Sums {
    var count = 0
    private var (errors, moves, sizes) = (0.0, 0.0, 0.0)

    mutating func add(_ old: Double, _ moved: Double, _ found: Double) {
      count += 1
      errors += (found - moved) * (found - moved)
      moves += (moved - old) * (moved - old)
      sizes += (abs(old) + abs(moved)) * (abs(old) + abs(moved))
    }

    /// What a device takes for 0 below the normal numbers is allowed.
    var distance: Double {
      let error = errors.squareRoot()
      guard error.isFinite else { return .infinity }
      return error
        / (UpdateLaw.share * moves.squareRoot() + UpdateLaw.rounding * sizes.squareRoot()
          + 0x1p-125 * Double(count).squareRoot())
    }
  }

  // MARK: Cause

  private func finding(
    _ update: SampledUpdate, _ apart: [Double], _ law: any OptimizerLaw, _ correction: Double
  ) -> Finding {
    let name = update.weight.name
    var evidence = [
      "apart": apart.max() ?? 0, "update": Double(update.number + 1), "learningRate": update.learningRate,
    ]
    var (cause, words) = (
      "otherUpdate",
      "what it is now is not what \(type(of: law).name) makes of the gradient that the optimizer got. Who computes the "
        + "update, or writes the weight besides, is wrong"
    )
    if apart[0] > 1, update.before[0] == update.after[0] {
      cause = "notWritten"
      words =
        "nothing was written, although its gradient is not 0. The optimizer holds another copy of the weight, or the "
        + "weight is frozen where nobody said so"
    } else if let given = update.correction, abs(given / correction - 1) > 1e-5,
      Self.distances(of: update, from: law, given).allSatisfy({ $0 <= 1 })
    {
      cause = "stepCount"
      (evidence["correction"], evidence["expected"]) = (given, correction)
      words =
        "it follows the law with a bias correction of \(Float(given)), and that of update \(update.number + 1) is "
        + "\(Float(correction)). The optimizer's step count is wrong"
    }
    return breach(
      step: update.step, layers: [update.weight.layer], subject: name, cause: cause, evidence: evidence,
      "The update of \(name) breaks the law of its optimizer: \(words).")
  }
}
