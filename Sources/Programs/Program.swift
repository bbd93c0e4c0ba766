/// A value of a program: its number and its type.
public struct Value: Hashable, Sendable {
  public let id: Int
  public let type: TensorType

  package init(id: Int, type: TensorType) {
    self.id = id
    self.type = type
  }

  public var shape: Shape { type.shape }
}

/// Tensor computations as data: operations on numbered, typed values, in the order they run.
///
/// Values are written once, except those with the role `state`, which calls such as optimizer updates replace in
/// place by listing them among their outputs; a later call sees the new content.
public struct Program: Hashable, Sendable {
  public enum Role: String, Hashable, Sendable {
    /// Given anew at each run: a batch of images.
    case input
    /// Kept between runs and updated in place: weights, optimizer slots.
    case state
    /// A small number that changes at each run: learning rate, random key. Never an attribute, so that nothing is
    /// compiled again during training.
    case step
    /// Computed by a call.
    case temporary
  }

  public struct ValueInfo: Hashable, Sendable {
    public var type: TensorType
    public var role: Role
    /// How the outside calls it (`images`, `layers.0.conv2d/kernel`); empty for temporaries.
    public var name: String

    package init(type: TensorType, role: Role, name: String) {
      (self.type, self.role, self.name) = (type, role, name)
    }
  }

  public struct Call: Hashable, Sendable {
    public var operation: any TensorOperation
    public var inputs: [Int]
    /// `nil` for a result that nothing reads and nobody has to write.
    public var outputs: [Int?]
    /// The layer this call came from, such as `layers.2.conv2d`.
    public var path: String

    package init(operation: any TensorOperation, inputs: [Int], outputs: [Int?], path: String) {
      self.operation = operation
      self.inputs = inputs
      self.outputs = outputs
      self.path = path
    }

    public static func == (a: Call, b: Call) -> Bool {
      a.inputs == b.inputs && a.outputs == b.outputs && a.path == b.path
        && AnyHashable(a.operation) == AnyHashable(b.operation)
    }

    public func hash(into hasher: inout Hasher) {
      operation.hash(into: &hasher)
      hasher.combine(inputs)
      hasher.combine(outputs)
    }

    /// The operation's name, of a row of a table the row's: `relu`.
    public var name: String { (operation as? any TableOperation)?.rowName ?? operation.name }

    /// How errors, profiles and findings call it: `layers.2.conv2d/backwardFilter`.
    public var label: String {
      let family = name.split(separator: "/")
      let last = path.split(separator: ".").last ?? ""
      if path.isEmpty { return name }
      if family[0] == last { return ([Substring(path)] + family.dropFirst()).joined(separator: "/") }
      return path + "/" + name
    }
  }

  public struct Output: Hashable, Sendable {
    public var name: String
    public var value: Int

    package init(name: String, value: Int) { (self.name, self.value) = (name, value) }
  }

  public var name: String
  public package(set) var values: [ValueInfo]
  public package(set) var calls: [Call]
  public package(set) var outputs: [Output]

  package init(name: String, values: [ValueInfo], calls: [Call], outputs: [Output]) {
    self.name = name
    self.values = values
    self.calls = calls
    self.outputs = outputs
  }

  /// The ids of the values with `role`, in the order they were declared.
  public func values(_ role: Role) -> [Int] { values.indices.filter { values[$0].role == role } }

  /// A name that two operands have; nil: each has its own. Whoever feeds the program could not tell them apart.
  package var repeatedName: String? {
    var seen: Set<String> = []
    return values.first { $0.role != .temporary && !seen.insert($0.name).inserted }?.name
  }

  public func value(named name: String) -> Int? { values.firstIndex { $0.name == name && !name.isEmpty } }
  public func output(named name: String) -> Int? { outputs.first { $0.name == name }?.value }

  /// Arithmetic and traffic of one run.
  public var cost: Cost { calls.reduce(Cost(flops: 0, bytes: 0)) { $0 + cost(of: $1) } }

  public func cost(of call: Call) -> Cost { call.operation.cost(for: call.inputs.map { values[$0].type }) }

  /// The same program with `from` replaced by `to` as the element type of every value: how a Float32 program is
  /// judged in Float64.
  public func converted(from: ElementType = .float32, to: ElementType) throws(ProgramError) -> Program {
    var result = self
    for id in values.indices where values[id].type.elementType == from && values[id].role != .temporary {
      result.values[id].type.elementType = to
    }
    for index in calls.indices {
      let call = calls[index]
      let operation: any TensorOperation =
        if let typed = call.operation as? any ElementTypedOperation, typed.elementType == from {
          typed.with(elementType: to)
        } else {
          call.operation
        }
      result.calls[index].operation = operation
      let types = try operation.outputTypes(for: call.inputs.map { result.values[$0].type })
      for (output, type) in zip(call.outputs, types) {
        if let output, values[output].role == .temporary { result.values[output].type = type }
      }
    }
    return result
  }
}

/// An operation that states the element type of its result as an attribute.
public protocol ElementTypedOperation: TensorOperation {
  var elementType: ElementType { get }
  func with(elementType: ElementType) -> Self
}

/// An operation whose first results replace operands in place; those operands must be states.
public protocol InPlaceOperation: TensorOperation {
  /// Result `k` replaces operand `updatedOperands[k]`.
  var updatedOperands: [Int] { get }
}

/// An operation that stands for a table of functions, and is called by its row.
protocol TableOperation: TensorOperation {
  /// `relu`, `relu/backward`, `add`.
  var rowName: String { get }
}
