public import SwitchbackDatasets
public import SwitchbackExecution
import SwitchbackInference
public import SwitchbackNeuralNetworks

/// Gives the program of a training step all that it is given before each run: a batch and its step values. What they are and
/// where they go is found once.
public struct StepFeed {
  private let batches: ProgramFeed
  private let values: StepValues
  /// Indices of `values`, and the inputs that take them. A program that accumulates has fewer than one that updates.
  private let places: [(index: Int, input: InputHandle)]

  /// Samples of a batch.
  var batchSize: Int { batches.batchSize }

  public init(_ executor: ProgramExecutor, _ values: StepValues) throws(ExecutionError) {
    batches = try ProgramFeed(executor)
    self.values = values
    var places: [(index: Int, input: InputHandle)] = []
    for (index, name) in values.names.enumerated() where executor.hasInput(name) {
      places.append((index, try executor.input(named: name)))
    }
    self.places = places
  }

  /// The memory of the next run's batch: see `ProgramFeed`.
  func memory(for dataset: any Dataset, count: Int) throws -> BatchMemory {
    try batches.memory(for: dataset, count: count)
  }

  /// Writes what the next run reads: the samples at `indices`, rates as Float, keys of random numbers as two Int64.
  public func fill(_ dataset: any Dataset, _ indices: ArraySlice<Int32>, at position: StepPosition) throws {
    try batches.fill(dataset, indices)
    let executor = batches.executor
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
