import SwitchbackNumberText

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The fields of one row of a CSV file (RFC 4180): between delimiters, or in quotes, in which `""` is a quote.
struct CSVRow {
  /// Without the line's end.
  let bytes: UnsafeBufferPointer<UInt8>
  let delimiter: UInt8

  static let quote = UInt8(ascii: "\"")

  /// A field's bytes without the quotes around it, and its first byte's column, from 1.
  struct Field {
    var bytes: UnsafeBufferPointer<UInt8>
    var isQuoted: Bool
    var column: Int
  }

  /// Why a row cannot be read, and at which column.
  struct Problem: Error {
    var message: String
    var column: Int

    /// Of a row that has another number of fields than the first one of its file.
    static func length(_ count: Int, first: Int) -> Problem {
      Problem(message: "the row has \(count) fields, and the first has \(first)", column: 1)
    }

    /// The error of a file in which the row begins in this line.
    func error(in path: String, line: Int) -> DatasetError {
      DatasetError(.corrupt, "\(path):\(line):\(column): \(message)")
    }
  }

  /// Calls `body` with each field and its index; answers how many there are.
  func forEachField(_ body: (Int, Field) throws(Problem) -> Void) throws(Problem) -> Int {
    var (position, index) = (0, 0)
    while true {
      let start = position
      if position < bytes.count, bytes[position] == Self.quote {
        position += 1
        while true {
          guard position < bytes.count else { throw Problem(message: "a quote is not closed", column: start + 1) }
          if bytes[position] == Self.quote {
            guard position + 1 < bytes.count, bytes[position + 1] == Self.quote else { break }
            position += 1
          }
          position += 1
        }
        let field = UnsafeBufferPointer(rebasing: bytes[start + 1..<position])
        position += 1
        guard position == bytes.count || bytes[position] == delimiter else {
          throw Problem(message: "text follows a closing quote", column: position + 1)
        }
        try body(index, Field(bytes: field, isQuoted: true, column: start + 1))
      } else {
        while position < bytes.count, bytes[position] != delimiter { position += 1 }
        let field = UnsafeBufferPointer(rebasing: bytes[start..<position])
        try body(index, Field(bytes: field, isQuoted: false, column: start + 1))
      }
      index += 1
      guard position < bytes.count else { return index }
      position += 1
    }
  }
}

extension CSVRow.Field {
  /// Without quotes and, where there were none, without blanks around it.
  var text: String {
    get throws(CSVRow.Problem) {
      let result = isQuoted ? unquoted : Array(trimmed)
      // Repaired, two different words of another encoding would become one.
      guard let text = String(validating: result, as: UTF8.self) else {
        let repaired = String(decoding: result.prefix(40), as: UTF8.self)
        throw CSVRow.Problem(
          message:
            "\"\(repaired)\" is no UTF-8; convert the file with iconv -f LATIN1 -t UTF-8 (or from what it is in)",
          column: column)
      }
      return text
    }
  }

  /// The bytes in quotes, of two quotes side by side one.
  private var unquoted: [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var wasQuote = false
    for byte in bytes {
      let isSecond = wasQuote && byte == CSVRow.quote
      if !isSecond { result.append(byte) }
      wasQuote = byte == CSVRow.quote && !isSecond
    }
    return result
  }

  /// Calls `body` with the bytes of `text`, UTF-8 or not. Allocates nothing where a cell has no quotes in it.
  func withTextBytes<Answer>(_ body: (UnsafeBufferPointer<UInt8>) -> Answer) -> Answer {
    plainBytes.map(body) ?? unquoted.withUnsafeBufferPointer(body)
  }

  /// The bytes of `text`, where they stand here as they are.
  var plainBytes: UnsafeBufferPointer<UInt8>? {
    guard isQuoted else { return trimmed }
    return bytes.contains(CSVRow.quote) ? nil : bytes
  }

  /// A finite number that fits Float32. Allocates nothing.
  var number: Float {
    get throws(CSVRow.Problem) { try parsed { switchback_parse_float($0, $1) } }
  }

  /// A finite number. Allocates nothing.
  var double: Double {
    get throws(CSVRow.Problem) { try parsed { switchback_parse_double($0, $1) } }
  }

  private func parsed<Number: BinaryFloatingPoint>(
    _ parse: (UnsafePointer<CChar>, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Number
  ) throws(CSVRow.Problem) -> Number {
    let digits = trimmed
    guard !digits.isEmpty else { throw CSVRow.Problem(message: "a number is missing", column: column) }
    // The C library wants a zero at the end, which a row has not; no number is longer.
    let parsed: Number? =
      digits.count > 63
      ? nil
      : withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { copy in
        copy.copyBytes(from: digits)
        copy[digits.count] = 0
        let start = copy.baseAddress!.assumingMemoryBound(to: CChar.self)
        var end: UnsafeMutablePointer<CChar>?
        let value = parse(start, &end)
        return end == start + digits.count && value.isFinite ? value : nil
      }
    guard let parsed else {
      throw CSVRow.Problem(
        message: "\"\(String(decoding: digits.prefix(40), as: UTF8.self))\" is no finite number", column: column)
    }
    return parsed
  }

  private var trimmed: UnsafeBufferPointer<UInt8> {
    var (low, high) = (0, bytes.count)
    while low < high, bytes[low] == 32 || bytes[low] == 9 { low += 1 }
    while high > low, bytes[high - 1] == 32 || bytes[high - 1] == 9 { high -= 1 }
    return UnsafeBufferPointer(rebasing: bytes[low..<high])
  }
}
