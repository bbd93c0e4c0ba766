import Switchback

/// A sink of one's own: the loss of each step, and how often the probes looked.
final class LossColumn: MonitorSink {
  private(set) var losses: [Double] = []
  private(set) var looks = 0

  func begin(after step: Int) { losses.removeLast(max(losses.count - step, 0)) }
  func write(_ numbers: [String: Double], step: Int) { if let loss = numbers["loss"] { losses.append(loss) } }
  func write(_ rows: ProbeRows) { looks += 1 }
}

/// A run that it hears.
func sink(on data: ByteDataset, host: HostServices) throws {
  let text = """
    version: 1
    model: {layers: [flatten, {dense: {units: 2, activation: softmax}}]}
    data: {dataset: mnist}
    training: {epochs: 2, batch_size: 8, optimizer: {type: sgd, learning_rate: 0.001}}
    backend: reference
    """
  let column = LossColumn()
  let loop = try TrainingLoop(
    Configuration(text: text, file: "sink.yaml"), data: DatasetParts(train: data, test: data),
    registry: BackendRegistry(linked: [ReferenceBackend()]), host: host, sinks: [column])
  let steps = try loop.run().steps
  print("a sink of one's own: \(column.losses.count) losses, \(column.looks) looks")
  try require(column.losses.count == steps && column.looks > 0, "the sink heard \(column.losses.count) steps")
}
