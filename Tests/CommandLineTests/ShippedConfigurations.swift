import Foundation
import TestFiles
import Testing

/// The configurations in `configs/`, each on data that is here.
enum ShippedConfigurations {
  /// Their names.
  static let all: [String] = {
    let files = (try? FileManager.default.contentsOfDirectory(atPath: root + "/configs")) ?? []
    return files.filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }.sorted()
  }()

  /// Where the configuration is and what sets its data to some that are here.
  static func arguments(_ name: String) throws -> [String] {
    let folder = temporary()
    switch name {
    case "csv":
      try writeTable(to: folder + "/table.csv")
      return ["configs/csv.yaml", "--data", folder + "/table.csv"]
    case "image-folder":
      try writeFolder(to: folder)
      return ["configs/image-folder.yaml", "--data", folder]
    case "two-inputs", "two-outputs":
      let outcome = try switchback("data", "export", "mnist", folder, "--data", sampleFolder)
      try #require(outcome.status == 0, "\(outcome.error)")
      return ["configs/\(name).yaml", "--data", folder + "/samples.csv"]
    case "gru-adding-problem", "lstm-adding-problem", "rnn-adding-problem":
      return ["configs/\(name).yaml", "--set", "data.sequence_length=10", "--set", "data.samples=1000"]
    case "gru-copy-problem":
      return ["configs/\(name).yaml", "--set", "data.delay=2", "--set", "data.samples=1000"]
    case "text-classification":
      for number in 0..<64 {
        let words = (0...number % 7).map { ["good", "bad", "film", "plot", "long"][(number * 3 + $0) % 5] }
        try write(
          words.joined(separator: " ").utf8, to: folder + "/\(number % 2 == 0 ? "no" : "yes")/\(number).txt")
      }
      return ["configs/text-classification.yaml", "--data", folder, "--set", "data.sequence_length=8"]
    default:
      // Fashion's images are not here; the digits have its shape.
      return ["configs/\(name).yaml", "--data", sampleFolder, "--set", "data.dataset=mnist"]
    }
  }
}

/// Three classes by four features, of which one never changes; some rows are zeros.
private func writeTable(to path: String) throws {
  var text = "a,b,c,d,class\n"
  for row in 0..<96 {
    let label = row % 3
    let numbers = [label * 7 + row % 5, row * row % 11, 4, row % 7 == 3 ? 0 : row % 13].map { row % 8 == 5 ? 0 : $0 }
    text += numbers.map { "\($0)," }.joined() + ["x", "y", "z"][label] + "\n"
  }
  try write(text.utf8, to: path)
}

/// The sample's digits as files, and a black image in each class.
private func writeFolder(to folder: String) throws {
  for (part, count) in [("train", 96), ("test", 64)] {
    try writeImages(to: "\(folder)/\(part)", train: part == "train", count: count)
    let black = PNG.encode(width: 28, height: 28, channels: 1, pixels: [UInt8](repeating: 0, count: 784))
    for label in 0..<10 { try write(black, to: "\(folder)/\(part)/\(label)/black.png") }
  }
}
