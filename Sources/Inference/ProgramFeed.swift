public import SwitchbackDatasets
public import SwitchbackExecution
import SwitchbackPrograms

/// Feeds a program with batches of samples: every input of the program is the field of its name.
///
/// Inputs are found once, and again only where a data set comes that has other fields. Then a batch is written where the
/// program reads it, and nothing is allocated. Bytes that stand for numbers (`Field.scale`) become these where the program
/// reads f32, as networks of runs whose pictures are f32 do. A field that the program does not
/// read is read all the same, into memory that nobody looks at. One thread at a time.
public final class ProgramFeed {
  public let executor: ProgramExecutor
  /// Samples of a batch.
  public let batchSize: Int
  private var fields: [Field] = []
  /// One for each of the executor's slots; empty until the first batch.
  private var memories: [BatchMemory] = []
  /// Fields of bytes, by their numbers, that the program reads as f32.
  private var scaled: [(field: Int, scale: Float, input: InputHandle)] = []
  /// What the data does not say of mixtures, since it has none.
  private var unmixed: [InputHandle] = []

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
    let memory = try memory(for: dataset, count: indices.count)
    try dataset.fill(indices, into: memory)
    for input in unmixed {
      executor.memory(of: input, slot: try executor.nextSlot()).initializeMemory(as: UInt8.self, repeating: 0)
    }
    for (field, scale, input) in scaled {
      let numbers = executor.memory(of: input, slot: try executor.nextSlot()).bindMemory(to: Float.self)
      var place = 0
      for row in 0..<batchSize {
        for byte in memory[field, row] {
          numbers[place] = Float(byte) * scale
          place += 1
        }
      }
    }
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
    var scaled: [(field: Int, scale: Float, input: InputHandle)] = []
    var unmixed: [InputHandle] = []
    let mixes = inputs.contains { $0.name == Field.partnerShare }
    for input in inputs {
      if mixes, Field.isOfMixing(input.name), !fields.contains(where: { $0.name == input.name }) {
        unmixed.append(input)
        continue
      }
      guard let index = fields.firstIndex(where: { $0.name == input.name }) else {
        throw DatasetError(
          .invalid,
          "the program \(executor.program.name) reads \(input.name) \(input.type), and the data has no field of that name; "
            + "it has \(fields.map(\.description).joined(separator: ", "))")
      }
      let field = fields[index]
      if let scale = field.scale, field.elementType == .uint8, input.type == .float32(input.type.shape),
        input.type.shape.elementCount == batchSize * field.elementCount
      {
        scaled.append((index, scale, input))
        continue
      }
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
    (self.fields, self.scaled, self.unmixed) = (fields, scaled, unmixed)
  }
}
