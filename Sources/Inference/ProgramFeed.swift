public import SwitchbackDatasets
public import SwitchbackExecution
import SwitchbackPrograms

/// Feeds a program with batches of samples: every input of the program is the field of its name.
///
/// Inputs are found once, and again only where a data set comes that has other fields. Then a batch is written where the
/// program reads it, and nothing is allocated. A field that the program does not
/// read is read all the same, into memory that nobody looks at. One thread at a time.
public final class ProgramFeed {
  public let executor: ProgramExecutor
  /// Samples of a batch.
  public let batchSize: Int
  private var fields: [Field] = []
  /// One for each of the executor's slots; empty until the first batch.
  private var memories: [BatchMemory] = []

  /// All inputs of the program must begin with the axis of the batch.
  public init(_ executor: ProgramExecutor) throws(ExecutionError) {
    self.executor = executor
    let inputs = executor.inputs
    batchSize = inputs.first?.type.shape.extents.first ?? 0
    for input in inputs where input.type.shape.extents.first != batchSize {
      throw ExecutionError(
        .invalid, "the input \(input.name) \(input.type) has no axis for batches of \(batchSize) samples")
    }
  }

  /// Writes the samples at `indices` where the next run reads them. A field that the data lacks or that does not fit the
  /// program is a `DatasetError`.
  public func fill(_ dataset: any Dataset, _ indices: ArraySlice<Int32>) throws {
    try dataset.fill(indices, into: try memory(for: dataset, count: indices.count))
  }

  /// The memory that the next run reads, for so many samples of a data set. It belongs to the caller until the run is
  /// started.
  public func memory(for dataset: any Dataset, count: Int) throws -> BatchMemory {
    if memories.isEmpty || dataset.fields != fields { try connect(dataset.fields) }
    guard count == batchSize else {
      throw DatasetError(
        .invalid, "\(count) samples are no batch of the program \(executor.program.name), which takes \(batchSize)")
    }
    return memories[try executor.nextSlot()]
  }

  private func connect(_ fields: [Field]) throws {
    let inputs = executor.inputs
    var places: [(field: Int, input: InputHandle)] = []
    for input in inputs {
      guard let index = fields.firstIndex(where: { $0.name == input.name }) else {
        throw DatasetError(
          .invalid,
          "the program \(executor.program.name) reads \(input.name) \(input.type), and the data has no field of that name; "
            + "it has \(fields.map(\.description).joined(separator: ", "))")
      }
      let field = fields[index]
      guard field.elementType.rawValue == input.type.elementType.rawValue,
        input.type.shape.elementCount == batchSize * field.elementCount
      else {
        throw DatasetError(
          .invalid,
          "the field \(field) of \(batchSize) samples does not fit the input \(input.name) \(input.type) of the program "
            + executor.program.name)
      }
      places.append((index, input))
    }
    memories = try (0..<executor.depth).map { slot in
      let borrowed = places.map { ($0.field, executor.memory(of: $0.input, slot: slot)) }
      return try BatchMemory(
        fields, rows: batchSize, borrowed: Dictionary(borrowed) { first, _ in first }, from: executor)
    }
    self.fields = fields
  }
}
