import Foundation
import Switchback

/// What `predict` says of a sample, in JSON Lines as it is.
struct PredictionLine: Encodable {
  struct Class: Encodable {
    var name: String
    /// Where the outputs come from a softmax or sigmoid.
    var probability: Double?
    /// Elsewhere: more is likelier.
    var score: Double?
  }

  /// A file, or `test 7`.
  var sample: String?
  /// Of a table, its number from 1.
  var row: Int?
  /// The likeliest first, at most five.
  var classes: [Class]
  /// The network's outputs, where targets are numbers.
  var values: [Float]?
  /// What these numbers are called.
  var valueNames: [String] = []
  let areProbabilities: Bool

  private enum CodingKeys: String, CodingKey { case sample, row, classes, values }

  init(_ sample: String, _ prediction: Prediction) {
    self.init(prediction)
    self.sample = sample
  }

  init(row: Int, _ prediction: Prediction, valueNames: [String]) {
    self.init(prediction)
    (self.row, self.valueNames) = (row, valueNames)
  }

  private init(_ prediction: Prediction) {
    areProbabilities = prediction.areProbabilities
    classes = prediction.likeliest().map {
      Class(
        name: $0.name, probability: prediction.areProbabilities ? $0.score : nil,
        score: prediction.areProbabilities ? nil : $0.score)
    }
    values = prediction.scores.isEmpty ? prediction.outputs : nil
  }
}

/// Predictions as CSV or JSON Lines: lines as they come, or where a file is to be written all at the end.
struct PredictionTable {
  let json: Bool
  /// nil: standard output.
  let output: String?
  private var kept = ""
  private var hasHead = false

  init(json: Bool, output: String?) { (self.json, self.output) = (json, output) }

  mutating func add(_ line: PredictionLine) {
    if json {
      Terminal.write(Terminal.json(line))
      return
    }
    if !hasHead { write(Self.head(line)) }
    hasHead = true
    let cells =
      [line.sample ?? "\(line.row ?? 0)"]
      + line.classes.flatMap { [$0.name, $0.probability.map { String(format: "%.6f", $0) } ?? "\($0.score ?? 0)"] }
      + (line.values ?? []).map { "\($0)" }
    write(cells)
  }

  private static func head(_ line: PredictionLine) -> [String] {
    let word = line.areProbabilities ? "probability" : "score"
    let classes = line.classes.indices.flatMap {
      $0 == 0 ? ["class", word] : ["class_\($0 + 1)", "\(word)_\($0 + 1)"]
    }
    let values = (line.values ?? []).indices.map { index in
      index < line.valueNames.count ? line.valueNames[index] : "value_\(index + 1)"
    }
    return [line.row == nil ? "file" : "row"] + classes + values
  }

  private mutating func write(_ cells: [String]) {
    let text = cells.map(Self.quoted).joined(separator: ",") + "\n"
    if output == nil { Terminal.write(text, terminator: "") } else { kept += text }
  }

  /// Writes the file, where one was asked for.
  func finish() throws {
    guard let output, !json else { return }
    try AtomicFile.write(kept, to: output)
  }

  /// As RFC 4180 has it.
  private static func quoted(_ cell: String) -> String {
    // By bytes: a return and a line feed together are one character.
    guard cell.utf8.contains(where: { [44, 34, 13, 10].contains($0) }) else { return cell }
    return "\"" + cell.replacingOccurrences(of: "\"", with: "\"\"") + "\""
  }
}
