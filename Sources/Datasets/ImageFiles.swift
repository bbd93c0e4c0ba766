/// Image files, decoded when they are asked for.
public struct ImageFiles: Dataset {
  public let fields: [Field]
  public let classNames: [String]
  public let paths: [String]
  public let labels: [Int32]
  /// Hears what is wrong with a file that can be read all the same, whenever it is read.
  private let warn: (@Sendable (String) -> Void)?

  public var count: Int { paths.count }
  private let extents: (height: Int, width: Int, channels: Int)

  /// Each image becomes `[height, width, channels]`; without `labels` all are of class 0.
  public init(
    paths: [String], labels: [Int32]? = nil, classNames: [String], sampleShape: [Int],
    warn: (@Sendable (String) -> Void)? = nil
  ) throws(DatasetError) {
    guard sampleShape.count == 3, sampleShape[2] == 1 || sampleShape[2] == 3 else {
      throw DatasetError(
        .invalid, "images are [height, width, 1 or 3], and the network's input is \(sampleShape): it takes no images")
    }
    fields = [Field(Field.images, .float32, sampleShape), .labels(.classes)]
    extents = (sampleShape[0], sampleShape[1], sampleShape[2])
    (self.paths, self.classNames, self.warn) = (paths, classNames, warn)
    self.labels = labels ?? [Int32](repeating: 0, count: paths.count)
  }

  public func read(_ index: Int, row: Int, into batch: BatchMemory) throws(DatasetError) {
    let image = try Image(path: paths[index])
    if let warning = image.warning { warn?("\(paths[index]): \(warning)") }
    if let sample = batch[0, row].bindMemory(to: Float.self).baseAddress {
      image.write(to: sample, height: extents.height, width: extents.width, channels: extents.channels)
    }
    batch[1, row].storeBytes(of: labels[index], as: Int32.self)
  }
}
