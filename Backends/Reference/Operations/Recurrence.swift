import SwitchbackBackendKit
import SwitchbackPrograms

/// What the kernels of recurrences share: a sample's steps, and products of a state with the recurrent kernel.
struct RecurrentWalk<T: ReferenceScalar> {
  let form: RecurrentForm
  /// In the order of the recurrence.
  let times: [Int]
  private let operands: ReferenceOperands
  private let mask: UnsafeMutablePointer<UInt8>?
  private let scale: UnsafeMutablePointer<T>?
  /// [U, width]
  private let kernel: UnsafeMutablePointer<T>
  private let width: Int

  /// `kernel` says which operand R is. The first operand is [N, T, gates·U].
  init(
    _ operation: some RecurrentOperation, _ operands: ReferenceOperands, gates: Int, kernel: Int
  ) throws(BackendError) {
    do {
      form = try RecurrentForm(operands.inputs[0].type, gates: gates)
    } catch {
      throw BackendError(.unsupported, error.message)
    }
    self.operands = operands
    times = form.times(isReversed: operation.isReversed)
    mask = operation.maskOperand.map { operands.inputs[$0].elements(UInt8.self) }
    scale = operation.scaleOperand.map { operands.inputs[$0].elements(T.self) }
    self.kernel = operands.inputs[kernel].elements(T.self)
    width = operands.inputs[kernel].shape[1]
  }

  /// Calls `body` for each sample, on all workers.
  func forEachSample(_ body: (_ n: Int) -> Void) {
    operands.parallel(form.samples, grain: max(1, 16384 / max(form.steps * form.units * width, 1))) {
      for n in $0 { body(n) }
    }
  }

  func isMasked(_ n: Int, _ t: Int) -> Bool { mask.map { $0[n * form.steps + t] == 0 } ?? false }

  /// Row n of an operand [N, U].
  func state(_ operand: Int, _ n: Int) -> [T] {
    Array(UnsafeBufferPointer(start: operands.inputs[operand].elements(T.self) + n * form.units, count: form.units))
  }

  /// The numbers of sample n at step t of an operand [N, T, …].
  func step(_ operand: Int, _ n: Int, _ t: Int) -> UnsafeMutablePointer<T> {
    let sequence = operands.inputs[operand]
    return sequence.elements(T.self) + (n * form.steps + t) * sequence.shape[2]
  }

  /// Writes them into a result [N, T, …], unless nobody reads it.
  func write(_ numbers: [T], to result: Int, _ n: Int, _ t: Int) {
    guard let sequence = operands.outputs[result] else { return }
    let row = sequence.elements(T.self) + (n * form.steps + t) * numbers.count
    for e in numbers.indices { row[e] = numbers[e] }
  }

  /// Writes row n of a result [N, U].
  func write(_ numbers: [T], to result: Int, _ n: Int) {
    guard let row = operands.outputs[result].map({ $0.elements(T.self) + n * form.units }) else { return }
    for e in numbers.indices { row[e] = numbers[e] }
  }

  /// scale∘x; x where there is no scale.
  func scaled(_ x: [T], _ n: Int) -> [T] {
    guard let scale else { return x }
    return x.indices.map { x[$0] * scale[n * form.units + $0] }
  }

  /// x·R, of all gates or of some, added up in Float64 as in a matrix product.
  func product(_ x: [T], gates: Range<Int>) -> [T] {
    let columns = gates.lowerBound * form.units..<gates.upperBound * form.units
    var sums = [Double](repeating: 0, count: columns.count)
    for k in x.indices {
      let (factor, row) = (Double(x[k]), kernel + k * width + columns.lowerBound)
      for c in sums.indices { sums[c] += factor * Double(row[c]) }
    }
    return sums.map { T($0) }
  }

  /// δ·Rᵀ, of a δ of all gates or of some.
  func productBack(_ delta: [T], gates: Range<Int>) -> [T] {
    (0..<form.units).map { u in
      let row = kernel + u * width + gates.lowerBound * form.units
      var sum = 0.0
      for c in delta.indices { sum += Double(delta[c]) * Double(row[c]) }
      return T(sum)
    }
  }
}

extension UnaryFunction {
  /// y of x.
  func recurrentFunction<T: ReferenceScalar>(_ type: T.Type) throws(BackendError) -> (T) -> T {
    switch self {
    case .tanh: return { T.tanh($0) }
    case .sigmoid: return { SwitchbackReference.sigmoid($0) }
    case .relu: return { SwitchbackReference.relu($0) }
    case .identity: return { $0 }
    case .hardSigmoid: return { SwitchbackReference.hardSigmoid($0) }
    case .selu:
      let (scale, alpha) = (T(Self.seluScale), T(Self.seluAlpha))
      return { SwitchbackReference.selu($0, scale, alpha) }
    case .softplus: return { SwitchbackReference.softplus($0) }
    default: throw BackendError(.unsupported, "\(self) is no recurrent activation")
    }
  }

  /// dx of y and dy.
  func recurrentGradient<T: ReferenceScalar>(_ type: T.Type) throws(BackendError) -> (_ y: T, _ dy: T) -> T {
    switch self {
    case .tanh: return { y, dy in dy * (1 - y * y) }
    case .sigmoid: return { y, dy in dy * (y * (1 - y)) }
    // A NaN of y is on neither side.
    case .relu: return { y, dy in y > 0 ? dy : y <= 0 ? 0 : y }
    case .identity: return { _, dy in dy }
    case .hardSigmoid: return { y, dy in dy * (y > 0 && y < 1 ? 1 / T(6) : y.isNaN ? y : 0) }
    case .selu:
      let (scale, alpha) = (T(Self.seluScale), T(Self.seluAlpha))
      return { y, dy in dy * (y > 0 ? scale : y + scale * alpha) }
    case .softplus: return { y, dy in dy * -T.expm1(-y) }
    default: throw BackendError(.unsupported, "\(self) is no recurrent activation")
    }
  }
}
