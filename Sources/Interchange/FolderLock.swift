import Foundation

/// A folder that one process at a time writes to. The system gives the lock back however the process ends.
public final class FolderLock {
  public let folder: String
  private let file: Int32

  /// Somebody else writes to the folder.
  public struct Taken: Error, Hashable, Sendable, CustomStringConvertible {
    public var folder: String
    /// The process that holds it, where it can be told.
    public var process: Int?

    public var description: String {
      "\(process.map { "process \($0)" } ?? "another process") writes to \(folder): wait for it, or end it first"
    }
  }

  /// `file` is the one in the folder that is locked: it stays when the lock is given back.
  public init(_ folder: String, file name: String = ".lock") throws {
    let path = folder + "/" + name
    let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard file >= 0 else { throw FileError(path, .make) }
    // Somebody who only asks whether it is taken holds it for a moment.
    var (attempts, isTaken) = (0, true)
    while isTaken, attempts < 20 {
      if attempts > 0 { usleep(5000) }
      isTaken = flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK
      attempts += 1
    }
    if isTaken {
      var text = [UInt8](repeating: 0, count: 32)
      let count = pread(file, &text, text.count, 0)
      close(file)
      throw Taken(
        folder: folder, process: Int(String(decoding: text.prefix(max(count, 0)).prefix { $0 != 10 }, as: UTF8.self)))
    }
    // A file system without locks has nobody to ask.
    ftruncate(file, 0)
    let process = Array("\(getpid())\n".utf8)
    _ = pwrite(file, process, process.count, 0)
    (self.folder, self.file) = (folder, file)
  }

  /// Whether somebody writes to the folder now.
  public static func isTaken(_ folder: String) -> Bool {
    let file = open(folder + "/.lock", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return false }
    defer { close(file) }
    return flock(file, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
  }

  deinit { close(file) }
}
