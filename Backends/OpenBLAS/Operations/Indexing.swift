import SwitchbackPrograms

extension KernelMaker {
  /// A label outside the classes makes its row NaN, which the loss then shows; it must not write elsewhere.
  func oneHot(_ operation: OneHot) throws -> Kernel {
    let (labels, y, classes) = (input(0), output, operation.classes)
    let size = rowSize(type(0))
    return Kernel(access: [.rows], rows: rowCount(type(0))) { frame in
      let indices = frame.pointers[labels].assumingMemoryBound(to: Int32.self)
      let result = frame.floats(y)
      for e in 0..<frame.rows * size {
        let (row, label) = (result + e * classes, Int(indices[e]))
        let isKnown = label >= 0 && label < classes
        row.update(repeating: isKnown ? 0 : .nan, count: classes)
        if isKnown { row[label] = 1 }
      }
    }
  }
}
