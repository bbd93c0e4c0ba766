import SwitchbackBackendKit
import SwitchbackPrograms

/// A convolution's results get their bias and go through relu while they are in registers, other activations and the
/// maximum pooling take them from a cache.
///
///     x   kernel
///      ╲  ╱
///     conv2d   bias   f32[filters]
///         ╲    ╱
///          add        or none
///           │
///       activation    any function that has a kernel, or none
///           │
///       maxPool2d     or none; one of the three there is
///           │
///           y
///
/// Where a probe, a tap or the host looks at a value between, it is written beside y, by the instructions that the calls
/// have alone. Results that no window sees are then computed too. An operation that reads a value between ends the chain
/// there.
enum ConvolutionActivation: FusionPattern {
  static func match(_ first: Int, in fusion: Fusion) -> FusedCalls? {
    guard var chain = ConvolutionChain(from: first, in: fusion) else { return nil }
    chain.followPooling(in: fusion)
    let calls = chain.calls
    guard calls.calls.count > 1, let between = MatchedHalf(calls).between(fusion.uses) else { return nil }
    return FusedCalls(halves: [MatchedHalf(calls)]) { [chain] _ in
      [
        [
          try chain.work(
            in: fusion, calls: calls.calls, pooled: chain.pooling.map { (calls.result, $0) }, watched: between.watched,
            record: nil)
        ]
      ]
    }
  }
}
