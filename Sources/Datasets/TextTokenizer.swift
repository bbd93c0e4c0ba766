/// Splits text into tokens. The law, on which vocabularies of runs rest:
///
/// - Letters, marks and digits (Unicode's general categories L, M and N) that stand side by side are a word, in lower case
///   (the full mapping of each scalar).
/// - Every punctuation mark and symbol (P and S) is a token of its own.
/// - All else (separators Z, controls and others C) parts tokens and is none.
/// - Words are compared by their bytes in UTF-8: nothing is normalized.
/// - A word of more than 64 bytes is never in a vocabulary, and so unknown.
///
/// `Don't PANIC, 42!` is `don ' t panic , 42 !`.
enum TextTokenizer {
  static let longestWord = 64

  /// Calls `body` with the bytes of each token, in lower case; nil: of a word that is too long. Answers the place of the
  /// first byte that is no UTF-8; nil where all are. Allocates nothing but where letters beyond ASCII have long lower cases.
  static func forEach(
    in bytes: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>?) -> Void
  ) -> Int? {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: longestWord) { buffer in
      var word = Word(buffer: buffer)
      var position = 0
      while position < bytes.count {
        let byte = bytes[position]
        if byte < 0x80 {
          switch byte {
          case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): word.append(byte)
          case UInt8(ascii: "A")...UInt8(ascii: "Z"): word.append(byte | 0x20)
          default:
            word.end(body)
            if byte > 0x20, byte != 0x7f { body(UnsafeBufferPointer(rebasing: bytes[position...position])) }
          }
          position += 1
          continue
        }
        guard let (scalar, count) = scalar(in: bytes, at: position) else { return position }
        switch kind(of: scalar) {
        case .word: for byte in scalar.properties.lowercaseMapping.utf8 { word.append(byte) }
        case .sign:
          word.end(body)
          body(UnsafeBufferPointer(rebasing: bytes[position..<position + count]))
        case .gap: word.end(body)
        }
        position += count
      }
      word.end(body)
      return nil
    }
  }

  private enum Kind { case word, sign, gap }

  private static func kind(of scalar: Unicode.Scalar) -> Kind {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .nonspacingMark,
      .spacingMark, .enclosingMark, .decimalNumber, .letterNumber, .otherNumber:
      .word
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
      .finalPunctuation, .otherPunctuation, .mathSymbol, .currencySymbol, .modifierSymbol, .otherSymbol:
      .sign
    default: .gap
    }
  }

  /// The bytes of a word so far.
  private struct Word {
    let buffer: UnsafeMutableBufferPointer<UInt8>
    /// With those for which there was no room.
    var count = 0

    mutating func append(_ byte: UInt8) {
      if count < buffer.count { buffer[count] = byte }
      count += 1
    }

    mutating func end(_ body: (UnsafeBufferPointer<UInt8>?) -> Void) {
      if count > 0 { body(count > buffer.count ? nil : UnsafeBufferPointer(rebasing: buffer[..<count])) }
      count = 0
    }
  }

  /// The scalar whose bytes begin there, the first of them not ASCII, and how many they are; nil where it is none (Unicode,
  /// table 3-7).
  private static func scalar(
    in bytes: UnsafeBufferPointer<UInt8>, at position: Int
  ) -> (scalar: Unicode.Scalar, count: Int)? {
    let first = bytes[position]
    let (count, least): (Int, UInt32) =
      switch first {
      case 0xc2...0xdf: (2, 0x80)
      case 0xe0...0xef: (3, 0x800)
      case 0xf0...0xf4: (4, 0x10000)
      default: (0, 0)
      }
    guard count > 0, bytes.count - position >= count else { return nil }
    var value = UInt32(first) & (0x7f >> UInt32(count))
    for place in position + 1..<position + count {
      guard bytes[place] & 0xc0 == 0x80 else { return nil }
      value = value << 6 | UInt32(bytes[place] & 0x3f)
    }
    // Surrogates and what lies beyond Unicode are no scalars.
    guard value >= least, let scalar = Unicode.Scalar(value) else { return nil }
    return (scalar, count)
  }
}
