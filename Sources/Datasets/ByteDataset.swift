/// Labelled samples in memory, as bytes: images `[H, W, C]` with values 0…255.
public struct ByteDataset: Dataset {
  public let sampleShape: [Int]
  public let classNames: [String]
  /// `count` samples one after another, row-major.
  public let samples: [UInt8]
  public let labels: [Int32]
  private let size: Int

  public var count: Int { labels.count }
  public var targets: DatasetTargets { .classes }
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
    (self.sampleShape, self.classNames, self.samples, self.labels) = (sampleShape, classNames, samples, labels)
  }

  /// Scales to 0…1. Allocates nothing.
  public func read(_ index: Int, sample: UnsafeMutablePointer<Float>, target: UnsafeMutableRawPointer) {
    samples.withUnsafeBufferPointer { bytes in
      let from = bytes.baseAddress! + index * size
      for e in 0..<size { sample[e] = Float(from[e]) * (1 / 255) }
    }
    target.storeBytes(of: labels[index], as: Int32.self)
  }
}
