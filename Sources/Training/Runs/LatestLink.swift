import Foundation

/// `runs/latest`, the link to the newest run.
public enum LatestLink {
  /// The folder that a link of ours points to now, for whoever must stay with it while the link moves on; other paths stay
  /// as they are.
  public static func followed(_ path: String) -> String {
    var short = path
    while short.count > 1, short.hasSuffix("/") { short.removeLast() }
    guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: short) else { return path }
    let parent = short.lastIndex(of: "/").map { String(short[...$0]) } ?? ""
    return target.hasPrefix("/") ? target : parent + target
  }

  /// Lets it lead to the run `name` in the folder `runs`; what has its name and is not ours is left alone. Answers what
  /// is to be said of that.
  static func set(to name: String, in runs: String) -> String? {
    let path = runs + "/latest"
    var status = stat()
    if lstat(path, &status) == 0, !isOurs(path, in: runs) {
      return "\(path) is not the link that this program makes: it is left alone, and does not lead to this run"
    }
    // Renamed into its place, so that it always leads somewhere.
    let new = "\(runs)/.latest-\(getpid())"
    guard symlink(name, new) == 0, rename(new, path) == 0 else {
      let reason = String(cString: strerror(errno))
      unlink(new)
      return "\(path) cannot be made: \(reason)"
    }
    return nil
  }

  /// Ours leads to a run beside it, or to one that is gone.
  private static func isOurs(_ path: String, in runs: String) -> Bool {
    guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: path), !target.contains("/") else {
      return false
    }
    var status = stat()
    return lstat(runs + "/" + target, &status) != 0 || RunFolder(runs + "/" + target).has(.configuration)
  }
}
