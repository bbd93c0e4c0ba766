import Foundation
import SwitchbackBackendKit
public import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackInterchange
import SwitchbackNeuralNetworks

/// All that a run needs to go on to bit-identical weights: states, position, and what was measured so far. Order and
/// random numbers are pure functions of seed and position, so they need no state of their own.
public struct Checkpoint: Sendable {
  public var position: Position
  /// What the run is trained on; nil in checkpoints of runs without a record.
  public var data: DatasetRecord?
  package var tensors: Safetensors

  /// The file's text form of position and data, and a checksum over them and the tensors (FNV-1a, 64 bits).
  package func encoded() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = Self.infinities
    var file = tensors
    file.metadata = [
      "format": "switchback-checkpoint-1", "position": String(decoding: try encoder.encode(position), as: UTF8.self),
    ]
    file.metadata["data"] = try data.map { String(decoding: try encoder.encode($0), as: UTF8.self) }
    file.metadata["checksum"] = Self.checksum(file)
    return try file.encoded()
  }

  /// Reads a file's bytes and proves them.
  package init(decoding data: Data) throws {
    let file = try Safetensors(decoding: data)
    try self.init(proving: file, checksum: Self.checksum(file))
  }

  /// Reads a file for whoever evaluates or predicts: without optimizer slots and accumulators. These are proved too, piece
  /// by piece, but take no memory.
  package init(weightsOf path: String) throws {
    let reader = try SafetensorsReader(path)
    let names = Set(reader.entries.map(\.name))
    var fingerprint = Self.fingerprint(of: reader.metadata)
    var kept = Safetensors([], metadata: reader.metadata)
    for entry in reader.entries {
      fingerprint.mix(bytes: entry.name.utf8)
      let isKept = !Self.isOnlyForTraining(entry.name, among: names)
      var bytes = Data(capacity: isKept ? entry.end - entry.start : 0)
      try reader.forEachPiece(of: entry) { piece in
        fingerprint.mix(bytes: piece)
        if isKept { bytes.append(piece) }
      }
      guard isKept else { continue }
      kept.tensors.append(
        Safetensors.Tensor(name: entry.name, type: entry.type, shape: entry.shape, bytes: bytes))
    }
    try self.init(proving: kept, checksum: fingerprint.text)
  }

  /// `checksum` is that of the whole file.
  private init(proving file: Safetensors, checksum found: String) throws {
    tensors = file
    guard let checksum = tensors.metadata["checksum"] else {
      throw Safetensors.FormatError(description: "it is no checkpoint of a run")
    }
    guard found == checksum else {
      throw Safetensors.FormatError(description: "its checksum does not fit its contents")
    }
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    guard let position = try tensors.decoded("position", as: Position.self, by: decoder) else {
      throw Safetensors.FormatError(description: "it is no checkpoint of a run")
    }
    self.position = position
    self.data = try tensors.decoded("data", as: DatasetRecord.self, by: decoder)
    if let fault { throw Safetensors.FormatError(description: fault) }
  }

  /// What a position or a record cannot say; nil where all is well.
  private var fault: String? {
    let counts = [
      position.batches, position.epoch, position.batchInEpoch, position.samples, position.epochsWithoutGain,
      position.updates ?? 0, position.accumulated ?? 0, position.nonFiniteSteps ?? 0,
    ]
    // Far below where sums of counts would overflow.
    guard counts.allSatisfy({ (0...1 << 48).contains($0) }), position.epoch >= 1,
      position.batchInEpoch <= position.batches, position.updates ?? 0 <= position.batches,
      position.accumulated ?? 0 <= position.batches
    else { return "its position is none" }
    guard position.actions?.isPossible ?? true else { return "its position is none" }
    for sums in position.outputs?.values.map({ $0 }) ?? [] {
      // Of samples with weights it is a share of them, rounded.
      guard (0...Double(position.samples) * 1.001 + 1).contains(sums.correct ?? 0) else {
        return "its position is none"
      }
    }
    return data?.fault.map { "its data cannot be: \($0)" }
  }

  init(position: Position, data: DatasetRecord?, tensors: Safetensors) {
    (self.position, self.data, self.tensors) = (position, data, tensors)
  }

  private static let infinities = JSONEncoder.NonConformingFloatEncodingStrategy.convertToString(
    positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")

  package static func checksum(_ file: Safetensors) -> String {
    var fingerprint = fingerprint(of: file.metadata)
    for tensor in file.tensors.sorted(by: { $0.name < $1.name }) {
      fingerprint.mix(bytes: tensor.name.utf8)
      fingerprint.mix(bytes: tensor.bytes)
    }
    return fingerprint.text
  }

  private static func fingerprint(of metadata: [String: String]) -> Fingerprint {
    var fingerprint = Fingerprint()
    for key in ["position", "data"] { fingerprint.mix(bytes: (metadata[key] ?? "").utf8) }
    return fingerprint
  }
}

extension TrainingSession {
  /// The states as they are now.
  func checkpoint(at position: Checkpoint.Position, of data: DatasetRecord?) throws -> Checkpoint {
    let tensors = try states.states.values.map { state in
      Safetensors.Tensor(
        name: state.name, shape: state.type.shape.extents, bytes: try states.withBytes(of: state.name) { Data($0) })
    }
    return Checkpoint(position: position, data: data, tensors: Safetensors(tensors))
  }

  /// Puts the states and the position back; a checkpoint of another model is refused by name.
  public func restore(_ checkpoint: Checkpoint) throws {
    let (position, steps) = (checkpoint.position, step.accumulationSteps)
    let accumulated = position.accumulated ?? position.batches % steps
    guard accumulated < steps else {
      throw CheckpointMismatch(
        message: "the checkpoint holds the gradients of \(accumulated) batches, and an update takes \(steps)")
    }
    try restoreStates(of: checkpoint)
    (plateau, lowered) = (position.plateau, position.actions?.lowered)
    continueAfter(
      position.batches, updates: position.updates ?? position.batches / steps, accumulated: accumulated)
  }

  /// Puts the states back. Class weights are a setting: they stay as they were given to this session.
  func restoreStates(of checkpoint: Checkpoint) throws {
    try checkStates(of: checkpoint)
    for tensor in checkpoint.tensors.tensors where !TrainingStep.isClassWeights(tensor.name) {
      try states.withMutableBytes(of: tensor.name) { bytes in
        tensor.bytes.withUnsafeBytes { bytes.copyMemory(from: $0) }
      }
    }
  }

  /// Throws where the checkpoint's states are not those of this session, by name, type and shape.
  func checkStates(of checkpoint: Checkpoint) throws(CheckpointMismatch) {
    let given = Dictionary(checkpoint.tensors.tensors.map { ($0.name, $0) }) { first, _ in first }
    let missing = states.states.keys.filter { given[$0] == nil }.sorted()
    let unknown = given.keys.filter { states.states[$0] == nil }.sorted()
    guard missing.isEmpty, unknown.isEmpty else {
      throw CheckpointMismatch(
        message: "the checkpoint is of another model: it lacks [\(missing.joined(separator: ", "))] and has "
          + "[\(unknown.joined(separator: ", "))] besides")
    }
    for (name, tensor) in given.sorted(by: { $0.key < $1.key }) {
      guard let type = states.states[name]?.type, type.shape.extents == tensor.shape, tensor.type == "F32",
        type.byteCount == tensor.bytes.count
      else {
        throw CheckpointMismatch(
          message: "the checkpoint's \(name) is \(tensor.type) \(tensor.shape), and the model's "
            + "\(states.states[name]?.type.description ?? "")")
      }
    }
  }
}

/// A checkpoint whose weights do not fit the network that it is given to.
public struct CheckpointMismatch: Error, Hashable, Sendable {
  public let message: String
}
