import Foundation

/// A data set whose pictures are changed at random, for training. What becomes of a sample depends on seed, epoch and the
/// sample's number alone: not on the batch that it is in, nor on who reads when, so a run that goes on has the bits that it
/// would have had.
public final class AugmentedDataset: Dataset, @unchecked Sendable {
  // Unchecked: what changes is read and written under the lock.
  private let base: any Dataset
  private let augmentation: Augmentation
  private let seed: Int64
  /// The numbers of the fields that are pictures.
  private let pictures: [Int]
  private let lock = NSLock()
  private var epoch = 1
  /// Room for the largest picture as it was read.
  private let original: UnsafeMutableBufferPointer<UInt8>

  public var count: Int { base.count }
  public var fields: [Field] { base.fields }
  public var targetFields: [DatasetLayout.Target] { base.targetFields }
  public var classNames: [String] { base.classNames }
  public var labels: [Int32] { base.labels }
  public func classes(of target: String) -> [Int32] { base.classes(of: target) }

  /// All pictures of a sample are changed alike. Data without pictures of bytes, which are u8 `[height, width, channels]`
  /// that stand for numbers, is an error.
  public init(_ base: any Dataset, _ augmentation: Augmentation, seed: Int) throws(DatasetError) {
    if let fault = augmentation.fault { throw DatasetError(.invalid, fault) }
    pictures = Augmentation.pictures(in: base.fields)
    guard !pictures.isEmpty else {
      throw DatasetError(
        .invalid,
        "only pictures of bytes are augmented, and the data has \(base.fields.map(\.description).joined(separator: ", "))"
      )
    }
    (self.base, self.augmentation, self.seed) = (base, augmentation, Int64(seed))
    original = .allocate(capacity: pictures.map { base.fields[$0].byteCount }.max() ?? 0)
  }

  deinit { original.deallocate() }

  /// Samples that are read from here on are those of this epoch, which counts from 1.
  public func begin(epoch: Int) { lock.withLock { self.epoch = epoch } }

  /// Allocates no more than the data set does.
  public func read(_ index: Int, row: Int, into batch: BatchMemory) throws(DatasetError) {
    try base.read(index, row: row, into: batch)
    lock.lock()
    defer { lock.unlock() }
    for field in pictures {
      let bytes = batch[field, row]
      let picture = UnsafeMutableBufferPointer(rebasing: original[..<bytes.count])
      UnsafeMutableRawBufferPointer(picture).copyBytes(from: bytes)
      let draw = AugmentationDraw(
        augmentation, of: batch.fields[field].shape, seed: seed, epoch: epoch, sample: index)
      draw.write(UnsafeBufferPointer(picture), to: bytes.bindMemory(to: UInt8.self))
    }
  }
}
