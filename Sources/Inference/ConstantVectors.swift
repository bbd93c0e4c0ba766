import Foundation
import SwitchbackInterchange
import SwitchbackPrograms

/// What a program computes of weights and constants alone, where it is one number a channel or one number: in Float64.
///
/// A vector with an infinity or a NaN is none: what is computed with it stays as the program says it.
struct ConstantVectors {
  private var numbers: [Int: [Double]] = [:]
  /// Of a file that somebody made: numbers that are kept at most.
  private static let most = 1 << 22

  /// `program` changes no state; `weights` are its states by name.
  init(_ program: Program, _ weights: [String: Safetensors.Tensor]) {
    var left = Self.most
    for id in program.values(.state) where program.values[id].type.isVector {
      if let weight = weights[program.values[id].name] { keep(weight.floats.map(Double.init), of: id, &left) }
    }
    for call in program.calls {
      guard call.outputs.count == 1, let result = call.outputs[0], program.values[result].type.isVector else {
        continue
      }
      let operands = call.inputs.compactMap { numbers[$0] }
      guard operands.count == call.inputs.count, let found = Self.result(of: call, operands) else { continue }
      keep(found, of: result, &left)
    }
  }

  /// Of a value, if it is such a vector.
  subscript(value: Int) -> [Double]? { numbers[value] }

  private mutating func keep(_ vector: [Double], of value: Int, _ left: inout Int) {
    guard vector.count <= left, vector.allSatisfy(\.isFinite) else { return }
    left -= vector.count
    numbers[value] = vector
  }

  /// Nil where the operation is none of those that normalizations and biases are made of.
  private static func result(of call: Program.Call, _ operands: [[Double]]) -> [Double]? {
    switch call.operation {
    case let fill as Fill:
      // As a Float32 program has it.
      return [Double](repeating: Double(Float(fill.value)), count: fill.shape.reduce(1, *))
    case is Reshape: return operands[0]
    case let unary as Unary where unary.function == .rsqrt: return operands[0].map { 1 / $0.squareRoot() }
    case let binary as Binary:
      let (a, b) = (operands[0], operands[1])
      guard let combine = binary.function.affine, a.count == b.count || a.count == 1 || b.count == 1 else { return nil }
      return (0..<max(a.count, b.count)).map { combine(a[a.count == 1 ? 0 : $0], b[b.count == 1 ? 0 : $0]) }
    default: return nil
    }
  }
}

extension BinaryFunction {
  /// A sum, difference or product; nil of another function.
  fileprivate var affine: ((Double, Double) -> Double)? {
    switch self {
    case .add: { $0 + $1 }
    case .subtract: { $0 - $1 }
    case .multiply: { $0 * $1 }
    default: nil
    }
  }
}

extension TensorType {
  /// Whether it is f32 with at most one extent above 1, which is the last.
  fileprivate var isVector: Bool {
    self == .float32(shape) && shape.elementCount > 0 && shape.elementCount == (shape.extents.last ?? 1)
  }
}

extension Safetensors.Tensor {
  /// The numbers of an F32 tensor.
  var floats: [Float] {
    bytes.withUnsafeBytes { bytes in
      (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    }
  }
}
