/// Samples that a program made, in memory: any number of fields, each an array with the values of all samples.
///
/// ```swift
/// let digits = try ArrayDataset(pixels, shape: [28, 28, 1], labels: classes)
/// let houses = try ArrayDataset([
///   .float32("images", pixels, shape: [64, 64, 3]), .float32("table", rows, shape: [5]),
///   .float32("labels", prices), .float32("sample_weight", weights),
/// ])
/// ```
///
/// Whatever does not fit together is a `DatasetError` that names the field.
public struct ArrayDataset: Dataset {
  public let count: Int
  public let fields: [Field]
  public let classNames: [String]
  public let labels: [Int32]
  private let columns: [Column]

  public var isInMemory: Bool { true }

  /// A field with the values of all samples, one after the other, each row-major.
  public struct Column: Sendable {
    public let field: Field
    fileprivate let values: Values

    fileprivate enum Values: Sendable {
      case float32([Float])
      case int32([Int32])
      case uint8([UInt8])

      var count: Int {
        switch self {
        case .float32(let values): values.count
        case .int32(let values): values.count
        case .uint8(let values): values.count
        }
      }
    }

    /// `shape` is that of one sample; `[]` is one number.
    public static func float32(
      _ name: String, _ values: [Float], shape: [Int] = [], lengths: String? = nil
    ) -> Column {
      Column(field: Field(name, .float32, shape, lengths: lengths), values: .float32(values))
    }

    /// `lengths` names the field that says how many of `shape[0]` are real, where samples are padded sequences.
    public static func int32(
      _ name: String, _ values: [Int32], shape: [Int] = [], lengths: String? = nil
    ) -> Column {
      Column(field: Field(name, .int32, shape, lengths: lengths), values: .int32(values))
    }

    /// `scale`: what a network multiplies them with, such as `Field.pixelScale` for pictures; nil: they are no numbers to
    /// be scaled.
    public static func uint8(
      _ name: String, _ values: [UInt8], shape: [Int] = [], scale: Float? = nil
    ) -> Column {
      Column(field: Field(name, .uint8, shape, scale: scale), values: .uint8(values))
    }
  }

  /// `classNames` are those of a field `labels` i32 `[]`, or i32 `[T]` with a class a step, in the order of its numbers;
  /// empty: the numbers themselves. Of classes by steps those behind a sample's length may be any numbers: nothing reads
  /// them, and a batch has 0 there.
  public init(_ columns: [Column], classNames: [String] = []) throws(DatasetError) {
    guard let first = columns.first else { throw DatasetError(.invalid, "a data set needs a field") }
    count = try Self.count(first)
    for (index, column) in columns.enumerated() {
      let count = try Self.count(column)
      guard count == self.count else {
        throw DatasetError(
          .invalid, "the field \(column.field) has \(count) samples, and \(first.field) has \(self.count)")
      }
      if columns[..<index].contains(where: { $0.field.name == column.field.name }) {
        throw DatasetError(.invalid, "two fields are called \(column.field.name)")
      }
      if column.field.name == Field.sampleWeight { try Self.check(weights: column) }
      if let lengths = column.field.lengths { try Self.check(lengths, of: column.field, columns) }
    }
    fields = columns.map(\.field)
    guard let place = columns.firstIndex(where: { $0.field.name == Field.labels }),
      case .int32(let labels) = columns[place].values
    else {
      (self.columns, self.labels, self.classNames) = (columns, [], classNames)
      return
    }
    let field = columns[place].field
    switch field.targets {
    case .classes where field.shape.isEmpty:
      (self.columns, self.labels) = (columns, labels)
      self.classNames = classNames.isEmpty ? try Self.names(of: labels) : classNames
      let classCount = self.classNames.count
      if let row = labels.firstIndex(where: { $0 < 0 || $0 >= classCount }) {
        throw DatasetError(
          .invalid, "the field \(field) has the class \(labels[row]) in row \(row), and there are \(classCount) classes"
        )
      }
    case .stepClasses(let steps):
      let learnt = StepClasses(labels, steps: steps, lengths: Self.lengths(of: field, in: columns))
      self.classNames = classNames.isEmpty ? try Self.names(of: learnt.classes) : classNames
      if let fault = learnt.fault(of: field, classCount: self.classNames.count) { throw DatasetError(.invalid, fault) }
      var columns = columns
      columns[place] = Column(field: field, values: .int32(learnt.classes))
      (self.columns, self.labels) = (columns, [])
    case .classes, .values:
      (self.columns, self.labels, self.classNames) = (columns, [], classNames)
    }
  }

  /// Samples of one shape with their classes, which count from 0.
  public init(
    _ samples: [Float], shape: [Int], labels: [Int32], classNames: [String] = [], name: String = Field.images
  ) throws(DatasetError) {
    try self.init(
      [.float32(name, samples, shape: shape), .int32(Field.labels, labels)], classNames: classNames)
  }

  /// Samples of one shape with the `targetCount` numbers of each that are to be learnt.
  public init(
    _ samples: [Float], shape: [Int], targets: [Float], targetCount: Int = 1, name: String = Field.images
  ) throws(DatasetError) {
    try self.init(
      [.float32(name, samples, shape: shape), .float32(Field.labels, targets, shape: [targetCount])])
  }

  public func read(_ index: Int, row: Int, into batch: BatchMemory) {
    for field in columns.indices {
      let bytes = batch[field, row]
      switch columns[field].values {
      case .float32(let values): Self.copy(values, index, bytes)
      case .int32(let values): Self.copy(values, index, bytes)
      case .uint8(let values): Self.copy(values, index, bytes)
      }
    }
  }

  private static func copy<Element>(_ values: [Element], _ index: Int, _ bytes: UnsafeMutableRawBufferPointer) {
    values.withUnsafeBytes { all in
      bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: all[index * bytes.count..<(index + 1) * bytes.count]))
    }
  }

  // MARK: Checks

  /// How many samples a column holds.
  private static func count(_ column: Column) throws(DatasetError) -> Int {
    let field = column.field
    guard !field.name.isEmpty else { throw DatasetError(.invalid, "a field has no name") }
    if let scale = field.scale, !scale.isFinite || scale <= 0 {
      throw DatasetError(.invalid, "the field \(field) is scaled by \(scale), and not by a number above 0")
    }
    var size = 1
    for extent in field.shape {
      let (product, overflows) = size.multipliedReportingOverflow(by: extent)
      guard extent > 0, !overflows, product <= 1 << 40 else {
        throw DatasetError(.invalid, "the field \(field) has a shape that no sample can have")
      }
      size = product
    }
    guard column.values.count % size == 0 else {
      throw DatasetError(
        .invalid, "the field \(field) has \(column.values.count) values, which are no whole samples of \(size)")
    }
    return column.values.count / size
  }

  private static func check(weights: Column) throws(DatasetError) {
    guard weights.field.shape.isEmpty, case .float32(let values) = weights.values else {
      throw DatasetError(.invalid, "the field \(weights.field) must be one f32 a sample")
    }
    if let row = values.firstIndex(where: { !$0.isFinite || $0 < 0 }) {
      throw DatasetError(.invalid, "the field \(weights.field) is \(values[row]) in row \(row): no weight of a sample")
    }
  }

  /// Whether `lengths` holds the lengths of a field's sequences.
  private static func check(_ lengths: String, of field: Field, _ columns: [Column]) throws(DatasetError) {
    guard let most = field.shape.first else {
      throw DatasetError(.invalid, "the field \(field) has lengths, and no axis that they could be along")
    }
    guard let column = columns.first(where: { $0.field.name == lengths }), column.field.shape.isEmpty,
      case .int32(let values) = column.values
    else { throw DatasetError(.invalid, "the field \(field) needs a field \(lengths) i32 [] with its lengths") }
    if let row = values.firstIndex(where: { $0 < 0 || $0 > most }) {
      throw DatasetError(
        .invalid, "the field \(column.field) is \(values[row]) in row \(row), and \(field) has room for \(most)")
    }
  }

  /// How long the sequences of a field are, where another one says so.
  private static func lengths(of field: Field, in columns: [Column]) -> [Int32]? {
    guard let column = columns.first(where: { $0.field.name == field.lengths }), case .int32(let values) = column.values
    else { return nil }
    return values
  }

  private static let mostClasses = 1 << 20

  /// Classes without names are called by their numbers.
  private static func names(of labels: [Int32]) throws(DatasetError) -> [String] {
    let most = labels.max() ?? -1
    guard most < mostClasses else {
      throw DatasetError(
        .invalid, "the field labels has the class \(most): more than \(mostClasses) classes need names")
    }
    return most < 0 ? [] : (0...most).map { "\($0)" }
  }
}
