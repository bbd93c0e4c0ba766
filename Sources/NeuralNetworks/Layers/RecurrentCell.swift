import SwitchbackPrograms

/// One step of a recurrent layer of one's own, which `Recurrent` repeats over a sequence:
///
///     struct Leaky: RecurrentCell {
///       var units: Int
///       var kind: String { "leaky" }
///       var stateShapes: [Shape] { [[units]] }
///       func callAsFunction(
///         _ input: Value, _ states: [Value], in context: inout LayerContext
///       ) throws(ProgramError) -> (output: Value, states: [Value]) {
///         let seen = try context.call(Dense(units, activation: .tanh), at: "dense", input)
///         let sum = try context.append(Binary(.add), states[0], seen)
///         let state = try context.append(Binary(.multiply), sum, context.constant(0.5))
///         return (state, [state])
///       }
///     }
///
/// Weights are declared, and layers called, as in any layer: the first step declares them, the others use them again.
public protocol RecurrentCell: Sendable {
  /// What stands for it in paths: `layers.1.rnn.<kind>`.
  var kind: String { get }
  /// The shapes of the states, without the batch.
  var stateShapes: [Shape] { get }
  /// What the states are called among the results of `Recurrent`, and in errors.
  var stateNames: [String] { get }
  /// Appends one step: of its input `[N, …]` and the states before it its output `[N, …]` and the states behind it, which
  /// have the shapes of those before.
  func callAsFunction(
    _ input: Value, _ states: [Value], in context: inout LayerContext
  ) throws(ProgramError) -> (output: Value, states: [Value])
}

extension RecurrentCell {
  /// `state`, `state2`, …
  public var stateNames: [String] { stateShapes.indices.map { $0 == 0 ? "state" : "state\($0 + 1)" } }
}

/// A cell over the steps of sequences `[N, T, …]` (Keras's `RNN`). The program has the cell's calls once for each step.
///
/// The result is the output of the last step `[N, …]`, with `returnSequences` those of all steps `[N, T, …]`. A masked step
/// keeps the states, and its output is 0. The states before the first step may be further inputs; they are 0 otherwise.
/// `stateful` is what it is for `SimpleRNN`.
public struct Recurrent: RecurrentLayer {
  public var cell: any RecurrentCell
  public var returnSequences: Bool
  public var returnState: Bool
  /// From the last step to the first; sequences are answered in that order.
  public var goBackwards: Bool
  public var stateful: Bool
  public var name: String?
  public var kind: String { "rnn" }
  public var masking: Masking { .consumed }
  public var resultNames: [String] { answeredNames }

  public init(
    _ cell: any RecurrentCell, returnSequences: Bool = false, returnState: Bool = false, goBackwards: Bool = false,
    stateful: Bool = false, name: String? = nil
  ) {
    self.cell = cell
    (self.returnSequences, self.returnState) = (returnSequences, returnState)
    (self.goBackwards, self.stateful, self.name) = (goBackwards, stateful, name)
  }

  var stateNames: [String] { cell.stateNames }
  var stateExtents: [[Int]] { cell.stateShapes.map(\.extents) }
  var fault: String? {
    guard !cell.stateShapes.isEmpty, cell.stateNames.count == cell.stateShapes.count else {
      return "a cell has one state or more, each with a name, not \(cell.stateShapes.count) of "
        + "\(cell.stateNames.count) names"
    }
    return cell.stateShapes.allSatisfy { $0.extents.allSatisfy { $0 > 0 } }
      ? nil : "states have positive extents, not \(cell.stateShapes)"
  }

  public func callAsFunction(_ inputs: [Value], in context: inout LayerContext) throws(ProgramError) -> [Value] {
    try context.recur(self, inputs)
  }

  func run(
    _ input: Value, mask: Value?, from states: [Value], isReversed: Bool, in context: inout LayerContext
  ) throws(ProgramError) -> [StateCourse] {
    let steps = input.shape[1]
    var (states, output) = (states, Value?.none)
    var courses = [[Value]](repeating: [], count: 1 + states.count)
    for number in 0..<steps {
      let t = isReversed ? steps - 1 - number : number
      let seen = try context.step(t, of: input)
      let made = try context.callStep(at: cell.kind, isFirst: number == 0) {
        context throws(ProgramError) -> (output: Value, states: [Value]) in
        let made = try cell(seen, states, in: &context)
        guard made.states.map(\.type) == states.map(\.type), made.output.shape.extents.first == input.shape[0] else {
          throw ProgramError(
            "a step makes states of the shapes before it, \(states.map(\.shape)), and an output of as many samples; it makes "
              + "\(made.states.map(\.shape)) and \(made.output.shape)", path: context.path)
        }
        return made
      }
      var new = [made.output] + made.states
      if let mask {
        let isValid = try context.append(Slice(starts: [0, t], sizes: [input.shape[0], 1]), mask)
        let before = if let output { output } else { try context.zeros(like: made.output) }
        let old = [before] + states
        for place in new.indices { new[place] = try context.choose(isValid, new[place], old[place]) }
      }
      output = new[0]
      states = Array(new[1...])
      for place in new.indices { courses[place].append(new[place]) }
    }
    if isReversed { courses = courses.map { $0.reversed() } }
    return courses.map { .steps($0) }
  }
}

extension LayerContext {
  fileprivate mutating func zeros(like value: Value) throws(ProgramError) -> Value {
    try append(Fill(value: 0, shape: value.shape.extents, elementType: value.type.elementType))
  }

  /// Of each sample the one or the other; the condition is bool `[N, 1]`.
  fileprivate mutating func choose(_ isFirst: Value, _ a: Value, _ b: Value) throws(ProgramError) -> Value {
    let ones = [Int](repeating: 1, count: max(0, a.shape.rank - 1))
    let fitted = a.shape.rank == 2 ? isFirst : try append(Reshape(shape: [a.shape[0]] + ones), isFirst)
    return try append(Select(), fitted, a, b)
  }
}
