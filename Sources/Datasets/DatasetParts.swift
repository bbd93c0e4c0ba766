/// The parts of a data set.
public struct DatasetParts: Sendable {
  public var train: any Dataset
  /// Training samples that are held out to watch; nil: none.
  public var validation: (any Dataset)?
  public var test: any Dataset
  /// What was read, for whoever reads later samples in the same way; nil of data sets made in a program.
  public var record: DatasetRecord?
  /// What a user should know of the data, a sentence each: what is left out, turned, or looks like a mistake.
  public var notes: [String] = []

  public init(
    train: any Dataset, validation: (any Dataset)? = nil, test: any Dataset, record: DatasetRecord? = nil,
    notes: [String] = []
  ) {
    (self.train, self.validation, self.test) = (train, validation, test)
    (self.record, self.notes) = (record, notes)
  }

  /// Every sample of every part.
  public var all: any Dataset { DatasetUnion([train] + (validation.map { [$0] } ?? []) + [test]) }

  public subscript(part: DatasetRecord.Part.Name) -> (any Dataset)? {
    switch part {
    case .train: train
    case .validation: validation
    case .test: test
    }
  }

  /// The same with a share of the training samples held out for validation, of each class as large a share: which ones
  /// depends on `seed` alone.
  public func holdingOut(_ share: Double, seed: Int = 0) -> DatasetParts {
    guard share > 0 else { return self }
    let held = Set(StratifiedDraw.indices(of: train, share: share, seed: seed))
    guard !held.isEmpty else { return self }
    let all = 0..<Int32(train.count)
    var parts = self
    parts.train = DatasetSubset(train, all.filter { !held.contains($0) })
    parts.validation = DatasetSubset(train, all.filter { held.contains($0) })
    return parts
  }
}

/// A random share of a data set's samples, as large of each class.
enum StratifiedDraw {
  /// Rounded to the nearest whole number of samples of each class; where targets are numbers all samples are one class.
  static func indices(of dataset: any Dataset, share: Double, seed: Int) -> [Int32] {
    let labels = dataset.labels
    let byClass = Dictionary(grouping: 0..<Int32(dataset.count)) { labels.isEmpty ? 0 : labels[Int($0)] }
    return byClass.keys.sorted().flatMap { label -> ArraySlice<Int32> in
      var members = byClass[label] ?? []
      var random = SplitMix64(mixing: [UInt64(bitPattern: Int64(seed)), UInt64(bitPattern: Int64(label))])
      random.shuffle(&members)
      return members.prefix(Int((Double(members.count) * share).rounded()))
    }
  }
}

/// Chosen samples of another data set; nothing is copied.
public struct DatasetSubset: Dataset {
  let base: any Dataset
  let indices: [Int32]

  init(_ base: any Dataset, _ indices: [Int32]) { (self.base, self.indices) = (base, indices) }

  public var count: Int { indices.count }
  public var fields: [Field] { base.fields }
  public var targetFields: [DatasetLayout.Target] { base.targetFields }
  public var classNames: [String] { base.classNames }
  public var isInMemory: Bool { base.isInMemory }
  public var labels: [Int32] {
    let labels = base.labels
    return labels.isEmpty ? [] : indices.map { labels[Int($0)] }
  }

  public func classes(of target: String) -> [Int32] {
    let classes = base.classes(of: target)
    return classes.isEmpty ? [] : indices.map { classes[Int($0)] }
  }

  public func read(_ index: Int, row: Int, into batch: BatchMemory) throws(DatasetError) {
    try base.read(Int(indices[index]), row: row, into: batch)
  }

  public func randomNumbers(of index: Int) -> UInt64? { base.randomNumbers(of: Int(indices[index])) }
}

extension Dataset {
  /// `count` samples, the same ones for the same seed, in their own order; all where there are no more.
  public func drawn(_ count: Int, seed: Int) -> any Dataset {
    guard count < self.count else { return self }
    return DatasetSubset(self, BatchOrder(count: self.count, batchSize: count, seed: Int64(seed)).batch(0).sorted())
  }
}

/// The samples of several data sets of one kind, one after the other.
struct DatasetUnion: Dataset {
  private let members: [any Dataset]
  let count: Int

  init(_ members: [any Dataset]) {
    self.members = members
    count = members.reduce(0) { $0 + $1.count }
  }

  var fields: [Field] { members[0].fields }
  var targetFields: [DatasetLayout.Target] { members[0].targetFields }
  var classNames: [String] { members[0].classNames }
  var isInMemory: Bool { members.allSatisfy(\.isInMemory) }
  var labels: [Int32] { members.flatMap(\.labels) }

  func classes(of target: String) -> [Int32] { members.flatMap { $0.classes(of: target) } }

  func read(_ index: Int, row: Int, into batch: BatchMemory) throws(DatasetError) {
    var index = index
    for member in members {
      if index < member.count { return try member.read(index, row: row, into: batch) }
      index -= member.count
    }
  }
}
