import Foundation

/// A file or folder that the system does not let us read or write: which one, why, and what helps.
public struct FileError: Error, Hashable, Sendable, CustomStringConvertible {
  public enum Attempt: String, Hashable, Sendable {
    /// Made, or opened.
    case make = "made"
    case write = "written"
    case read = "read"
  }

  public var path: String
  public var attempt: Attempt
  /// The system's error number (`errno`).
  public var code: Int32

  public init(_ path: String, _ attempt: Attempt, code: Int32 = errno) {
    (self.path, self.attempt, self.code) = (path, attempt, code)
  }

  public var description: String {
    let reason =
      switch code {
      case ESPIPE: "it is no regular file"
      case EILSEQ: "it is no text in UTF-8"
      case EFBIG where attempt == .read: "it is longer than \(TextFile.mostBytes >> 20) MiB"
      default: String(cString: strerror(code))
      }
    return "\(path) cannot be \(attempt.rawValue): \(reason)\(advice.map { ". \($0)" } ?? "")"
  }

  private var advice: String? {
    switch code {
    case ENOSPC, EDQUOT: "Free some space there, or take another folder"
    case EACCES, EPERM, EROFS: "Take a folder that you may write to, or change who may"
    case EIO, ESTALE: "The disk, or the connection to it, is faulty: look at the system's log"
    case EFBIG where attempt == .write: "A file may not be so large here: see ulimit -f"
    case EMFILE, ENFILE: "Too many files are open: see ulimit -n"
    case ENAMETOOLONG: "Take a shorter name"
    default: nil
    }
  }
}
