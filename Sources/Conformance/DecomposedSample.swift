public import SwitchbackPrograms

extension OperationSample {
  /// The case with simpler operations in place of its call; nil where the operation states none.
  public func decomposedProgram() throws(ProgramError) -> Program? {
    let whole = try program()
    guard operation is any CompositeOperation else { return nil }
    let decomposed = try whole.decomposing([0])
    return decomposed.reasons.isEmpty ? decomposed.program : nil
  }
}
