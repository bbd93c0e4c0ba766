import SwitchbackBackendKit
import SwitchbackCrashNote

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// What is said of a segment should its backend crash (`switchback_report_crashes`): who it was, with what, and the
/// command that shows it again.
final class CrashNote {
  private let words: UnsafeMutablePointer<CChar>?

  init(_ segment: Segment, on link: BackendChain.Link) {
    var names: [String] = []
    for call in segment.calls where !names.contains(call.operation.name) { names.append(call.operation.name) }
    let labels = segment.calls.map(\.label)
    let place =
      labels.count == 1
      ? labels[0] : "one of \(labels.count) operations, \(labels.first ?? "") to \(labels.last ?? "")"
    // A longer line would not be read, and all cases take minutes at most.
    let filters = names.count > 8 ? " --quick" : names.map { " --filter \($0)" }.joined()
    let isPlain = link.request.name.utf8.allSatisfy { "/._-+=:@%".utf8.contains($0) || isalnum(Int32($0)) != 0 }
    let name = isPlain ? link.request.name : "'" + link.request.name.replacing("'", with: "'\\''") + "'"
    words = strdup(
      "the backend \(link.name) was at work on \(place). What may show it: switchback conformance --backend "
        + "\(name)\(filters); with the shapes of this network, operation by operation: switchback diff CONFIG "
        + "--backends reference,\(name)")
  }

  deinit { free(words) }

  /// Runs what may crash.
  func during<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
    switchback_crash_note(words)
    defer { switchback_crash_note(nil) }
    return try body()
  }
}
