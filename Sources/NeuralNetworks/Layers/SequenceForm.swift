import SwitchbackPrograms

/// The forms in which kernels read sequences `[N, T, C]`. Sequences that were made of a value of such a form are read as that
/// value by the next layer, so that no reshape stands between the two.
enum SequenceForm {
  /// An image of one row, `[N, 1, T, C]`: every backend has kernels of images.
  case imageRow
  /// The rows of all tokens, `[N·T, C]`: one product with a kernel that all share.
  case tokenRows
}

extension LayerContext {
  func requireSequences(_ input: Value) throws(ProgramError) {
    let shape = input.shape
    guard shape.rank == 3 else {
      let hint =
        shape.rank == 4 ? "put a reshape to [\(shape[1]), \(shape[2] * shape[3])] between: a row is a step" : ""
      throw mismatch(input, takes: "sequences [N, T, C]", hint: hint)
    }
  }

  /// What sequences were made of, if it has that form.
  func origin(of sequences: Value, _ form: SequenceForm) -> Value? {
    origins[sequences.id].flatMap { $0.form == form ? $0.value : nil }
  }

  mutating func value(of sequences: Value, as form: SequenceForm) throws(ProgramError) -> Value {
    try requireSequences(sequences)
    if let origin = origin(of: sequences, form) { return origin }
    let (n, t, c) = (sequences.shape[0], sequences.shape[1], sequences.shape[2])
    let shape = form == .imageRow ? [n, 1, t, c] : [n * t, c]
    let value = try append(Reshape(shape: shape), sequences)
    sources[value.id] = source(of: sequences)
    return value
  }

  /// The sequences of `steps` steps that `value` of that form holds.
  mutating func sequences(
    of value: Value, _ form: SequenceForm, steps: Int
  ) throws(ProgramError) -> Value {
    let extents = value.shape.extents
    let samples = form == .imageRow ? extents[0] : steps == 0 ? 0 : extents[0] / steps
    let sequences = try append(Reshape(shape: [samples, steps, extents[extents.count - 1]]), value)
    origins[sequences.id] = (form, value)
    return sequences
  }

  // MARK: Images of one row

  /// What a layer of images makes of sequences.
  mutating func throughImage(of sequences: Value, _ layer: some UnaryLayer) throws(ProgramError) -> Value {
    let row = try layer(value(of: sequences, as: .imageRow), in: &self)
    return try self.sequences(of: row, .imageRow, steps: row.shape[2])
  }

  // MARK: Rows of tokens

  /// The same sequences, made of rows, so that all who read them token by token share one reshape.
  mutating func madeOfTokens(_ sequences: Value) throws(ProgramError) -> Value {
    if origin(of: sequences, .tokenRows) != nil { return sequences }
    let rows = try value(of: sequences, as: .tokenRows)
    let result = try self.sequences(of: rows, .tokenRows, steps: sequences.shape[1])
    sources[result.id] = source(of: sequences)
    try passMask(of: sequences, to: result)
    return result
  }

  /// What `function` makes of each token of sequences `[N, T, …]` that agree in N and T, from their rows.
  mutating func tokenwise(
    _ sequences: [Value], _ function: ([Value], inout LayerContext) throws(ProgramError) -> Value
  ) throws(ProgramError) -> Value {
    var rows: [Value] = []
    for sequence in sequences { rows.append(try value(of: sequence, as: .tokenRows)) }
    return try self.sequences(of: function(rows, &self), .tokenRows, steps: sequences[0].shape[1])
  }
}
