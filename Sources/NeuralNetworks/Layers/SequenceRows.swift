import SwitchbackPrograms

/// Layers of sequences are those of images with one row, so that every backend has their kernels.
extension LayerContext {
  func requireSequences(_ input: Value) throws(ProgramError) {
    guard input.shape.rank == 3 else { throw mismatch(input, takes: "sequences [N, T, C]") }
  }

  /// A sequence `[N, T, C]` as an image of one row, `[N, 1, T, C]`. One that was made of such an image is that image, so
  /// that nothing stands between a convolution and the pooling behind it.
  mutating func imageRow(of sequence: Value) throws(ProgramError) -> Value {
    try requireSequences(sequence)
    if let row = imageRows[sequence.id] { return row }
    let (n, t, c) = (sequence.shape[0], sequence.shape[1], sequence.shape[2])
    let row = try append(Reshape(shape: [n, 1, t, c]), sequence)
    sources[row.id] = source(of: sequence)
    return row
  }

  /// An image of one row `[N, 1, T, C]` as a sequence `[N, T, C]`.
  mutating func sequence(ofImageRow row: Value) throws(ProgramError) -> Value {
    let (n, t, c) = (row.shape[0], row.shape[2], row.shape[3])
    let sequence = try append(Reshape(shape: [n, t, c]), row)
    imageRows[sequence.id] = row
    return sequence
  }
}
