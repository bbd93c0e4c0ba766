/// Labelled samples in memory, as bytes: images `[H, W, C]` with values 0…255.
public struct ByteDataset: Dataset {
  public let fields: [Field]
  public let classNames: [String]
  /// `count` samples one after another, row-major.
  public let samples: [UInt8]
  public let labels: [Int32]
  private let size: Int

  public var count: Int { labels.count }
  public var isInMemory: Bool { true }

  public init(sampleShape: [Int], classNames: [String], samples: [UInt8], labels: [Int32]) throws(DatasetError) {
    size = sampleShape.reduce(1, *)
    guard samples.count == labels.count * size else {
      throw DatasetError(
        .corrupt, "\(samples.count) bytes are no \(labels.count) samples of \(sampleShape): images and labels differ")
    }
    if let bad = labels.first(where: { $0 < 0 || $0 >= classNames.count }) {
      throw DatasetError(.corrupt, "label \(bad) is outside the \(classNames.count) classes")
    }
    fields = [Field(Field.images, .float32, sampleShape), .labels(.classes)]
    (self.classNames, self.samples, self.labels) = (classNames, samples, labels)
  }

  /// Scales to 0…1. Allocates nothing.
  public func read(_ index: Int, row: Int, into batch: BatchMemory) {
    let sample = batch[0, row].bindMemory(to: Float.self)
    samples.withUnsafeBufferPointer { bytes in
      guard let from = bytes.baseAddress, let to = sample.baseAddress else { return }
      for e in 0..<size { to[e] = Float(from[index * size + e]) * (1 / 255) }
    }
    batch[1, row].storeBytes(of: labels[index], as: Int32.self)
  }
}
