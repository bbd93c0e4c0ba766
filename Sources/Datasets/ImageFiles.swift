/// Image files, decoded when they are asked for.
public struct ImageFiles: Dataset {
  public let fields: [Field]
  public let classNames: [String]
  public let paths: [String]
  public let labels: [Int32]
  private let fit: Image.Fit
  /// Hears what is wrong with a file that can be read all the same, whenever it is read.
  private let warn: (@Sendable (String) -> Void)?

  public var count: Int { paths.count }

  /// Each image becomes `[height, width, channels]`, bytes or f32; without `labels` all are of class 0.
  public init(
    paths: [String], labels: [Int32]? = nil, classNames: [String], sampleShape: [Int],
    elementType: Field.ElementType = .uint8, fit: Image.Fit = .stretch, warn: (@Sendable (String) -> Void)? = nil
  ) throws(DatasetError) {
    guard sampleShape.count == 3, sampleShape[2] == 1 || sampleShape[2] == 3 else {
      throw DatasetError(
        .invalid, "images are [height, width, 1 or 3], and the network's input is \(sampleShape): it takes no images")
    }
    fields = [.pictures(Field.images, sampleShape, as: elementType), .labels(.classes)]
    (self.paths, self.classNames, self.fit, self.warn) = (paths, classNames, fit, warn)
    self.labels = labels ?? [Int32](repeating: 0, count: paths.count)
  }

  public func read(_ index: Int, row: Int, into batch: BatchMemory) throws(DatasetError) {
    let image = try Image(path: paths[index])
    if let warning = image.warning { warn?("\(paths[index]): \(warning)") }
    image.write(to: batch[0, row], as: fields[0], fit: fit)
    batch[1, row].storeBytes(of: labels[index], as: Int32.self)
  }
}
