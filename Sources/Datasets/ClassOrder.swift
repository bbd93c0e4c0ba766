/// The one order of class names, and so the meaning of class numbers: decimal integers first, by value, equal values by
/// their bytes; all other names after them, by their UTF-8 bytes. It depends on the names alone: not on the process, a
/// locale or the order of files.
public enum ClassOrder {
  public static func sorted(_ names: some Sequence<String>) -> [String] {
    names.map { (name: $0, number: DecimalInteger($0)) }.sorted { a, b in
      switch (a.number, b.number) {
      case (let x?, let y?) where x != y: x < y
      case (nil, _?): false
      case (_?, nil): true
      default: a.name.utf8.lexicographicallyPrecedes(b.name.utf8)
      }
    }.map(\.name)
  }

  /// Names in their order, with commas, at most twenty.
  public static func words(_ names: [String]) -> String {
    let sorted = sorted(names)
    return sorted.prefix(20).joined(separator: ", ") + (sorted.count > 20 ? " and \(sorted.count - 20) more" : "")
  }

  /// Two different names that Unicode holds to be the same text (é as one or as two scalars), if there are such: whoever
  /// compares names as text would merge their classes.
  static func twins(in names: some Sequence<String>) -> (String, String)? {
    var seen: [String: String] = [:]
    for name in names {
      if let other = seen[name], !other.utf8.elementsEqual(name.utf8) { return (other, name) }
      seen[name] = name
    }
    return nil
  }

  /// `[+-]?[0-9]+`, of any length.
  private struct DecimalInteger: Comparable {
    private var isNegative: Bool
    /// Without leading zeros.
    private var digits: Substring.UTF8View

    init?(_ text: String) {
      var rest = Substring(text).utf8
      isNegative = rest.first == UInt8(ascii: "-")
      if isNegative || rest.first == UInt8(ascii: "+") { rest = rest.dropFirst() }
      guard !rest.isEmpty, rest.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
      digits = rest.drop { $0 == UInt8(ascii: "0") }
      if digits.isEmpty { isNegative = false }
    }

    static func == (a: Self, b: Self) -> Bool { a.isNegative == b.isNegative && a.digits.elementsEqual(b.digits) }

    static func < (a: Self, b: Self) -> Bool {
      guard a.isNegative == b.isNegative else { return a.isNegative }
      let (small, large) = a.isNegative ? (b.digits, a.digits) : (a.digits, b.digits)
      guard small.count == large.count else { return small.count < large.count }
      return small.lexicographicallyPrecedes(large)
    }
  }
}
