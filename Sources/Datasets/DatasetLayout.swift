/// What a data set has for a network: the fields that may be read, and what is to be learnt.
public struct DatasetLayout: Hashable, Sendable {
  /// No targets, no sample weights and no lengths of sequences.
  public var inputs: [Field]
  public var targets: [Target]
  /// Weights of samples and lengths of sequences, which a model reads only where it is told to.
  public var others: [Field]

  /// What is to be learnt of a sample, in a field of its own.
  public struct Target: Hashable, Sendable {
    /// Of the field.
    public var name: String
    public var targets: DatasetTargets
    /// In the order of their numbers; empty where targets are numbers.
    public var classNames: [String]
    /// Of steps: the field i32 `[]` that says how many of them are to be learnt; nil: all.
    public var lengths: String?

    public init(
      _ name: String, _ targets: DatasetTargets, classNames: [String] = [], lengths: String? = nil
    ) {
      (self.name, self.targets, self.classNames, self.lengths) = (name, targets, classNames, lengths)
    }
  }

  public init(inputs: [Field], targets: [Target], others: [Field] = []) {
    (self.inputs, self.targets, self.others) = (inputs, targets, others)
  }

  /// Of samples with one input of this shape (without the batch), `images`, and what is to be learnt in `labels`.
  public init(sampleShape: [Int], targets: DatasetTargets, classNames: [String] = []) {
    self.init(
      inputs: [Field(Field.images, .float32, sampleShape)],
      targets: [Target(Field.labels, targets, classNames: classNames)])
  }

  /// The target of a name; nil where there is none.
  public subscript(_ name: String) -> Target? { targets.first { $0.name == name } }
}

extension Dataset {
  public var layout: DatasetLayout {
    let targets = targetFields.map(\.name)
    let others =
      [Field.sampleWeight, Field.partnerShare] + targets.map(Field.partner(of:)) + fields.compactMap(\.lengths)
    return DatasetLayout(
      inputs: fields.filter { !targets.contains($0.name) && !others.contains($0.name) }, targets: targetFields,
      others: fields.filter { others.contains($0.name) })
  }

  /// The field `labels`, where there is one.
  public var targetFields: [DatasetLayout.Target] {
    guard let labels = fields.first(where: { $0.name == Field.labels }) else { return [] }
    return [.init(Field.labels, labels.targets, classNames: classNames, lengths: labels.lengths)]
  }
}
