import SwitchbackABI
public import SwitchbackBackendKit
public import SwitchbackPrograms

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// An operation with a kernel in plain Swift. A user's own operation that conforms runs everywhere, by fallback.
public protocol ReferenceKernel: TensorOperation {
  func run(_ operands: ReferenceOperands) throws(BackendError)
}

/// A tensor in host memory, dense and row-major.
public struct ReferenceTensor {
  public let type: TensorType
  public let bytes: UnsafeMutableRawPointer

  init(_ type: TensorType, _ view: sb_view) {
    self.type = type
    bytes = view.host
  }

  public var shape: Shape { type.shape }
  public var count: Int { type.shape.elementCount }

  /// The elements, which must be of that type.
  public func elements<Element>(_ type: Element.Type) -> UnsafeMutablePointer<Element> {
    bytes.assumingMemoryBound(to: Element.self)
  }
}

/// The operands and results of one call. A result that nothing reads is `nil`.
public struct ReferenceOperands {
  public let inputs: [ReferenceTensor]
  public let outputs: [ReferenceTensor?]
  let host: HostServices

  /// Runs `body` over parts of `0..<count` on the workers; what a part computes must not depend on its bounds.
  /// `grain` is the number of items that is worth a worker's while.
  public func parallel(_ count: Int, grain: Int = 1, _ body: (Range<Int>) -> Void) {
    let parts = min((count + grain - 1) / max(grain, 1), host.workers * 4)
    guard parts > 1 else { return body(0..<count) }
    host.parallel(parts) { part, _ in body(part * count / parts..<(part + 1) * count / parts) }
  }
}

/// A kernel that is written once for Float32 and Float64; the type is switched on here, once a call.
protocol FloatingKernel: ReferenceKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError)
}

extension FloatingKernel {
  @inline(__always)
  public func run(_ operands: ReferenceOperands) throws(BackendError) {
    let types = operands.inputs.map(\.type.elementType) + operands.outputs.compactMap { $0?.type.elementType }
    if types.first(where: \.isFloatingPoint) == .float64 {
      try run(operands, as: Double.self)
    } else {
      try run(operands, as: Float.self)
    }
  }
}

/// Float and Double with the functions that kernels need.
package protocol ReferenceScalar: BinaryFloatingPoint {
  static func exp(_ x: Self) -> Self
  static func expm1(_ x: Self) -> Self
  static func log(_ x: Self) -> Self
  static func log1p(_ x: Self) -> Self
  static func tanh(_ x: Self) -> Self
  static func erf(_ x: Self) -> Self
  static func pow(_ x: Self, _ y: Self) -> Self
  static func sin(_ x: Self) -> Self
  static func cos(_ x: Self) -> Self
}

extension Float: ReferenceScalar {
  package static func exp(_ x: Float) -> Float { expf(x) }
  package static func expm1(_ x: Float) -> Float { expm1f(x) }
  package static func log(_ x: Float) -> Float { logf(x) }
  package static func log1p(_ x: Float) -> Float { log1pf(x) }
  package static func tanh(_ x: Float) -> Float { tanhf(x) }
  package static func erf(_ x: Float) -> Float { erff(x) }
  package static func pow(_ x: Float, _ y: Float) -> Float { powf(x, y) }
  package static func sin(_ x: Float) -> Float { sinf(x) }
  package static func cos(_ x: Float) -> Float { cosf(x) }
}

extension Double: ReferenceScalar {
  package static func exp(_ x: Double) -> Double { Glibc.exp(x) }
  package static func expm1(_ x: Double) -> Double { Glibc.expm1(x) }
  package static func log(_ x: Double) -> Double { Glibc.log(x) }
  package static func log1p(_ x: Double) -> Double { Glibc.log1p(x) }
  package static func tanh(_ x: Double) -> Double { Glibc.tanh(x) }
  package static func erf(_ x: Double) -> Double { Glibc.erf(x) }
  package static func pow(_ x: Double, _ y: Double) -> Double { Glibc.pow(x, y) }
  package static func sin(_ x: Double) -> Double { Glibc.sin(x) }
  package static func cos(_ x: Double) -> Double { Glibc.cos(x) }
}
