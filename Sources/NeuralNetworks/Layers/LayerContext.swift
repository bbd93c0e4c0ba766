import SwitchbackPrograms

/// A weight that a layer declared.
public struct Parameter: Hashable, Sendable {
  /// `layers.2.conv2d/kernel`: the name of the state value, and of the tensor in a checkpoint.
  public let name: String
  public let value: Value
  public let initializer: Initializer
  public let regularizer: Regularizer?
  /// The shape that its first numbers are drawn for: its own, or one of as many elements that says how many inputs and
  /// outputs a unit has.
  let drawnShape: Shape
  /// Whether the optimizer changes it.
  public let isTrainable: Bool
  /// Whether its layer replaces it in training: running statistics.
  public let isReplaced: Bool
  /// Whether it holds something of each sample of a training batch, whose size its first extent is.
  public let isPerSample: Bool

  public var type: TensorType { value.type }
  /// The path of its layer: `layers.2.conv2d`.
  public var path: String { String(name[..<(name.lastIndex(of: "/") ?? name.endIndex)]) }
  /// The state that holds its moving average, where one is kept.
  package var averageName: String { "ema/" + name }
}

/// A state that its layer replaces in training.
public struct LayerState: Hashable, Sendable {
  /// Its place among the parameters.
  let index: Int
  /// What it holds here: its content before the step, or what an earlier use of the layer replaces that by.
  public let value: Value
}

/// What a layer is traced with: the program so far, and what the layers declared.
public struct LayerContext: Sendable {
  /// The program that grows. `append` below covers most uses.
  public var builder: ProgramBuilder
  /// Whether the trace is of a training step; dropout, for one, does nothing in inference.
  public let isTraining: Bool
  public private(set) var parameters: [Parameter] = []
  public internal(set) var gates: [Gate] = []
  var passages: [Passage] = []
  /// What each layer answered, in the order they were called; of nested ones the inner before the outer.
  var outputs: [(path: String, value: Value)] = []
  /// What training replaces states by, by their place among the parameters.
  package private(set) var replacements: [Int: Value] = [:]
  private var streamCount = 0
  var paths: Set<String> = []
  /// The layer each value came from, for messages.
  var sources: [Int: String] = [:]
  /// Which steps of a value are valid, by its number (`Masks.swift`).
  var masks: [Int: Value] = [:]
  /// What sequences were made of (`SequenceForm.swift`).
  var origins: [Int: (form: SequenceForm, value: Value)] = [:]
  /// The names that layers can read: the model's inputs, then those of each list around the layer being traced.
  var scopes: [GraphScope] = []
  /// Where the weights of the layer being traced are: its path, or that of the layer whose weights it shares.
  var weightsPath = ""
  var isFrozen = false
  /// Whether the layer being traced has been traced at an earlier step of a sequence.
  var isRepeated = false
  var depth = 0
  var callCount = 0
  /// What is wrong with nodes of lists, the first first: each is of another node, and follows from none before.
  var faults: [ProgramError] = []

  public init(builder: ProgramBuilder, isTraining: Bool) {
    self.builder = builder
    self.isTraining = isTraining
  }

  /// The layer being traced.
  public var path: String { builder.path }

  /// Whether the layer is trained here: the trace is of a training step, and the layer is not frozen.
  public var learns: Bool { isTraining && !isFrozen }

  /// Appends a call with one result.
  public mutating func append(_ operation: some TensorOperation, _ inputs: Value...) throws(ProgramError) -> Value {
    try builder.append(operation, inputs)[0]
  }

  /// A scalar constant of type f32.
  public mutating func constant(_ value: Double) throws(ProgramError) -> Value {
    try builder.scalar(value, .float32)
  }

  /// Declares a weight of the current layer: the state value `<path>/<name>`, f32. `drawnShape`: the shape that its
  /// first numbers are drawn for, where that is another one of as many elements.
  public mutating func parameter(
    _ name: String, _ shape: Shape, drawnShape: Shape? = nil, initializer: Initializer,
    regularizer: Regularizer? = nil, isTrainable: Bool = true
  ) throws(ProgramError) -> Value {
    let index = try declare(
      name, shape, drawnShape: drawnShape, initializer, regularizer: isFrozen ? nil : regularizer,
      isTrainable: isTrainable && !isFrozen)
    return parameters[index].value
  }

  /// Declares a state that the current layer replaces in training (`replace`): the state value `<path>/<name>`, f32.
  /// It is saved with the weights, and inference reads it. With `isPerSample` its first axis is the batch: then all batches
  /// of a training have one size, and inference, whose batches have others, must not declare it.
  public mutating func state(
    _ name: String, _ shape: Shape, initializer: Initializer, isPerSample: Bool = false
  ) throws(ProgramError) -> LayerState {
    let index = try declare(
      name, shape, initializer, isTrainable: false, isReplaced: true, isPerSample: isPerSample)
    return LayerState(index: index, value: replacements[index] ?? parameters[index].value)
  }

  /// What the state holds after the training step, where the step's loss and gradients are finite. Layers ask `learns`
  /// before.
  public mutating func replace(_ state: LayerState, with value: Value) throws(ProgramError) {
    let parameter = parameters[state.index]
    try require(learns, "replaces \(parameter.name) where it does not learn")
    guard value.type == parameter.type else {
      throw ProgramError("replaces \(parameter.name) of \(parameter.type) by \(value.type)", path: path)
    }
    replacements[state.index] = value
  }

  /// The place of a weight among the parameters: a new one, or the one of the layer whose weights are shared.
  private mutating func declare(
    _ name: String, _ shape: Shape, drawnShape: Shape? = nil, _ initializer: Initializer,
    regularizer: Regularizer? = nil, isTrainable: Bool, isReplaced: Bool = false, isPerSample: Bool = false
  ) throws(ProgramError) -> Int {
    let full = weightsPath + "/" + name
    if let index = parameters.firstIndex(where: { $0.name == full }) {
      guard weightsPath != path || isRepeated else {
        throw ProgramError("the layer declares \(name) twice", path: path)
      }
      guard parameters[index].type.shape == shape else {
        throw ProgramError(
          "shares \(full) of \(parameters[index].type.shape), but its input here needs \(shape)", path: path)
      }
      guard !isFrozen || !parameters[index].isTrainable else {
        throw ProgramError("freezes \(full), which is trained where it stands: freeze it there", path: path)
      }
      return index
    }
    guard shape.isAddressable else {
      throw ProgramError("\(name) would have the shape \(shape): no machine holds that", path: path)
    }
    if let reason = initializer.obstacle(for: drawnShape ?? shape) {
      throw ProgramError("\(name): \(reason)", path: path)
    }
    parameters.append(
      Parameter(
        name: full, value: builder.state(full, .float32(shape)), initializer: initializer, regularizer: regularizer,
        drawnShape: drawnShape ?? shape, isTrainable: isTrainable, isReplaced: isReplaced, isPerSample: isPerSample))
    return parameters.count - 1
  }

  // MARK: Random numbers

  /// The step value `randomKey`, i64[2] (seed, counter).
  public var randomKey: Value {
    mutating get { builder.step("randomKey", TensorType(.int64, [2])) }
  }

  /// A number that no other random use of this program has.
  public mutating func nextStream() -> Int {
    defer { streamCount += 1 }
    return streamCount
  }

  /// New random numbers at every step, the same on every backend.
  public mutating func random(_ distribution: RandomDistribution, _ shape: Shape) throws(ProgramError) -> Value {
    let operation = RandomNumbers(distribution, shape: shape.extents, stream: nextStream())
    return try append(operation, randomKey)
  }

  // MARK: Activations

  /// Applies `function` and records the gate, so that the gradient can be watched before and after it.
  public mutating func activate(_ input: Value, _ function: ActivationFunction) throws(ProgramError) -> Value {
    let output = try function(input, in: &builder)
    recordActivation(function.word, input, output)
    return output
  }

  /// Records a gate that the layer wrote itself.
  public mutating func recordActivation(_ function: String, _ preActivation: Value, _ output: Value) {
    gates.append(Gate(path: path, function: function, preActivation: preActivation, output: output))
  }

  /// The same of a layer that runs over the steps of `preActivation`.
  mutating func recordActivation(
    _ function: String, _ preActivation: Value, _ output: Value, course: RecurrentCourse
  ) {
    gates.append(
      Gate(path: path, function: function, preActivation: preActivation, output: output, course: course))
  }

  /// Records what changes the gradient between two values and is no gate; of a join only its result.
  mutating func recordPassage(_ part: WayPart, from input: Value? = nil, to output: Value) {
    passages.append(Passage(path: path, part: part, input: input, output: output))
  }

  /// Which layer made `value`.
  public func source(of value: Value) -> String { sources[value.id] ?? "the model's input" }

  /// The layer's input does not fit: the message names both layers and the shape between them.
  public func mismatch(_ input: Value, takes expected: String, hint: String = "") -> ProgramError {
    ProgramError(
      "takes \(expected), but gets \(input.shape) from \(source(of: input))" + (hint.isEmpty ? "" : "; \(hint)"),
      path: path)
  }

  /// An error thrown by this very layer also says what the layer was given, and by whom.
  func located(_ error: ProgramError, at inner: String, _ inputs: [Value]) -> ProgramError {
    guard error.path.isEmpty || error.path == inner else { return error }
    let unsaid = inputs.map { "\($0.shape) from \(source(of: $0))" }.filter { !error.message.contains($0) }
    return ProgramError(
      unsaid.isEmpty
        ? error.message : error.message + " (the layer gets \(unsaid.joined(separator: " and ")))", path: inner)
  }

  /// Refuses an argument that makes no sense.
  func require(_ condition: Bool, _ message: @autoclosure () -> String) throws(ProgramError) {
    guard condition else { throw ProgramError(message(), path: path) }
  }
}
