public import SwitchbackDatasets
import SwitchbackInference
import SwitchbackNeuralNetworks
import SwitchbackPrograms

extension TrainingSession {
  /// Throws where data has a token that the network does not know, or that is no class of a step: it would end the step that
  /// meets it.
  public func checkTokens(of data: DatasetRecord?) throws {
    let program = try inference.program
    if let fault = program.tokenFault(in: data)?.message ?? step.classFault(in: data, program) {
      throw DatasetError(.invalid, fault)
    }
  }
}

extension TrainingStep {
  /// Which tokens of the data cannot be the classes that are learnt of them; nil where all can. `program` is the network.
  func classFault(in data: DatasetRecord?, _ program: Program) -> String? {
    for objective in objectives where objective.targets == .classes {
      let name = prefix(of: objective) + StepOutput.predictions
      guard let largest = data?.inputs.first(where: { $0.name == objective.target })?.tokens?.largest,
        let units = program.output(named: name).flatMap({ program.values[$0].type.shape.extents.last }),
        // A single output tells two classes apart.
        Int(largest) >= max(units, 2)
      else { continue }
      return "the field \(objective.target) has the class \(largest), and the network ends with \(units) outputs for "
        + "each step: set the units of its last layer to \(Int(largest) + 1), or mend the data"
    }
    return nil
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
