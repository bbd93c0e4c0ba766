/// What a network was trained on, as far as later samples must be read in the same way: kept in every checkpoint and in
/// the run's folder, so that evaluating, predicting and resuming never ask today's files for it.
public struct DatasetRecord: Hashable, Sendable, Codable {
  /// `mnist`, `image-folder`, `csv` …: the word of `data.dataset`.
  public var source: String
  /// Without the batch: `[H, W, C]` of images, `[k]` of table rows.
  public var sampleShape: [Int]
  public var targets: DatasetTargets
  /// In the order of the class numbers; empty where targets are numbers.
  public var classNames: [String]
  /// Of a table: the columns that are features, in the order of the network's inputs.
  public var features: [String]
  /// Of a table: the columns that are to be learnt.
  public var labels: [String]
  /// Of a table, one a feature; empty where features are taken as they are.
  public var normalization: [Normalization]
  /// Of images: what the last axis holds.
  public var channels: ChannelOrder?
  /// Of images that are bytes: u8. Nil: they are f32, as in runs whose pictures are f32.
  public private(set) var elementType: Field.ElementType?
  /// Of images: how those of another shape get theirs; nil: they are stretched.
  public private(set) var fit: Image.Fit?
  /// What the files were: `sha256:` over their contents (CSV, IDX, CIFAR), or over sorted names and sizes (folders). Of
  /// samples that are made: what makes them, in words.
  public var identity: String
  /// Of pictures: a sum over what they hold (`PictureContents`), which names and sizes do not tell. Nil of other data, of
  /// earlier runs, and where nothing was looked at.
  public internal(set) var contents: String?
  /// How the parts were chosen.
  public var split: SplitRule
  /// `data.test_split` (where the data has no test part of its own), `data.validation_split` and `data.split_seed`.
  public var testSplit: Double?
  public var validationSplit = 0.0
  public var splitSeed = 0
  /// Training, validation (where samples are held out) and test part.
  public var parts: [Part]
  /// Where the run went on with other data, because it was told to.
  public var others: [OtherData] = []
  /// What a network may read of a sample, where that is not one field of an image or of a table alone; nil: it is, and
  /// `sampleShape`, `features`, `normalization` and `channels` say all of it. Else these are those of the first field.
  public private(set) var inputFields: [Input]?
  /// What is to be learnt, where that is not the field `labels` alone; nil: it is, and `targets`, `classNames` and `labels`
  /// say all of it. Else these are those of the first field, and `labels` the columns of all.
  public private(set) var targetFields: [Target]?
  /// Of a table without a row of names: how many columns it has, with those that are not read. Nil of others, and of
  /// earlier runs, which read all columns.
  public internal(set) var columnCount: Int?
  /// Of a time series: how its windows were cut.
  public internal(set) var series: Series?

  /// A field that a network may read.
  public struct Input: Hashable, Sendable, Codable {
    public var name: String
    /// Without the batch.
    public var shape: [Int]
    /// Of a table, as in the record; of a time series the columns that make the last axis.
    public var features: [String]
    public var normalization: [Normalization]
    /// Of images: what the last axis holds, and the column that names their files.
    public var channels: ChannelOrder?
    public var column: String?
    /// As in the record.
    public private(set) var elementType: Field.ElementType?
    public private(set) var fit: Image.Fit?
    /// Of a table: the columns of words among the features, in their order; nil where all features are numbers.
    public internal(set) var words: [WordColumn]?
    /// Of tokens, in a column that `column` names or of texts in files: what they are. The field is i32 `[T]`.
    public internal(set) var tokens: Tokens?
    /// Of tokens that words of texts become: which words. Nil where the column holds numbers.
    public internal(set) var vocabulary: Vocabulary?

    public init(
      _ name: String, _ shape: [Int], features: [String] = [], normalization: [Normalization] = [],
      channels: ChannelOrder? = nil, column: String? = nil, elementType: Field.ElementType? = nil,
      fit: Image.Fit? = nil
    ) {
      (self.name, self.shape, self.features, self.normalization) = (name, shape, features, normalization)
      (self.channels, self.column) = (channels, column)
      self.elementType = elementType == .uint8 ? .uint8 : nil
      self.fit = fit == .stretch ? nil : fit
    }

    /// What a data set of it has.
    public var field: Field {
      if let tokens { return Field(name, .int32, shape, lengths: tokens.lengths ?? Field.lengths(of: name)) }
      return elementType == .uint8 ? .pictures(name, shape) : Field(name, .float32, shape)
    }
  }

  /// A field that is to be learnt.
  public struct Target: Hashable, Sendable, Codable {
    public var name: String
    /// Of a table.
    public var columns: [String]
    public var targets: DatasetTargets
    /// In the order of the class numbers; empty where targets are numbers.
    public var classNames: [String]

    public init(_ name: String, columns: [String] = [], _ targets: DatasetTargets, classNames: [String] = []) {
      (self.name, self.columns, self.targets, self.classNames) = (name, columns, targets, classNames)
    }
  }

  public struct OtherData: Hashable, Sendable, Codable {
    /// After so many batches.
    public var batches: Int
    public var identity: String
    /// In sentences.
    public var differences: [String]

    public init(batches: Int, identity: String, differences: [String]) {
      (self.batches, self.identity, self.differences) = (batches, identity, differences)
    }
  }

  /// A feature becomes (number − mean) / deviation, computed in Float64; a deviation of 0 counts as 1.
  public struct Normalization: Hashable, Sendable, Codable {
    public var mean: Double
    public var deviation: Double

    public init(mean: Double, deviation: Double) { (self.mean, self.deviation) = (mean, deviation) }

    public func callAsFunction(_ number: Double) -> Double { (number - mean) / (deviation > 0 ? deviation : 1) }
  }

  public enum ChannelOrder: String, Hashable, Sendable, Codable {
    case gray
    /// Red, green, blue.
    case rgb
  }

  /// How training, validation and test samples were told apart.
  public enum SplitRule: String, Hashable, Sendable, Codable {
    /// Of runs without a record: the validation part is the tail of the training samples.
    case tail
    /// Files and rows by the hash of their name or number; IDX and CIFAR by a stratified draw of `data.split_seed`; steps of
    /// time series, and samples that are made, by their numbers, one part behind the other.
    case hashed
  }

  public struct Part: Hashable, Sendable, Codable {
    public enum Name: String, Hashable, Sendable, Codable { case train, validation, test }

    public var name: Name
    public var count: Int
    /// One a class; empty where targets are numbers. Of several targets those of the first.
    public var classCounts: [Int]
    /// The same of every target of classes by its name, where there are `targetFields`.
    public var classCountsByTarget: [String: [Int]]?

    public init(name: Name, count: Int, classCounts: [Int], classCountsByTarget: [String: [Int]]? = nil) {
      (self.name, self.count, self.classCounts) = (name, count, classCounts)
      self.classCountsByTarget = classCountsByTarget
    }
  }

  public init(
    source: String, sampleShape: [Int], targets: DatasetTargets, classNames: [String], features: [String] = [],
    labels: [String] = [], normalization: [Normalization] = [], channels: ChannelOrder? = nil,
    elementType: Field.ElementType? = nil, fit: Image.Fit? = nil, identity: String, split: SplitRule = .hashed,
    parts: [Part] = []
  ) {
    (self.source, self.sampleShape, self.targets, self.classNames) = (source, sampleShape, targets, classNames)
    (self.features, self.labels, self.normalization, self.channels) = (features, labels, normalization, channels)
    (self.identity, self.split, self.parts) = (identity, split, parts)
    self.elementType = elementType == .uint8 ? .uint8 : nil
    self.fit = fit == .stretch ? nil : fit
  }

  /// Of data with any fields, at least one of each kind.
  package init(source: String, inputs: [Input], learnt: [Target], identity: String) {
    let (input, target) = (inputs[0], learnt[0])
    self.init(
      source: source, sampleShape: input.shape, targets: target.targets, classNames: target.classNames,
      features: input.features, labels: learnt.flatMap(\.columns), normalization: input.normalization,
      channels: input.channels, elementType: input.elementType, fit: input.fit, identity: identity)
    if inputs.count > 1 || input.name != Field.images || input.column != nil || input.words != nil {
      inputFields = inputs
    }
    if learnt.count > 1 || target.name != Field.labels { targetFields = learnt }
  }

  /// What a network may read of a sample.
  public var inputs: [Input] {
    inputFields ?? [
      Input(
        Field.images, sampleShape, features: features, normalization: normalization, channels: channels,
        elementType: elementType, fit: fit)
    ]
  }

  /// What images are stored as.
  var pictureType: Field.ElementType { inputs.contains { $0.elementType == .uint8 } ? .uint8 : .float32 }

  /// What is to be learnt.
  public var learnt: [Target] {
    targetFields ?? [Target(Field.labels, columns: labels, targets, classNames: classNames)]
  }

  /// Of a table: how many columns it has, as far as this says.
  public var width: Int { columnCount ?? inputs.reduce(labels.count) { $0 + $1.columns.count } }

  /// The fields of the data, for whoever makes a network for them.
  public var layout: DatasetLayout {
    DatasetLayout(
      inputs: inputs.map(\.field),
      targets: learnt.map { .init($0.name, $0.targets, classNames: $0.classNames) },
      others: inputs.compactMap(\.field.lengths).map { Field($0, .int32) })
  }
}

extension DatasetRecord {
  public func count(of part: Part.Name) -> Int { parts.first { $0.name == part }?.count ?? 0 }

  /// How many samples are where, in a line for people and, of each target with few classes, one more.
  public var words: [String] {
    let counts = parts.map { "\($0.name.rawValue) \($0.count)" }.joined(separator: ", ")
    let names = parts.map(\.name.rawValue).joined(separator: "/")
    var lines = ["samples: \(counts)"]
    for column in inputs.flatMap({ $0.words ?? [] }) {
      lines.append("words of \(column.column) (\(column.encoding.rawValue)): \(column.wordsInOrder)")
    }
    for input in inputs {
      guard let tokens = input.tokens else { continue }
      lines.append("tokens of \(input.name): \(input.shape[0]) a sample, \(tokens.cutCount) sequences are cut")
      guard let vocabulary = input.vocabulary else { continue }
      lines.append("vocabulary of \(input.name): \(vocabulary.size) tokens, with \(vocabulary.wordsInOrder)")
    }
    return lines
      + learnt.filter { $0.targets == .classes }.map { target in
        let what = targetFields == nil ? "" : " of \(target.name)"
        func counts(_ part: Part) -> [Int] {
          targetFields == nil ? part.classCounts : part.classCountsByTarget?[target.name] ?? []
        }
        guard target.classNames.count <= 20 else {
          let ranges = parts.map { "\($0.name.rawValue) \(counts($0).min() ?? 0) to \(counts($0).max() ?? 0)" }
          return "of each of \(target.classNames.count) classes\(what): \(ranges.joined(separator: ", "))"
        }
        let each = target.classNames.indices.map { index in
          "\(target.classNames[index]) "
            + parts.map { index < counts($0).count ? "\(counts($0)[index])" : "0" }.joined(separator: "/")
        }
        return "by class\(what) (\(names)): \(each.joined(separator: ", "))"
      }
  }
}

extension DatasetRecord.Input {
  /// Columns of a table that it is made of.
  var columns: [String] { (column.map { [$0] } ?? []) + featureColumns.map(\.name) }

  /// Those that features are made of, in their order.
  package var featureColumns: [DatasetRecord.FeatureColumn] { DatasetRecord.columns(of: features, words ?? []) }
}

extension DatasetTargets: Codable {
  private enum CodingKeys: String, CodingKey { case values, stepClasses }

  /// `{"values": k}`, `{"stepClasses": T}`, or `{}` for classes.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let steps = try container.decodeIfPresent(Int.self, forKey: .stepClasses)
    self =
      try container.decodeIfPresent(Int.self, forKey: .values).map { .values($0) }
      ?? steps.map { .stepClasses($0) } ?? .classes
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .classes: break
    case .stepClasses(let steps): try container.encode(steps, forKey: .stepClasses)
    case .values(let count): try container.encode(count, forKey: .values)
    }
  }
}
