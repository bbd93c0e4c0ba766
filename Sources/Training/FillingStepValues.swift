import SwitchbackExecution
import SwitchbackNeuralNetworks

extension ProgramExecutor {
  /// Writes what changes from step to step: rates as Float, keys of random numbers as two Int64.
  func fill(_ stepValues: StepValues, at position: StepPosition) throws {
    for name in stepValues.names where hasInput(name) {
      guard let value = stepValues(name, at: position) else { continue }
      try withInput(name) { bytes in
        switch value {
        case .scalar(let number): bytes.storeBytes(of: Float(number), as: Float.self)
        case .key(let seed, let counter):
          bytes.storeBytes(of: seed, as: Int64.self)
          bytes.storeBytes(of: counter, toByteOffset: 8, as: Int64.self)
        }
      }
    }
  }
}
