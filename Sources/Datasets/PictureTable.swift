/// A data set of pictures, known by name, as files and a table of them: one row a picture, with its class and what can be
/// measured of it.
public struct PictureTable: Sendable {
  /// The first row: the file, the class (`digit`, where classes are digits), the mean of the pixels from 0 to 1 (`ink` of
  /// gray pictures on black, `brightness` of others), and width and height of the smallest box around all pixels that are
  /// not black.
  public let columns: [String]
  public let sampleShape: [Int]
  public let classNames: [String]
  /// The pictures, in the order of their rows.
  public let entries: [Entry]
  private let parts: [ByteDataset]

  public struct Entry: Sendable {
    /// `train/00000.png`, in the table's folder.
    public var file: String
    fileprivate var part: Int
    fileprivate var index: Int
  }

  /// The first `count` pictures of each part (nil: all), which are `train` and `test`, of the data in `folder`.
  public init(
    _ dataset: NamedDataset, folder: String? = nil, parts: [DatasetRecord.Part.Name] = [.train, .test],
    count: Int? = nil
  ) throws(DatasetError) {
    let (train, test) = try dataset.load(given: folder)
    var (chosen, entries) = ([ByteDataset](), [Entry]())
    for (name, part) in [(DatasetRecord.Part.Name.train, train), (.test, test)] where parts.contains(name) {
      for index in 0..<min(count ?? part.count, part.count) {
        let digits = "\(index)"
        let number = String(repeating: "0", count: max(0, 5 - digits.count)) + digits
        entries.append(Entry(file: "\(name.rawValue)/\(number).png", part: chosen.count, index: index))
      }
      chosen.append(part)
    }
    (self.parts, self.entries, classNames, sampleShape) = (chosen, entries, train.classNames, train.sampleShape)
    let areDigits = classNames.allSatisfy { $0.count == 1 && Int($0) != nil }
    columns = [
      "file", areDigits ? "digit" : "class", train.sampleShape[2] == 1 ? "ink" : "brightness", "width", "height",
    ]
  }

  /// The picture of a row.
  public func image(_ entry: Entry) -> Image {
    let size = sampleShape.reduce(1, *)
    return Image(
      width: sampleShape[1], height: sampleShape[0], channels: sampleShape[2],
      pixels: Array(parts[entry.part].samples[entry.index * size..<(entry.index + 1) * size]))
  }

  /// The row, a field for each of `columns`, as it stands in a CSV file.
  public func row(_ entry: Entry, of image: Image) -> String {
    let sum = image.pixels.reduce(0) { $0 + Int($1) }
    let mean = Float(Double(sum) / Double(255 * image.pixels.count))
    let box = image.box
    return [
      entry.file, classNames[Int(parts[entry.part].labels[entry.index])], "\(mean)", "\(box.width)", "\(box.height)",
    ]
    .map(CSVText.field).joined(separator: ",")
  }
}

extension Image {
  /// The extents of the smallest box around all pixels that are not black; 0 where all are.
  var box: (width: Int, height: Int) {
    var (left, right, top, bottom) = (width, -1, height, -1)
    for y in 0..<height {
      for x in 0..<width {
        let start = (y * width + x) * channels
        guard pixels[start..<start + channels].contains(where: { $0 > 0 }) else { continue }
        (left, right, top, bottom) = (min(left, x), max(right, x), min(top, y), max(bottom, y))
      }
    }
    return (max(0, right - left + 1), max(0, bottom - top + 1))
  }
}
