/// The binary form of CIFAR-10 and CIFAR-100 (Krizhevsky, *Learning Multiple Layers of Features from Tiny Images*,
/// 2009, and the data sets' page): records of the label bytes and 32 rows of 32 pixels for red, green and blue.
struct CIFARReader {
  let folder: String
  let labelBytes: Int
  let classNames: [String]
  let reader: ContentReader

  private static let pixels = 32 * 32

  /// The images `[32, 32, 3]` of the files, one file after the other.
  func read(_ files: [String]) throws(DatasetError) -> ByteDataset {
    let record = labelBytes + 3 * Self.pixels
    let names = try self.names()
    var (samples, labels) = ([UInt8](), [Int32]())
    for file in files {
      guard let path = NamedDataset.path(of: file, in: folder) else {
        throw DatasetError(.missing, "\(folder)/\(file): there is no such file")
      }
      let bytes = try reader.read(path)
      guard !bytes.isEmpty, bytes.count % record == 0 else {
        throw DatasetError(
          .corrupt,
          "\(path) should hold records of \(record) bytes, but holds \(bytes.count) bytes; remove it and fetch it again"
        )
      }
      samples.reserveCapacity(samples.count + bytes.count / record * 3 * Self.pixels)
      for start in stride(from: 0, to: bytes.count, by: record) {
        // Of two labels the first is the superclass.
        let label = bytes[start + labelBytes - 1]
        guard label < names.count else {
          throw DatasetError(
            .corrupt, "\(path): record \(start / record) has class \(label), outside the \(names.count) classes")
        }
        labels.append(Int32(label))
        let red = start + labelBytes
        for pixel in red..<red + Self.pixels {
          samples.append(bytes[pixel])
          samples.append(bytes[pixel + Self.pixels])
          samples.append(bytes[pixel + 2 * Self.pixels])
        }
      }
    }
    return try ByteDataset(sampleShape: [32, 32, 3], classNames: names, samples: samples, labels: labels)
  }

  /// The names in the file beside the data; without it, the published ones.
  private func names() throws(DatasetError) -> [String] {
    let file = labelBytes == 1 ? "batches.meta.txt" : "fine_label_names.txt"
    guard let path = NamedDataset.path(of: file, in: folder) else { return classNames }
    let names = String(decoding: try FileBytes.read(path), as: UTF8.self).split { $0.isNewline }.map(String.init)
    guard names.count == classNames.count else {
      throw DatasetError(
        .corrupt, "\(path) should name \(classNames.count) classes, but names \(names.count); remove it")
    }
    return names
  }
}
