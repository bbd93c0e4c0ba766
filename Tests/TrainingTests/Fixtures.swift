import Foundation
import SwitchbackBackendKit
import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackMonitoring
import SwitchbackNeuralNetworks
import SwitchbackOpenBLAS
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import TestFiles
import Testing

let hasOpenBLAS = (try? OpenBLASBackend().devices()) != nil

/// Ten classes, each a bright square at its own place under noise: what tests train on where MNIST is not.
func madeData(count: Int = 640) throws -> ByteDataset {
  let philox = Philox(seed: 7)
  var samples = [UInt8](repeating: 0, count: count * 784)
  for e in 0..<samples.count / 4 {
    let bits = philox.bits(block: e, stream: 0, step: 0)
    for word in 0..<4 { samples[4 * e + word] = UInt8(bits[word] & 63) }
  }
  let labels = (0..<count).map { Int32($0 % 10) }
  for n in 0..<count {
    let (top, left) = (Int(labels[n]) / 4 * 8 + 2, Int(labels[n]) % 4 * 6 + 2)
    for h in top..<top + 6 { for v in left..<left + 5 { samples[n * 784 + h * 28 + v] = 230 } }
  }
  return try ByteDataset(
    sampleShape: [28, 28, 1], classNames: (0...9).map { "\($0)" }, samples: samples, labels: labels)
}

func configuration(_ name: String, _ overrides: [String] = []) throws -> Configuration {
  try Configuration(file: root + "/configs/\(name).yaml", overrides: overrides)
}

/// What is wrong with a configuration, a line each with its place: as it is read and, with a layout of data, as the step is
/// made that trains on such.
func problems(in text: String, on layout: DatasetLayout? = nil, _ overrides: [String] = []) -> [String] {
  do {
    let configuration = try Configuration(text: text, file: "test.yaml", overrides: overrides)
    if let layout { _ = try configuration.trainingStep(on: layout) }
    return []
  } catch {
    return error.problems.map(\.description)
  }
}

/// What is thrown, in words; nothing where nothing is.
func errorText(_ body: () throws -> Void) -> String {
  do { try body() } catch { return "\(error)" }
  return ""
}

func chain(_ backend: any ComputeBackend, workers: Int = 2) throws -> BackendChain {
  let host = try HostServices(workers: workers)
  return BackendChain(
    [.init(name: backend.identity.name, device: try backend.open(device: 0, options: [:], host: host))], host: host)
}

func session(
  _ name: String, on backend: any ComputeBackend, workers: Int = 2, isWatched: Bool = true, _ overrides: [String] = []
) throws -> TrainingSession {
  let configuration = try configuration(name, overrides)
  return try TrainingSession(
    step: configuration.trainingStep(on: DatasetLayout(sampleShape: [28, 28, 1], targets: .classes)), batchSize: 64,
    seed: configuration.training.seed,
    on: try chain(backend, workers: workers), probeInterval: isWatched ? 1 : nil)
}

extension TrainingSession {
  /// The weights and slots, as bytes by name.
  func bytes() throws -> [String: [UInt8]] {
    var result: [String: [UInt8]] = [:]
    for name in states.states.keys { result[name] = try states.withBytes(of: name) { Array($0) } }
    return result
  }

  /// Trains `count` steps on batches in order; the losses.
  @discardableResult
  func train(_ data: any Dataset, steps count: Int) throws -> [Double] {
    try (0..<count).map { index in
      let order = BatchOrder(
        count: data.count, batchSize: 64, seed: 3, epoch: index / (data.count / 64), dropsLast: true,
        // The order of the goldens (`Golden/switchback.py`).
        version: .shifted)
      return try train(data, order.batch(index % order.batchCount)).loss
    }
  }
}

// MARK: Runs of a small network

/// Three epochs of a network with dropout, under Adam, on the reference.
let smallRun = """
  version: 1
  model:
    layers:
      - flatten
      - dense: {units: 16, activation: relu}
      - dropout: {rate: 0.3}
      - dense: {units: 10, activation: softmax}
  data: {dataset: mnist}
  training: {epochs: 3, batch_size: 50, optimizer: {type: adam}}
  backend: {name: reference}
  """

/// A loop over made data (thirteen batches of 50 an epoch), as it goes on from `checkpoint`.
func makeLoop(
  _ text: String = smallRun, _ overrides: [String] = [], data: DatasetParts? = nil,
  linked: [any ComputeBackend] = [], going checkpoint: Checkpoint? = nil
) throws -> TrainingLoop {
  try TrainingLoop(
    try Configuration(text: text, file: "test.yaml", overrides: overrides).goingOn(from: checkpoint),
    data: try data ?? madeParts(),
    registry: BackendRegistry(linked: linked + [ReferenceBackend()], folders: []),
    host: try HostServices(workers: 2))
}

func madeParts(count: Int = 640) throws -> DatasetParts {
  let data = try madeData(count: count)
  return DatasetParts(train: data, test: data.subset(0..<64))
}

/// Where a test may make a folder.
func temporaryRun() -> String {
  FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
}

/// Runs until it is interrupted after `step`; its checkpoint, which `store` keeps.
@discardableResult
func interrupted(
  _ loop: TrainingLoop, after step: Int, _ store: CheckpointStore = CheckpointStore(run: temporaryRun())
) throws -> Checkpoint {
  let interrupter = EventHandler { event in
    if case .step(let report) = event, report.step >= step { .interrupt } else { .proceed }
  }
  do {
    _ = try loop.run(callbacks: [CheckpointSaver(store), interrupter])
    Issue.record("the run was not interrupted")
  } catch TrainingLoop.Stop.interrupted {}
  return try #require(store.newestComplete())
}
