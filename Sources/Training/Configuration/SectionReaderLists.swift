import SwitchbackNeuralNetworks
import Yams

/// Keys that take several things: pairs and lists.
extension SectionReader {
  /// One number for both axes, or a list of two.
  func pair(
    _ key: String, _ fallback: (height: Int, width: Int)?, in range: ClosedRange<Int> = .extents, help: String
  ) -> (height: Int, width: Int) {
    let value = fallback.map { Self.node($0.height, $0.width) }
    describe(key, isRequired: fallback == nil, help: help, .pair(of: range, fallback.map { [$0.height, $0.width] }))
    guard let node = take(key) else {
      if fallback == nil { missing(key) }
      record(key, value ?? Node("1", Tag(.int)))
      return fallback ?? (1, 1)
    }
    let values = node.sequence.map { $0.map { $0.int ?? -1 } } ?? [node.int ?? -1, node.int ?? -1]
    guard values.count == 2, values.allSatisfy(range.contains) else {
      problems.add("\(full(key)) must be \(Self.words(for: range)), or two of them [height, width]", at: node)
      return (1, 1)
    }
    record(key, node)
    return (values[0], values[1])
  }

  func optionalPair(
    _ key: String, in range: ClosedRange<Int> = .extents, help: String
  ) -> (height: Int, width: Int)? {
    guard isGiven(key) else {
      describe(key, help: help, .pair(of: range, nil))
      _ = take(key)
      return nil
    }
    return pair(key, nil, in: range, help: help)
  }

  /// Two numbers as they are written: one where they are equal.
  private static func node(_ first: Int, _ second: Int) -> Node {
    let nodes = [first, second].map { Node("\($0)", Tag(.int)) }
    return first == second ? nodes[0] : Node(nodes)
  }

  /// One whole number for both of two things, or a list of two.
  func twoIntegers(
    _ key: String, _ fallback: (first: Int, second: Int), in range: ClosedRange<Int>, help: String
  ) -> (first: Int, second: Int) {
    describe(key, help: help, .pair(of: range, [fallback.first, fallback.second]))
    guard let node = take(key) else {
      record(key, Self.node(fallback.first, fallback.second))
      return fallback
    }
    let values = node.sequence.map { $0.map(\.int) } ?? [node.int, node.int]
    guard values.count == 2, let first = values[0], let second = values[1], range.contains(first),
      range.contains(second)
    else {
      problems.add("\(full(key)) must be \(Self.words(for: range)), or a list of two of them", at: node)
      return fallback
    }
    record(key, node)
    return (first, second)
  }

  /// A list of numbers; without a fallback there must be one. It is recorded only where it is given.
  func numbers(_ key: String, _ fallback: [Double]? = [], in range: NumberRange, help: String) -> [Double] {
    describe(key, isRequired: fallback == nil, help: help, .list(of: .number(range, nil)))
    let words = "a list of numbers\(range.words), such as [1, 0.5]"
    return list(key, fallback, words) { $0.float.flatMap { range.contains($0) ? $0 : nil } }
  }

  /// A list of whole numbers; without a fallback there must be one. It is recorded only where it is given.
  func integers(_ key: String, _ fallback: [Int]? = [], in range: ClosedRange<Int>, help: String) -> [Int] {
    describe(key, isRequired: fallback == nil, help: help, .list(of: .integer(range, nil)))
    return list(key, fallback, "a list, each \(Self.words(for: range)), such as [1, 2]") {
      $0.int.flatMap { range.contains($0) ? $0 : nil }
    }
  }

  /// A list of whole numbers of at least one, or that one.
  func oneOrMoreIntegers(_ key: String, _ fallback: [Int], in range: ClosedRange<Int>, help: String) -> [Int] {
    describe(key, help: help, .oneOrMore(of: range, fallback))
    guard let node = take(key) else {
      let nodes = fallback.map { Node("\($0)", Tag(.int)) }
      record(key, nodes.count == 1 ? nodes[0] : Node(nodes))
      return fallback
    }
    let values = (node.sequence.map { Array($0) } ?? [node]).map { $0.int.flatMap { range.contains($0) ? $0 : nil } }
    let numbers = values.compactMap { $0 }
    guard !numbers.isEmpty, numbers.count == values.count else {
      problems.add("\(full(key)) must be \(Self.words(for: range)), or a list of them", at: node)
      return fallback
    }
    record(key, node)
    return numbers
  }

  private func list<Item>(_ key: String, _ fallback: [Item]?, _ words: String, _ read: (Node) -> Item?) -> [Item] {
    guard let node = take(key) else {
      if fallback == nil { missing(key) }
      return fallback ?? []
    }
    let items = node.sequence.map { $0.compactMap(read) }
    guard let items, items.count == node.sequence?.count else {
      problems.add("\(full(key)) must be \(words)", at: node)
      return fallback ?? []
    }
    record(key, node)
    return items
  }

  /// A list of words, or one word.
  func texts(_ key: String, _ fallback: [String]?, help: String) -> [String] {
    describe(key, isRequired: fallback == nil, help: help, .any([.text(nil), .list(of: .text(nil))]))
    guard let node = take(key) else {
      guard let fallback else {
        missing(key)
        return []
      }
      record(key, Node(fallback.map { Node($0) }))
      return fallback
    }
    record(key, node)
    let items = node.sequence.map { Array($0) } ?? [node]
    for item in items where item.scalar == nil {
      problems.add("\(full(key)) must be a word or a list of words, not \(Self.word(for: item)) among them", at: item)
    }
    return items.compactMap { $0.scalar?.string }
  }

  func optionalTexts(_ key: String, help: String) -> [String]? {
    guard isGiven(key) else {
      describe(key, help: help, .any([.text(nil), .list(of: .text(nil))]))
      _ = take(key)
      return nil
    }
    return texts(key, nil, help: help)
  }

  /// Some of these words, each once, as a list or as one word.
  func choices<T: Equatable>(_ key: String, _ fallback: [String], _ choices: [(String, T)], help: String) -> [T] {
    let words = choices.map(\.0)
    describe(key, help: help, .any([.choice(words, nil), .list(of: .choice(words, nil))]))
    guard let node = take(key) else {
      record(key, Node(fallback.map { Node($0) }))
      return choices.filter { fallback.contains($0.0) }.map(\.1)
    }
    record(key, node)
    var chosen: [T] = []
    for item in node.sequence.map({ Array($0) }) ?? [node] {
      let word = item.scalar?.string ?? ""
      guard let found = choices.first(where: { $0.0 == word })?.1 else {
        problems.add(
          "\(full(key)) cannot have \(Self.word(for: item))\(Suggestion.words(for: word, among: words))", at: item)
        continue
      }
      if chosen.contains(found) { problems.add("\(full(key)) has \(word) twice", at: item) }
      chosen.append(found)
    }
    return chosen
  }
}
