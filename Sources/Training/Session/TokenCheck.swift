public import SwitchbackDatasets
import SwitchbackInference

extension TrainingSession {
  /// Throws where data has a token that the network does not know: it would end the step that meets it.
  public func checkTokens(of data: DatasetRecord?) throws {
    let fields = (data?.inputs ?? []).filter { $0.tokens?.largest != nil }
    guard !fields.isEmpty else { return }
    for bound in try inference.program.tokenBounds {
      guard let largest = fields.first(where: { $0.name == bound.name })?.tokens?.largest,
        let fault = bound.fault(of: largest)
      else { continue }
      throw DatasetError(.invalid, "\(fault): set its input_dim to \(Int(largest) + 1) or more, or mend the data")
    }
  }
}
