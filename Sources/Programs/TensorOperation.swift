/// One kind of tensor computation with its attributes: what it means, never how it is run.
///
/// Everything that must be known of an operation stands in its one file under `Operations/`. No requirement has a
/// default, so none is forgotten. Attributes are the stored properties: `AttributeCoding` turns them into named values
/// for the C contract, the text form, JSON and cache keys.
public protocol TensorOperation: Hashable, Codable, Sendable {
  /// The word for it in program text, in the C contract, in profiles and on the command line.
  static var name: String { get }
  /// The formula in one line, in the letters of its source.
  static var law: String { get }
  /// What it makes of NaN, infinities, ties and kinks: `OPERATIONS.md` prints it, conformance asks it.
  static var specialValues: SpecialValueLaw { get }
  /// Small cases that tests and conformance walk: extents of 1, primes, empty batch, strides, dilation, groups.
  static var samples: [OperationSample] { get }
  /// Cases that conformance asks beside `samples`, and finite differences do not: whole numbers and Booleans, extents
  /// around the blocks that kernels work in, what is too long for these.
  static var furtherSamples: [OperationSample] { get }
  /// What conformance asks of one of either beside its own numbers: kinks, ties, images of mostly background.
  static func questions(on sample: OperationSample) -> [SampleQuestion]
  /// What it has to do with random programs, which try a backend's scheduling.
  static var randomProgramPart: RandomProgramPart { get }

  /// The types of the results, or an error that names both the operand and what was expected.
  func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType]
  /// The gradients of the inputs, given those of the outputs (`nil` where none flows).
  func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient
  /// The arithmetic and memory traffic of one call.
  func cost(for inputs: [TensorType]) -> Cost
  /// How far a correct backend may be from the Float64 reference.
  func errorBound(for inputs: [TensorType]) -> ErrorBound
}

extension TensorOperation {
  public var name: String { Self.name }
}

/// What `TensorOperation.gradient` works with.
public struct GradientContext: Sendable {
  public let inputs: [Value]
  public let outputs: [Value]
  /// One entry an output: the gradient that arrives there, if any does.
  public let upstream: [Value?]
  /// One entry an input: whether anybody wants its gradient.
  public let isNeeded: [Bool]
}

/// The answer of `TensorOperation.gradient`.
public enum Gradient: Sendable {
  /// One entry an input; `nil` where the derivative is zero or was not asked for.
  case flows([Value?])
  /// The operation has no gradient, for this reason.
  case stops(reason: String)
}

/// Arithmetic and traffic of one call.
public struct Cost: Hashable, Sendable {
  /// Floating-point operations; a fused multiply-add counts two.
  public var flops: Int
  /// Bytes read and written if every operand moved once.
  public var bytes: Int

  public init(flops: Int, bytes: Int) {
    self.flops = flops
    self.bytes = bytes
  }

  /// At most 2⁵²: whatever takes so long is never run, but may be asked about.
  static func product(_ factors: [Int]) -> Int { Int(min(factors.reduce(1) { $0 * Double($1) }, 0x1p52)) }

  public static func + (a: Cost, b: Cost) -> Cost { Cost(flops: a.flops + b.flops, bytes: a.bytes + b.bytes) }

  /// `flopsPerElement` for each element of the outputs, everything moved once.
  static func elementwise(_ inputs: [TensorType], _ outputs: [TensorType], flopsPerElement: Int = 1) -> Cost {
    Cost(
      flops: product([outputs.reduce(0) { $0 + $1.shape.elementCount }, flopsPerElement]),
      bytes: (inputs + outputs).reduce(0) { $0 + $1.byteCount })
  }
}

/// A small case of an operation: its attributes, the inputs' types, and what values they may take.
public struct OperationSample: Sendable {
  public enum Domain: Sendable, Hashable {
    /// Roughly uniform in the interval.
    case range(Double, Double)
    /// Whole numbers from 0 up to, not including, the bound.
    case indices(Int)
    /// Rows that are probabilities (non-negative, last axis sums to one).
    case probabilities
    /// Pairwise different values at least 0.01 apart, so that no maximum ties under a finite difference.
    case distinct
    /// Images that are mostly background: one in sixteen pixels (the numbers along the last axis) roughly uniform in the
    /// interval, the others zeros of either sign.
    case background(Double, Double)
    /// In equal steps from the lower number to the higher, which the last element is; whole numbers are rounded down.
    case rising(Double, Double)
    /// Roughly uniform in the interval, but the last element is NaN, which no other hides.
    case lastIsNaN(Double, Double)
  }

  public let operation: any TensorOperation
  public let inputs: [TensorType]
  public let domains: [Domain]
  /// Whether rules of the contract are asked with it too, each up to thousands of times; if not, numbers alone are.
  public private(set) var isForContract = true

  /// `domains` holds one entry for all inputs or one for each.
  public init(_ operation: any TensorOperation, _ inputs: [TensorType], _ domains: [Domain] = [.range(-2, 2)]) {
    self.operation = operation
    self.inputs = inputs
    self.domains =
      domains.count == inputs.count || inputs.isEmpty
      ? domains : inputs.indices.map { domains[min($0, domains.count - 1)] }
  }

  /// The same case, for its numbers alone.
  var forNumbers: OperationSample {
    var sample = self
    sample.isForContract = false
    return sample
  }

  /// The case as a program of one call: operands `x0`, `x1`, … in, results `y0`, `y1`, … out.
  public func program() throws(ProgramError) -> Program {
    var builder = ProgramBuilder(name: "sample")
    let updated = (operation as? any InPlaceOperation)?.updatedOperands ?? []
    let operands = inputs.enumerated().map { index, type in
      updated.contains(index) ? builder.state("x\(index)", type) : builder.input("x\(index)", type)
    }
    for (index, result) in try builder.append(operation, operands).enumerated() { builder.output("y\(index)", result) }
    return builder.build()
  }
}
