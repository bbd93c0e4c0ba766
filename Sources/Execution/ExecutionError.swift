public import SwitchbackBackendKit

/// Why a program could not be planned or run: the backend, the layer's operation, and its words.
public struct ExecutionError: Error, Hashable, Sendable, CustomStringConvertible {
  public var kind: BackendError.Kind
  public var message: String
  /// The operation at fault, such as `layers.2.conv2d/backwardFilter`.
  public var label: String?

  public init(_ kind: BackendError.Kind, _ message: String, label: String? = nil) {
    self.kind = kind
    self.message = message
    self.label = label
  }

  init(_ error: BackendError, backend: String, segment: Segment) {
    let label = error.operation.flatMap { segment.calls.indices.contains($0) ? segment.calls[$0].label : nil }
    self.init(error.kind, "\(backend): \(label.map { "\($0): " } ?? "")\(error.message)", label: label)
  }

  public var description: String { message }
}
