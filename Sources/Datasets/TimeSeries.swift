/// A time series in a text file: a row a step, in the order of time, of which windows are samples. A window is `window` steps
/// of the columns that are read, and its target what stands `horizon` steps behind its last one.
///
/// The field `series` is f32 `[window, columns]`, the target `labels` f32 `[targets]`.
public struct TimeSeries: Hashable, Sendable {
  public var path: String
  /// What is read, by name or by index from 0; empty: all columns.
  public var columns: [String]
  /// What is to be learnt, by name or by index from 0; columns that are read may be among it.
  public var targets: [String]
  /// Steps that a sample has.
  public var window: Int
  /// How many steps behind the window's last one the target stands; 1: the next step.
  public var horizon: Int
  /// How many steps lie between the beginnings of two windows.
  public var stride: Int
  /// The share of the steps that is for testing: the last ones.
  public var testSplit: Double
  public var hasHeader: Bool
  public var delimiter: UInt8
  /// Whether columns that are read are shifted and scaled to mean 0 and deviation 1 over the training part; targets are what
  /// stands there.
  public var isNormalized: Bool

  /// What configurations call it.
  public static let word = "time-series"
  /// What a configuration may ask for: more is a slip of the pen.
  package static let extents = 1...1 << 24

  public init(
    path: String, columns: [String] = [], targets: [String], window: Int, horizon: Int = 1, stride: Int = 1,
    testSplit: Double = 0.2, hasHeader: Bool = true, delimiter: UInt8 = UInt8(ascii: ","), isNormalized: Bool = true
  ) {
    (self.path, self.columns, self.targets) = (path, columns, targets)
    (self.window, self.horizon, self.stride) = (window, horizon, stride)
    (self.testSplit, self.hasHeader, self.delimiter) = (testSplit, hasHeader, delimiter)
    self.isNormalized = isNormalized
  }

  /// Why no series can be read so; nil where one can.
  private var fault: String? {
    guard [window, horizon, stride].allSatisfy(Self.extents.contains) else {
      return
        "window, horizon and stride are from 1 to \(Self.extents.upperBound), not \(window), \(horizon) and \(stride)"
    }
    return targets.isEmpty ? "a series needs a column that is to be learnt" : nil
  }

  /// How many steps the smallest part has that has a window with its target.
  package var leastSteps: Int { window + horizon }

  /// Reads the file. Parts are cut by time: first the steps for training, then for validation, then for testing; windows and
  /// their targets lie in one part.
  public func open(_ request: DatasetRequest = DatasetRequest()) throws(DatasetError) -> DatasetParts {
    let scan = try scanned(request)
    return try scan.parts()
  }

  func scanned(_ request: DatasetRequest) throws(DatasetError) -> TimeSeriesScan {
    if let fault { throw DatasetError(.invalid, "\(path): \(fault)") }
    var scan = try TimeSeriesScan(self, request)
    let file = try RowFile(path, advice: RowFile.adviceOnData)
    try file.forEachRow { (bytes, _, line) throws(DatasetError) in
      let row = CSVRow(bytes: bytes, delimiter: delimiter)
      do throws(CSVRow.Problem) { try scan.add(row) } catch {
        throw (scan.lengthProblem(of: row) ?? error).error(in: path, line: line)
      }
    }
    return scan
  }
}

/// The pass over the rows of a series.
struct TimeSeriesScan {
  private let settings: TimeSeries
  private let request: DatasetRequest
  /// What the network reads and learns, by the names of its columns.
  private let known: (columns: [String], targets: [String], normalization: [DatasetRecord.Normalization])?
  private var names: [String]?
  /// Of each column in the file its place among those that are read, and among the targets.
  private var places: [(column: Int?, target: Int?)] = []
  private var (columns, targets) = ([String](), [String]())
  /// Row-major: what is read, and what is to be learnt.
  private var numbers: [Double] = []
  private var learnt: [Float] = []
  private var count = 0

  init(_ settings: TimeSeries, _ request: DatasetRequest) throws(DatasetError) {
    (self.settings, self.request) = (settings, request)
    guard let record = request.record else {
      known = nil
      return
    }
    guard let series = record.series, let input = record.inputs.first, input.shape.count == 2 else {
      throw DatasetError(.invalid, "\(settings.path): the network was trained on no time series")
    }
    guard input.shape[0] == settings.window, series.horizon == settings.horizon else {
      throw DatasetError(
        .invalid,
        "\(settings.path): the network was trained with windows of \(input.shape[0]) steps and a horizon of \(series.horizon), "
          + "and the configuration says \(settings.window) and \(settings.horizon)")
    }
    known = (input.features, record.labels, input.normalization)
  }

  mutating func add(_ row: CSVRow) throws(CSVRow.Problem) {
    guard let names else {
      try begin(with: row)
      if !settings.hasHeader { try add(row) }
      return
    }
    guard count < Int32.max else { throw CSVRow.Problem(message: "there are more than 2³¹ rows", column: 1) }
    // Room for the row, wherever its columns stand.
    let (start, end) = (numbers.count, learnt.count)
    for _ in columns { numbers.append(0) }
    for _ in targets { learnt.append(0) }
    let found = try row.forEachField { (index, field) throws(CSVRow.Problem) in
      guard index < places.count else { return }
      do throws(CSVRow.Problem) {
        // What is normalized may be outside of Float32 before.
        if let column = places[index].column {
          numbers[start + column] = settings.isNormalized ? try field.double : Double(try field.number)
        }
        if let target = places[index].target { learnt[end + target] = try field.number }
      } catch {
        throw CSVRow.Problem(
          message:
            "\(error.message) (column \(names[index]); a series holds numbers: data.columns lists the columns that "
            + "are read)", column: error.column)
      }
    }
    guard found == names.count else { throw CSVRow.Problem.length(found, first: names.count) }
    count += 1
  }

  /// Whether the row has another number of fields than the first; nil where it has as many, or cannot be taken apart.
  func lengthProblem(of row: CSVRow) -> CSVRow.Problem? {
    guard let names, let found = try? row.forEachField({ _, _ in }), found != names.count else { return nil }
    return .length(found, first: names.count)
  }

  private mutating func begin(with row: CSVRow) throws(CSVRow.Problem) {
    var names: [String] = []
    _ = try row.forEachField { (index, field) throws(CSVRow.Problem) in
      names.append(settings.hasHeader ? try field.text : "\(index)")
    }
    places = names.map { _ in (nil, nil) }
    let columns = known?.columns ?? (settings.columns.isEmpty ? names : settings.columns)
    for (place, column) in columns.enumerated() {
      let index = try index(of: column, in: names, "data.columns")
      guard places[index].column == nil else {
        throw CSVRow.Problem(message: "data.columns names the column \(names[index]) twice", column: 1)
      }
      places[index].column = place
      self.columns.append(names[index])
    }
    for (place, column) in (known?.targets ?? settings.targets).enumerated() {
      let index = try index(of: column, in: names, "data.target")
      guard places[index].target == nil else {
        throw CSVRow.Problem(message: "data.target names the column \(names[index]) twice", column: 1)
      }
      places[index].target = place
      targets.append(names[index])
    }
    self.names = names
  }

  /// That of a name or, where no column has it, of an index from 0.
  private func index(of column: String, in names: [String], _ key: String) throws(CSVRow.Problem) -> Int {
    let found = names.firstIndex(of: column) ?? Int(column).flatMap { names.indices.contains($0) ? $0 : nil }
    guard let found else {
      let words = names.prefix(20).joined(separator: ", ") + (names.count > 20 ? ", …" : "")
      throw CSVRow.Problem(message: "there is no column \(column) (\(key)); columns are \(words)", column: 1)
    }
    return found
  }

  // MARK: What was found

  private var input: DatasetRecord.Input {
    DatasetRecord.Input(Field.series, [settings.window, columns.count], features: columns)
  }

  func layout() throws(DatasetError) -> DatasetLayout {
    let samples = SeriesSamples(
      fields: [input.field, .labels(.values(targets.count))], steps: [], targets: [], starts: [],
      target: settings.leastSteps - 1)
    return samples.layout
  }

  func parts() throws(DatasetError) -> DatasetParts {
    let path = settings.path
    guard count > 0 else { throw DatasetError(.corrupt, "\(path) has no rows of data") }
    let split = OrderedSplit(count, test: settings.testSplit, validation: request.validationSplit)
    let normalization = try normalization(split.train.count)
    var input = input
    input.normalization = normalization
    let steps = try steps(normalization)
    func samples(_ range: Range<Int>, _ name: DatasetRecord.Part.Name) throws(DatasetError) -> SeriesSamples {
      let starts = stride(from: range.lowerBound, through: range.upperBound - settings.leastSteps, by: settings.stride)
      guard range.count >= settings.leastSteps || request.mayLackParts || range.isEmpty && name == .validation else {
        throw lack(range.count, name)
      }
      return SeriesSamples(
        fields: [input.field, .labels(.values(targets.count))], steps: steps, targets: learnt,
        starts: starts.map { Int32($0) }, target: settings.leastSteps - 1)
    }
    let validation = try samples(split.validation, .validation)
    var record = DatasetRecord(
      source: TimeSeries.word, inputs: [input],
      learnt: [.init(Field.labels, columns: targets, .values(targets.count))],
      identity: try Checksum.identity(ofContents: [path]))
    record.series = DatasetRecord.Series(horizon: settings.horizon, stride: settings.stride)
    if !settings.hasHeader { record.columnCount = names?.count }
    return DatasetParts(
      train: try samples(split.train, .train), validation: validation.count > 0 ? validation : nil,
      test: try samples(split.test, .test), record: record
    ).counted(request, testSplit: settings.testSplit)
  }

  private func lack(_ steps: Int, _ name: DatasetRecord.Part.Name) -> DatasetError {
    let words = [DatasetRecord.Part.Name.train: "training", .validation: "validation", .test: "test"][name] ?? ""
    return DatasetError(
      .invalid,
      "\(settings.path): the \(words) part has \(steps) of the \(count) steps, and a window of \(settings.window) with its "
        + "target \(settings.horizon) behind it needs \(settings.leastSteps): set a smaller data.window or data.horizon, "
        + "other shares (data.test_split, data.validation_split), or take a longer series")
  }

  /// The network's or, before there is one, that of the training part, a column each; none where numbers stay as they are.
  private func normalization(_ trained: Int) throws(DatasetError) -> [DatasetRecord.Normalization] {
    if let known { return known.normalization }
    guard settings.isNormalized, trained > 0 else { return [] }
    var made: [DatasetRecord.Normalization] = []
    for (place, name) in columns.enumerated() {
      var moments = Moments()
      for step in 0..<trained { moments.add(numbers[step * columns.count + place]) }
      guard moments.mean.isFinite, moments.deviation.isFinite else {
        throw DatasetError(
          .invalid, "\(settings.path): the numbers of column \(name) are too large to be normalized; scale them first")
      }
      made.append(.init(mean: moments.mean, deviation: moments.deviation))
    }
    return made
  }

  /// What is read, as the network takes it.
  private func steps(_ normalization: [DatasetRecord.Normalization]) throws(DatasetError) -> [Float] {
    let width = columns.count
    var steps = [Float](repeating: 0, count: numbers.count)
    for index in numbers.indices {
      steps[index] = Float(normalization.isEmpty ? numbers[index] : normalization[index % width](numbers[index]))
      guard steps[index].isFinite else {
        throw DatasetError(
          .invalid,
          "\(settings.path): step \(index / width + 1): the number of column \(columns[index % width]) is too far from the "
            + "mean of the training part, or too large")
      }
    }
    return steps
  }
}

/// Windows of a series in memory.
struct SeriesSamples: Dataset {
  let fields: [Field]
  /// Row-major, of the whole series.
  let steps: [Float]
  let targets: [Float]
  /// Where windows begin.
  let starts: [Int32]
  /// How far behind its beginning a window's target stands.
  let target: Int

  var count: Int { starts.count }
  var classNames: [String] { [] }
  var isInMemory: Bool { true }

  /// Allocates nothing.
  func read(_ index: Int, row: Int, into batch: BatchMemory) {
    let start = Int(starts[index])
    Self.copy(steps, from: start * fields[0].shape[1], to: batch[0, row])
    Self.copy(targets, from: (start + target) * fields[1].shape[0], to: batch[1, row])
  }

  private static func copy(_ numbers: [Float], from start: Int, to bytes: UnsafeMutableRawBufferPointer) {
    numbers.withUnsafeBytes { all in
      bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: all[4 * start..<4 * start + bytes.count]))
    }
  }
}

extension DatasetRecord {
  /// Of a time series: how its windows were cut; how long they are is the shape of the field.
  public struct Series: Hashable, Sendable, Codable {
    public var horizon: Int
    public var stride: Int

    public init(horizon: Int, stride: Int) { (self.horizon, self.stride) = (horizon, stride) }
  }
}
