/// What opening backends has to say while it takes its time: measuring for `auto`, the first use of a device.
public enum BackendProgress: Sendable {
  /// A line that the next one replaces.
  case working(String)
  /// What came of it.
  case done(String)
}
