/// Running statistics move as their law says: momentum·old + share·batch, in Float64 on some channels.
public struct RunningStatistics: Law {
  public let name = "runningStatistics"
  public init() {}

  public func breaches(in state: SampledState) -> [Finding] {
    guard case .moving(let moving) = state.kind else { return [] }
    var (errors, moves, sizes) = (0.0, 0.0, 0.0)
    for place in moving.before.indices {
      let (old, batch) = (moving.before[place], moving.batch[place])
      let expected = moving.isApplied ? moving.momentum * old + moving.share * batch : old
      guard abs(expected) < 1e30, moving.after[place].isFinite else { continue }
      errors += (moving.after[place] - expected) * (moving.after[place] - expected)
      moves += (expected - old) * (expected - old)
      sizes += (abs(old) + abs(batch)) * (abs(old) + abs(batch))
    }
    let allowed = 1e-3 * moves.squareRoot() + 0x1p-21 * sizes.squareRoot() + 0x1p-120
    let apart = errors.squareRoot() / allowed
    guard apart > 1 else { return [] }
    let isStill = moving.before == moving.after
    return [
      breach(
        step: state.step, layers: [state.weight.layer], subject: state.weight.name,
        cause: isStill ? "notMoved" : "otherMove", evidence: ["apart": apart, "momentum": moving.momentum],
        isStill
          ? "\(state.weight.name) does not move, although the statistics of the batch differ from it: evaluation will "
            + "take statistics that belong to no data."
          : "\(state.weight.name) is not \(moving.momentum) of what it was and \(shortened(moving.share)) of the batch's "
            + "behind this step: evaluation will take statistics that belong to no data.")
    ]
  }
}
