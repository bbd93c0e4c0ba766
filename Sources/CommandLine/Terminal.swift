import Foundation

/// Writing to standard output (results) and standard error (progress and words).
enum Terminal {
  enum Stream: Int32 {
    case standardOutput = 1
    case standardError = 2

    /// Whether a person looks at it, and it can move its cursor.
    var isInteractive: Bool {
      isatty(rawValue) != 0 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
    }

    /// Whether colours may be used (https://no-color.org).
    var hasColours: Bool { isInteractive && (ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty }
  }

  static func write(_ line: String, to stream: Stream = .standardOutput, terminator: String = "\n") {
    let bytes = Array((line + terminator).utf8)
    // A closed pipe (`| head`) ends the output, not the run.
    _ = bytes.withUnsafeBytes { Foundation.write(stream.rawValue, $0.baseAddress, $0.count) }
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
  static func json(_ value: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.dateEncodingStrategy = .iso8601
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    guard let data = try? encoder.encode(value) else { return "{}" }
    return String(decoding: data, as: UTF8.self)
  }
}
