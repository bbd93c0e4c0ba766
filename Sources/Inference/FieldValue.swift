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
  /// A row of the table, its features in the order of `SampleFormat.Input.features`, as they stand in the table: they are
  /// normalized here, in Float64.
  case row([Double])
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
    case .row(let row): try write(try normalized(row), .float32, to: bytes)
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

  private func normalized(_ row: [Double]) throws(TrainedModelError) -> [Float] {
    guard shape == [row.count] else {
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
