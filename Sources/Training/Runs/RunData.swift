public import SwitchbackDatasets

/// What a run says of the data that it was trained on, for whoever reads data for it again: the record in its checkpoint or
/// its folder or, of a run without a record, what else its folder says.
public struct RunData {
  /// Nil of a run without a record.
  public let record: DatasetRecord?
  /// In the order of the class numbers; nil where nothing says so.
  public let classNames: [String]?

  /// `classes` are the names that the user gives for a run that has none.
  public init(run folder: String, checkpoint: Checkpoint?, source: DatasetSource, classes: [String]? = nil) throws {
    record =
      checkpoint?.data
      ?? RunFolder(folder).value(of: .data, as: DatasetRecord.self).flatMap { $0.fault == nil ? $0 : nil }
    if let record {
      classNames = record.classNames
    } else if case .named(let name, _) = source {
      classNames = try NamedDataset.named(name).classNames
    } else {
      // Those that the run's last test went by.
      classNames = classes ?? RunFolder(folder).value(of: .evaluation, as: EvaluationRecord.self)?.classNames
      if let classes, Set(classes).count < classes.count {
        throw DatasetError(.invalid, "--classes names a class twice")
      }
      return
    }
    guard classes == nil else {
      throw DatasetError(.invalid, "\(folder) keeps its own class names: --classes is for runs that keep none")
    }
  }

  /// How to open the run's data, or other data for it. Throws where class numbers would have to be guessed.
  public func request(
    _ configuration: Configuration.Data, run: String, mayLackParts: Bool = true
  ) throws(DatasetError) -> DatasetRequest {
    let learnsClasses = configuration.source.learnsClasses
    if classNames == nil, learnsClasses {
      throw DatasetError(
        .invalid,
        "\(run) is of an earlier program, which did not keep the names of its classes: say in which order they count, "
          + "with --classes A,B,…, from Swift classNames (the order in which that program counted them: whole numbers by value, words by "
          + "the alphabet)")
    }
    return DatasetRequest(
      validationSplit: configuration.validationSplit, splitSeed: configuration.splitSeed,
      splitRule: record?.split ?? .tail, classNames: learnsClasses ? classNames : nil, record: record,
      mayLackParts: mayLackParts, pictures: .float32)
  }

  /// What the run's network may read and learn of a sample; `source` is asked where no record says it, but never for the
  /// classes: other data may have others, which are left out of it.
  public func layout(of source: DatasetSource) throws(DatasetError) -> DatasetLayout {
    if let record { return record.layout }
    var layout = try source.layout(pictures: .float32)
    for index in layout.targets.indices where layout.targets[index].targets == .classes {
      layout.targets[index].classNames = classNames ?? []
    }
    return layout
  }
}

extension Configuration.Data {
  /// How a new run opens its data.
  public var request: DatasetRequest { DatasetRequest(validationSplit: validationSplit, splitSeed: splitSeed) }
}

extension DatasetSource {
  /// Whether classes are to be learnt, as the configuration says.
  fileprivate var learnsClasses: Bool {
    switch self {
    case .named, .imageFolder, .texts: true
    case .csv(let file): file.learnt.contains { $0.targets == .classes }
    case .series, .adding, .copying: false
    }
  }
}
