public import SwitchbackPrograms

/// A training step as laws see it: its program, and what was meant by it.
public struct StepDescription: Sendable {
  /// A weight of the network.
  public struct Weight: Hashable, Sendable {
    /// `layers.2.conv2d/kernel`: the name of its state.
    public var name: String
    /// `layers.2.conv2d`
    public var layer: String
    public var isTrainable: Bool
    /// Its gradient before clipping, a value of the program; nil where nobody knows it.
    public var gradient: Int?

    public init(name: String, layer: String, isTrainable: Bool = true, gradient: Int? = nil) {
      (self.name, self.layer, self.isTrainable, self.gradient) = (name, layer, isTrainable, gradient)
    }
  }

  public var program: Program
  public var weights: [Weight]
  /// Paths of the layers that compute something themselves, in their order.
  public var layers: [String]
  /// Names of the states that get a first value, each as often as it gets one.
  public var initialized: [String]
  /// Whether gradients are to be clipped.
  public var clips: Bool
  /// Why the end of the network does not suit the loss; nil where it does.
  public var doubt: String?
  /// The program that evaluates or predicts with its states; nil where nobody gives it.
  public var evaluation: Program?

  public init(
    program: Program, weights: [Weight], layers: [String] = [], initialized: [String] = [], clips: Bool = false,
    doubt: String? = nil, evaluation: Program? = nil
  ) {
    (self.program, self.weights, self.layers) = (program, weights, layers)
    (self.initialized, self.clips, self.doubt, self.evaluation) = (initialized, clips, doubt, evaluation)
  }

  /// The calls of optimizers that write a weight.
  func updates(of weight: Weight) -> [Program.Call] {
    program.calls.filter { call in
      call.operation is any OptimizerUpdate && program.values[call.inputs[0]].name == weight.name
    }
  }

  /// By value: whether it hangs on the batch.
  func hangsOnBatch() -> [Bool] {
    var hangs = program.values.map { $0.role == .input }
    for call in program.calls where call.inputs.contains(where: { hangs[$0] }) {
      // A state keeps what an earlier batch left, which is no way from this one.
      for output in call.outputs.compactMap({ $0 }) where program.values[output].role == .temporary {
        hangs[output] = true
      }
    }
    return hangs
  }

  /// By call: whether an output of the program hangs on it.
  func leadsToOutput() -> [Bool] {
    var isRead = [Bool](repeating: false, count: program.values.count)
    for output in program.outputs { isRead[output.value] = true }
    var leads = [Bool](repeating: false, count: program.calls.count)
    for (index, call) in program.calls.enumerated().reversed() {
      leads[index] = call.outputs.contains { $0.map { isRead[$0] && program.values[$0].role == .temporary } ?? false }
      if leads[index] { for input in call.inputs { isRead[input] = true } }
    }
    return leads
  }
}
