#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A data set known by name, and where its files are looked for.
public struct NamedDataset: Sendable {
  /// The word in configs.
  public let name: String
  public let classNames: [String]
  /// Where Debian's package puts it, and what that package is called.
  let debianFolder: String?
  let debianPackage: String?

  public static let all = [
    NamedDataset(name: "mnist", classNames: (0...9).map { "\($0)" }, debianFolder: nil, debianPackage: nil),
    NamedDataset(
      name: "fashion-mnist",
      classNames: [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
      ], debianFolder: "/usr/share/datasets/fashion-mnist", debianPackage: "dataset-fashion-mnist"),
  ]

  public static func named(_ name: String) throws(DatasetError) -> NamedDataset {
    guard let found = all.first(where: { $0.name == name }) else {
      throw DatasetError(
        .invalid, "there is no data set called \(name); known are \(all.map(\.name).joined(separator: ", "))")
    }
    return found
  }

  static let files = [
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte",
  ]

  /// The folders in the order they are tried: the given one, `$SWITCHBACK_DATA`, the cache, Debian's.
  public func folders(given: String?) -> [String] {
    var roots: [String] = []
    if let given { roots += [given + "/" + name, given] }
    func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
    if let data = variable("SWITCHBACK_DATA") {
      roots += [data + "/" + name] + (data.hasSuffix("/" + name) ? [data] : [])
    }
    if let cache = variable("XDG_CACHE_HOME") ?? variable("HOME").map({ $0 + "/.cache" }) {
      roots.append(cache + "/switchback/datasets/" + name)
    }
    if let debianFolder { roots.append(debianFolder) }
    return roots
  }

  /// The first folder that holds all four files; an error names them and where to put them.
  public func folder(given: String? = nil) throws(DatasetError) -> String {
    let folders = folders(given: given)
    for folder in folders where Self.files.allSatisfy({ Self.path(of: $0, in: folder) != nil }) { return folder }
    let install = debianPackage.map { "install the Debian package \($0), or " } ?? ""
    throw DatasetError(
      .missing,
      "\(name) is not in \(folders.joined(separator: ", ")). To have it, \(install)put the files "
        + Self.files.map { $0 + ".gz" }.joined(separator: ", ") + " into a folder and name it with --data FOLDER "
        + "or $SWITCHBACK_DATA")
  }

  private static func path(of file: String, in folder: String) -> String? {
    [folder + "/" + file + ".gz", folder + "/" + file].first { access($0, R_OK) == 0 }
  }

  /// Reads both parts.
  public func load(given: String? = nil) throws(DatasetError) -> (train: Dataset, test: Dataset) {
    let folder = try folder(given: given)
    return (try part("train", in: folder), try part("t10k", in: folder))
  }

  private func part(_ part: String, in folder: String) throws(DatasetError) -> Dataset {
    let imagePath = Self.path(of: part + "-images-idx3-ubyte", in: folder) ?? folder
    let labelPath = Self.path(of: part + "-labels-idx1-ubyte", in: folder) ?? folder
    let (images, labels) = (try IDXFile(path: imagePath), try IDXFile(path: labelPath))
    guard images.extents.count == 3, labels.extents.count == 1, images.extents[0] == labels.extents[0] else {
      throw DatasetError(
        .corrupt, "\(imagePath) with extents \(images.extents) does not go with \(labelPath) with \(labels.extents)")
    }
    return try Dataset(
      sampleShape: [images.extents[1], images.extents[2], 1], classNames: classNames, samples: images.bytes,
      labels: labels.bytes.map { Int32($0) })
  }
}
