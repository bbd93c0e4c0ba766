extension DatasetRecord {
  /// Which words of texts a network knows, and their numbers, which are its tokens: 0 is padding, 1 every word that it does
  /// not know. What is a word says `TextTokenizer`.
  public struct Vocabulary: Hashable, Sendable, Codable {
    /// From the token 2 on: of those of the training part the most frequent first, equally frequent ones by their bytes.
    public var words: [String]

    public static let padding: Int32 = 0
    public static let unknown: Int32 = 1
    /// The token of the first word.
    static let first = 2

    public init(words: [String]) { self.words = words }

    /// How many tokens there are, padding and the unknown among them.
    public var size: Int { words.count + Self.first }
    /// Bounds what records hold.
    package static let sizes = first + 1...1 << 17

    /// The first words, at most twenty.
    var wordsInOrder: String { WordColumn.words(words) }

    func hasWords(of other: Vocabulary) -> Bool {
      words.count == other.words.count && zip(words, other.words).allSatisfy { $0.utf8.elementsEqual($1.utf8) }
    }

    /// Why no texts have such words; nil where they can.
    package var fault: String? {
      guard Self.sizes.contains(size) else { return "a vocabulary of \(words.count) words" }
      guard words.allSatisfy({ (1...TextTokenizer.longestWord).contains($0.utf8.count) }) else {
        return "a vocabulary with words that texts cannot have"
      }
      return WordTable(words).count == words.count ? nil : "a vocabulary that has a word twice"
    }
  }

  /// How vocabularies are made of the texts of a training part.
  public struct VocabularyLimits: Hashable, Sendable {
    /// How many tokens there are at most, padding and the unknown among them.
    public var size: Int
    /// How often a word must stand in the training part to be in it.
    public var minFrequency: Int

    public init(size: Int = 20_000, minFrequency: Int = 1) { (self.size, self.minFrequency) = (size, minFrequency) }

    /// Why no vocabulary can be limited so; nil where one can.
    package var fault: String? {
      guard Vocabulary.sizes.contains(size), minFrequency >= 1 else {
        return
          "a vocabulary has \(Vocabulary.sizes.lowerBound) to \(Vocabulary.sizes.upperBound) tokens, of words that "
          + "stand at least once, not \(size) of words that stand \(minFrequency) times"
      }
      return nil
    }
  }
}

/// A vocabulary that words are looked up in.
struct VocabularyIndex: Sendable {
  let vocabulary: DatasetRecord.Vocabulary
  private let table: WordTable

  init(_ vocabulary: DatasetRecord.Vocabulary) {
    self.vocabulary = vocabulary
    table = WordTable(vocabulary.words)
  }

  /// The token of a word; nil is a word that is too long. Allocates nothing.
  func token(of word: UnsafeBufferPointer<UInt8>?) -> Int32 {
    guard let word, let number = table.number(of: word) else { return DatasetRecord.Vocabulary.unknown }
    return Int32(number + DatasetRecord.Vocabulary.first)
  }

  /// Calls `body` with each token of a text and its place; answers how many there are. The text is UTF-8.
  func forEachToken(in text: UnsafeBufferPointer<UInt8>, _ body: (Int, Int32) -> Void) -> Int {
    var count = 0
    _ = TextTokenizer.forEach(in: text) { word in
      body(count, token(of: word))
      count += 1
    }
    return count
  }
}

extension DatasetRecord.Vocabulary {
  /// The tokens of a text.
  public func tokens(of text: String) -> [Int32] {
    let index = VocabularyIndex(self)
    var tokens: [Int32] = []
    _ = text.withBytes { index.forEachToken(in: $0) { tokens.append($1) } }
    return tokens
  }
}

/// How often words stand in the texts of a training part.
struct WordCount {
  private(set) var table = WordTable()
  private(set) var counts: [Int] = []

  /// Counts a word, or only numbers it.
  mutating func add(_ word: UnsafeBufferPointer<UInt8>, counts isCounted: Bool) -> Int {
    let number = table.number(inserting: word)
    if number == counts.count { counts.append(0) }
    if isCounted { counts[number] += 1 }
    return number
  }

  /// The words that are kept, by their numbers here, in the order of their tokens.
  func kept(_ limits: DatasetRecord.VocabularyLimits) -> [Int] {
    let frequent = counts.indices.filter { counts[$0] >= max(limits.minFrequency, 1) }
    let sorted = frequent.sorted { a, b in
      counts[a] != counts[b] ? counts[a] > counts[b] : table[a].lexicographicallyPrecedes(table[b])
    }
    return Array(sorted.prefix(limits.size - DatasetRecord.Vocabulary.first))
  }

  func vocabulary(_ limits: DatasetRecord.VocabularyLimits) -> DatasetRecord.Vocabulary {
    DatasetRecord.Vocabulary(words: kept(limits).map { String(decoding: table[$0], as: UTF8.self) })
  }

  /// What is wrong where none is kept; `what` are the texts.
  static func lack(_ limits: DatasetRecord.VocabularyLimits, in what: String) -> String {
    limits.minFrequency > 1
      ? "no word stands \(limits.minFrequency) times in \(what), so the vocabulary would have no words: set a smaller "
        + "data.min_frequency"
      : "no word stands in \(what), so the vocabulary would have no words"
  }
}
