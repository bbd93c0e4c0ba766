/// From the class names of the data at hand to the class numbers of a network.
struct ClassMap {
  /// In the order of the numbers.
  let names: [String]
  /// Of each name at hand its class number; nil where the network does not know it.
  let numbers: [Int32?]
  /// What differs, in sentences for the user.
  let notes: [String]

  /// `found`: the names at hand, with how many samples each has. `known`: those of a network that is trained already; nil
  /// where the data decide.
  init(found: [String], counts: [Int], known: [String]?) {
    guard let known else {
      names = ClassOrder.sorted(found)
      let places = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, Int32($0)) })
      numbers = found.map { places[$0] }
      notes = []
      return
    }
    names = known
    let places = Dictionary(known.enumerated().map { ($1, Int32($0)) }) { first, _ in first }
    numbers = found.map { places[$0] }
    // Made once: with 8,000 classes a set for each of them takes longer than training.
    let here = Set(found)
    let leftOut = zip(found, counts).reduce(0) { $0 + (places[$1.0] == nil ? $1.1 : 0) }
    let (unknown, missing) = (found.filter { places[$0] == nil }, known.filter { !here.contains($0) })
    notes =
      (unknown.isEmpty
        ? [] : ["the network knows no class \(ClassOrder.words(unknown)): \(leftOut) samples are left out"])
      + (missing.isEmpty ? [] : ["the data has no sample of the network's class \(ClassOrder.words(missing))"])
  }

  /// Names that look like slips: such as `X` beside `x`, blanks around a name, and what programs leave behind.
  static func suspicions(about names: [String]) -> [String] {
    var sentences: [String] = []
    for name in ClassOrder.sorted(names) where ["__MACOSX", "lost+found", "Thumbs.db"].contains(name) {
      sentences.append("\(name) is what a program left behind")
    }
    for group in Dictionary(grouping: names, by: folded).values where group.count > 1 {
      sentences.append(
        ClassOrder.sorted(group).map { "\"\($0)\"" }.joined(separator: " and ") + " differ only in case or blanks")
    }
    for name in ClassOrder.sorted(names) where trimmed(name).count != name.unicodeScalars.count {
      sentences.append("\"\(name)\" has blanks around it")
    }
    return sentences.sorted()
  }

  private static func trimmed(_ name: String) -> String.UnicodeScalarView.SubSequence {
    func isBlank(_ scalar: Unicode.Scalar) -> Bool {
      scalar.properties.isWhitespace || scalar.properties.generalCategory == .format
    }
    var rest = name.unicodeScalars[...]
    while let first = rest.first, isBlank(first) { rest = rest.dropFirst() }
    while let last = rest.last, isBlank(last) { rest = rest.dropLast() }
    return rest
  }

  private static func folded(_ name: String) -> String { String(trimmed(name)).lowercased() }
}

extension DatasetParts {
  /// Class names that look like slips, as a sentence to add where the number of classes does not fit; empty for none.
  public static func suspicions(about classNames: [String]) -> String {
    let found = ClassMap.suspicions(about: classNames)
    return found.isEmpty ? "" : ". Look at the classes: " + found.prefix(5).joined(separator: "; ")
  }
}
