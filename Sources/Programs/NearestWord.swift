/// What somebody meant who wrote a word that there is not.
package enum NearestWord {
  /// The first of the candidates that is nearest; nil where none is near. In this order: the same word but for case,
  /// blanks and signs between its parts; two neighbours exchanged; one slip; a word that `word` abbreviates
  /// (`global_avg_pooling2d`); a few slips.
  package static func of(_ word: String, among candidates: [String]) -> String? {
    let bare = letters(word)
    if let same = candidates.first(where: { letters($0) == bare }) { return same }
    if let swapped = candidates.first(where: { isSwap(bare, letters($0)) }) { return swapped }
    let distances = candidates.map { ($0, distance(word, $0)) }
    let nearest = distances.min { $0.1 < $1.1 }
    if let nearest, nearest.1 <= 1 { return nearest.0 }
    let whole = candidates.filter { isAbbreviation(bare, of: letters($0)) }.min { $0.count < $1.count }
    return whole ?? nearest.flatMap { $0.1 <= max(2, word.count / 3) ? $0.0 : nil }
  }

  /// `; did you mean dense?`, or nothing.
  package static func hint(_ nearest: String?) -> String { nearest.map { "; did you mean \($0)?" } ?? "" }

  /// Insertions, deletions and exchanges that turn one word into the other (Levenshtein 1966).
  package static func distance(_ a: String, _ b: String) -> Int {
    let (a, b) = (Array(a.lowercased()), Array(b.lowercased()))
    var row = Array(0...b.count)
    for i in a.indices {
      var diagonal = row[0]
      row[0] = i + 1
      for j in b.indices {
        let cost = diagonal + (a[i] == b[j] ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(cost, row[j] + 1, diagonal + 1)
      }
    }
    return row[b.count]
  }

  /// Whether one exchange of neighbours turns one word into the other: `gleu`, `gelu`.
  private static func isSwap(_ a: [Character], _ b: [Character]) -> Bool {
    guard a.count == b.count, let first = a.indices.first(where: { a[$0] != b[$0] }), first + 1 < a.count else {
      return false
    }
    return a[first] == b[first + 1] && a[first + 1] == b[first] && a[(first + 2)...] == b[(first + 2)...]
  }

  private static func letters(_ word: String) -> [Character] {
    word.lowercased().filter { $0.isLetter || $0.isNumber }
      .map { $0 }
  }

  /// Whether letters left out of `whole` give `short`. Short words are in many, so those must begin the whole one.
  private static func isAbbreviation(_ short: [Character], of whole: [Character]) -> Bool {
    guard short.count >= 3, short.first == whole.first else { return false }
    guard short.count > 4 else { return whole.starts(with: short) }
    var rest = short[...]
    for letter in whole where letter == rest.first { rest.removeFirst() }
    return rest.isEmpty
  }
}
