/// Samples with what is to be learnt of them, as fields: in memory, or decoded on demand.
///
/// Reading is safe from several threads at once.
public protocol Dataset: Sendable {
  var count: Int { get }
  /// What a batch is made of, each field with a name of its own; the same ones every time.
  var fields: [Field] { get }
  /// What is to be learnt, in fields among `fields`; unless said otherwise the field `labels`.
  var targetFields: [DatasetLayout.Target] { get }
  /// One a class of the field `labels`; empty where targets are numbers.
  var classNames: [String] { get }
  /// The class of each sample, where it is known without reading the sample; otherwise empty.
  var labels: [Int32] { get }
  /// The same of any field among `targetFields`.
  func classes(of target: String) -> [Int32]
  /// Whether reading a sample is only copying, so that nothing is won by doing it ahead.
  var isInMemory: Bool { get }

  /// Writes all fields of one sample to `batch[field, row]`; fields count as in `fields`.
  func read(_ index: Int, row: Int, into batch: BatchMemory) throws(DatasetError)

  /// Writes the samples at `indices` to the first rows of `batch`.
  func fill(_ indices: ArraySlice<Int32>, into batch: BatchMemory) throws(DatasetError)

  /// Of a sample that is changed at random when it is read: a number made of the random numbers that change it, 64 bits that
  /// are equal only where these are. Nil, unless said, where samples are not changed. A law holds them apart.
  func randomNumbers(of index: Int) -> UInt64?
}

/// What is to be learnt of a sample.
public enum DatasetTargets: Hashable, Sendable {
  /// Its class, an i32 from 0.
  case classes
  /// The class of each of so many steps, i32 `[T]` from 0.
  case stepClasses(Int)
  /// So many numbers, f32.
  case values(Int)

  /// Whether that is classes, of the sample or of its steps.
  public var areClasses: Bool { if case .values = self { false } else { true } }
}

extension Dataset {
  public var isInMemory: Bool { false }
  public func randomNumbers(of index: Int) -> UInt64? { nil }
  public var labels: [Int32] { [] }
  public func classes(of target: String) -> [Int32] { target == Field.labels ? labels : [] }

  public func fill(_ indices: ArraySlice<Int32>, into batch: BatchMemory) throws(DatasetError) {
    for (row, index) in indices.enumerated() { try read(Int(index), row: row, into: batch) }
  }

  /// The number of the field that a network with one input reads.
  private var sampleField: Int? {
    layout.inputs.first.flatMap { input in fields.firstIndex { $0.name == input.name } }
  }

  /// Of that field, without the batch: `[H, W, C]` of images, `[k]` of table rows.
  public var sampleShape: [Int] { sampleField.map { fields[$0].shape } ?? [] }

  /// What the field `labels` holds; no numbers where there is none.
  public var targets: DatasetTargets { layout[Field.labels]?.targets ?? .values(0) }

  /// A batch as numbers, by the names of the fields: for looking at it. Pictures are numbers from 0 to 1, `asStored` bytes.
  public func numbers(
    _ indices: ArraySlice<Int32>, asStored: Bool = false
  ) throws(DatasetError) -> [String: [Double]] {
    let memory = try BatchMemory(fields, rows: indices.count)
    try fill(indices, into: memory)
    var numbers: [String: [Double]] = [:]
    for (index, field) in fields.enumerated() {
      numbers[field.name] = memory.numbers(index, count: indices.count, asStored: asStored)
    }
    return numbers
  }

  /// One sample, as an array: for showing it. A picture is numbers from 0 to 1.
  public func sample(_ index: Int) throws(DatasetError) -> (values: [Float], target: [Float]) {
    let memory = try BatchMemory(fields, rows: 1)
    try read(index, row: 0, into: memory)
    func numbers(_ field: Int?) -> [Float] { field.map { memory.numbers($0, count: 1).map(Float.init) } ?? [] }
    return (numbers(sampleField), numbers(fields.firstIndex { $0.name == Field.labels }))
  }

  /// The samples in `range` as a data set of their own; nothing is copied.
  public func subset(_ range: Range<Int>) -> DatasetSubset {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "\(range) of \(count) samples")
    return DatasetSubset(self, range.map { Int32($0) })
  }
}
