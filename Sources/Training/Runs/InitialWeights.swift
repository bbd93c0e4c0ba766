import Foundation
import SwitchbackDatasets
public import SwitchbackInference
import SwitchbackInterchange
import SwitchbackNeuralNetworks

/// Weights to start a run with, without optimizer slots: of a run's newest checkpoint (with `training.restore_best` of
/// the best), of a checkpoint or a saved session, or of a trained model's file. Where the source keeps the moving
/// average, it is that: what a run's predictions are made with.
public struct InitialWeights: Sendable {
  /// Where they come from, for the record of the run.
  public struct Record: Hashable, Sendable, Codable {
    /// The file.
    public var path: String
    public var sha256: String
    public var weights: ModelWeights
  }

  public let record: Record
  let tensors: [String: Safetensors.Tensor]

  /// Reads a run folder or a file.
  public init(_ source: String) throws {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: source, isDirectory: &isFolder) else {
      throw DatasetError(.missing, "there is no run folder or file \(source) to take weights from (model.from)")
    }
    var path = source
    if isFolder.boolValue {
      let store = CheckpointStore(run: source)
      let takesBest = (try? RunFolder(source).configuration())?.training.restoresBest == true
      guard let entry = store.answering(best: false, preferringBest: takesBest) else {
        throw DatasetError(.missing, "no weights to start with (model.from): \(RunFolder(source).missingCheckpoint())")
      }
      path = entry.path
    }
    let weights: ModelWeights
    do {
      let data = try RegularFile.read(path)
      let file = try Safetensors(decoding: data)
      if TrainedModel.isFormat(of: file) {
        try TrainedModel.check(file)
        tensors = Dictionary(file.tensors.map { ($0.name, $0) }) { first, _ in first }
        weights = file.metadata["weights"].flatMap(ModelWeights.init) ?? .raw
      } else {
        (tensors, weights) = try Checkpoint(decoding: data).weights()
      }
    } catch {
      throw DatasetError(.corrupt, "\(path) holds neither a checkpoint nor a trained model (model.from): \(error)")
    }
    record = Record(path: path, sha256: try Checksum.sha256(ofFile: path), weights: weights)
  }

  /// Why a network with these parameters cannot start with them; nil where it can.
  func obstacle(for parameters: [Parameter]) -> String? {
    let mismatches = mismatches(with: parameters)
    guard mismatches.isEmpty else {
      return "the weights of \(record.path) do not fit this network:\n  " + mismatches.joined(separator: "\n  ")
    }
    let broken = parameters.first { parameter in
      guard let tensor = tensors[parameter.name] else { return false }
      return !tensor.bytes.withUnsafeBytes { $0.bindMemory(to: Float.self).allSatisfy(\.isFinite) }
    }
    return broken.map { "\(record.path) has an infinite weight or NaN in \($0.name)" }
  }

  /// What a network with these parameters lacks, has besides, or has in another shape; a line each.
  private func mismatches(with parameters: [Parameter]) -> [String] {
    let names = Set(parameters.map(\.name))
    let wrong = parameters.compactMap { parameter -> String? in
      let shape = parameter.type.shape.extents
      guard let tensor = tensors[parameter.name] else { return "\(parameter.name) \(shape) is not there" }
      guard tensor.shape != shape || tensor.type != "F32" else { return nil }
      return "\(parameter.name) is \(tensor.type) \(tensor.shape) there, and F32 \(shape) here"
    }
    return wrong
      + tensors.values.filter { !names.contains($0.name) }.sorted { $0.name < $1.name }.map {
        "\($0.name) \($0.shape) is not in this network"
      }
  }
}

extension TrainingSession {
  /// Starts with these weights, the moving average too; every name and shape must fit, or all that does not is said.
  public func load(_ initial: InitialWeights) throws {
    if let obstacle = initial.obstacle(for: parameters) { throw CheckpointMismatch(message: obstacle) }
    beganTrained = true
    for parameter in parameters {
      guard let tensor = initial.tensors[parameter.name] else { continue }
      // Before the first update the average is the weight itself.
      let isAveraged = step.averageMomentum != nil && parameter.isTrainable
      for name in [parameter.name] + (isAveraged ? [parameter.averageName] : []) {
        try states.withMutableBytes(of: name) { bytes in tensor.bytes.withUnsafeBytes { bytes.copyMemory(from: $0) } }
      }
    }
  }
}
