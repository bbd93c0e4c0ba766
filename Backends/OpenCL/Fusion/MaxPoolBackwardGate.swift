import SwitchbackBackendKit
import SwitchbackPrograms

/// The gradient of a max pooling goes on through the gradient of the activation whose result was pooled: x, which the
/// kernel reads for the winners anyway, is what such a gate needs.
///
///     x   dy          x: the activation's result
///     │╲  ╱
///     │ maxPool2d/backward
///     │   │
///     │  dpooled
///      ╲  │
///      gate          the gradient of an activation in terms of its result: relu, tanh, sigmoid …
///         │
///         dx
///
/// Where a probe, a tap or the host looks at dpooled (the gradient before the gate, which the monitor watches), it is
/// written beside dx (`-DKEEP_UNGATED`). Another operation that reads it, such as the addition of a second pooling's
/// gradient, makes this no chain.
enum MaxPoolBackwardGate: FusionPattern {
  static func match(_ first: Int, in fusion: Fusion) -> FusedCalls? {
    let (calls, maker) = (fusion.segment.calls, fusion.maker(first))
    guard let pooling = calls[first].operation as? MaxPool2DBackward, maker.refusal == nil,
      var chain = CallChain(from: first, fusion.uses)
    else { return nil }
    let pooled = chain.result
    guard let gate = chain.follow({ function(of: calls[$0], gating: $1, of: calls[first].inputs[0]) }),
      let between = MatchedHalf(chain).between(fusion.uses)
    else { return nil }
    let work = maker.maxPoolBackward(
      pooling.geometry, into: .value(chain.result), through: gate.options, alpha: gate.alpha,
      ungated: between.watched.contains(pooled) ? pooled : nil)
    return FusedCalls(calls: chain.calls, work: work, elided: between.elided)
  }

  private static func function(
    of call: Program.Call, gating gradient: Int, of x: Int
  ) -> (options: [String], alpha: Double)? {
    guard let gate = call.operation as? UnaryBackward, gate.function.gradientOperand == .output, call.inputs[0] == x,
      call.inputs[1] == gradient, let options = try? ElementwiseKernels.backward(gate.function)
    else { return nil }
    return (options, gate.alpha)
  }
}
