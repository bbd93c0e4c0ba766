/// An IDX file of bytes, plain or gzip: magic `00 00 08 rank`, big-endian extents, then the elements
/// (LeCun, Cortes and Burges, the MNIST page).
public struct IDXFile: Sendable {
  public let extents: [Int]
  public let bytes: [UInt8]

  public init(path: String) throws(DatasetError) { try self.init(path: path, ContentReader(makesSums: false)) }

  init(path: String, _ reader: ContentReader) throws(DatasetError) {
    var data = try reader.read(path)
    guard data.count >= 4, data[0] == 0, data[1] == 0 else {
      throw DatasetError(.corrupt, "\(path) is no IDX file: it begins with \(FileBytes.beginning(of: data))")
    }
    guard data[2] == 8 else {
      throw DatasetError(.invalid, "\(path) holds elements of IDX type \(data[2]); only bytes (8) are read")
    }
    let rank = Int(data[3])
    guard rank >= 1, rank <= 4, data.count >= 4 + 4 * rank else {
      throw DatasetError(.corrupt, "\(path) ends inside its header (\(data.count) bytes, rank \(rank))")
    }
    extents = (0..<rank).map { axis in (0..<4).reduce(0) { $0 << 8 | Int(data[4 + 4 * axis + $1]) } }
    // Extents come from the file: their product may be anything.
    var expected = 1
    for extent in extents {
      let (product, overflow) = expected.multipliedReportingOverflow(by: extent)
      guard !overflow, product <= 1 << 40 else {
        throw DatasetError(.corrupt, "\(path) states impossible extents \(extents)")
      }
      expected = product
    }
    let start = 4 + 4 * rank
    guard data.count - start == expected else {
      throw DatasetError(
        .corrupt,
        "\(path) should hold \(expected) bytes for \(extents), but holds \(data.count - start); "
          + "remove it and fetch it again")
    }
    data.removeFirst(start)
    bytes = data
  }

  /// The images `[H, W, 1]` of a part (`train` or `t10k`) with their labels.
  static func pair(
    _ part: String, in folder: String, _ classNames: [String], _ reader: ContentReader
  ) throws(DatasetError) -> ByteDataset {
    let imagePath = NamedDataset.path(of: part + "-images-idx3-ubyte", in: folder) ?? folder
    let labelPath = NamedDataset.path(of: part + "-labels-idx1-ubyte", in: folder) ?? folder
    let (images, labels) = (try IDXFile(path: imagePath, reader), try IDXFile(path: labelPath, reader))
    guard images.extents.count == 3, labels.extents.count == 1, images.extents[0] == labels.extents[0] else {
      throw DatasetError(
        .corrupt, "\(imagePath) with extents \(images.extents) does not go with \(labelPath) with \(labels.extents)")
    }
    return try ByteDataset(
      sampleShape: [images.extents[1], images.extents[2], 1], classNames: classNames, samples: images.bytes,
      labels: labels.bytes.map { Int32($0) })
  }
}
