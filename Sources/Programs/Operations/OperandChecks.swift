// What the operations' `outputTypes` check alike.

extension TensorOperation {
  func expect(_ inputs: [TensorType], count: Int) throws(ProgramError) {
    guard inputs.count == count else {
      throw ProgramError("\(Self.name) takes \(count) operands, not \(inputs.count)")
    }
  }

  func expectFloatingPoint(_ inputs: [TensorType]) throws(ProgramError) {
    for type in inputs where !type.elementType.isFloatingPoint {
      throw ProgramError("an operand is \(type); floating point is needed (cast it)")
    }
  }

  func expectSame(_ a: TensorType, _ b: TensorType) throws(ProgramError) {
    guard a == b else { throw ProgramError("the operands \(a) and \(b) must have the same type") }
  }

  func expectRank(_ type: TensorType, _ rank: Int, _ what: String) throws(ProgramError) {
    guard type.shape.rank == rank else {
      throw ProgramError("\(what) must have \(rank) axes, but is \(type)")
    }
  }

  /// No whole number is NaN, infinite or beyond its type.
  func expectNumber(_ value: Double, _ elementType: ElementType) throws(ProgramError) {
    guard elementType.holds(value) else {
      throw ProgramError("\(value) is no \(elementType.rawValue)")
    }
  }

  func expectAxis(_ axis: Int, of type: TensorType) throws(ProgramError) {
    guard (0..<type.shape.rank).contains(axis) else { throw ProgramError("\(type) has no axis \(axis)") }
  }
}
