/// Why a backend could not do what it was asked: never a crash, always with words.
public struct BackendError: Error, Hashable, Sendable, CustomStringConvertible {
  public enum Kind: Int32, Sendable {
    case unsupported = 1
    case invalid
    case outOfMemory
    case deviceLost
    case `internal`
    case timeout
    /// There is no such backend or device on this host.
    case unavailable
  }

  public var kind: Kind
  public var message: String
  /// Index into the segment's calls, where one is at fault.
  public var operation: Int?

  public init(_ kind: Kind, _ message: String, operation: Int? = nil) {
    self.kind = kind
    self.message = message
    self.operation = operation
  }

  public var description: String { message }
}
