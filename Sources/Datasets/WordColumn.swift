extension DatasetRecord {
  /// A column of words among the columns of a table, and the features that it becomes.
  public struct WordColumn: Hashable, Sendable, Codable {
    public enum Encoding: String, Hashable, Sendable, Codable {
      /// A feature for each word: 1 where it stands, else 0.
      case oneHot = "one_hot"
      /// One feature, the word's number.
      case ordinal
    }

    public var column: String
    public var encoding: Encoding
    /// The place of its first feature.
    public var feature: Int
    /// In the order of their numbers, which count from 0.
    public var words: [String]

    public init(_ column: String, _ encoding: Encoding, feature: Int, words: [String]) {
      (self.column, self.encoding, self.feature, self.words) = (column, encoding, feature, words)
    }

    /// How many features it becomes.
    public var featureCount: Int { encoding == .oneHot ? words.count : 1 }

    /// What these are called: `colour=red`.
    var featureNames: [String] { encoding == .oneHot ? words.map { "\(column)=\($0)" } : [column] }

    /// A feature of a row with this word, `place` of its own counted from 0.
    package func number(ofWord word: Int, at place: Int) -> Double {
      encoding == .oneHot ? (place == word ? 1 : 0) : Double(word)
    }

    /// The number of a word; nil where it is none of them.
    package func wordNumber(_ text: String) -> Int? { words.firstIndex { $0.utf8.elementsEqual(text.utf8) } }

    func hasWords(of other: WordColumn) -> Bool {
      words.count == other.words.count && zip(words, other.words).allSatisfy { $0.utf8.elementsEqual($1.utf8) }
    }

    /// The words in their order, at most twenty.
    package var wordsInOrder: String { Self.words(words) }

    static func words(_ words: [String]) -> String {
      words.prefix(20).joined(separator: ", ") + (words.count > 20 ? " and \(words.count - 20) more" : "")
    }

    /// How many words a column may have.
    static func most(_ encoding: Encoding) -> Int { encoding == .oneHot ? 1000 : 1 << 16 }
  }

  /// A column of a table and what it becomes: one number or, of words, what they become.
  package struct FeatureColumn: Hashable, Sendable {
    package var name: String
    /// The place of its first feature.
    package var feature: Int
    package var words: WordColumn?

    package var featureCount: Int { words?.featureCount ?? 1 }
  }

  /// The columns that make these features, in their order.
  package static func columns(of features: [String], _ words: [WordColumn]) -> [FeatureColumn] {
    let byFeature = Dictionary(words.map { ($0.feature, $0) }) { first, _ in first }
    var columns: [FeatureColumn] = []
    var feature = 0
    while feature < features.count {
      let column = FeatureColumn(
        name: byFeature[feature]?.column ?? features[feature], feature: feature, words: byFeature[feature])
      columns.append(column)
      feature += max(1, column.featureCount)
    }
    return columns
  }

  /// Why no table has such columns of words among its features; nil where one can.
  package static func fault(ofWords words: [WordColumn], features: [String]) -> String? {
    var free = 0
    for column in words {
      guard (1...WordColumn.most(column.encoding)).contains(column.words.count), !column.words.contains("") else {
        return "the column \(column.column) has \(column.words.count) words, or an empty one"
      }
      guard Set(column.words.map { Array($0.utf8) }).count == column.words.count else {
        return "the column \(column.column) has a word twice"
      }
      guard column.feature >= free, column.feature <= features.count - column.featureCount else {
        return "the column \(column.column) is at feature \(column.feature) of \(features.count)"
      }
      free = column.feature + column.featureCount
      let names = features[column.feature..<free]
      guard zip(names, column.featureNames).allSatisfy({ $0.utf8.elementsEqual($1.utf8) }) else {
        return "the features of the column \(column.column) are called otherwise"
      }
    }
    return nil
  }
}
