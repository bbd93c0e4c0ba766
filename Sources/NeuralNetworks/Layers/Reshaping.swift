import SwitchbackPrograms

/// Each sample's elements in another shape, in their order: x `[N, …]`, y `[N] + targetShape`. One extent may be −1:
/// it is what the others leave. (Keras's `Reshape`; the operation has that name here.)
public struct Reshaping: UnaryLayer {
  public var targetShape: [Int]
  public var name: String?
  public var kind: String { "reshape" }
  public var masking: Masking { .consumed }

  public init(_ targetShape: [Int], name: String? = nil) { (self.targetShape, self.name) = (targetShape, name) }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    if let fault { throw ProgramError(fault, path: context.path) }
    guard input.shape.rank >= 1 else { throw context.mismatch(input, takes: "a batch [N, …]") }
    let count = input.shape.extents.dropFirst().reduce(1, *)
    let said = Shape(targetShape.filter { $0 >= 0 })
    let isOpen = said.rank < targetShape.count
    guard said.isAddressable, isOpen ? count % said.elementCount == 0 : count == said.elementCount else {
      let words = said.isAddressable ? "\(said.elementCount)" : "\(said)"
      throw context.mismatch(
        input, takes: "samples of \(isOpen ? "a multiple of " : "")\(words) elements for \(targetShape)")
    }
    let shape = [input.shape[0]] + targetShape.map { $0 < 0 ? count / said.elementCount : $0 }
    guard context.mask(of: input) == nil || shape.prefix(2) == input.shape.extents.prefix(2) else {
      throw context.unreadMask(of: input, "only a shape that begins with its \(input.shape[1]) steps keeps them")
    }
    guard shape != input.shape.extents else { return input }
    let result = try context.append(Reshape(shape: shape), input)
    try context.passMask(of: input, to: result)
    return result
  }

  /// What is wrong with the shape whatever the input is.
  fileprivate var fault: String? {
    guard targetShape.allSatisfy({ $0 == -1 || $0 > 0 }), targetShape.count(where: { $0 == -1 }) <= 1 else {
      return "the target shape has positive extents, and at most one of −1, not \(targetShape)"
    }
    return targetShape.count <= 7 ? nil : "the target shape has at most 7 axes, not \(targetShape.count)"
  }
}

extension Reshaping: ConfigurableLayer {
  package static let settings = Settings<Reshaping>(
    "reshape", of: Reshaping([]), help: "Each sample's elements in another shape, in their order",
    keys: [
      .integers(
        "target_shape", \.targetShape, in: -1...1 << 20, .required,
        help: "The axes behind the batch; one may be -1, which is what the others leave")
    ], fault: \.fault)
}

/// The axes behind the batch in another order, counted from 1: axis a of the result is axis `dims[a − 1]` of the input.
public struct Permute: UnaryLayer {
  public var dims: [Int]
  public var name: String?
  public var kind: String { "permute" }
  public var masking: Masking { .consumed }

  public init(_ dims: [Int], name: String? = nil) { (self.dims, self.name) = (dims, name) }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    if let fault { throw ProgramError(fault, path: context.path) }
    guard input.shape.rank == dims.count + 1 else {
      throw context.mismatch(input, takes: "samples of \(dims.count) axes, as dims has")
    }
    guard context.mask(of: input) == nil || dims[0] == 1 else {
      throw context.unreadMask(of: input, "it moves the steps")
    }
    guard dims.sorted() != dims else { return input }
    let result = try context.append(Transpose(permutation: [0] + dims), input)
    try context.passMask(of: input, to: result)
    return result
  }

  /// What is wrong with the axes whatever the input is.
  fileprivate var fault: String? {
    !dims.isEmpty && dims.sorted() == Array(1...max(dims.count, 1))
      ? nil : "dims names each axis behind the batch once, from 1, such as [2, 1], not \(dims)"
  }
}

extension Permute: ConfigurableLayer {
  package static let settings = Settings<Permute>(
    "permute", of: Permute([1]), help: "The axes behind the batch in another order",
    keys: [.integers("dims", \.dims, in: 1...8, .required, help: "Which axis comes where, from 1: [2, 1] swaps two")],
    fault: \.fault)
}

/// A row n times: x `[N, features]`, y `[N, n, features]`.
public struct RepeatVector: UnaryLayer {
  public var n: Int
  public var name: String?
  public var kind: String { "repeatVector" }

  public init(_ n: Int, name: String? = nil) { (self.n, self.name) = (n, name) }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.require("n", isExtent: n)
    guard input.shape.rank == 2 else { throw context.mismatch(input, takes: "rows [N, features]") }
    let (rows, features) = (input.shape[0], input.shape[1])
    let row = try context.append(Reshape(shape: [rows, 1, features]), input)
    return try context.append(Broadcast(shape: [rows, n, features]), row)
  }
}

extension RepeatVector: ConfigurableLayer {
  package static let settings = Settings<RepeatVector>(
    "repeat_vector", of: RepeatVector(1), help: "A row n times, as a sequence: [N, features] to [N, n, features]",
    keys: [.integer("n", \.n, in: .extents, .required, help: "How many times")])
}
