import Switchback

/// A rule of one's own: the loss of a look is above a bound, three times in a row.
struct HighLoss: Rule {
  let name = "highLoss"
  private var persistence = Persistence(needed: 3)

  var memory: [String: Int] {
    get { persistence.memory() }
    set { persistence.recall(newValue) }
  }

  mutating func observe(_ rows: ProbeRows) -> Finding? {
    guard persistence.opens(rows.loss > 0.1) else { return nil }
    return Finding(
      rule: name, severity: .warning, step: rows.step, layers: [], evidence: ["loss": rows.loss], message: "It is high."
    )
  }
}

/// A run that it watches beside the rules that there are.
func rule(on data: ByteDataset, host: HostServices) throws {
  let text = """
    version: 1
    model: {layers: [flatten, {dense: {units: 2, activation: softmax}}]}
    data: {dataset: mnist}
    training: {epochs: 2, batch_size: 8, optimizer: {type: sgd, learning_rate: 0.001}}
    backend: reference
    """
  let loop = try TrainingLoop(
    Configuration(text: text, file: "rule.yaml"), data: DatasetParts(train: data, test: data),
    registry: BackendRegistry(linked: [ReferenceBackend()]), host: host, rules: [HighLoss()])
  let found = try loop.run().findings
  print("a rule of one's own: \(found.map(\.message))")
  try require(found.contains { $0.rule == "highLoss" && $0.step == 3 }, "the rule found nothing: \(found)")
}
