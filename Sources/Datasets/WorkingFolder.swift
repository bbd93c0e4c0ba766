#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The folder that relative paths start from.
enum WorkingFolder {
  /// Where a path was looked for, behind what is said of a file that is not there: ` (looked for in /home/me)`. Nothing
  /// where the path says it.
  static func words(for path: String) -> String {
    guard !path.hasPrefix("/"), let folder = getcwd(nil, 0) else { return "" }
    defer { free(folder) }
    return " (looked for in \(String(cString: folder)))"
  }
}
