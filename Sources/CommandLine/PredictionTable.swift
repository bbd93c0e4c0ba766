import Foundation
import Switchback

/// What `predict` says of one output of a network, in JSON as it is.
struct PredictedOutput: Encodable {
  struct Class: Encodable {
    var name: String
    /// Where the outputs come from a softmax or sigmoid.
    var probability: Double?
    /// Elsewhere: more is likelier.
    var score: Double?
  }

  /// What is said of one step.
  struct Step: Encodable {
    /// The likeliest first, at most five; none of a step that is masked.
    var classes: [Class]
  }

  let name: String
  /// The likeliest first, at most five; none of a network that answers by steps.
  let classes: [Class]
  /// Of a network that answers by steps each of them.
  let steps: [Step]?
  /// The network's numbers, where targets are numbers.
  let values: [Float]?
  /// What these numbers are called.
  let valueNames: [String]
  let areProbabilities: Bool

  fileprivate enum CodingKeys: String, CodingKey { case classes, steps, values }

  init(_ name: String, _ prediction: Prediction, valueNames: [String]) {
    (self.name, self.valueNames, areProbabilities) = (name, valueNames, prediction.areProbabilities)
    classes = Self.classes(prediction)
    steps =
      prediction.steps.isEmpty ? nil : prediction.steps.map { Step(classes: $0.map { Self.classes($0) } ?? []) }
    values = prediction.scores.isEmpty && steps == nil ? prediction.outputs : nil
  }

  private static func classes(_ prediction: Prediction) -> [Class] {
    prediction.likeliest().map {
      Class(
        name: $0.name, probability: prediction.areProbabilities ? $0.score : nil,
        score: prediction.areProbabilities ? nil : $0.score)
    }
  }

  /// A line each, for people; several numbers with what they are called. Of steps the likeliest class of each.
  var lines: [String] {
    if let steps {
      return steps.enumerated().map { step, found in
        "step \(step): " + (found.classes.first.map(Self.words) ?? "masked")
      }
    }
    let classes = classes.map(Self.words)
    guard let values else { return classes }
    guard values.count > 1, valueNames.count == values.count else {
      return classes + [values.map { "\($0)" }.joined(separator: " ")]
    }
    return classes + zip(values, valueNames).map { "\($0)  \($1)" }
  }

  private static func words(_ found: Class) -> String {
    (found.probability.map { "\(($0 * 1000).rounded() / 10) %" } ?? "\(found.score ?? 0)") + "  \(found.name)"
  }
}

/// What `predict` says of a sample. As JSON: of a network with one output its keys, of one with several an object for each
/// output, by its name.
struct PredictionLine: Encodable {
  /// A file, or `test 7`.
  var sample: String?
  /// Of a table, its number from 1.
  var row: Int?
  /// In the order of the network's outputs.
  let outputs: [PredictedOutput]

  /// `namesValues`: whether the columns that were learnt have names.
  init(
    sample: String? = nil, row: Int? = nil, _ answers: [String: Prediction], of model: TrainedModel, namesValues: Bool
  ) {
    (self.sample, self.row) = (sample, row)
    outputs = model.samples.outputs.compactMap { output in
      answers[output.name].map { PredictedOutput(output.name, $0, valueNames: namesValues ? output.labels : []) }
    }
  }

  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encodeIfPresent(sample, forKey: Key(stringValue: "sample"))
    try container.encodeIfPresent(row, forKey: Key(stringValue: "row"))
    // Outputs may be called so too, and are what was asked for.
    guard outputs.count > 1 else { return try outputs.first?.encode(to: encoder) ?? () }
    for output in outputs { try container.encode(output, forKey: Key(stringValue: output.name)) }
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
    write([line.sample ?? "\(line.row ?? 0)"] + line.outputs.flatMap(Self.cells))
  }

  private static func cells(_ output: PredictedOutput) -> [String] {
    output.classes.flatMap { [$0.name, $0.probability.map { String(format: "%.6f", $0) } ?? "\($0.score ?? 0)"] }
      + (output.steps ?? []).map { $0.classes.first?.name ?? "" } + (output.values ?? []).map { "\($0)" }
  }

  /// Of several outputs each has its name before its columns; columns that were learnt have their own, where no two
  /// outputs learn one.
  private static func head(_ line: PredictionLine) -> [String] {
    var counts: [String: Int] = [:]
    for name in line.outputs.flatMap(\.valueNames) { counts[name, default: 0] += 1 }
    return [line.row == nil ? "file" : "row"]
      + line.outputs.flatMap { output in
        let prefix = line.outputs.count > 1 ? output.name + "/" : ""
        let word = output.areProbabilities ? "probability" : "score"
        let classes = output.classes.indices.flatMap { index in
          (index == 0 ? ["class", word] : ["class_\(index + 1)", "\(word)_\(index + 1)"]).map { prefix + $0 }
        }
        let values = (output.values ?? []).indices.map { index in
          guard index < output.valueNames.count else { return "\(prefix)value_\(index + 1)" }
          let name = output.valueNames[index]
          return counts[name] == 1 ? name : prefix + name
        }
        // Of steps the likeliest class each.
        return classes + (output.steps ?? []).indices.map { "\(prefix)step_\($0)" } + values
      }
  }

  private mutating func write(_ cells: [String]) {
    let text = cells.map(CSVText.field).joined(separator: ",") + "\n"
    if output == nil { Terminal.write(text, terminator: "") } else { kept += text }
  }

  /// Writes the file, where one was asked for.
  func finish() throws {
    guard let output, !json else { return }
    try AtomicFile.write(kept, to: output)
  }
}
