import SwitchbackPrograms

/// What is done token by token is done to the rows of all sequences at once: one product with a kernel that all share.
extension LayerContext {
  /// Sequences `[N, T, C]` as rows `[N·T, C]`. Those that were made of such rows are these rows, so that nothing stands
  /// between one token-wise layer and the next.
  mutating func tokenRows(of sequences: Value) throws(ProgramError) -> Value {
    try requireSequences(sequences)
    if let rows = tokenRows[sequences.id] { return rows }
    let (n, t, c) = (sequences.shape[0], sequences.shape[1], sequences.shape[2])
    let rows = try append(Reshape(shape: [n * t, c]), sequences)
    sources[rows.id] = source(of: sequences)
    return rows
  }

  /// Rows `[N·T, C]` as sequences of T tokens, `[N, T, C]`.
  mutating func sequences(ofTokenRows rows: Value, steps: Int) throws(ProgramError) -> Value {
    let (count, c) = (rows.shape[0], rows.shape[1])
    let sequences = try append(Reshape(shape: [steps == 0 ? 0 : count / steps, steps, c]), rows)
    tokenRows[sequences.id] = rows
    return sequences
  }

  /// The same sequences, made of rows, so that all who read them token by token share one reshape.
  mutating func madeOfTokens(_ sequences: Value) throws(ProgramError) -> Value {
    if tokenRows[sequences.id] != nil { return sequences }
    let result = try self.sequences(ofTokenRows: tokenRows(of: sequences), steps: sequences.shape[1])
    sources[result.id] = source(of: sequences)
    try passMask(of: sequences, to: result)
    return result
  }

  /// What `function` makes of each token of sequences `[N, T, …]` that agree in N and T, from their rows.
  mutating func tokenwise(
    _ sequences: [Value], _ function: ([Value], inout LayerContext) throws(ProgramError) -> Value
  ) throws(ProgramError) -> Value {
    var rows: [Value] = []
    for value in sequences { rows.append(try tokenRows(of: value)) }
    return try self.sequences(ofTokenRows: function(rows, &self), steps: sequences[0].shape[1])
  }
}
