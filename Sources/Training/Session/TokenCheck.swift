public import SwitchbackDatasets
import SwitchbackInference
import SwitchbackPrograms

extension TrainingSession {
  /// Throws where data has a token that the network does not know: it would end the step that meets it.
  public func checkTokens(of data: DatasetRecord?) throws {
    if let fault = try inference.program.tokenFault(in: data) { throw DatasetError(.invalid, fault.message) }
  }
}

extension Program {
  /// Which embedding does not know a token of the data, and how that is mended; nil where all know all.
  func tokenFault(in data: DatasetRecord?) -> ProgramError? {
    for bound in tokenBounds {
      guard let largest = data?.inputs.first(where: { $0.name == bound.name })?.tokens?.largest,
        let fault = bound.fault(of: largest)
      else { continue }
      return ProgramError(
        "\(fault): set its input_dim to \(Int(largest) + 1) or more, or mend the data", path: bound.path)
    }
    return nil
  }
}
