import SwitchbackPrograms

/// Walks a result row by row (its last axis), with the offset of each operand that is broadcast to it.
struct BroadcastRows {
  let rowLength: Int
  let rowCount: Int
  /// For each operand its stride along the last axis: 1, or 0 where it is stretched.
  let innerStrides: [Int]
  private let outerExtents: [Int]
  private let outerStrides: [[Int]]

  init(_ result: Shape, _ operands: [Shape]) {
    rowLength = result.extents.last ?? 1
    outerExtents = Array(result.extents.dropLast())
    rowCount = outerExtents.reduce(1, *)
    var inner: [Int] = []
    var outer: [[Int]] = []
    for operand in operands {
      let strides = operand.strides(stretchedTo: result)
      inner.append(strides.last ?? 0)
      outer.append(Array(strides.dropLast()))
    }
    innerStrides = inner
    outerStrides = outer
  }

  /// Where a row begins in an operand.
  func offset(row: Int, operand: Int) -> Int {
    var rest = row
    var offset = 0
    for axis in stride(from: outerExtents.count - 1, through: 0, by: -1) {
      offset += rest % outerExtents[axis] * outerStrides[operand][axis]
      rest /= outerExtents[axis]
    }
    return offset
  }
}
