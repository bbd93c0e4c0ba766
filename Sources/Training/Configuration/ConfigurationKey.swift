import Foundation

/// A key of configurations, as the code that reads it declares it.
public struct ConfigurationKey: Sendable {
  /// As it is written: `units`. A layer of a list has its word, the number before it is `N`.
  public var word: String
  /// `model.layers.N.dense.units`
  public var path: String
  /// `a whole number from 1 to 1048576`
  public var takes: String
  /// As it is written in YAML; nil where there is none.
  public var fallback: String?
  public var isRequired: Bool
  /// One line.
  public var help: String
  /// What each of its words means, where that is to be said.
  public var words: [Word]
  /// Where there is this key only with some words of another one; nil: always.
  public var condition: Condition?
  /// The keys below.
  public var keys: [ConfigurationKey]

  public struct Word: Hashable, Sendable, Encodable {
    public var word: String
    public var help: String
  }

  /// `type: sgd, rmsprop`
  public struct Condition: Hashable, Sendable, Encodable, CustomStringConvertible {
    public var key: String
    public var words: [String]
    public var description: String { "\(key): \(words.joined(separator: ", "))" }
  }

  /// It and all keys below, each before those below it.
  public var all: [ConfigurationKey] { [self] + keys.flatMap(\.all) }

  /// Whether it is one of those that are asked for by `prefix`: `training.optimizer`, `model.layers.1.dense`, and
  /// `model.layers.dense` too.
  public func matches(prefix: String) -> Bool {
    func parts(_ path: String) -> [Substring] { path.split(separator: ".").filter { $0 != "N" && Int($0) == nil } }
    return parts(path).starts(with: parts(prefix))
  }
}

extension ConfigurationKey: Encodable {
  private enum CodingKeys: String, CodingKey {
    case path = "key"
    case takes, help, words
    case condition = "with"
    case fallback = "default"
    case isRequired = "required"
  }
}

extension Configuration {
  /// Every key of configurations, in the order of their declarations.
  public static var keys: [ConfigurationKey] {
    let problems = ProblemList(file: "", isDescribing: true)
    let layers = LayerReader.describedKinds(problems)
    return described(problems).list(at: "", layers: layers)
  }
}

extension ObjectSchema {
  /// The keys as a list; `layers` stand below the network's own list of layers.
  fileprivate func list(at path: String, layers: [LayerReader.DescribedKind] = []) -> [ConfigurationKey] {
    func key(_ word: String, _ declaration: Declaration) -> ConfigurationKey {
      let path = path.isEmpty ? word : "\(path).\(word)"
      let part = declaration.part
      var keys = declaration.isRepeated ? [] : part.nested?.list(at: path, layers: layers) ?? []
      if path == "model.layers" { keys = layers.map { $0.key(at: path + ".N") } }
      return ConfigurationKey(
        word: word, path: path, takes: part.takes, fallback: part.fallback, isRequired: declaration.isRequired,
        help: part.help, words: part.meanings.map { .init(word: $0.word, help: $0.help) },
        condition: declaration.condition, keys: keys)
    }
    let named = own.reduce(into: [String]()) { words, one in words += one.schema.keys.filter { !words.contains($0) } }
    return named.flatMap { word in declarations(of: word).map { key(word, $0) } }
      + others.map { key($0.word, Declaration(part: $0.part, isRequired: false)) }
  }

  private struct Declaration {
    var part: SchemaPart
    var isRequired: Bool
    var condition: ConfigurationKey.Condition?
    /// Whether an earlier declaration has the same keys below.
    var isRepeated = false
  }

  private var own: [(word: String, schema: ObjectSchema)] { variants.isEmpty ? [("", self)] : variants }

  /// With some words of the selector a key takes something else, or has another default.
  private func declarations(of key: String) -> [Declaration] {
    var groups: [(declaration: Declaration, words: [String])] = []
    for (word, schema) in own {
      guard let part = schema.properties[key] else { continue }
      let isRequired = schema.required.contains(key)
      let same = groups.firstIndex { group in
        let other = group.declaration
        return other.part.text == part.text && other.part.help == part.help && other.isRequired == isRequired
      }
      if let same {
        groups[same].words.append(word)
      } else {
        var declaration = Declaration(part: part, isRequired: isRequired)
        declaration.isRepeated = groups.contains { group in
          group.declaration.part.nested.map { SchemaPart.object($0).text }
            == part.nested.map { SchemaPart.object($0).text }
        }
        groups.append((declaration, [word]))
      }
    }
    return groups.map { group in
      var declaration = group.declaration
      if let selector, group.words.count < own.count {
        declaration.condition = .init(key: selector.key, words: group.words)
      }
      return declaration
    }
  }
}

extension LayerReader.DescribedKind {
  fileprivate func key(at path: String) -> ConfigurationKey {
    let path = "\(path).\(word)"
    return ConfigurationKey(
      word: word, path: path, takes: keys.required.isEmpty ? "nothing, or a section" : "a section", isRequired: false,
      help: help, words: [], condition: nil, keys: keys.list(at: path))
  }
}

extension SchemaPart {
  /// What it takes, in words.
  fileprivate var takes: String {
    guard let shorthand, let word = nested?.properties[shorthand] else { return Self.words(json) }
    return "\(word.takes), or a section"
  }

  /// The default as YAML has it.
  fileprivate var fallback: String? {
    if let fallbackWords { return fallbackWords }
    if let shorthand { return nested?.properties[shorthand]?.fallback }
    let alternatives = json["anyOf"] as? [[String: Any]] ?? []
    return (json["default"] ?? alternatives.lazy.compactMap { $0["default"] }.first).map(Self.text)
  }

  private static func text(_ value: Any) -> String {
    switch value {
    case let values as [Any]: "[" + values.map(text).joined(separator: ", ") + "]"
    case let number as Double where number == number.rounded() && abs(number) < 1e15: "\(Int(number))"
    default: "\(value)"
    }
  }

  private static func words(_ json: [String: Any]) -> String {
    if let choices = json["enum"] as? [Any] {
      return choices.count == 1 ? text(choices[0]) : "one of " + choices.map(text).joined(separator: ", ")
    }
    if let alternatives = json["anyOf"] as? [[String: Any]] {
      return alternatives.map(words).joined(separator: ", or ")
    }
    if json["$ref"] != nil { return "a layer" }
    switch json["type"] as? String {
    case "integer": return "a whole number" + range(json)
    case "number": return "a number" + range(json)
    case "boolean": return "true or false"
    case "string": return "a word"
    case "object": return "a section"
    case "array":
      guard let items = json["items"] as? [String: Any] else { return "a list" }
      if items["$ref"] != nil { return "a list of layers" }
      if let count = json["maxItems"] as? Int { return "a list of \(count == 2 ? "two" : "\(count)")" }
      return items["type"] as? String == "string" ? "a list of words" : "a list, each \(words(items))"
    default: return "anything"
    }
  }

  private static func range(_ json: [String: Any]) -> String {
    if let low = json["minimum"] as? Int, low == json["maximum"] as? Int { return ": \(low)" }
    var bounds: [String] = []
    if let bound = json["minimum"] { bounds.append("of at least \(text(bound))") }
    if let bound = json["exclusiveMinimum"] { bounds.append("above \(text(bound))") }
    if let bound = json["maximum"] { bounds.append("of at most \(text(bound))") }
    if let bound = json["exclusiveMaximum"] { bounds.append("below \(text(bound))") }
    if let low = json["minimum"], let high = json["maximum"] { return " from \(text(low)) to \(text(high))" }
    return bounds.isEmpty ? "" : " " + bounds.joined(separator: " and ")
  }
}
