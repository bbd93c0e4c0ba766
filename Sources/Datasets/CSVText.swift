/// Text as it stands in a table's file.
package enum CSVText {
  /// A finite number, as a row of a table says it; nil where it is none.
  package static func number(_ text: String) -> Double? {
    Array(text.utf8).withUnsafeBufferPointer { try? CSVRow.Field(bytes: $0, isQuoted: false, column: 1).double }
  }

  /// A field of a row with commas: in quotes where a comma, a quote, a blank at its ends or the end of a line would be
  /// misread (RFC 4180).
  package static func field(_ text: String) -> String {
    // By bytes: a return and a line feed together are one character.
    let bytes = text.utf8
    func isBlank(_ byte: UInt8?) -> Bool { byte == 0x20 || byte == 0x09 }
    let quote = UInt8(ascii: "\"")
    guard
      isBlank(bytes.first) || isBlank(bytes.last) || bytes.contains(where: { [0x2c, quote, 0x0d, 0x0a].contains($0) })
    else { return text }
    return String(decoding: [quote] + bytes.flatMap { $0 == quote ? [quote, quote] : [$0] } + [quote], as: UTF8.self)
  }
}
