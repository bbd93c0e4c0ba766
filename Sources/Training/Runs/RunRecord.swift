import Foundation
import SwitchbackInterchange
import SwitchbackMonitoring
import SwitchbackNeuralNetworks

/// What a run folder says of its run, read back from its files.
struct RunRecord {
  var name: String
  var steps: [StepReport] = []
  var epochs: [EpochReport] = []
  var findings: [Finding] = []
  var gradients: [GradientRow] = []
  /// Nil while the run has not ended.
  var summary: RunSummary?
  var evaluation: EvaluationRecord?
  var environment: RunEnvironment?
  /// Empty of a run of an earlier program.
  var network: [LayerSummary] = []
  var configuration = ""

  /// A line of `gradients.jsonl`.
  struct GradientRow: Decodable {
    struct Probe: Decodable {
      var path: String
      var kind: String
      var l2: Number
    }
    var step: Int
    var probes: [Probe]
  }

  /// A number that may be infinite or none, which JSON has only words for.
  struct Number: Decodable {
    var value: Double

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let number = try? container.decode(Double.self) {
        value = number
      } else {
        value = Double(try container.decode(String.self)) ?? .nan
      }
    }
  }

  /// Reads `folder`; files that are missing leave their part empty, a folder without `config.yaml` is no run.
  init(folder: String) throws {
    // A line that is no UTF-8 is one line that is not read.
    func text(_ file: String) -> String? {
      (try? RegularFile.read(folder + "/" + file)).map { String(decoding: $0, as: UTF8.self) }
    }
    guard let configuration = text("config.yaml") else {
      throw NotARunFolder(message: "\(folder) is no run folder: it has no config.yaml")
    }
    self.configuration = configuration
    name = URL(fileURLWithPath: folder).resolvingSymlinksInPath().lastPathComponent
    let decoder = JSONDecoder()
    decoder.dateDecodingStrategy = .iso8601
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    func lines<T: Decodable>(_ file: String, as type: T.Type) -> [T] {
      (text(file) ?? "").split(separator: "\n").compactMap { try? decoder.decode(type, from: Data($0.utf8)) }
    }
    func whole<T: Decodable>(_ file: String, as type: T.Type) -> T? {
      text(file).flatMap { try? decoder.decode(type, from: Data($0.utf8)) }
    }
    // A step has `stepInEpoch`, an epoch `epochs`: neither reads as the other.
    steps = lines("metrics.jsonl", as: StepReport.self)
    epochs = lines("metrics.jsonl", as: EpochReport.self)
    findings = lines("findings.jsonl", as: Finding.self)
    gradients = lines("gradients.jsonl", as: GradientRow.self)
    summary = whole("summary.json", as: RunSummary.self)
    evaluation = whole("evaluation.json", as: EvaluationRecord.self)
    environment = whole("environment.json", as: RunEnvironment.self)
    network = whole("network.json", as: [LayerSummary].self) ?? []
  }
}

/// A folder that no run has written.
public struct NotARunFolder: Error, Hashable, Sendable {
  public let message: String
}
