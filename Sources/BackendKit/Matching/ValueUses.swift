import SwitchbackPrograms

/// Who writes and reads each value of a segment: what a backend asks before it computes several calls at once.
package struct ValueUses: Sendable {
  package let segment: Segment
  /// For each value the calls that read it, in their order, each once.
  private let readersOfValue: [[Int]]
  private let writerOfValue: [Int?]

  package init(_ segment: Segment) {
    self.segment = segment
    var readers: [[Int]] = segment.values.map { _ in [] }
    var writer: [Int?] = segment.values.map { _ in nil }
    for (index, call) in segment.calls.enumerated() {
      for id in call.inputs where readers[id].last != index { readers[id].append(index) }
      for case let id? in call.outputs where segment.values[id].role != .state { writer[id] = index }
    }
    (readersOfValue, writerOfValue) = (readers, writer)
  }

  /// The call that writes `value`; nil for what comes from outside, and for a state, which is there before it is replaced.
  package func writer(of value: Int) -> Int? { writerOfValue[value] }

  /// The calls that read `value`, probes among them.
  package func readers(of value: Int) -> [Int] { readersOfValue[value] }

  /// The only call that computes with `value`; nil where none or several do. A `statistics` call only looks, so chains are
  /// the same with probes and without.
  package func onlyReader(of value: Int) -> Int? {
    var found: Int?
    for call in readersOfValue[value] where !looks(call) {
      guard found == nil else { return nil }
      found = call
    }
    return found
  }

  /// Whether `call` is a probe.
  package func looks(_ call: Int) -> Bool { segment.calls[call].operation is Statistics }
}

extension Segment {
  /// The row vector that `call` adds to `matrix`: the bias of a layer; nil where it does something else.
  package func rowVector(addedTo matrix: Int, by call: Int) -> Int? {
    guard let add = calls[call].operation as? Binary, add.function == .add,
      let vector = calls[call].inputs.first(where: { $0 != matrix }), isRowVector(vector, of: matrix)
    else { return nil }
    return vector
  }

  /// Whether `value` has one number for each element of the last axis of `matrix`, and stretches no other axis of it:
  /// f32[n] or f32[1, n] beside f32[m, n], which is what a bias is.
  package func isRowVector(_ value: Int, of matrix: Int) -> Bool {
    let (vector, shape) = (values[value].type.shape, values[matrix].type.shape)
    guard let columns = shape.extents.last, vector.extents.last == columns else { return false }
    return vector.elementCount == columns && vector.rank <= shape.rank
  }
}
