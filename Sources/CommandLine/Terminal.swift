import Foundation
import Switchback

/// Writing to standard output (results) and standard error (progress and words).
enum Terminal {
  enum Stream: Int32 {
    case standardOutput = 1
    case standardError = 2

    fileprivate var descriptor: Int32 { self == .standardOutput ? outputDescriptor : rawValue }

    /// Whether a person looks at it, and it can move its cursor.
    var isInteractive: Bool {
      isatty(descriptor) != 0 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
    }

    /// Whether colours may be used (https://no-color.org).
    var hasColours: Bool { isInteractive && (ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty }
  }

  /// Whether the command has other work than its output: a closed pipe (`| head -1`) then ends the output alone, and
  /// otherwise the command, as it does with every program of a shell.
  nonisolated(unsafe) static var outlivesItsOutput = false

  /// The system's error number of the first result that was lost, for another reason than a closed pipe.
  nonisolated(unsafe) private(set) static var failure: Int32?

  nonisolated(unsafe) private static var outputDescriptor: Int32 = 1

  /// Results go on to standard output, but what libraries write to its number lands on standard error, and what they
  /// close is no loss.
  static func keepOutputFromLibraries() {
    let own = fcntl(1, F_DUPFD_CLOEXEC, 10)
    guard own >= 0, dup2(2, 1) >= 0 else { return }
    outputDescriptor = own
  }

  /// The path of a file, which may be where results go.
  static func path(_ path: String) -> String {
    ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].contains(path) ? "/dev/fd/\(outputDescriptor)" : path
  }

  /// As every program of a shell ends that has no reader any more.
  static func endByClosedPipe() {
    signal(SIGPIPE, SIG_DFL)
    // Whoever started us may have had it blocked.
    var pipe = sigset_t()
    sigemptyset(&pipe)
    sigaddset(&pipe, SIGPIPE)
    pthread_sigmask(SIG_UNBLOCK, &pipe, nil)
    raise(SIGPIPE)
  }

  static func write(_ line: String, to stream: Stream = .standardOutput, terminator: String = "\n") {
    let text = line + terminator
    if stream == .standardError, liveLength > 0 { draw("") }
    put(stream.isInteractive ? harmless(text) : text, to: stream)
  }

  /// Rows that the last live text took, and how many characters it had.
  nonisolated(unsafe) private static var liveLength = 0

  /// Replaces the live text under all others on standard error, which must be interactive; empty: takes it away.
  static func draw(_ text: String) {
    let width = max(width, 1)
    // A terminal that was made narrower has broken it into more rows.
    let rows = max(0, liveLength - 1) / width
    let shown = harmless(String(text.prefix(width - 1)))
    liveLength = shown.count
    put((rows > 0 ? "\u{1B}[\(rows)A" : "") + "\r\u{1B}[J" + shown, to: .standardError)
  }

  /// Lines for people on standard error, on a terminal broken at words; they push the live text away.
  static func say(_ lines: [String]) {
    let isLive = Stream.standardError.isInteractive
    if isLive, liveLength > 0 { draw("") }
    for line in lines { write(isLive ? wrapped(line, width) : line, to: .standardError) }
  }

  private static func put(_ text: String, to stream: Stream) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Foundation.write(stream.descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      if count < 0, errno == EAGAIN {
        var room = pollfd(fd: stream.descriptor, events: Int16(POLLOUT), revents: 0)
        poll(&room, 1, -1)
        continue
      }
      if count < 0, errno == EPIPE, !outlivesItsOutput { endByClosedPipe() }
      guard count > 0 else {
        if count < 0, errno != EPIPE, stream == .standardOutput, failure == nil { failure = errno }
        return
      }
      rest = rest.dropFirst(count)
    }
  }

  /// Of a name that comes from a file, say, without what would steer the terminal; our own colours stay.
  static func harmless(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isControl) else { return text }
    var result = ""
    var rest = text[...]
    while let scalar = rest.unicodeScalars.first {
      if let own = rest.prefixMatch(of: /\u{1B}\[(0|2|31|32|33)m/) {
        result += own.0
        rest = rest[own.range.upperBound...]
        continue
      }
      result += isControl(scalar) ? "\\u{\(String(scalar.value, radix: 16))}" : String(scalar)
      rest = Substring(rest.unicodeScalars.dropFirst())
    }
    return result
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    (scalar.value < 0x20 && scalar != "\n" && scalar != "\t") || (0x7f...0x9f).contains(scalar.value)
  }

  enum Colour: Int { case red = 31, green = 32, yellow = 33, dim = 2 }

  /// The text in a colour where the stream shows colours.
  static func coloured(_ text: String, _ colour: Colour, on stream: Stream) -> String {
    stream.hasColours ? "\u{1B}[\(colour.rawValue)m\(text)\u{1B}[0m" : text
  }

  /// Columns of the terminal, 80 where it does not say.
  static var width: Int {
    var size = winsize()
    guard ioctl(2, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }

  /// JSON on one line.
  static func json(_ value: some Encodable) -> String { JSONText.line(value) }
}
