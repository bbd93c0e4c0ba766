/// Reading texts from files.
public enum TextBytes {
  /// A text that `TextFolder` could hold: UTF-8 with a word or a sign. The error says what to do.
  public static func text(at path: String) throws(DatasetError) -> String {
    try text(of: try FileBytes.read(path, advice: "mend or remove it"), from: path)
  }

  /// The same of bytes that came from somewhere.
  public static func text(of bytes: [UInt8], from path: String) throws(DatasetError) -> String {
    var count = 0
    if let problem = problem(of: bytes, from: path, { _ in count += 1 }) ?? lack(path, of: count) {
      throw DatasetError(.corrupt, problem)
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Calls `body` with each token (`TextTokenizer.forEach`); answers why the bytes are no text, and what makes them one, or
  /// nil where they are.
  static func problem(
    of bytes: [UInt8], from path: String, _ body: (UnsafeBufferPointer<UInt8>?) -> Void
  ) -> String? {
    if bytes.isEmpty { return "\(path) is empty: remove it, or move it elsewhere" }
    if bytes.starts(with: [0xff, 0xfe]) || bytes.starts(with: [0xfe, 0xff]) {
      return "\(path) is text in UTF-16: convert it with iconv -f UTF-16 -t UTF-8"
    }
    if bytes.contains(0) { return "\(path) is no text: it has zero bytes; remove it, or move it elsewhere" }
    guard let wrong = bytes.withUnsafeBufferPointer({ TextTokenizer.forEach(in: $0, body) }) else { return nil }
    let before = bytes[..<wrong]
    let column = wrong - (before.lastIndex(of: 10) ?? -1)
    let line = before.count { $0 == 10 } + 1
    return
      "\(path):\(line):\(column): the byte \(String(bytes[wrong], radix: 16)) is no UTF-8; convert the file with iconv "
      + "-f LATIN1 -t UTF-8 (or from what it is in)"
  }

  /// What is wrong with a text of so many tokens; nil where nothing is.
  static func lack(_ path: String, of count: Int) -> String? {
    count > 0 ? nil : "\(path) has no word and no sign: remove it, or move it elsewhere"
  }
}
