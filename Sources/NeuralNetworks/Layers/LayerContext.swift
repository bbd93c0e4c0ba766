import SwitchbackPrograms

/// A weight that a layer declared.
public struct Parameter: Hashable, Sendable {
  /// `layers.2.conv2d/kernel`: the name of the state value, and of the tensor in a checkpoint.
  public let name: String
  public let value: Value
  public let initializer: Initializer
  public let regularizer: Regularizer?
  /// Whether the optimizer changes it.
  public let isTrainable: Bool

  public var type: TensorType { value.type }
  /// The path of its layer: `layers.2.conv2d`.
  public var path: String { String(name[..<(name.lastIndex(of: "/") ?? name.endIndex)]) }
  /// The state that holds its moving average, where one is kept.
  package var averageName: String { "ema/" + name }
}

/// A gate that was traced: what goes in (pre-activation z) and what comes out.
///
/// Every layer with weights has one; where nothing follows the weights (`linear`), both values are the same.
public struct ActivationRecord: Hashable, Sendable {
  public let path: String
  public let function: String
  public let preActivation: Value
  public let output: Value
}

/// What a layer is traced with: the program so far, and what the layers declared.
public struct LayerContext: Sendable {
  /// The program that grows. `append` below covers most uses.
  public var builder: ProgramBuilder
  /// Whether the trace is of a training step; dropout, for one, does nothing in inference.
  public let isTraining: Bool
  public private(set) var parameters: [Parameter] = []
  public private(set) var activations: [ActivationRecord] = []
  /// What each layer answered, in the order they were called; of nested ones the inner before the outer.
  private(set) var outputs: [(path: String, value: Value)] = []
  private var streamCount = 0
  private var paths: Set<String> = []
  /// The layer each value came from, for messages.
  private var sources: [Int: String] = [:]

  public init(builder: ProgramBuilder, isTraining: Bool) {
    self.builder = builder
    self.isTraining = isTraining
  }

  /// The layer being traced.
  public var path: String { builder.path }

  /// Appends a call with one result.
  public mutating func append(_ operation: some TensorOperation, _ inputs: Value...) throws(ProgramError) -> Value {
    try builder.append(operation, inputs)[0]
  }

  /// A scalar constant of type f32.
  public mutating func constant(_ value: Double) throws(ProgramError) -> Value {
    try builder.scalar(value, .float32)
  }

  /// Declares a weight of the current layer: the state value `<path>/<name>`, f32.
  public mutating func parameter(
    _ name: String, _ shape: Shape, initializer: Initializer, regularizer: Regularizer? = nil,
    isTrainable: Bool = true
  ) throws(ProgramError) -> Value {
    let full = path + "/" + name
    guard !parameters.contains(where: { $0.name == full }) else {
      throw ProgramError("the layer declares \(name) twice", path: path)
    }
    guard shape.isAddressable else {
      throw ProgramError("\(name) would have the shape \(shape): no machine holds that", path: path)
    }
    if case .values(let values) = initializer, values.count != shape.elementCount {
      throw ProgramError("\(name) has the shape \(shape), but \(values.count) values are given", path: path)
    }
    if let reason = initializer.obstacle { throw ProgramError("\(name): \(reason)", path: path) }
    let value = builder.state(full, .float32(shape))
    parameters.append(
      Parameter(
        name: full, value: value, initializer: initializer, regularizer: regularizer, isTrainable: isTrainable))
    return value
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
    activations.append(
      ActivationRecord(path: path, function: function, preActivation: preActivation, output: output))
  }

  // MARK: Layers in layers

  /// Traces `layer` under `component` appended to the current path; how `Sequential` and a user's own composite
  /// layer call the layers they are made of.
  public mutating func call(
    _ layer: any Layer, at component: String, _ input: Value
  ) throws(ProgramError) -> Value {
    let outer = path
    let inner = outer.isEmpty ? component : outer + "." + component
    guard component.utf8.allSatisfy(Self.isAllowedInPath), !component.isEmpty else {
      throw ProgramError("\"\(component)\" is no layer name: use letters, digits, `.`, `_` and `-`", path: outer)
    }
    guard paths.insert(inner).inserted else {
      throw ProgramError("two layers are called \(inner); give each a name of its own", path: inner)
    }
    builder.path = inner
    defer { builder.path = outer }
    do throws(ProgramError) {
      let output = try layer(input, in: &self)
      if output != input, sources[output.id] == nil { sources[output.id] = inner }
      outputs.append((inner, output))
      return output
    } catch {
      throw located(error, at: inner, input)
    }
  }

  private static func isAllowedInPath(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
      true
    default: false
    }
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
  private func located(_ error: ProgramError, at inner: String, _ input: Value) -> ProgramError {
    guard error.path.isEmpty || error.path == inner else { return error }
    let source = source(of: input)
    let isSaid = error.message.contains("gets \(input.shape) from \(source)")
    return ProgramError(
      isSaid ? error.message : error.message + " (the layer gets \(input.shape) from \(source))", path: inner)
  }

  /// Refuses an argument that makes no sense.
  func require(_ condition: Bool, _ message: @autoclosure () -> String) throws(ProgramError) {
    guard condition else { throw ProgramError(message(), path: path) }
  }
}
