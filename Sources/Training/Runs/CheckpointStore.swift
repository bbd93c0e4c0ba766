import Foundation
import SwitchbackInterchange

/// The checkpoints of a run: one file each, whole or not there. The newest few are kept, and `best`, the one with the
/// lowest validation loss.
public struct CheckpointStore: Sendable {
  public let folder: String
  private let kept: Int
  /// The newest one that a run may go back to (`Checkpoint.Position.isGood`).
  private var goodPath: String { folder + "/good.safetensors" }
  private var bestPath: String { folder + "/best.safetensors" }

  public struct Entry: Sendable {
    public var path: String
    /// What is wrong with it; nil where it is complete.
    public var fault: String?
    public var checkpoint: Checkpoint?
  }

  /// `run` is the run's folder.
  public init(run: String, keeping kept: Int = 3) {
    (folder, self.kept) = (RunFolder(run).path(of: .checkpoints), kept)
  }

  /// Makes the checkpoint durable, then removes what is older than the newest few.
  public func save(_ checkpoint: Checkpoint) throws -> String {
    try Folder.make(folder)
    let path = folder + String(format: "/step-%09d.safetensors", checkpoint.position.batches)
    let data = try checkpoint.encoded()
    try AtomicFile.write(data, to: path)
    if checkpoint.position.isGood { try AtomicFile.write(data, to: goodPath) }
    if checkpoint.position.isBest { try AtomicFile.write(data, to: bestPath) }
    for old in paths().dropLast(kept) { unlink(old) }
    return path
  }

  /// Removes what was made after so many steps: they are trained anew.
  func removeNewer(than step: Int) {
    for newer in steps() where newer.step > step { unlink(newer.path) }
    if let best = best(), best.position.batches > step { unlink(bestPath) }
  }

  /// The newest checkpoint that a run may go back to, where the store keeps it.
  public func good() -> Checkpoint? { Self.entry(goodPath).checkpoint }

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

  /// Every checkpoint with its verdict, oldest first, then the good and the best.
  public func entries() -> [Entry] {
    let best = [goodPath, bestPath].filter { FileManager.default.fileExists(atPath: $0) }
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
