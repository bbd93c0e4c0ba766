import SwitchbackPrograms

/// An activation function in a traced network: what goes in (pre-activation z), what comes out, and, in a training step,
/// the gradients on both its sides.
///
/// Every layer with weights has one; where nothing follows the weights (`linear`), both values are the same.
public struct Gate: Hashable, Sendable {
  /// The layer, `layers.2.conv2d`.
  public let path: String
  /// `relu`, `softmax`, `linear`, …
  public let function: String
  public let preActivation: Value
  public let output: Value
  /// Of a recurrent layer how it runs over the steps of its pre-activation `[N, T, …]`, the same ones that δ has; nil of
  /// others, and of a cell that `Recurrent` repeats.
  public let course: RecurrentCourse?
  /// The gates that it reads from, with no other gate between: places among all gates, in their order. Several where the
  /// network joins, none where only inputs and weights come before.
  public internal(set) var sources: [Int] = []
  /// δ after the gate on the way back: the gradient of the pre-activation. `nil` where no weight lies before it.
  public internal(set) var preActivationGradient: Value?
  /// δ before the gate: the gradient of the activation's output. `nil` for the last layer where the loss is fused with
  /// its softmax or sigmoid: the loss then starts from the pre-activation. Equal to the other one where `linear`.
  public internal(set) var outputGradient: Value?

  init(path: String, function: String, preActivation: Value, output: Value, course: RecurrentCourse? = nil) {
    (self.path, self.function, self.preActivation, self.output) = (path, function, preActivation, output)
    self.course = course
  }
}

/// How a recurrent layer goes through time.
public struct RecurrentCourse: Hashable, Sendable {
  /// From the last step to the first.
  public let isReversed: Bool
  /// Whether gates of its own say what a step keeps of the state: an LSTM, a GRU.
  public let isGated: Bool
}

extension [Gate] {
  /// Says of each gate which ones it reads from, by following the calls of a program that has run forward only.
  mutating func connect(in program: Program) {
    var (entering, leaving) = ([Int: [Int]](), [Int: Int]())
    for (place, gate) in enumerated() {
      entering[gate.preActivation.id, default: []].append(place)
      if gate.output != gate.preActivation { leaving[gate.output.id] = place }
    }
    // By value: the gates whose numbers are in it.
    var arriving: [Int: Set<Int>] = [:]
    func reach(_ value: Int, _ gates: Set<Int>, _ list: inout [Gate]) {
      var gates = leaving[value].map { [$0] } ?? gates
      // Of several gates at one value the first is nearest to the input.
      for place in entering[value] ?? [] {
        list[place].sources = gates.sorted()
        if list[place].output.id == value { gates = [place] }
      }
      arriving[value] = gates.isEmpty ? nil : gates
    }
    for value in program.values.indices where program.values[value].role != .temporary { reach(value, [], &self) }
    for call in program.calls {
      let gates = call.inputs.reduce(into: Set<Int>()) { $0.formUnion(arriving[$1] ?? []) }
      for case let output? in call.outputs { reach(output, gates, &self) }
    }
  }
}
