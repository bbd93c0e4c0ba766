import Foundation
import SwitchbackInterchange

extension RunFolder {
  /// Why the run has no checkpoint to go on from or to answer with, and what can be done. `best`: that of the best epoch was
  /// asked for. `isOurs`: this process holds the folder's lock.
  public func missingCheckpoint(best: Bool = false, isOurs: Bool = false) -> String {
    let path = LatestLink.followed(path)
    let store = CheckpointStore(run: path)
    if best, store.newestEntry() != nil {
      return
        "\(path) has no checkpoint of its best epoch, which is made when a whole epoch is validated; without --best its "
        + "newest weights are taken"
    }
    let isRunning = !isOurs && FolderLock.isTaken(path)
    let reason =
      store.entries().isEmpty
      ? (isRunning ? "it still runs, before" : "it ended before")
        + " its first one, which is made after an epoch or after training.checkpoint_steps"
      : "switchback checkpoint verify \(path) says what each lacks"
    let again =
      isRunning ? "" : ". switchback train \(RunFolder(path).path(of: .configuration)) starts it again"
    let before = runBefore(path).map { "; the run before it that has one is \($0)" } ?? ""
    return "\(path) has no complete checkpoint: \(reason)\(again)\(before)"
  }

  /// The newest run beside it that was begun before and has a complete checkpoint.
  private func runBefore(_ path: String) -> String? {
    let run = NSString(string: path)
    let runs = run.deletingLastPathComponent
    guard let rows = try? RunListing(of: runs.isEmpty ? "." : runs).rows,
      let place = rows.firstIndex(where: { $0.run == run.lastPathComponent })
    else { return nil }
    return rows[(place + 1)...].lazy.map { NSString(string: runs).appendingPathComponent($0.run) }.first {
      CheckpointStore(run: $0).newestEntry() != nil
    }
  }
}
