public import SwitchbackDatasets

/// What a network reads of a sample, and what its answers mean.
public struct SampleFormat: Hashable, Sendable {
  /// The fields that are read, at least one, each with a name of its own.
  public var inputs: [Input]
  /// What is answered, at least one, each with a name of its own.
  public var outputs: [Output]

  /// A field of a sample.
  public struct Input: Hashable, Sendable {
    public var name: String
    /// f32, i32 for tokens and other numbers of things, or u8 for pictures.
    public var elementType: Field.ElementType
    /// Of bytes that stand for numbers, what the network multiplies them with; nil of others.
    public var scale: Float?
    /// Without the batch: `[H, W, C]` of images, `[k]` of table rows.
    public var shape: [Int]
    /// Of a table: the columns in the order of the field's numbers; empty where nobody named them.
    public var features: [String]
    /// Of a table, one a feature; empty where features are taken as they are.
    public var normalization: [DatasetRecord.Normalization]
    /// Of a table: the columns of words among the features.
    public var words: [DatasetRecord.WordColumn] = []
    /// Of images: what the last axis holds.
    public var channels: DatasetRecord.ChannelOrder?
    /// Of images: how those of another shape get theirs.
    public var fit = Image.Fit.stretch
    /// Of images that a table names, and of tokens of a table: the column.
    public var column: String?
    /// Of padded sequences: the field that says how long they are.
    public var lengths: String?
    /// Of tokens that words of texts become: which words.
    public var vocabulary: DatasetRecord.Vocabulary?

    /// What has three axes of which the last is 1 or 3 is taken for images: numbers, or bytes that stand for them.
    public init(
      _ name: String, _ elementType: Field.ElementType = .float32, shape: [Int], features: [String] = [],
      normalization: [DatasetRecord.Normalization] = [], scale: Float? = nil
    ) {
      (self.name, self.elementType, self.shape, self.scale) = (name, elementType, shape, scale)
      (self.features, self.normalization) = (features, normalization)
      let mayBeImages = (elementType == .float32 || scale != nil) && shape.count == 3
      channels = mayBeImages && shape[2] == 1 ? .gray : mayBeImages && shape[2] == 3 ? .rgb : nil
    }
  }

  /// A result of the network.
  public struct Output: Hashable, Sendable, Codable {
    /// What the answer is called; the only one of a network that does not name it is called like its target.
    public var name: String
    /// The field that was learnt.
    public var target: String
    public var targets: DatasetTargets
    /// In the order of the class numbers; empty where targets are numbers.
    public var classNames: [String]
    /// Of a table: the columns that were learnt.
    public var labels: [String]
    /// Of steps: the field that says how many of them are learnt; nil: all.
    public var lengths: String?

    /// `name`: unless said, the target's.
    public init(
      _ name: String? = nil, target: String = Field.labels, targets: DatasetTargets = .classes,
      classNames: [String] = [], labels: [String] = []
    ) {
      (self.name, self.target, self.targets) = (name ?? target, target, targets)
      (self.classNames, self.labels) = (classNames, labels)
    }
  }

  public init(inputs: [Input], outputs: [Output]) { (self.inputs, self.outputs) = (inputs, outputs) }

  /// One field and one target.
  public init(
    shape: [Int], targets: DatasetTargets = .classes, classNames: [String] = [], features: [String] = [],
    labels: [String] = [], normalization: [DatasetRecord.Normalization] = []
  ) {
    self.init(
      inputs: [Input(Field.images, shape: shape, features: features, normalization: normalization)],
      outputs: [Output(targets: targets, classNames: classNames, labels: labels)])
  }

  /// As the samples of a data set are, with every field that can be read and every target; of their numbers nothing is
  /// known but that they are the inputs as they are.
  public init(_ dataset: any Dataset) { self.init(dataset.layout) }

  /// The same of what a data set has.
  public init(_ layout: DatasetLayout) {
    self.init(
      inputs: layout.inputs.map { field in
        var input = Input(field.name, field.elementType, shape: field.shape, scale: field.scale)
        input.lengths = field.lengths
        return input
      },
      outputs: layout.targets.map { target in
        var output = Output(target: target.name, targets: target.targets, classNames: target.classNames)
        output.lengths = target.lengths
        return output
      })
  }

  /// As a run recorded it.
  public init(_ record: DatasetRecord) {
    self.init(
      inputs: record.inputs.map { recorded in
        let field = recorded.field
        var input = Input(
          field.name, field.elementType, shape: field.shape, features: recorded.features,
          normalization: recorded.normalization, scale: field.scale)
        input.lengths = field.lengths
        (input.channels, input.column) = (recorded.channels, recorded.column)
        (input.words, input.vocabulary) = (recorded.words ?? [], recorded.vocabulary)
        input.fit = recorded.fit ?? .stretch
        return input
      },
      outputs: record.learnt.map {
        Output(target: $0.name, targets: $0.targets, classNames: $0.classNames, labels: $0.columns)
      })
  }

  /// What a data set of such samples has: the fields and targets, by which a training step is made.
  public var layout: DatasetLayout {
    DatasetLayout(
      inputs: inputs.map(\.field),
      targets: outputs.map { .init($0.target, $0.targets, classNames: $0.classNames, lengths: $0.lengths) },
      others: lengths.map { Field($0, .int32) })
  }

  /// The fields that say how long sequences are, each once.
  private var lengths: [String] {
    (inputs.compactMap(\.lengths) + outputs.compactMap(\.lengths)).reduce(into: []) { names, name in
      if !names.contains(name) { names.append(name) }
    }
  }

  /// The fields that are read, for messages.
  public var inputWords: String {
    inputs.map { "\($0.name) \($0.elementType.rawValue) \($0.shape)" }.joined(separator: ", ")
  }

  // MARK: Checks

  /// Why fields or answers cannot be told apart; nil where they can.
  var faultOfNames: String? {
    for (what, names) in [("field", inputs.map(\.name)), ("answer", outputs.map(\.name))] {
      guard !names.isEmpty else { return "its samples have no \(what)" }
      guard !names.contains("") else { return "one \(what) has no name" }
      var known: Set<String> = []
      if let twice = names.first(where: { !known.insert($0).inserted }) { return "two \(what)s are called \(twice)" }
    }
    if let twice = outputs.first(where: { lengths.contains($0.target) })?.target {
      return "\(twice) is what was learnt, and how long sequences are"
    }
    return nil
  }

  /// Why this cannot be what a network takes and answers that gives so many numbers for each output; nil where it can.
  func fault(answering counts: [Int]) -> String? {
    for input in inputs {
      if let fault = input.fault { return words(fault, of: input.name, among: inputs.count) }
    }
    for (output, count) in zip(outputs, counts) {
      if let fault = output.fault(answering: count) { return words(fault, of: output.name, among: outputs.count) }
    }
    return nil
  }

  /// What is said of one of several names the field or answer.
  func words(_ words: String, of name: String, among count: Int) -> String {
    count == 1 ? words : "\(name): \(words)"
  }
}

extension SampleFormat.Input {
  /// What a data set of such samples has.
  package var field: Field { Field(name, elementType, shape, lengths: lengths, scale: scale) }

  fileprivate var fault: String? {
    if lengths != nil, shape.isEmpty { return "it has lengths, and no axis that they could be along" }
    if elementType != .float32, !normalization.isEmpty {
      return "it is \(elementType.rawValue), which normalized columns are not"
    }
    if fit != .stretch, channels == nil { return "it is no images, and to be fitted by \(fit.rawValue)" }
    if elementType == .int32, channels != nil { return "it is i32, which images are not" }
    if let vocabulary {
      if elementType != .int32 || shape.count != 1 { return "it is no tokens, and has a vocabulary" }
      if let fault = vocabulary.fault { return "it has \(fault)" }
    }
    if let scale, elementType != .uint8 || !scale.isFinite || scale <= 0 {
      return "it is \(elementType.rawValue) scaled by \(scale)"
    }
    return DatasetRecord.fault(
      shape: shape, targets: .classes, features: features, normalization: normalization, channels: channels)
      ?? DatasetRecord.fault(ofWords: words, features: features)
  }
}

extension SampleFormat.Output {
  fileprivate func fault(answering count: Int) -> String? {
    switch targets {
    case .values(let learnt):
      return learnt == count ? nil : "\(learnt) numbers were learnt, and the network has \(count) outputs"
    case .stepClasses(let steps):
      guard steps > 0, count.isMultiple(of: steps) else {
        return "a class was learnt of each of \(steps) steps, and the network has \(count) outputs"
      }
      let outputs = max(count / steps, 2)
      return classNames.count <= outputs
        ? nil : "there are \(classNames.count) classes for \(outputs) outputs of each step"
    case .classes:
      // A single output tells two classes apart.
      return classNames.count <= max(count, 2) ? nil : "there are \(classNames.count) classes for \(count) outputs"
    }
  }
}
