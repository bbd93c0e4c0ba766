import Foundation
import Switchback
import SwitchbackInterchange

/// A folder that is filled with files of which the last names all others. Until that one is there a mark lies in it: what
/// ends early takes away what it wrote, and what a killed process left is known by the mark and taken away by the next.
final class ExportFolder {
  let path: String
  /// How many files an earlier process had left.
  private(set) var leftBehind = 0
  private let lock: FolderLock
  /// What was made here, in its order.
  private var files: [String] = []
  private var folders: [String] = []

  private static let mark = ".unfinished-export"

  /// `isOurs` knows the names that an export writes, within the folder; those of folders have a slash behind them.
  ///
  /// Throws where the folder has other files, or another process writes to it.
  init(_ path: String, isOurs: (String) -> Bool) throws {
    self.path = path
    let isNew = !Folder.isFolder(path)
    try Folder.make(path)
    let names = try Self.names(in: path)
    if names.contains(Self.mark) {
      // Before a look at what somebody may be writing.
      lock = try FolderLock(path, file: Self.mark)
      leftBehind = try Self.removeRemains(in: path, isOurs: isOurs)
    } else {
      if let first = names.first { throw Self.refusal(path, first, others: names.count - 1) }
      lock = try FolderLock(path, file: Self.mark)
    }
    if isNew { folders = [path] }
  }

  func write(_ data: Data, to name: String) throws {
    let file = path + "/" + name
    let folder = (file as NSString).deletingLastPathComponent
    if folder != path, !folders.contains(folder), try Folder.makeNew(folder) { folders.append(folder) }
    try AtomicFile.writeNew(data, to: file)
    files.append(file)
  }

  /// Writes the file that names the others.
  func finish(_ text: String, to name: String) throws {
    try AtomicFile.write(text, to: path + "/" + name)
    unlink(path + "/" + Self.mark)
  }

  /// Takes away what was made, but folders that somebody else has put something into; answers how many files that were.
  func discard() -> Int {
    for file in files { unlink(file) }
    unlink(path + "/" + Self.mark)
    for folder in folders.reversed() { rmdir(folder) }
    return files.count
  }

  // MARK: What is there

  private static func names(in folder: String) throws(FileError) -> [String] {
    do { return try FileManager.default.contentsOfDirectory(atPath: folder).sorted() } catch {
      throw FileError(folder, .read)
    }
  }

  private static func refusal(_ path: String, _ first: String, others: Int) -> any Error {
    fail(
      "\(path) has files (\(first)\(others > 0 ? " and \(others) more" : "")): nothing is overwritten. Name a folder that is "
        + "not there or is empty", ExitStatus.cannotWrite)
  }

  /// Removes what an unfinished export has written, or nothing where other files lie beside it; answers how many files.
  private static func removeRemains(in path: String, isOurs: (String) -> Bool) throws -> Int {
    var (remains, folders) = ([String](), [String]())
    for name in try names(in: path) where name != mark {
      var files = [name]
      if isOnDisk(path + "/" + name, S_IFDIR) {
        guard isOurs(name + "/") else { throw refusal(path, name, others: 0) }
        folders.append(name)
        files = try names(in: path + "/" + name).map { name + "/" + $0 }
      }
      for file in files where !isOurs(file) || !isOnDisk(path + "/" + file, S_IFREG) {
        throw refusal(path, file, others: 0)
      }
      remains += files
    }
    for name in remains where unlink(path + "/" + name) != 0 { throw FileError(path + "/" + name, .write) }
    for name in folders { rmdir(path + "/" + name) }
    return remains.count
  }

  /// Whether that is a file of this kind itself: a link is none.
  private static func isOnDisk(_ path: String, _ kind: mode_t) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 && status.st_mode & S_IFMT == kind
  }
}
