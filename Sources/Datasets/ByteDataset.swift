/// Labelled samples in memory, as bytes: images `[H, W, C]` with values 0…255.
public struct ByteDataset: Dataset {
  public private(set) var fields: [Field]
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
    fields = [.pictures(Field.images, sampleShape), .labels(.classes)]
    (self.classNames, self.samples, self.labels) = (classNames, samples, labels)
  }

  /// The same with pictures of another element type: f32 is for a loop that goes on with a run whose pictures are.
  public func with(pictures elementType: Field.ElementType) -> ByteDataset {
    var data = self
    data.fields[0] = .pictures(Field.images, fields[0].shape, as: elementType)
    return data
  }

  /// Allocates nothing.
  public func read(_ index: Int, row: Int, into batch: BatchMemory) {
    samples.withUnsafeBufferPointer { bytes in
      fields[0].write(UnsafeBufferPointer(rebasing: bytes[index * size..<(index + 1) * size]), to: batch[0, row])
    }
    batch[1, row].storeBytes(of: labels[index], as: Int32.self)
  }
}
