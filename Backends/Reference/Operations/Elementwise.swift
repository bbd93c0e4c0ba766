import SwitchbackBackendKit
import SwitchbackPrograms

extension Unary: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    guard let y = operands.outputs[0] else { return }
    let a = T(alpha)
    switch function {
    case .identity: map(operands, y, type) { $0 }
    case .negate: map(operands, y, type) { -$0 }
    case .absolute: map(operands, y, type) { abs($0) }
    case .exp: map(operands, y, type) { T.exp($0) }
    case .log: map(operands, y, type) { T.log($0) }
    case .sqrt: map(operands, y, type) { $0.squareRoot() }
    case .rsqrt: map(operands, y, type) { 1 / $0.squareRoot() }
    case .square: map(operands, y, type) { $0 * $0 }
    case .reciprocal: map(operands, y, type) { 1 / $0 }
    case .sign: map(operands, y, type) { $0 > 0 ? 1 : $0 < 0 ? -1 : $0 }
    case .floor: map(operands, y, type) { $0.rounded(.down) }
    case .relu: map(operands, y, type) { relu($0) }
    case .leakyRelu: map(operands, y, type) { $0 > 0 ? $0 : a * $0 }
    case .elu: map(operands, y, type) { $0 > 0 ? $0 : a * T.expm1($0) }
    case .selu:
      let (scale, alpha) = (T(UnaryFunction.seluScale), T(UnaryFunction.seluAlpha))
      map(operands, y, type) { selu($0, scale, alpha) }
    case .gelu: map(operands, y, type) { $0 / 2 * (1 + T.erf($0 * T(0.5).squareRoot())) }
    case .geluTanh: map(operands, y, type) { $0 / 2 * (1 + T.tanh(geluInner($0))) }
    case .swish: map(operands, y, type) { $0 * sigmoid($0) }
    case .sigmoid: map(operands, y, type) { sigmoid($0) }
    case .hardSigmoid: map(operands, y, type) { hardSigmoid($0) }
    case .tanh: map(operands, y, type) { T.tanh($0) }
    case .softplus: map(operands, y, type) { softplus($0) }
    case .isFinite: map(operands, y, type) { $0.isFinite ? 1 : 0 }
    default:
      let formula = try formulas(of: function).forward
      map(operands, y, type) { formula.value(at: $0, alpha: a) }
    }
  }

  @inline(__always)
  private func map<T: ReferenceScalar>(
    _ operands: ReferenceOperands, _ result: ReferenceTensor, _ type: T.Type, _ function: (T) -> T
  ) {
    let (x, y) = (operands.inputs[0].elements(type), result.elements(type))
    operands.parallel(result.count, grain: 16384) { for e in $0 { y[e] = function(x[e]) } }
  }
}

/// Of a function that has no kernel above.
private func formulas(of function: UnaryFunction) throws(BackendError) -> (forward: Formula, slope: Formula) {
  guard let formulas = function.formulas else {
    throw BackendError(.unsupported, "\(function) has neither a kernel nor a formula")
  }
  return formulas
}

@inline(__always) func sigmoid<T: ReferenceScalar>(_ x: T) -> T {
  // Neither form overflows on its side of zero.
  if x >= 0 { return 1 / (1 + T.exp(-x)) }
  let e = T.exp(x)
  return e / (1 + e)
}

/// A comparison that is false for NaN must not turn it into 0: the monitor has to see it.
@inline(__always) func relu<T: ReferenceScalar>(_ x: T) -> T { x <= 0 ? 0 : x }

@inline(__always) func hardSigmoid<T: ReferenceScalar>(_ x: T) -> T {
  let line = x / 6 + T(0.5)
  return line < 0 ? 0 : line > 1 ? 1 : line
}

@inline(__always) func selu<T: ReferenceScalar>(_ x: T, _ scale: T, _ alpha: T) -> T {
  scale * (x > 0 ? x : alpha * T.expm1(x))
}

@inline(__always) func softplus<T: ReferenceScalar>(_ x: T) -> T { (x > 0 ? x : 0) + T.log1p(T.exp(-abs(x))) }

@inline(__always) private func geluInner<T: ReferenceScalar>(_ x: T) -> T {
  T(0.7978845608028654) * (x + T(0.044715) * x * x * x)
}

extension UnaryBackward: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    let a = T(alpha)
    // `v` is the result y or the operand x, as UnaryFunction.gradientOperand says.
    switch function {
    case .identity: map(operands, result, type) { _ in 1 }
    case .negate: map(operands, result, type) { _ in -1 }
    // Neither side of a kink takes a NaN: it is handed on.
    case .absolute: map(operands, result, type) { $0 > 0 ? 1 : $0 < 0 ? -1 : $0 }
    case .exp: map(operands, result, type) { $0 }
    case .log: map(operands, result, type) { 1 / $0 }
    case .sqrt: map(operands, result, type) { 1 / (2 * $0) }
    case .rsqrt: map(operands, result, type) { $0 * $0 * $0 / -2 }
    case .square: map(operands, result, type) { 2 * $0 }
    case .reciprocal: map(operands, result, type) { -$0 * $0 }
    case .relu:
      let (v, dy, dx) = pointers(operands, result, type)
      operands.parallel(result.count, grain: 16384) { for e in $0 { dx[e] = v[e] > 0 ? dy[e] : v[e] <= 0 ? 0 : v[e] } }
    case .leakyRelu: map(operands, result, type) { $0 > 0 ? 1 : $0 <= 0 ? a : $0 }
    case .elu: map(operands, result, type) { $0 > 0 ? 1 : $0 + a }
    case .selu:
      let (scale, alpha) = (T(UnaryFunction.seluScale), T(UnaryFunction.seluAlpha))
      map(operands, result, type) { $0 > 0 ? scale : $0 + scale * alpha }
    case .gelu:
      map(operands, result, type) { x in
        (1 + T.erf(x * T(0.5).squareRoot())) / 2 + x * T.exp(-x * x / 2) * T(0.3989422804014327)
      }
    case .geluTanh:
      map(operands, result, type) { x in
        let t = T.tanh(geluInner(x))
        return (1 + t) / 2 + x / 2 * (1 - t * t) * T(0.7978845608028654) * (1 + T(3 * 0.044715) * x * x)
      }
    case .swish:
      map(operands, result, type) { x in
        let s = sigmoid(x)
        return s * (1 + x * (1 - s))
      }
    case .sigmoid: map(operands, result, type) { $0 * (1 - $0) }
    case .hardSigmoid: map(operands, result, type) { $0 <= -3 || $0 >= 3 ? 0 : $0.isNaN ? $0 : 1 / T(6) }
    case .tanh: map(operands, result, type) { 1 - $0 * $0 }
    case .softplus: map(operands, result, type) { -T.expm1(-$0) }
    case .sign, .floor, .isFinite: map(operands, result, type) { _ in 0 }
    default:
      let formula = try formulas(of: function).slope
      map(operands, result, type) { formula.value(at: $0, alpha: a) }
    }
  }

  private func pointers<T>(
    _ operands: ReferenceOperands, _ result: ReferenceTensor, _ type: T.Type
  ) -> (UnsafeMutablePointer<T>, UnsafeMutablePointer<T>, UnsafeMutablePointer<T>) {
    (operands.inputs[0].elements(type), operands.inputs[1].elements(type), result.elements(type))
  }

  @inline(__always)
  private func map<T: ReferenceScalar>(
    _ operands: ReferenceOperands, _ result: ReferenceTensor, _ type: T.Type, _ derivative: (T) -> T
  ) {
    let (v, dy, dx) = pointers(operands, result, type)
    operands.parallel(result.count, grain: 16384) { for e in $0 { dx[e] = dy[e] * derivative(v[e]) } }
  }
}

extension Binary: ReferenceKernel {
  public func run(_ operands: ReferenceOperands) throws(BackendError) {
    switch operands.inputs[0].type.elementType {
    case .float64: run(operands, floating: Double.self)
    case .int32: try run(operands, whole: Int32.self)
    case .int64: try run(operands, whole: Int64.self)
    case .uint8, .bool: try run(operands, whole: UInt8.self)
    default: run(operands, floating: Float.self)
    }
  }

  private func run<T: ReferenceScalar>(_ operands: ReferenceOperands, floating type: T.Type) {
    switch function {
    case .add: zip(operands, type, type) { $0 + $1 }
    case .subtract: zip(operands, type, type) { $0 - $1 }
    case .multiply: zip(operands, type, type) { $0 * $1 }
    case .divide: zip(operands, type, type) { $0 / $1 }
    case .maximum: zip(operands, type, type) { $0 >= $1 || $0.isNaN ? $0 : $1 }
    case .minimum: zip(operands, type, type) { $0 <= $1 || $0.isNaN ? $0 : $1 }
    case .power: zip(operands, type, type) { T.pow($0, $1) }
    case .equal, .greater, .greaterEqual, .less: compare(operands, type)
    }
  }

  private func run<T: FixedWidthInteger>(
    _ operands: ReferenceOperands, whole type: T.Type
  ) throws(BackendError) {
    switch function {
    case .add: zip(operands, type, type) { $0 &+ $1 }
    case .subtract: zip(operands, type, type) { $0 &- $1 }
    case .multiply: zip(operands, type, type) { $0 &* $1 }
    case .maximum: zip(operands, type, type) { max($0, $1) }
    case .minimum: zip(operands, type, type) { min($0, $1) }
    case .divide, .power:
      throw BackendError(.unsupported, "\(function.rawValue) of \(operands.inputs[0].type) is not defined; cast it")
    case .equal, .greater, .greaterEqual, .less: compare(operands, type)
    }
  }

  private func compare<T: Comparable>(_ operands: ReferenceOperands, _ type: T.Type) {
    switch function {
    case .greater: zip(operands, type, UInt8.self) { $0 > $1 ? 1 : 0 }
    case .greaterEqual: zip(operands, type, UInt8.self) { $0 >= $1 ? 1 : 0 }
    case .less: zip(operands, type, UInt8.self) { $0 < $1 ? 1 : 0 }
    default: zip(operands, type, UInt8.self) { $0 == $1 ? 1 : 0 }
    }
  }

  @inline(__always)
  private func zip<T, Result>(
    _ operands: ReferenceOperands, _ type: T.Type, _ resultType: Result.Type, _ function: (T, T) -> Result
  ) {
    guard let result = operands.outputs[0] else { return }
    let (a, b) = (operands.inputs[0].elements(type), operands.inputs[1].elements(type))
    let y = result.elements(resultType)
    if operands.inputs[0].shape == operands.inputs[1].shape {
      operands.parallel(result.count, grain: 16384) { for e in $0 { y[e] = function(a[e], b[e]) } }
      return
    }
    let rows = BroadcastRows(result.shape, [operands.inputs[0].shape, operands.inputs[1].shape])
    let (sa, sb, length) = (rows.innerStrides[0], rows.innerStrides[1], rows.rowLength)
    operands.parallel(rows.rowCount, grain: max(1, 16384 / max(length, 1))) {
      for row in $0 {
        let ra = a + rows.offset(row: row, operand: 0)
        let rb = b + rows.offset(row: row, operand: 1)
        let ry = y + row * length
        if sa == 1, sb == 1 {
          for e in 0..<length { ry[e] = function(ra[e], rb[e]) }
        } else {
          for e in 0..<length { ry[e] = function(ra[e * sa], rb[e * sb]) }
        }
      }
    }
  }
}

extension Select: ReferenceKernel {
  public func run(_ operands: ReferenceOperands) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    switch result.type.elementType.byteCount {
    case 8: select(operands, result, UInt64.self)
    case 4: select(operands, result, UInt32.self)
    case 2: select(operands, result, UInt16.self)
    default: select(operands, result, UInt8.self)
    }
  }

  /// Choosing needs only the size of an element, not its meaning.
  private func select<Bits>(_ operands: ReferenceOperands, _ result: ReferenceTensor, _ type: Bits.Type) {
    let rows = BroadcastRows(result.shape, operands.inputs.map(\.shape))
    let condition = operands.inputs[0].elements(UInt8.self)
    let (a, b, y) = (operands.inputs[1].elements(type), operands.inputs[2].elements(type), result.elements(type))
    let strides = rows.innerStrides
    for row in 0..<rows.rowCount {
      let (rc, ra, rb) = (
        condition + rows.offset(row: row, operand: 0), a + rows.offset(row: row, operand: 1),
        b + rows.offset(row: row, operand: 2)
      )
      for e in 0..<rows.rowLength {
        y[row * rows.rowLength + e] = rc[e * strides[0]] != 0 ? ra[e * strides[1]] : rb[e * strides[2]]
      }
    }
  }
}

extension Cast: ReferenceKernel {
  public func run(_ operands: ReferenceOperands) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    let x = operands.inputs[0]
    switch x.type.elementType {
    case .float32: fromFloat(x, result, Float.self)
    case .float64: fromFloat(x, result, Double.self)
    case .int32: fromInteger(x, result, Int32.self)
    case .int64: fromInteger(x, result, Int64.self)
    default: fromInteger(x, result, UInt8.self)
    }
  }

  private func fromFloat<T: ReferenceScalar>(_ x: ReferenceTensor, _ y: ReferenceTensor, _ type: T.Type) {
    /// Towards zero; what does not fit goes to the nearest end, NaN to 0.
    func whole<I: FixedWidthInteger>(_ value: T, _ to: I.Type) -> I {
      guard !value.isNaN else { return 0 }
      return I(exactly: value.rounded(.towardZero)) ?? (value < 0 ? I.min : I.max)
    }
    let from = x.elements(type)
    switch y.type.elementType {
    case .float32: for e in 0..<x.count { y.elements(Float.self)[e] = Float(from[e]) }
    case .float64: for e in 0..<x.count { y.elements(Double.self)[e] = Double(from[e]) }
    case .int32: for e in 0..<x.count { y.elements(Int32.self)[e] = whole(from[e], Int32.self) }
    case .int64: for e in 0..<x.count { y.elements(Int64.self)[e] = whole(from[e], Int64.self) }
    case .bool: for e in 0..<x.count { y.elements(UInt8.self)[e] = from[e] != 0 ? 1 : 0 }
    default: for e in 0..<x.count { y.elements(UInt8.self)[e] = whole(from[e], UInt8.self) }
    }
  }

  private func fromInteger<T: FixedWidthInteger>(_ x: ReferenceTensor, _ y: ReferenceTensor, _ type: T.Type) {
    let from = x.elements(type)
    switch y.type.elementType {
    case .float32: for e in 0..<x.count { y.elements(Float.self)[e] = Float(from[e]) }
    case .float64: for e in 0..<x.count { y.elements(Double.self)[e] = Double(from[e]) }
    case .int32: for e in 0..<x.count { y.elements(Int32.self)[e] = Int32(truncatingIfNeeded: from[e]) }
    case .int64: for e in 0..<x.count { y.elements(Int64.self)[e] = Int64(from[e]) }
    case .bool: for e in 0..<x.count { y.elements(UInt8.self)[e] = from[e] != 0 ? 1 : 0 }
    default: for e in 0..<x.count { y.elements(UInt8.self)[e] = UInt8(truncatingIfNeeded: from[e]) }
    }
  }
}

extension Fill: ReferenceKernel {
  public func run(_ operands: ReferenceOperands) throws(BackendError) {
    guard let y = operands.outputs[0] else { return }
    switch y.type.elementType {
    case .float32: y.elements(Float.self).update(repeating: Float(value), count: y.count)
    case .float64: y.elements(Double.self).update(repeating: value, count: y.count)
    case .int32: y.elements(Int32.self).update(repeating: Int32(clamping: Int(value)), count: y.count)
    case .int64: y.elements(Int64.self).update(repeating: Int64(value), count: y.count)
    case .bool: y.elements(UInt8.self).update(repeating: value != 0 ? 1 : 0, count: y.count)
    default: y.elements(UInt8.self).update(repeating: UInt8(clamping: Int(value)), count: y.count)
    }
  }
}
