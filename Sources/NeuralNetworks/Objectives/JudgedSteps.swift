import SwitchbackPrograms

/// Judges the steps of a result `[N, T, …]` as if each were a sample, `[N·T, …]`, so that no loss has to know of steps.
struct JudgedSteps {
  let batch: Int
  let count: Int
  /// Which steps are valid, bool `[N, T]`; nil: all.
  let mask: Value?
  /// Axes of what is judged, that of the steps among them.
  private let rank: Int
  /// The same as bool `[N·T, 1, …]`.
  private let isValid: Value?

  /// Stands for predictions and targets at masked steps. Every loss and its slope are finite there, whether it is a
  /// probability, a logit or a number.
  private static let masked = 0.5

  /// `rank`: axes of the rows.
  init(
    _ batch: Int, _ count: Int, _ mask: Value?, rank: Int, in builder: inout ProgramBuilder
  ) throws(ProgramError) {
    (self.batch, self.count, self.mask, self.rank) = (batch, count, mask, rank)
    isValid = try mask.map { mask throws(ProgramError) in
      try builder.append(Reshape(shape: [batch * count] + [Int](repeating: 1, count: rank - 1)), mask)
    }
  }

  /// The rows, without what stands at masked steps. The mean behind the loss leaves these out too, but the loss's slope there
  /// may be NaN or infinite, and 0 times that is not 0.
  func kept(_ rows: Value, in builder: inout ProgramBuilder) throws(ProgramError) -> Value {
    guard let isValid else { return rows }
    return try builder.append(Select(), isValid, rows, builder.scalar(Self.masked, rows.type.elementType))
  }

  /// The same predictions, kept; `row` makes rows of a value.
  func kept(
    _ predictions: Predictions, in builder: inout ProgramBuilder,
    _ row: (Value, inout ProgramBuilder) throws(ProgramError) -> Value = { value, _ in value }
  ) throws(ProgramError) -> Predictions {
    let values = try kept(row(predictions.values, &builder), in: &builder)
    guard predictions.logits != predictions.values else {
      return Predictions(values: values, gate: predictions.gate, logits: values)
    }
    return Predictions(
      values: values, gate: predictions.gate, logits: try kept(row(predictions.logits, &builder), in: &builder))
  }

  /// Of numbers of the steps `[N·T]`, the mean over each sample's valid ones, `[N]`: 0 where there are none.
  func means(_ numbers: Value, in builder: inout ProgramBuilder) throws(ProgramError) -> Value {
    let bySteps = try builder.append(Reshape(shape: [batch, count]), numbers)
    guard let mask else { return try builder.append(Reduce(.mean, axes: [1]), bySteps) }
    return try builder.append(Binary(.divide), sums(bySteps, mask, in: &builder), builder.validCounts(mask))
  }

  /// The sum over each sample's valid steps, `[N]`, and how many these are; without a mask the mean, and nil.
  func totals(
    _ numbers: Value, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> (sums: Value, counts: Value?) {
    guard let mask else { return (try means(numbers, in: &builder), nil) }
    let bySteps = try builder.append(Reshape(shape: [batch, count]), numbers)
    let sums = try sums(bySteps, mask, in: &builder)
    let counts = try builder.append(Reduce(.sum, axes: [1]), builder.append(Cast(to: .float32), mask))
    return (sums, counts)
  }

  private func sums(_ bySteps: Value, _ mask: Value, in builder: inout ProgramBuilder) throws(ProgramError) -> Value {
    let kept = try builder.append(Select(), mask, bySteps, builder.scalar(0, bySteps.type.elementType))
    return try builder.append(Reduce(.sum, axes: [1]), kept)
  }
}

extension ProgramBuilder {
  /// A result `[N, T, C]` as rows `[N·T, C]`: those that it was made of, where it was made of such.
  mutating func stepRows(of value: Value) throws(ProgramError) -> Value {
    let (batch, steps, features) = (value.shape[0], value.shape[1], value.shape[2])
    if let call = program.calls.last(where: { $0.outputs.contains(value.id) }), call.operation is Reshape {
      let rows = self.value(call.inputs[0])
      if rows.shape == [batch * steps, features] { return rows }
    }
    return try append(Reshape(shape: [batch * steps, features]), value)
  }

  /// Which steps an earlier call made of a field of lengths; nil where none did.
  func sequenceMask(of lengths: String, steps: Int) -> Value? {
    guard let id = program.value(named: lengths) else { return nil }
    let call = program.calls.first { $0.inputs == [id] && $0.operation as? SequenceMask == SequenceMask(steps: steps) }
    return call?.outputs[0].map { value($0) }
  }
}
