/// Labelled samples in memory, as bytes: images `[H, W, C]` with values 0…255.
public struct Dataset: Sendable {
  public let sampleShape: [Int]
  public let classNames: [String]
  /// `count` samples one after another, row-major.
  public let samples: [UInt8]
  public let labels: [Int32]

  public var count: Int { labels.count }
  public var sampleSize: Int { sampleShape.reduce(1, *) }

  public init(sampleShape: [Int], classNames: [String], samples: [UInt8], labels: [Int32]) throws(DatasetError) {
    guard samples.count == labels.count * sampleShape.reduce(1, *) else {
      throw DatasetError(
        .corrupt, "\(samples.count) bytes are no \(labels.count) samples of \(sampleShape): images and labels differ")
    }
    if let bad = labels.first(where: { $0 < 0 || $0 >= classNames.count }) {
      throw DatasetError(.corrupt, "label \(bad) is outside the \(classNames.count) classes")
    }
    (self.sampleShape, self.classNames, self.samples, self.labels) = (sampleShape, classNames, samples, labels)
  }

  /// Copies the samples at `indices`, scaled to 0…1, and their labels. Allocates nothing.
  public func gather(
    _ indices: ArraySlice<Int32>, samples target: UnsafeMutablePointer<Float>, labels: UnsafeMutablePointer<Int32>
  ) {
    let size = sampleSize
    samples.withUnsafeBufferPointer { bytes in
      for (row, index) in indices.enumerated() {
        let (from, to) = (bytes.baseAddress! + Int(index) * size, target + row * size)
        for e in 0..<size { to[e] = Float(from[e]) * (1 / 255) }
        labels[row] = self.labels[Int(index)]
      }
    }
  }

  /// The samples in `range` as a data set of their own.
  public func subset(_ range: Range<Int>) throws(DatasetError) -> Dataset {
    try Dataset(
      sampleShape: sampleShape, classNames: classNames,
      samples: Array(samples[range.lowerBound * sampleSize..<range.upperBound * sampleSize]),
      labels: Array(labels[range]))
  }
}
