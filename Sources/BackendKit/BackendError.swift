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
  private var shortReason: String?
  /// Index into the segment's calls, where one is at fault.
  public var operation: Int?

  /// `reason`: the message without what would mend it; nil where it says no more.
  public init(_ kind: Kind, _ message: String, reason: String? = nil, operation: Int? = nil) {
    self.kind = kind
    self.message = message
    shortReason = reason
    self.operation = operation
  }

  /// `message` without what would mend it, for a line among others.
  public var reason: String { shortReason ?? message }
  public var description: String { message }
}
