/// Why a program cannot be built, differentiated or read: what is wrong, and the path of the layer it came from.
public struct ProgramError: Error, Hashable, Sendable, CustomStringConvertible {
  public var message: String
  /// The layer, such as `layers.2.conv2d`; empty where none is known.
  public var path: String

  public init(_ message: String, path: String = "") {
    self.message = message
    self.path = path
  }

  public var description: String { path.isEmpty ? message : "\(path): \(message)" }
}
