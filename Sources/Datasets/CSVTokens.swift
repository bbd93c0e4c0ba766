/// Cells of whole numbers with blanks between them: sequences of tokens.
enum CSVTokens {
  /// Calls `body` with each token and its place; answers how many there are. Allocates nothing.
  static func forEach(
    in field: CSVRow.Field, of column: String, _ body: (Int, Int32) -> Void
  ) throws(CSVRow.Problem) -> Int {
    let bytes = field.bytes
    var (position, count) = (0, 0)
    while true {
      while position < bytes.count, isBlank(bytes[position]) { position += 1 }
      guard position < bytes.count else { return count }
      let start = position
      var token = Int32(0)
      var isToken = true
      while position < bytes.count, !isBlank(bytes[position]) {
        let digit = Int32(bytes[position]) - 48
        let (tens, isLarge) = token.multipliedReportingOverflow(by: 10)
        let (sum, isLarger) = tens.addingReportingOverflow(digit)
        isToken = isToken && (0...9).contains(digit) && !isLarge && !isLarger
        token = sum
        position += 1
      }
      guard isToken else {
        let word = String(decoding: bytes[start..<min(position, start + 40)], as: UTF8.self)
        throw CSVRow.Problem(
          message: "\"\(word)\" is no token (column \(column)): tokens are whole numbers from 0 to \(Int32.max), with "
            + "blanks between them", column: field.column + (field.isQuoted ? 1 : 0) + start)
      }
      body(count, token)
      count += 1
    }
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == 32 || (9...13).contains(byte) }
}

/// What a pass over the rows finds in a column of tokens or texts.
struct CSVTokenScan {
  let name: String
  /// Of texts.
  private var texts: CSVTextScan?
  /// How many tokens a sample has, where the configuration or a trained network says it.
  private let length: Int?
  /// How many rows have so many tokens.
  private var counts: [Int: Int] = [:]
  private var longest = 0
  /// The largest token of each place: what of it is read is known when all rows are.
  private var maxima: [Int32] = []

  init(_ name: String, length: Int?, _ texts: CSVTextScan? = nil) {
    (self.name, self.length, self.texts) = (name, length, texts)
  }

  mutating func add(_ field: CSVRow.Field, isTraining: Bool) throws(CSVRow.Problem) {
    let kept = length ?? DatasetRecord.Tokens.mostOfSample
    let count: Int
    if texts == nil {
      count = try CSVTokens.forEach(in: field, of: name) { place, token in
        guard place < kept else { return }
        if place < maxima.count { maxima[place] = max(maxima[place], token) } else { maxima.append(token) }
      }
    } else {
      count = try texts?.add(field, of: name, isTraining: isTraining) ?? 0
    }
    counts[count, default: 0] += 1
    if isTraining { longest = max(longest, count) }
  }

  /// Unless it is said, that of the longest training row; of data without training rows of all.
  private var lengthOfSamples: Int { length ?? (longest > 0 ? longest : counts.keys.max() ?? 0) }

  var input: DatasetRecord.Input {
    let length = lengthOfSamples
    var input = DatasetRecord.Input(name, [length], column: name)
    input.vocabulary = texts?.vocabulary
    let largest = input.vocabulary.map { Int32($0.size - 1) } ?? maxima.prefix(length).max()
    input.tokens = DatasetRecord.Tokens(cutCount: cutCount, largest: largest)
    return input
  }

  private var cutCount: Int {
    let length = lengthOfSamples
    return counts.reduce(0) { $0 + ($1.key > length ? $1.value : 0) }
  }

  func check(_ path: String) throws(DatasetError) {
    try texts?.check(path, column: name)
    let most = DatasetRecord.Tokens.mostOfSample
    switch lengthOfSamples {
    case 1...most: return
    case ..<1:
      throw DatasetError(
        .invalid,
        "\(path): all sequences of the column \(name) are empty; data.sequence_length says how long they are to be")
    default:
      throw DatasetError(
        .invalid,
        "\(path): the longest sequence of the column \(name) has \(lengthOfSamples) tokens, and a sample at most "
          + "\(most); say data.sequence_length, where longer ones are cut")
    }
  }

  /// What is lost, in a sentence; nil where nothing is.
  var note: String? {
    guard cutCount > 0 else { return nil }
    let count = counts.values.reduce(0, +)
    return
      "\(cutCount) of \(count) \(texts == nil ? "sequences" : "texts") of the column \(name) are longer than \(lengthOfSamples) tokens and are cut there"
  }
}

extension DatasetRecord {
  /// Of a field of tokens, i32 `[T]` with their lengths in a field beside it: what its column or its texts hold.
  public struct Tokens: Hashable, Sendable, Codable {
    /// How many sequences are longer than T: of these the first T tokens are kept.
    public var cutCount: Int
    /// The largest token of those that are kept, or that a vocabulary has; nil where there is none.
    public var largest: Int32?
    /// The field with their lengths; nil: it is called as this one, with `_lengths` behind it.
    public var lengths: String?

    /// How long T may be.
    package static let mostOfSample = 1 << 20

    public init(cutCount: Int, largest: Int32?, lengths: String? = nil) {
      (self.cutCount, self.largest, self.lengths) = (cutCount, largest, lengths)
    }
  }
}

extension Field {
  /// What the field with the lengths of a column's sequences is called.
  package static func lengths(of name: String) -> String { name + "_lengths" }
}
