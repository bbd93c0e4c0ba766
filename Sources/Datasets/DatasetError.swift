/// Why data cannot be had: what, where, and how to mend it.
public struct DatasetError: Error, Hashable, Sendable, CustomStringConvertible {
  public enum Kind: Sendable {
    case missing, corrupt, invalid, unwritable
  }

  public var kind: Kind
  public var message: String

  public init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  public var description: String { message }
}
