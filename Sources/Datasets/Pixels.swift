/// How a picture's bytes become a sample's field, u8 as they are or f32 from 0 to 1.
extension Field {
  /// Writes the bytes of one sample; the memory is of this field's size.
  func write(_ bytes: UnsafeBufferPointer<UInt8>, to sample: UnsafeMutableRawBufferPointer) {
    guard elementType == .float32 else { return sample.copyMemory(from: UnsafeRawBufferPointer(bytes)) }
    let numbers = sample.bindMemory(to: Float.self)
    for e in numbers.indices { numbers[e] = Float(bytes[e]) * Field.pixelScale }
  }

  /// The bytes that stand for numbers, each the nearest; nil where one is out of their range.
  package func bytes(for numbers: [Float]) -> [UInt8]? {
    guard let scale else { return nil }
    let values = numbers.map { ($0 / scale).rounded() }
    return values.allSatisfy { (0...255).contains($0) } ? values.map { UInt8($0) } : nil
  }
}

extension Image {
  /// Writes the image as a sample of `field`, whose shape is `[height, width, channels]`.
  package func write(to sample: UnsafeMutableRawBufferPointer, as field: Field, fit: Fit) {
    let (height, width, channels) = (field.shape[0], field.shape[1], field.shape[2])
    if field.elementType == .float32 {
      guard let start = sample.bindMemory(to: Float.self).baseAddress else { return }
      write(to: start, height: height, width: width, channels: channels, fit: fit)
    } else {
      guard let start = sample.bindMemory(to: UInt8.self).baseAddress else { return }
      write(to: start, height: height, width: width, channels: channels, fit: fit)
    }
  }
}
