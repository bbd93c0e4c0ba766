public import SwitchbackDatasets

/// What a sample has in one of its fields, for `TrainedModel.predict(fields:)`.
public enum FieldValue: Sendable {
  /// The f32 field as the network reads it, row-major: pixels from 0 to 1, table rows normalized. Where the network reads
  /// pictures as bytes, each pixel is the nearest of these.
  case numbers([Float])
  /// The u8 field as the network reads it, row-major: pixels from 0 to 255.
  case bytes([UInt8])
  /// The i32 field as the network reads it, row-major: tokens.
  case integers([Int32])
  /// A sequence of tokens of any length: it is cut, or padded with 0, and fills the field of its lengths too.
  case tokens([Int32])
  /// A text, whose words are looked up in the network's vocabulary: a sequence of tokens then.
  case text(String)
  /// A row of the table, its features in the order of `SampleFormat.Input.features`, as they stand in the table: they are
  /// normalized here, in Float64.
  case row([Double])
  /// Rows of a time series, one a step, as `row`: the window that the network reads.
  case rows([[Double]])
  /// A row of the table by the names of its columns, as it stands there: numbers and words. Columns that the network does
  /// not know are not used.
  case cells([String: String])
  /// A picture, which is resized and made gray or coloured as the network wants it.
  case image(Image)
}

extension SampleFormat.Input {
  /// Writes a sample's value where a program reads it; what is no value of this field is an error in words.
  func write(_ value: FieldValue, to bytes: UnsafeMutableRawBufferPointer) throws(TrainedModelError) {
    switch value {
    case .numbers(let numbers) where scale != nil:
      guard let stored = field.bytes(for: numbers) else {
        throw TrainedModelError("the network reads bytes that stand for numbers from 0 to \(255 * (scale ?? 1))")
      }
      try write(stored, .uint8, to: bytes)
    case .numbers(let numbers): try write(numbers, .float32, to: bytes)
    case .bytes(let numbers): try write(numbers, .uint8, to: bytes)
    case .integers(let numbers): try write(numbers, .int32, to: bytes)
    case .tokens(let tokens):
      guard shape.count == 1 else {
        throw TrainedModelError("the network takes samples \(shape), which are no sequences")
      }
      let kept = Array(tokens.prefix(shape[0]))
      try write(kept + [Int32](repeating: 0, count: shape[0] - kept.count), .int32, to: bytes)
    case .text(let text):
      guard let vocabulary else { throw TrainedModelError("the network has no vocabulary of words for texts") }
      try write(.tokens(vocabulary.tokens(of: text)), to: bytes)
    case .row(let row): try write(try normalized(row), .float32, to: bytes)
    case .rows(let rows): try write(try window(rows), .float32, to: bytes)
    case .cells(let cells): try write(try normalized(try row(of: cells)), .float32, to: bytes)
    case .image(let image):
      guard shape.count == 3, channels != nil else {
        throw TrainedModelError("the network takes samples \(shape), which are no images")
      }
      image.write(to: bytes, as: field, fit: fit)
    }
  }

  private func write<Number>(
    _ numbers: [Number], _ type: Field.ElementType, to bytes: UnsafeMutableRawBufferPointer
  ) throws(TrainedModelError) {
    guard type == elementType else {
      throw TrainedModelError("the network takes \(elementType.rawValue) \(shape), and is given \(type.rawValue)")
    }
    guard numbers.count == shape.reduce(1, *) else {
      throw TrainedModelError("\(numbers.count) numbers are no sample \(shape)")
    }
    numbers.withUnsafeBytes { bytes.copyMemory(from: $0) }
  }

  private func window(_ rows: [[Double]]) throws(TrainedModelError) -> [Float] {
    guard shape.count == 2, rows.count == shape[0] else {
      throw TrainedModelError("\(rows.count) rows are no sample \(shape)")
    }
    var values: [Float] = []
    for row in rows { values += try normalized(row) }
    return values
  }

  private func row(of cells: [String: String]) throws(TrainedModelError) -> [Double] {
    guard !features.isEmpty else {
      throw TrainedModelError("the columns of the network's \(shape) features have no names")
    }
    var row: [Double] = []
    for column in DatasetRecord.columns(of: features, words) {
      guard let cell = cells[column.name] else { throw TrainedModelError("the column \(column.name) is missing") }
      guard let words = column.words else {
        guard let number = CSVText.number(cell) else {
          throw TrainedModelError("\(column.name): \"\(cell)\" is no finite number")
        }
        row.append(number)
        continue
      }
      guard let word = words.wordNumber(cell) else {
        throw TrainedModelError(
          "\(column.name): \"\(cell)\" is none of the words that the network was trained with (\(words.wordsInOrder))")
      }
      for place in 0..<words.featureCount { row.append(words.number(ofWord: word, at: place)) }
    }
    return row
  }

  private func normalized(_ row: [Double]) throws(TrainedModelError) -> [Float] {
    guard shape.last == row.count, shape.count <= 2 else {
      throw TrainedModelError("\(row.count) numbers are no row of the network's \(shape) features")
    }
    let values = row.indices.map { Float(normalization.isEmpty ? row[$0] : normalization[$0](row[$0])) }
    for (index, value) in values.enumerated() where !value.isFinite {
      let name = features.isEmpty ? "number \(index)" : features[index]
      throw TrainedModelError("\(name): \(row[index]) is too large for the network")
    }
    return values
  }
}
