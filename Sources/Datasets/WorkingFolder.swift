#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The folder that relative paths start from.
enum WorkingFolder {
  /// What an `errno` says of a path. Of one that is not there also where it was looked for, unless the path says it:
  /// `No such file or directory (looked for in /home/me)`.
  static func reason(_ code: Int32, for path: String) -> String {
    let reason = String(cString: strerror(code))
    guard code == ENOENT, !path.hasPrefix("/"), let folder = getcwd(nil, 0) else { return reason }
    defer { free(folder) }
    return reason + " (looked for in \(String(cString: folder)))"
  }
}
