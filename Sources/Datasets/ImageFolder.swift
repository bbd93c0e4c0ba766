/// A folder of images by class: `train/CLASS/*.png` and `test/CLASS/*.png`, or without these two `CLASS/*.png`, of
/// which a share is for testing. Classes count by `ClassOrder`.
public struct ImageFolder: Hashable, Sendable {
  public var path: String
  /// Every image is resized to it.
  public var height: Int
  public var width: Int
  /// 1: gray, 3: red, green, blue.
  public var channels: Int
  /// How images of another shape get that size.
  public var fit: Image.Fit
  /// The share of the images that is for testing where there is no folder `test`. A file stays on its side, whatever
  /// is added: its name decides.
  public var testSplit: Double
  /// How far opening looks whether the images can be read.
  public var check: ImageCheck.Extent
  /// Whether what is no image inside a class is an error, or left out.
  var refusesStrays = true

  public init(
    path: String, height: Int, width: Int, channels: Int, fit: Image.Fit = .stretch, testSplit: Double = 0.2,
    check: ImageCheck.Extent = .quick
  ) {
    // Files are named behind one slash.
    self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    (self.height, self.width) = (height, width)
    (self.channels, self.fit, self.testSplit, self.check) = (channels, fit, testSplit, check)
  }

  /// Lists the files and looks into none.
  func listed(_ request: DatasetRequest) throws(DatasetError) -> DatasetParts {
    let folders = try ClassFolderParts(
      path, of: .images, testSplit: testSplit, refusesStrays: refusesStrays, request)
    func files(_ name: DatasetRecord.Part.Name) throws(DatasetError) -> ImageFiles {
      let part = try folders.files(name)
      return try ImageFiles(
        paths: part.paths, labels: part.labels, classNames: folders.classNames, sampleShape: [height, width, channels],
        elementType: request.pictureType, fit: fit)
    }
    let validation = try files(.validation)
    return DatasetParts(
      train: try files(.train), validation: validation.count > 0 ? validation : nil, test: try files(.test),
      record: DatasetRecord(
        source: "image-folder", sampleShape: [height, width, channels], targets: .classes,
        classNames: folders.classNames, channels: channels == 1 ? .gray : .rgb, elementType: request.pictureType,
        fit: fit, identity: try folders.identity), notes: folders.notes
    ).counted(request, testSplit: testSplit)
  }

  /// What is wrong with what lies in folders of classes and is no image.
  func strays() throws(DatasetError) -> [String] {
    try ClassFolderParts(
      path, of: .images, testSplit: testSplit, refusesStrays: false, DatasetRequest(mayLackParts: true)
    ).strays
  }
}
