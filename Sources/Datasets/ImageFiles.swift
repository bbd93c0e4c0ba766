/// Image files, decoded when they are asked for.
public struct ImageFiles: Dataset {
  public let sampleShape: [Int]
  public let classNames: [String]
  public let paths: [String]
  public let labels: [Int32]
  /// Hears what is wrong with a file that can be read all the same, whenever it is read.
  private let warn: (@Sendable (String) -> Void)?

  public var count: Int { paths.count }
  public var targets: DatasetTargets { .classes }

  /// Each image becomes `[height, width, channels]`; without `labels` all are of class 0.
  public init(
    paths: [String], labels: [Int32]? = nil, classNames: [String], sampleShape: [Int],
    warn: (@Sendable (String) -> Void)? = nil
  ) throws(DatasetError) {
    guard sampleShape.count == 3, sampleShape[2] == 1 || sampleShape[2] == 3 else {
      throw DatasetError(
        .invalid, "images are [height, width, 1 or 3], and the network's input is \(sampleShape): it takes no images")
    }
    (self.paths, self.classNames, self.sampleShape, self.warn) = (paths, classNames, sampleShape, warn)
    self.labels = labels ?? [Int32](repeating: 0, count: paths.count)
  }

  public func read(
    _ index: Int, sample: UnsafeMutablePointer<Float>, target: UnsafeMutableRawPointer
  ) throws(DatasetError) {
    let image = try Image(path: paths[index])
    if let warning = image.warning { warn?("\(paths[index]): \(warning)") }
    image.write(to: sample, height: sampleShape[0], width: sampleShape[1], channels: sampleShape[2])
    target.storeBytes(of: labels[index], as: Int32.self)
  }
}
