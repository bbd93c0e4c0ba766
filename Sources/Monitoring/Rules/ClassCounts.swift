#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How many labels of each class a rule has seen.
struct ClassCounts: Hashable, Sendable {
  /// Data of more classes are not counted: a memory has a key a class.
  static let most = 256
  /// By the class numbers.
  private(set) var counts: [Int] = []

  var total: Int { counts.reduce(0, +) }
  /// Classes with a label.
  var occurring: Int { counts.filter { $0 > 0 }.count }
  /// Of all labels; 0 of none.
  var largestShare: Double { Double(counts.max() ?? 0) / Double(max(total, 1)) }

  /// −Σ p ln p of the classes' shares.
  var entropy: Double {
    let total = Double(max(total, 1))
    return counts.reduce(0) { $1 > 0 ? $0 - Double($1) / total * log(Double($1) / total) : $0 }
  }

  subscript(_ place: Int) -> Int { counts.indices.contains(place) ? counts[place] : 0 }

  mutating func add(_ batch: [Int]) {
    guard batch.count <= Self.most else { return }
    if counts.count < batch.count { counts += [Int](repeating: 0, count: batch.count - counts.count) }
    for (place, count) in batch.enumerated() { counts[place] = natural(counts[place] + natural(count)) }
  }

  func memory() -> [String: Int] {
    Dictionary(counts.enumerated().map { ("class.\($0)", $1) }) { first, _ in first }
  }

  mutating func recall(_ memory: [String: Int]) {
    counts = []
    for place in 0..<Self.most {
      guard let count = memory["class.\(place)"] else { continue }
      counts += [Int](repeating: 0, count: place - counts.count) + [natural(count)]
    }
  }
}
