public import SwitchbackDatasets

/// How samples become a network's input, and what its answers mean.
public struct SampleFormat: Hashable, Sendable, Codable {
  /// Without the batch: `[H, W, C]` of images, `[k]` of table rows.
  public var shape: [Int]
  public var targets: DatasetTargets
  /// In the order of the class numbers; empty where targets are numbers.
  public var classNames: [String]
  /// Of a table: the columns in the order of the network's inputs; empty where nobody named them.
  public var features: [String]
  /// Of a table: the columns that were learnt.
  public var labels: [String]
  /// Of a table, one a feature; empty where features are taken as they are.
  public var normalization: [DatasetRecord.Normalization]
  /// Of images: what the last axis holds.
  public var channels: DatasetRecord.ChannelOrder?

  public init(
    shape: [Int], targets: DatasetTargets = .classes, classNames: [String] = [], features: [String] = [],
    labels: [String] = [], normalization: [DatasetRecord.Normalization] = []
  ) {
    (self.shape, self.targets, self.classNames) = (shape, targets, classNames)
    (self.features, self.labels, self.normalization) = (features, labels, normalization)
    channels = shape.count == 3 ? shape[2] == 1 ? .gray : shape[2] == 3 ? .rgb : nil : nil
  }

  /// As the samples of a data set are; of their numbers nothing is known but that they are the input as they are.
  public init(_ dataset: any Dataset) {
    self.init(shape: dataset.sampleShape, targets: dataset.targets, classNames: dataset.classNames)
  }

  /// As a run recorded it.
  public init(_ record: DatasetRecord) {
    self.init(
      shape: record.sampleShape, targets: record.targets, classNames: record.classNames, features: record.features,
      labels: record.labels, normalization: record.normalization)
    channels = record.channels
  }

  /// Why this cannot be what a network with so many outputs takes and answers; nil where it can.
  func fault(outputs: Int) -> String? {
    let fault = DatasetRecord.fault(
      shape: shape, targets: targets, features: features, normalization: normalization, channels: channels)
    if let fault { return fault }
    switch targets {
    case .values(let count):
      return count == outputs ? nil : "\(count) numbers were learnt, and the network has \(outputs) outputs"
    case .classes:
      // A single output tells two classes apart.
      let most = max(outputs, 2)
      return classNames.count <= most ? nil : "there are \(classNames.count) classes for \(outputs) outputs"
    }
  }
}
