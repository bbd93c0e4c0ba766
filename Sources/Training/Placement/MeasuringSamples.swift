import SwitchbackDatasets
import SwitchbackInference
import SwitchbackPrograms

/// What a step is measured and checked on: for each input of its program uniform numbers or classes in turn. Times do not
/// depend on more, and no data need be there.
struct MeasuringSamples: Dataset {
  let count: Int
  let fields: [Field]
  let classNames: [String]
  /// Of fields of lengths, how many there are.
  private var lengths: [String: Int] = [:]

  init(for program: Program) throws(DatasetError) {
    var (count, fields) = (0, [Field]())
    for id in program.values(.input) {
      let value = program.values[id]
      guard let elementType = Field.ElementType(value.type.elementType) else {
        throw DatasetError(.invalid, "no data set has fields like the input \(value.name) \(value.type)")
      }
      count = value.type.shape.extents.first ?? 0
      fields.append(Field(value.name, elementType, Array(value.type.shape.extents.dropFirst())))
    }
    (self.count, self.fields) = (count, fields)
    let classCount = program.calls.lazy.compactMap { ($0.operation as? OneHot)?.classes }.min() ?? 2
    classNames = (0..<classCount).map { "\($0)" }
    for call in program.calls {
      guard let mask = call.operation as? SequenceMask, let id = call.inputs.first else { continue }
      let name = program.values[id].name
      lengths[name] = min(lengths[name] ?? Int.max, mask.steps + 1)
    }
  }

  func read(_ index: Int, row: Int, into batch: BatchMemory) {
    for (number, field) in fields.enumerated() {
      let (bytes, first) = (batch[number, row], index * field.elementCount)
      switch field.elementType {
      case .int32:
        let labels = bytes.bindMemory(to: Int32.self)
        let bound = lengths[field.name] ?? classNames.count
        for e in labels.indices { labels[e] = Int32((first + e) % bound) }
      case .uint8: for e in bytes.indices { bytes[e] = UInt8(truncatingIfNeeded: first + e) }
      case .float32:
        let (philox, numbers) = (Philox(seed: 1), bytes.bindMemory(to: Float.self))
        var e = 0
        while e < numbers.count {
          let bits = philox.bits(block: (first + e) / 4, stream: 0, step: 0)
          repeat {
            numbers[e] = Float(Philox.uniform(bits[(first + e) % 4]))
            e += 1
          } while e < numbers.count && (first + e) % 4 != 0
        }
      }
    }
  }
}
