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
  /// What the files were: `sha256:` over their contents (CSV, IDX, CIFAR), or over sorted names and sizes (folders).
  public var identity: String
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
    /// Runs before 2026-11-28: the validation part is the tail of the training samples.
    case tail
    /// Files and rows by the hash of their name or number; IDX and CIFAR by a stratified draw of `data.split_seed`.
    case hashed
  }

  public struct Part: Hashable, Sendable, Codable {
    public enum Name: String, Hashable, Sendable, Codable { case train, validation, test }

    public var name: Name
    public var count: Int
    /// One a class; empty where targets are numbers.
    public var classCounts: [Int]

    public init(name: Name, count: Int, classCounts: [Int]) {
      (self.name, self.count, self.classCounts) = (name, count, classCounts)
    }
  }

  public init(
    source: String, sampleShape: [Int], targets: DatasetTargets, classNames: [String], features: [String] = [],
    labels: [String] = [], normalization: [Normalization] = [], channels: ChannelOrder? = nil, identity: String,
    split: SplitRule = .hashed, parts: [Part] = []
  ) {
    (self.source, self.sampleShape, self.targets, self.classNames) = (source, sampleShape, targets, classNames)
    (self.features, self.labels, self.normalization, self.channels) = (features, labels, normalization, channels)
    (self.identity, self.split, self.parts) = (identity, split, parts)
  }
}

extension DatasetRecord {
  /// Why training on data of this record gives other weights than training on data of `earlier`, in sentences; empty
  /// where it does not.
  public func differences(since earlier: DatasetRecord) -> [String] {
    var differences: [String] = []
    func compare<Value: Equatable>(_ what: String, _ then: Value?, _ now: Value?) {
      func words(_ value: Value?) -> String { value.map { "\($0)" } ?? "none" }
      if then != now { differences.append("\(what): \(words(now)), not \(words(then))") }
    }
    compare("the data set", earlier.source, source)
    compare("the shape of a sample", earlier.sampleShape, sampleShape)
    if earlier.classNames.map({ Array($0.utf8) }) != classNames.map({ Array($0.utf8) }) {
      differences.append("the classes: \(ClassOrder.words(classNames)), not \(ClassOrder.words(earlier.classNames))")
    }
    compare("the columns", earlier.features + earlier.labels, features + labels)
    compare("channels", earlier.channels?.rawValue, channels?.rawValue)
    if earlier.targets != targets { differences.append("what is to be learnt") }
    if earlier.normalization != normalization { differences.append("the normalization of the columns") }
    compare("data.test_split", earlier.testSplit, testSplit)
    compare("data.validation_split", earlier.validationSplit, validationSplit)
    compare("data.split_seed", earlier.splitSeed, splitSeed)
    for name in [Part.Name.train, .validation, .test] {
      let (then, now) = (earlier.count(of: name), count(of: name))
      compare("samples of the \(name.rawValue) part", then, now)
    }
    if identity != earlier.identity {
      differences.append("the contents of the files (\(identity), not \(earlier.identity))")
    }
    return differences
  }

  /// Why no data set can be so; nil where one can. Records come from files, which may hold anything.
  public var fault: String? {
    if classNames.count > 1 << 20 { return "it has \(classNames.count) classes" }
    for part in parts where part.count < 0 || part.classCounts.contains(where: { $0 < 0 }) {
      return "a part has fewer than 0 samples"
    }
    return Self.fault(
      shape: sampleShape, targets: targets, features: features, normalization: normalization, channels: channels)
  }

  /// The same of what says how samples are read.
  package static func fault(
    shape: [Int], targets: DatasetTargets, features: [String], normalization: [Normalization], channels: ChannelOrder?
  ) -> String? {
    var elements = 1
    for extent in shape {
      let (product, overflow) = elements.multipliedReportingOverflow(by: extent)
      guard extent > 0, !overflow, product <= 1 << 31 else { return "samples \(shape) are none" }
      elements = product
    }
    if case .values(let count) = targets, !(1...1 << 20).contains(count) { return "\(count) numbers are learnt" }
    let isTable = shape.count == 1
    if !normalization.isEmpty, !isTable || normalization.count != shape[0] {
      return "\(normalization.count) columns are normalized of samples \(shape)"
    }
    if !normalization.allSatisfy({ $0.mean.isFinite && $0.deviation.isFinite && $0.deviation >= 0 }) {
      return "a mean or deviation is not finite"
    }
    if !features.isEmpty, !isTable || features.count != shape[0] {
      return "\(features.count) columns are named of samples \(shape)"
    }
    if let channels, shape.count != 3 || shape[2] != (channels == .gray ? 1 : 3) {
      return "the channels of samples \(shape) are not \(channels.rawValue)"
    }
    return nil
  }

  public func count(of part: Part.Name) -> Int { parts.first { $0.name == part }?.count ?? 0 }

  /// How many samples are where, in a line for people and, where classes are few, one more.
  public var words: [String] {
    let counts = parts.map { "\($0.name.rawValue) \($0.count)" }.joined(separator: ", ")
    guard targets == .classes else { return ["samples: \(counts)"] }
    let names = parts.map(\.name.rawValue).joined(separator: "/")
    guard classNames.count <= 20 else {
      let ranges = parts.map { "\($0.name.rawValue) \($0.classCounts.min() ?? 0) to \($0.classCounts.max() ?? 0)" }
      return ["samples: \(counts)", "of each of \(classNames.count) classes: \(ranges.joined(separator: ", "))"]
    }
    let each = classNames.indices.map { index in
      "\(classNames[index]) "
        + parts.map { index < $0.classCounts.count ? "\($0.classCounts[index])" : "0" }
        .joined(separator: "/")
    }
    return ["samples: \(counts)", "by class (\(names)): \(each.joined(separator: ", "))"]
  }
}

extension DatasetTargets: Codable {
  private enum CodingKeys: String, CodingKey { case values }

  /// `{"values": k}`, or `{}` for classes.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self = try container.decodeIfPresent(Int.self, forKey: .values).map { .values($0) } ?? .classes
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    if case .values(let count) = self { try container.encode(count, forKey: .values) }
  }
}
