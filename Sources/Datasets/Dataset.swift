/// Samples with what is to be learnt of them: in memory, or decoded on demand.
///
/// Reading is safe from several threads at once.
public protocol Dataset: Sendable {
  var count: Int { get }
  /// Without the batch: `[H, W, C]` of images, `[k]` of table rows.
  var sampleShape: [Int] { get }
  /// One a class; empty where targets are numbers.
  var classNames: [String] { get }
  var targets: DatasetTargets { get }
  /// The class of each sample, where it is known without reading the sample; otherwise empty.
  var labels: [Int32] { get }
  /// Whether reading a sample is only copying, so that nothing is won by doing it ahead.
  var isInMemory: Bool { get }

  /// Copies one sample (`sampleShape`, row-major; images scaled to 0…1) and its target: an i32, or k f32.
  func read(
    _ index: Int, sample: UnsafeMutablePointer<Float>, target: UnsafeMutableRawPointer
  ) throws(DatasetError)

  /// Copies the samples at `indices` to `[n, …]` and their targets to i32 `[n]` or f32 `[n, k]`.
  func gather(
    _ indices: ArraySlice<Int32>, samples: UnsafeMutablePointer<Float>, targets: UnsafeMutableRawPointer
  ) throws(DatasetError)
}

/// What is to be learnt of a sample.
public enum DatasetTargets: Hashable, Sendable {
  /// Its class, an i32 from 0.
  case classes
  /// So many numbers, f32.
  case values(Int)

  /// Bytes of one sample's target.
  public var byteCount: Int {
    switch self {
    case .classes: 4
    case .values(let count): 4 * count
    }
  }
}

extension Dataset {
  public var isInMemory: Bool { false }
  public var labels: [Int32] { [] }
  public var sampleSize: Int { sampleShape.reduce(1, *) }

  public func gather(
    _ indices: ArraySlice<Int32>, samples: UnsafeMutablePointer<Float>, targets: UnsafeMutableRawPointer
  ) throws(DatasetError) {
    let (sampleSize, targetSize) = (sampleSize, self.targets.byteCount)
    var (sample, target) = (samples, targets)
    for index in indices {
      try read(Int(index), sample: sample, target: target)
      (sample, target) = (sample + sampleSize, target + targetSize)
    }
  }

  /// One sample, as an array: for showing it.
  public func sample(_ index: Int) throws(DatasetError) -> (values: [Float], target: [Float]) {
    var values = [Float](repeating: 0, count: sampleSize)
    switch targets {
    case .classes:
      var label: Int32 = 0
      try read(index, sample: &values, target: &label)
      return (values, [Float(label)])
    case .values(let count):
      var target = [Float](repeating: 0, count: count)
      try read(index, sample: &values, target: &target)
      return (values, target)
    }
  }

  /// The samples in `range` as a data set of their own; nothing is copied.
  public func subset(_ range: Range<Int>) -> DatasetSubset {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "\(range) of \(count) samples")
    return DatasetSubset(self, range.map { Int32($0) })
  }
}
