import SwitchbackPrograms

/// A recurrent layer in both directions of time, each with weights of its own (Schuster and Paliwal, 1997): in `forward` and
/// `backward` below its path.
///
/// With a mask the backward direction begins at each sample's last valid step. Sequences are joined step by step. Further
/// inputs are the first states of the forward direction, then those of the backward one; `returnState` of the layers answers
/// theirs in that order, as `forward_state`, `backward_state`.
public struct Bidirectional: Layer {
  /// What becomes of the outputs of both directions.
  public enum MergeMode: String, CaseIterable, Sendable {
    case sum, mul
    /// One behind the other along the last axis.
    case concat
    /// Their mean.
    case ave
    /// Two results: `NAME:forward`, which is what the next layer reads, and `NAME:backward`.
    case none
  }

  /// `SimpleRNN`, `LSTM`, `GRU` or `Recurrent`, frozen or not.
  public var layer: any Layer
  /// That of the other direction; nil: one like `layer`.
  public var backwardLayer: (any Layer)?
  public var mergeMode: MergeMode
  public var name: String?
  public var kind: String { "bidirectional" }
  public var masking: Masking { .consumed }

  public init(
    _ layer: any Layer, backwardLayer: (any Layer)? = nil, mergeMode: MergeMode = .concat, name: String? = nil
  ) {
    (self.layer, self.backwardLayer) = (layer, backwardLayer)
    (self.mergeMode, self.name) = (mergeMode, name)
  }

  public var resultNames: [String] {
    guard case .runs(let forward, let backward) = directions else { return [] }
    let outputs = mergeMode == .none ? ["forward", "backward"] : ["output"]
    guard forward.returnState else { return outputs.count > 1 ? outputs : [] }
    return outputs + forward.stateNames.map { "forward_\($0)" } + backward.stateNames.map { "backward_\($0)" }
  }

  private enum Directions {
    case runs(any RecurrentLayer, any RecurrentLayer)
    case fault(String)
  }

  private var directions: Directions {
    let other = backwardLayer ?? layer
    guard let forward = Self.recurrent(layer), let backward = Self.recurrent(other) else {
      let word = Self.recurrent(layer) == nil ? layer.kind : other.kind
      return .fault("runs a recurrent layer in both directions (simple_rnn, lstm, gru), and \(word) is none")
    }
    guard backwardLayer != nil else { return .runs(forward, backward) }
    for (word, isSame) in [
      ("return_sequences", forward.returnSequences == backward.returnSequences),
      ("return_state", forward.returnState == backward.returnState),
      ("stateful", forward.stateful == backward.stateful),
    ] where !isSame {
      return .fault("both directions have the same \(word)")
    }
    guard forward.goBackwards != backward.goBackwards else {
      return .fault("one direction goes backwards and one does not: set go_backwards: true in backward_layer")
    }
    return .runs(forward, backward)
  }

  private static func recurrent(_ layer: any Layer) -> (any RecurrentLayer)? {
    (layer as? any RecurrentLayer) ?? (layer as? Frozen).flatMap { recurrent($0.layer) }
  }

  /// What is wrong with it whatever the input is; nil where nothing is.
  fileprivate var fault: String? {
    if case .fault(let fault) = directions { fault } else { nil }
  }

  public func callAsFunction(_ inputs: [Value], in context: inout LayerContext) throws(ProgramError) -> [Value] {
    let (forward, backward): (any RecurrentLayer, any RecurrentLayer)
    switch directions {
    case .fault(let fault): throw ProgramError(fault, path: context.path)
    case .runs(let first, let second): (forward, backward) = (first, second)
    }
    let input = try context.recurrentInput(
      inputs, states: forward.stateNames.map { "forward_\($0)" } + backward.stateNames.map { "backward_\($0)" })
    let first = Array(inputs.dropFirst().prefix(forward.stateNames.count))
    let second = Array(inputs.dropFirst(1 + first.count))
    let there = try context.call(
      Self.direction(layer, forward, isReversed: forward.goBackwards), at: "forward", [input] + first)
    let back = try context.call(
      Self.direction(backwardLayer ?? layer, backward, isReversed: !forward.goBackwards), at: "backward",
      [input] + second)
    var outputs = try merged(there[0], back[0], in: &context)
    if forward.returnSequences {
      let mask = context.mask(of: input)
      for output in outputs { try context.setMask(mask, of: output) }
      if forward.goBackwards {
        for place in outputs.indices { outputs[place] = try context.turned(outputs[place]) }
      }
    }
    return outputs + there.dropFirst() + back.dropFirst()
  }

  private func merged(_ a: Value, _ b: Value, in context: inout LayerContext) throws(ProgramError) -> [Value] {
    if mergeMode == .none { return [a, b] }
    if mergeMode == .concat {
      guard a.shape.extents.dropLast() == b.shape.extents.dropLast() else { throw mismatch(a, b, context) }
      return [try context.append(SwitchbackPrograms.Concatenate(axis: a.shape.rank - 1), a, b)]
    }
    guard a.shape == b.shape else { throw mismatch(a, b, context) }
    let joined = try context.append(Binary(mergeMode == .mul ? .multiply : .add), a, b)
    return [mergeMode == .ave ? try context.append(Binary(.multiply), joined, context.constant(0.5)) : joined]
  }

  private func mismatch(_ a: Value, _ b: Value, _ context: LayerContext) -> ProgramError {
    ProgramError(
      "the directions give \(a.shape) and \(b.shape), which merge_mode \(mergeMode.rawValue) cannot join",
      path: context.path)
  }

  private static func direction(
    _ layer: any Layer, _ recurrent: any RecurrentLayer, isReversed: Bool
  ) -> any Layer {
    let direction = Direction(layer: recurrent, isReversed: isReversed)
    return layer is Frozen ? Frozen(direction) : direction
  }
}

/// One of the two, which answers sequences in the order of time.
private struct Direction: Layer {
  let layer: any RecurrentLayer
  let isReversed: Bool
  var kind: String { layer.kind }
  var masking: Masking { .consumed }

  func callAsFunction(_ inputs: [Value], in context: inout LayerContext) throws(ProgramError) -> [Value] {
    try context.recur(layer, inputs, isReversed: isReversed, isTurned: false)
  }
}

extension Bidirectional: ConfigurableLayer {
  package static let settings = Settings<Bidirectional>(
    "bidirectional", of: Bidirectional(SimpleRNN(1)), help: "A recurrent layer in both directions of time",
    keys: [
      .layer("layer", \.layer, component: "forward", help: "The recurrent layer of the forward direction"),
      .layer(
        "backward_layer", \.backwardLayer, component: "backward",
        help: "That of the backward direction; default: one like layer"),
      .choice(
        "merge_mode", \.mergeMode, help: "How the outputs are joined; none: two results, NAME:forward and NAME:backward"
      ),
    ], fault: \.fault)
}
