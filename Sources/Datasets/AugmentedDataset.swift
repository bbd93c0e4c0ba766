import Foundation

/// A data set whose pictures are changed at random, for training. What becomes of a sample depends on seed, epoch and the
/// sample's number alone: not on the batch that it is in, nor on who reads when, so a run that goes on has the bits that it
/// would have had.
///
/// Of mixed samples (`Augmentation.mixup`) pictures and numbers, targets among them, are mixtures. A target that is a class
/// becomes the class of the larger part, beside a field with the other one, and one more says how much that is
/// (`Field.partner(of:)`, `Field.partnerShare`).
public final class AugmentedDataset: Dataset, @unchecked Sendable {
  // Unchecked: what changes is read and written under the lock.
  private let base: any Dataset
  private let augmentation: Augmentation
  private let seed: Int64
  /// The numbers of the fields that are pictures.
  private let pictures: [Int]
  private let lock = NSLock()
  private var epoch = 1
  /// The numbers of the fields that are mixed, and of targets that are classes.
  private let mixed: [Int]
  private let classes: [Int]
  /// Room for the sample that another one is mixed with.
  private let partner: BatchMemory
  public let fields: [Field]
  /// Room for the largest picture as it was read.
  private let original: UnsafeMutableBufferPointer<UInt8>

  public var count: Int { base.count }
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
    var (mixed, classes, fields) = ([Int](), [Int](), base.fields)
    if augmentation.mixup > 0 {
      if let fault = Mixup.fault(of: base.layout) { throw DatasetError(.invalid, fault) }
      let targets = base.targetFields.filter { $0.targets == .classes }.map(\.name)
      mixed = fields.indices.filter { fields[$0].elementType != .int32 }
      classes = fields.indices.filter { targets.contains(fields[$0].name) }
      fields +=
        classes.map { Field(Field.partner(of: fields[$0].name), .int32) } + [Field(Field.partnerShare, .float32)]
    }
    (self.mixed, self.classes, self.fields) = (mixed, classes, fields)
    partner = try BatchMemory(mixed.isEmpty ? [] : base.fields, rows: 1)
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
    change(index, batch, row)
    if augmentation.mixup > 0 { try mix(index, batch, row) }
  }

  public func randomNumbers(of index: Int) -> UInt64? {
    let epoch = lock.withLock { self.epoch }
    return AugmentationDraw(
      augmentation, of: base.fields[pictures[0]].shape, seed: seed, epoch: epoch, sample: index
    ).end
  }

  /// Changes the pictures of one sample.
  private func change(_ index: Int, _ batch: BatchMemory, _ row: Int) {
    for field in pictures {
      let bytes = batch[field, row]
      let picture = UnsafeMutableBufferPointer(rebasing: original[..<bytes.count])
      UnsafeMutableRawBufferPointer(picture).copyBytes(from: bytes)
      let draw = AugmentationDraw(
        augmentation, of: batch.fields[field].shape, seed: seed, epoch: epoch, sample: index)
      draw.write(UnsafeBufferPointer(picture), to: bytes.bindMemory(to: UInt8.self))
    }
  }

  /// Mixes a sample with its partner, which is changed as it is itself in this epoch.
  private func mix(_ index: Int, _ batch: BatchMemory, _ row: Int) throws(DatasetError) {
    let mixup = Mixup(alpha: augmentation.mixup, seed: seed, epoch: epoch, sample: index, count: base.count)
    try base.read(mixup.partner, row: 0, into: partner)
    change(mixup.partner, partner, 0)
    for field in mixed { mixup.mix(fields[field], batch[field, row], with: partner[field, 0]) }
    for (place, field) in classes.enumerated() {
      let (own, other) = (batch[field, row].load(as: Int32.self), partner[field, 0].load(as: Int32.self))
      let (larger, smaller) = mixup.isMostlyPartner ? (other, own) : (own, other)
      batch[field, row].storeBytes(of: larger, as: Int32.self)
      batch[fields.count - 1 - classes.count + place, row].storeBytes(of: smaller, as: Int32.self)
    }
    batch[fields.count - 1, row].storeBytes(of: mixup.smallerShare, as: Float.self)
  }
}
