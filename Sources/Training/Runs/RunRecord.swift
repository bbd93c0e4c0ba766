import Foundation
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

  /// Whether a line of `metrics.jsonl` is of an epoch, and not of a step: only that of an epoch says how many there are.
  static func isEpoch(_ line: Data) -> Bool { line.range(of: Data("\"epochs\":".utf8)) != nil }

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
    let folder = RunFolder(folder)
    let file = try folder.configurationFile
    guard let configuration = folder.text(of: .configuration) else {
      throw NotARunFolder(message: "\(folder.path) is no run folder: \(file) cannot be read")
    }
    self.configuration = configuration
    name = URL(fileURLWithPath: folder.path).resolvingSymlinksInPath().lastPathComponent
    steps = folder.values(of: .metrics) { !Self.isEpoch($0) }
    epochs = folder.values(of: .metrics, where: Self.isEpoch)
    findings = folder.values(of: .findings)
    gradients = folder.values(of: .gradients)
    summary = folder.value(of: .summary)
    evaluation = folder.value(of: .evaluation)
    environment = folder.environment
    network = folder.value(of: .network) ?? []
  }
}
