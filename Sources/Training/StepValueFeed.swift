import SwitchbackExecution
import SwitchbackNeuralNetworks

/// Gives a program its step values before each run. Which they are and where they go is found once.
struct StepValueFeed {
  private let executor: ProgramExecutor
  private let values: StepValues
  /// Indices of `values`, and the inputs that take them. A program that accumulates has fewer than one that updates.
  private let places: [(index: Int, input: InputHandle)]

  init(_ values: StepValues, for executor: ProgramExecutor) throws(ExecutionError) {
    (self.executor, self.values) = (executor, values)
    var places: [(index: Int, input: InputHandle)] = []
    for (index, name) in values.names.enumerated() where executor.hasInput(name) {
      places.append((index, try executor.input(named: name)))
    }
    self.places = places
  }

  /// Writes what the next run is given: rates as Float, keys of random numbers as two Int64.
  func fill(at position: StepPosition) throws(ExecutionError) {
    let slot = try executor.nextSlot()
    for place in places {
      let bytes = executor.memory(of: place.input, slot: slot)
      switch values[place.index, at: position] {
      case .scalar(let number): bytes.storeBytes(of: Float(number), as: Float.self)
      case .key(let seed, let counter):
        bytes.storeBytes(of: seed, as: Int64.self)
        bytes.storeBytes(of: counter, toByteOffset: 8, as: Int64.self)
      }
    }
  }
}
