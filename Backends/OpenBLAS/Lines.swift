import SwitchbackBackendKit
import SwitchbackPrograms

/// Walks a box of elements in up to four tensors at once, line by line: the last axes in which every tensor has one
/// stride make the line, the other axes the walk. Fixed-size vectors, so that walking allocates and counts nothing.
struct Lines {
  /// Elements of a line, and the stride of each tensor in it.
  private(set) var count = 1
  private(set) var strides = SIMD4<Int>.zero
  private var isEmpty = false
  private var axes = 0
  private var extents = SIMD8<Int>(repeating: 1)
  /// For each tensor its strides along the axes.
  private var steps: (SIMD8<Int>, SIMD8<Int>, SIMD8<Int>, SIMD8<Int>) = (.zero, .zero, .zero, .zero)

  /// One list of strides a tensor, as long as `extents`.
  init(_ extents: [Int], _ tensors: [[Int]]) throws {
    isEmpty = extents.contains(0)
    var merged = MergedAxes(extents, tensors)
    if let line = merged.popLast() {
      count = line.extent
      for (tensor, stride) in line.strides.enumerated() { strides[tensor] = stride }
    }
    guard merged.rank <= 8 else { throw Declined(reason: "more than nine separate axes are not implemented here") }
    axes = merged.rank
    for axis in 0..<axes {
      self.extents[axis] = merged.extents[axis]
      steps.0[axis] = merged.strides[0][axis]
      if tensors.count > 1 { steps.1[axis] = merged.strides[1][axis] }
      if tensors.count > 2 { steps.2[axis] = merged.strides[2][axis] }
      if tensors.count > 3 { steps.3[axis] = merged.strides[3][axis] }
    }
  }

  /// Calls `body` with the offsets, in elements, at which a line begins in each tensor.
  @inline(__always)
  func forEach(from start: SIMD4<Int> = .zero, _ body: (SIMD4<Int>) -> Void) {
    guard !isEmpty else { return }
    var index = SIMD8<Int>.zero
    var offsets = start
    while true {
      body(offsets)
      var axis = axes - 1
      while axis >= 0 {
        let step = SIMD4(steps.0[axis], steps.1[axis], steps.2[axis], steps.3[axis])
        index[axis] += 1
        offsets &+= step
        if index[axis] < extents[axis] { break }
        offsets &-= step &* extents[axis]
        index[axis] = 0
        axis -= 1
      }
      if axis < 0 { return }
    }
  }
}

/// Operands stretched to a result by NumPy's rule, row by row. Tensor 0 of the lines is the result.
struct BroadcastRows {
  let lines: Lines
  let rows: Int
  let access: [Work.Access]
  /// Elements from one row to the next; 0 for what every row reads again.
  let rowStrides: SIMD4<Int>

  init(_ result: Shape, _ operands: [Shape]) throws {
    let extents = result.extents
    let all = [result.strides] + operands.map { $0.strides(stretchedTo: result) }
    lines = try Lines(Array(extents.dropFirst()), all.map { Array($0.dropFirst()) })
    rows = extents.first ?? 1
    access = operands.map { $0.rank == extents.count && $0.extents.first == extents.first ? .rows : .whole }
    var rowStrides = SIMD4<Int>.zero
    for (tensor, own) in all.enumerated() { rowStrides[tensor] = own.first ?? 0 }
    self.rowStrides = rowStrides
  }

  /// Calls `body` with where a line begins in each tensor.
  @inline(__always)
  func forEachLine(_ rows: Int, _ body: (SIMD4<Int>) -> Void) {
    for row in 0..<rows { lines.forEach(from: rowStrides &* row, body) }
  }
}
