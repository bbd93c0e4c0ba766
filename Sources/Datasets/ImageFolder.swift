import Foundation

/// A folder of images by class: `train/CLASS/*.png` and `test/CLASS/*.png`, or without these two `CLASS/*.png`, of
/// which a share is for testing. Classes count in the order of their names.
public struct ImageFolder: Hashable, Sendable {
  public var path: String
  /// Every image is resized to it.
  public var height: Int
  public var width: Int
  /// 1: gray, 3: red, green, blue.
  public var channels: Int
  /// The share of the images that is for testing where there is no folder `test`. A file stays on its side, whatever
  /// is added: its name decides.
  public var testSplit: Double
  /// How far opening looks whether the images can be read.
  public var check: ImageCheck.Extent

  public init(
    path: String, height: Int, width: Int, channels: Int, testSplit: Double = 0.2, check: ImageCheck.Extent = .quick
  ) {
    (self.path, self.height, self.width) = (path, height, width)
    (self.channels, self.testSplit, self.check) = (channels, testSplit, check)
  }

  private struct Entry {
    var name: String
    var label: Int32
    var hash: UInt64
  }

  /// Lists the files and looks into none.
  func listed() throws(DatasetError) -> DatasetParts {
    let top = try folders(in: path)
    let trainFolder = top.contains("train") ? path + "/train" : path
    let classes = try folders(in: trainFolder)
    guard !classes.isEmpty else {
      throw DatasetError(
        .missing, "\(trainFolder) has no folders: put the images of each class into a folder of its name")
    }
    let all = try entries(in: trainFolder, classes, of: classes)
    guard top.contains("train"), top.contains("test") else {
      let (train, test) = (all.filter { !isTest($0) }, all.filter { isTest($0) })
      return DatasetParts(
        train: try dataset(train, classes, in: trainFolder, "training"),
        test: try dataset(test, classes, in: trainFolder, "testing"))
    }
    let testFolder = path + "/test"
    let testClasses = try folders(in: testFolder)
    let others = testClasses.filter { !classes.contains($0) }
    guard others.isEmpty else {
      throw DatasetError(
        .invalid, "\(testFolder) has classes that \(trainFolder) has not: \(others.joined(separator: ", "))")
    }
    let test = try entries(in: testFolder, testClasses, of: classes)
    return DatasetParts(
      train: try dataset(all, classes, in: trainFolder, "training"),
      test: try dataset(test, classes, in: testFolder, "testing"))
  }

  private func isTest(_ entry: Entry) -> Bool { SplitHash.isTest(entry.hash, split: testSplit) }

  private func dataset(
    _ entries: [Entry], _ classes: [String], in folder: String, _ use: String
  ) throws(DatasetError) -> ImageFiles {
    guard !entries.isEmpty else {
      throw DatasetError(
        .missing, "\(folder) has no images for \(use) (test_split is \(testSplit)); add files or change the share")
    }
    // Not class after class: the last share of the training part may be held back for validation.
    let mixed = entries.sorted { ($0.hash, $0.name) < ($1.hash, $1.name) }
    return try ImageFiles(
      paths: mixed.map { folder + "/" + $0.name }, labels: mixed.map(\.label), classNames: classes,
      sampleShape: [height, width, channels])
  }

  private func entries(
    in folder: String, _ names: [String], of classes: [String]
  ) throws(DatasetError) -> [Entry] {
    var entries: [Entry] = []
    for name in names {
      let label = Int32(classes.firstIndex(of: name) ?? 0)
      for file in try Self.visible(in: folder + "/" + name) {
        guard Image.endings.contains((file as NSString).pathExtension.lowercased()) else {
          throw DatasetError(
            .invalid,
            "\(folder)/\(name)/\(file) is none of \(Image.endings.joined(separator: ", ")); move it elsewhere")
        }
        let path = name + "/" + file
        entries.append(Entry(name: path, label: label, hash: SplitHash.of(path)))
      }
    }
    return entries
  }

  private func folders(in folder: String) throws(DatasetError) -> [String] {
    try Self.visible(in: folder).filter { name in
      var isFolder: ObjCBool = false
      return FileManager.default.fileExists(atPath: folder + "/" + name, isDirectory: &isFolder) && isFolder.boolValue
    }
  }

  /// Names in a folder, sorted, but for hidden ones.
  static func visible(in folder: String) throws(DatasetError) -> [String] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: folder).filter { !$0.hasPrefix(".") }.sorted()
    } catch {
      throw DatasetError(.missing, "\(folder) is no folder that can be read: \(error.localizedDescription)")
    }
  }
}
