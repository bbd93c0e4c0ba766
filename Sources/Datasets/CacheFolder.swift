#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Where the user's cached files of this program are.
public enum CacheFolder {
  /// `$XDG_CACHE_HOME/switchback` or `~/.cache/switchback`; nil where neither is said. As the XDG Base Directory
  /// Specification has it, a variable that is empty or holds a relative path counts as unset.
  public static var path: String? {
    (absolute("XDG_CACHE_HOME") ?? absolute("HOME").map { $0 + "/.cache" }).map { $0 + "/switchback" }
  }

  private static func absolute(_ variable: String) -> String? {
    getenv(variable).map { String(cString: $0) }.flatMap { $0.hasPrefix("/") ? $0 : nil }
  }
}
