import Foundation
import SwitchbackBackendKit
public import SwitchbackDatasets
public import SwitchbackExecution
import SwitchbackInterchange
public import SwitchbackMonitoring
public import SwitchbackNeuralNetworks

/// All that a run needs to go on to bit-identical weights: states, position, and what was measured so far. Order and
/// random numbers are pure functions of seed and position, so they need no state of their own.
public struct Checkpoint: Sendable {
  /// Where the run stood: after `batches` batches, `batchInEpoch` of them in `epoch`.
  public struct Position: Codable, Hashable, Sendable {
    public let seed: Int
    public internal(set) var batches = 0
    /// Updates of the weights so far, and batches whose gradients wait for the next one; nil in positions of runs
    /// before 2026-11-28 (`hasEarlyRules`).
    public private(set) var updates: Int? = 0
    public private(set) var accumulated: Int? = 0
    /// Counts from 1.
    public private(set) var epoch = 1
    public private(set) var batchInEpoch = 0
    /// Sums over the epoch so far.
    public private(set) var lossSum = 0.0
    public private(set) var correct = 0.0
    public private(set) var samples = 0
    /// Sums of each of several outputs, by what stands before its columns.
    public internal(set) var outputs: [String: OutputSums]?
    /// The lowest validation loss of any epoch that was validated so far.
    public private(set) var bestLoss = Double.infinity
    /// The best number of the column that `training.watch` names; nil where that is the loss.
    public private(set) var watched: WatchedBest?
    /// Validations without a better loss, or number of that column.
    public private(set) var epochsWithoutGain = 0
    /// Whether the last epoch was not validated (`training.validation.every`); nil: it was.
    private var isUnvalidated: Bool?
    public private(set) var plateau: ReduceOnPlateau?
    /// What the gradient monitor remembers, and how many steps before this one were not finite; nil in positions of runs
    /// before 2026-11-29, which go on without a memory.
    public internal(set) var monitor: GradientMonitor.State?
    public internal(set) var nonFiniteSteps: Int?
    /// The plan's fingerprint: other backends or another number of slots give other bits.
    public internal(set) var plan: String
    /// Who runs what, where `backend: auto` decided it.
    public internal(set) var routing: Routing?
    /// The fingerprint of the training program alone: of network, loss, optimizer and batch size. nil in checkpoints of
    /// runs before 2026-11-28.
    public internal(set) var program: String?
    /// How seed and epoch order the samples; nil in positions of runs before 2026-11-28: `shifted`.
    private let order: BatchOrder.Version?
    public var orderVersion: BatchOrder.Version { order ?? .shifted }

    /// Whether the run began before 2026-11-28. Such runs go on by the rules that they began with: they update after
    /// every k-th batch of the run, whatever epoch it is in, and clip by norms that are not scaled.
    public var hasEarlyRules: Bool { updates == nil }

    public struct OutputSums: Codable, Hashable, Sendable {
      public fileprivate(set) var lossSum = 0.0
      /// Nil where targets are numbers.
      public fileprivate(set) var correct: Double?
    }

    public struct WatchedBest: Codable, Hashable, Sendable {
      public var column: String
      /// Nil until the first validation.
      public var number: Double?
    }

    init(seed: Int, plan: String, routing: Routing?, program: String?) {
      (self.seed, self.plan, self.routing, self.program, order) = (seed, plan, routing, program, .mixed)
    }

    /// Whether this is the end of a validated epoch with the lowest validation loss so far.
    public var isBest: Bool { batchInEpoch == 0 && epoch > 1 && epochsWithoutGain == 0 && isUnvalidated != true }

    /// Takes over what the session counts and remembers, which nobody else changes.
    mutating func follow(_ session: TrainingSession) {
      (batches, plateau) = (session.batches, session.plateau)
      guard !hasEarlyRules else { return }
      (updates, accumulated) = (session.updates, session.accumulated)
    }

    mutating func count(_ step: TrainingSession.StepResult, of samples: Int) {
      batchInEpoch += 1
      lossSum += step.loss * Double(samples)
      correct += step.correct ?? 0
      self.samples += samples
      guard !step.parts.isEmpty else { return }
      var sums = outputs ?? [:]
      for part in step.parts {
        var sum = sums[part.prefix] ?? OutputSums()
        sum.lossSum += part.loss * Double(samples)
        if let right = part.correct { sum.correct = (sum.correct ?? 0) + right }
        sums[part.prefix] = sum
      }
      outputs = sums
    }

    /// Nil: the epoch decides nothing about the rest of the run.
    mutating func nextEpoch(_ validation: Evaluation?, by watch: Watch) {
      isUnvalidated = validation == nil ? true : nil
      if let validation {
        let isGain = watch.isTotal ? validation.loss < bestLoss : observe(watch.number(of: validation), of: watch)
        epochsWithoutGain = isGain ? 0 : epochsWithoutGain + 1
        bestLoss = min(bestLoss, validation.loss)
      }
      epoch += 1
      (batchInEpoch, lossSum, correct, samples, outputs) = (0, 0, 0, 0, nil)
    }

    /// Whether the number is the best so far, and then keeps it.
    private mutating func observe(_ number: Double?, of watch: Watch) -> Bool {
      guard let number, !number.isNaN else { return false }
      if let best = watched?.number, watched?.column == watch.column, !watch.isBetter(number, than: best) {
        return false
      }
      watched = WatchedBest(column: watch.column, number: number)
      return true
    }

    /// Goes by another column from here on: nothing is the best by it yet, and nothing was waited for.
    mutating func go(by watch: Watch) {
      let column = watch.isTotal ? nil : watch.column
      guard watched?.column != column else { return }
      watched = column.map { WatchedBest(column: $0) }
      (epochsWithoutGain, isUnvalidated) = (0, true)
      if watch.isTotal { bestLoss = .infinity }
    }
  }

  public var position: Position
  /// What the run is trained on; nil in checkpoints of runs before 2026-11-28.
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

/// The checkpoints of a run: one file each, whole or not there. The newest few are kept, and `best`, the one with the
/// lowest validation loss.
public struct CheckpointStore: Sendable {
  public let folder: String
  private let kept: Int
  private var bestPath: String { folder + "/best.safetensors" }

  public struct Entry: Sendable {
    public var path: String
    /// What is wrong with it; nil where it is complete.
    public var fault: String?
    public var checkpoint: Checkpoint?
  }

  /// `run` is the run's folder.
  public init(run: String, keeping kept: Int = 3) { (folder, self.kept) = (run + "/checkpoints", kept) }

  /// Makes the checkpoint durable, then removes what is older than the newest few.
  public func save(_ checkpoint: Checkpoint) throws -> String {
    try Folder.make(folder)
    let path = folder + String(format: "/step-%09d.safetensors", checkpoint.position.batches)
    let data = try checkpoint.encoded()
    try AtomicFile.write(data, to: path)
    if checkpoint.position.isBest { try AtomicFile.write(data, to: bestPath) }
    for old in paths().dropLast(kept) { unlink(old) }
    return path
  }

  /// Oldest first; only files of the name that `save` gives, since old ones are removed.
  private func steps() -> [(step: Int, path: String)] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    let steps = names.compactMap { name in
      name.wholeMatch(of: /step-([0-9]{9,15})\.safetensors/).flatMap { Int($0.1) }
        .map { (step: $0, path: folder + "/" + name) }
    }
    return steps.sorted { $0.step < $1.step }
  }

  private func paths() -> [String] { steps().map(\.path) }

  /// After how many steps the newest one was made, complete or not.
  var newestStep: Int? { steps().last?.step }

  /// Every checkpoint with its verdict, oldest first, then the best.
  public func entries() -> [Entry] {
    let best = FileManager.default.fileExists(atPath: bestPath) ? [bestPath] : []
    // A run that is under way may have removed an old one between the listing and the reading.
    return (paths() + best).map(Self.entry)
      .filter { $0.fault == nil || FileManager.default.fileExists(atPath: $0.path) }
  }

  /// The checkpoint with the lowest validation loss; nil where no epoch was validated.
  public func best() -> Checkpoint? { bestEntry()?.checkpoint }

  /// The same with its path.
  public func bestEntry() -> Entry? {
    let entry = Self.entry(bestPath)
    return entry.checkpoint == nil ? nil : entry
  }

  private static func entry(_ path: String) -> Entry {
    entry(path) { try Checkpoint(decoding: RegularFile.read($0)) }
  }

  private static func entry(_ path: String, reading: (String) throws -> Checkpoint) -> Entry {
    do {
      return Entry(path: path, fault: nil, checkpoint: try reading(path))
    } catch {
      return Entry(path: path, fault: "\(error)", checkpoint: nil)
    }
  }

  /// The checkpoint whose weights a run answers with: the newest, or the best where that is asked for (nil where there is
  /// none) or preferred (`training.restore_best`). It is without what only training needs.
  public func answering(best: Bool, preferringBest: Bool) -> Entry? {
    let candidates = (best || preferringBest ? [bestPath] : []) + (best ? [] : paths().reversed())
    return candidates.lazy.map { Self.entry($0) { try Checkpoint(weightsOf: $0) } }.first { $0.checkpoint != nil }
  }

  /// The newest checkpoint that is complete; torn ones are passed over.
  public func newestComplete() -> Checkpoint? { newestEntry()?.checkpoint }

  /// The same with its path.
  public func newestEntry() -> Entry? { paths().reversed().lazy.map(Self.entry).first { $0.checkpoint != nil } }
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
    plateau = position.plateau
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

extension TrainingSession {
  /// The states with an infinity or a NaN, by name. Accumulators may have them: they are forgotten at the next update.
  func nonFiniteStates() throws -> [String] {
    try states.states.keys.sorted().filter { name in
      try !name.hasPrefix("accumulator/")
        && states.withBytes(of: name) { bytes in
          // Without the sign such bits are the largest of all.
          bytes.bindMemory(to: UInt32.self).reduce(0) { max($0, $1 & 0x7FFF_FFFF) } >= 0x7F80_0000
        }
    }
  }
}

/// A checkpoint whose weights do not fit the network that it is given to.
public struct CheckpointMismatch: Error, Hashable, Sendable {
  public let message: String
}
