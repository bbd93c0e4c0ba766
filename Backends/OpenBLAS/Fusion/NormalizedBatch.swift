import SwitchbackBackendKit
import SwitchbackPrograms

/// Batch normalization in training: both sums in one read, while what makes x has it in a cache; scale, residual addition
/// and relu in one pass; and its gradient likewise, by two sums in one read and one pass.
///
///     x [rows…, channels]                                    forward half
///     │╲
///     │ reduce mean ─────────────────── mean
///     │ ╱
///     subtract ── square ── reduce mean ── variance
///        │                                   │   constant
///     centered                              add          gamma
///        │                                   │            │
///        │                                 rsqrt ─────────┼─── inverse
///        │                                     ╲          │
///     multiply ──────────────────────────────── multiply ── factor
///        │   beta
///       add         shortcut   where it is there when the sums begin
///        │            │
///        └───── add ──┘        or none
///                │
///              relu            or none
///                │
///                y
///
///     opening  upstream                                      backward half
///         ╲    ╱
///      relu/backward        or none; one that ends a product (`DenseGate`) stays there
///           │
///           dy ── reduce sum ── dbeta
///           │╲
///           │ multiply centered ── reduce sum ── s ── multiply inverse ── dgamma
///           │                                    │
///           │                       multiply gamma, rsqrt/backward, reshape,
///           │                       multiply constant, broadcast
///           │                                    │
///     multiply factor            square/backward of centered
///                    ╲             ╱
///                          add
///                         ╱   ╲
///                        │     negate, reduce sum, reshape, multiply constant, broadcast
///                         ╲   ╱
///                          add
///                           │
///                          dx
///
/// What is negated adds up to dbeta times factor and what centered adds up to, the rounding of the mean, times the slope: so
/// no third pass is needed. In place of centered the gradient reads x. Where a probe, a tap or the host looks at a value
/// between, it is written beside y or dx by the instructions that its call has alone, numbers of channels by the first
/// chunk; y and dx are made as ever. What another call computes with, and a normalization without gamma or beta, is no match.
enum NormalizedBatch: FusionPattern {
  static func match(_ first: Int, in fusion: Fusion) -> FusedCalls? {
    guard let forward = BatchForward(from: first, in: fusion) else { return nil }
    if let backward = BatchBackward(of: forward, in: fusion) {
      let pair = MatchedPair(forward: forward.half, backward: backward.half)
      guard fusion.holdsNoStates(pair.forward.calls + pair.backward.calls), let between = pair.between(fusion.uses)
      else { return nil }
      return FusedCalls(halves: [pair.forward, pair.backward]) { works in
        [forward.works(in: fusion, between.watched), backward.works(in: fusion, between.watched, &works)]
      }
    }
    // An evaluation in training's mode has no gradient.
    guard fusion.holdsNoStates(forward.half.calls), let between = forward.half.between(fusion.uses) else { return nil }
    return FusedCalls(halves: [forward.half]) { _ in [forward.works(in: fusion, between.watched)] }
  }
}

extension Fusion {
  fileprivate func holdsNoStates(_ calls: [Int]) -> Bool {
    calls.flatMap { segment.calls[$0].outputs.compactMap { $0 } }.allSatisfy { segment.values[$0].role != .state }
  }
}
