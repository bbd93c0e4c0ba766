import Foundation

/// Making folders.
public enum Folder {
  /// Makes the folder and those above it, where they are not there.
  public static func make(_ path: String) throws(FileError) {
    var made = path.hasPrefix("/") ? "" : "."
    for part in path.split(separator: "/") {
      made += "/" + part
      guard mkdir(made, 0o777) != 0 else { continue }
      let code = errno
      guard isFolder(made) else { throw FileError(path, .make, code: code == EEXIST ? ENOTDIR : code) }
    }
  }

  /// Makes a folder that was not there; false where something has its name.
  public static func makeNew(_ path: String) throws(FileError) -> Bool {
    if mkdir(path, 0o777) == 0 { return true }
    guard errno == EEXIST else { throw FileError(path, .make) }
    return false
  }

  public static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }
}
