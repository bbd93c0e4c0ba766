import Foundation
import SwitchbackNeuralNetworks

/// What a key takes, as JSON Schema says it.
struct SchemaPart {
  var json: [String: Any]
  /// What it means, in one line; where a description is complete there is one.
  var help = ""
  /// What each of its words means, where that is to be said.
  private(set) var meanings: [(word: String, help: String)] = []
  /// What stands in for the default, in words, where it depends on something else.
  var fallbackWords: String?
  /// The keys below, where it is a section or may be one.
  var nested: ObjectSchema?
  /// The key below that a word in the section's place stands for.
  var shorthand: String?

  init(json: [String: Any]) { self.json = json }

  static func integer(_ range: ClosedRange<Int>, _ fallback: Int?) -> SchemaPart {
    var json: [String: Any] = ["type": "integer", "minimum": range.lowerBound]
    if range.upperBound != .max { json["maximum"] = range.upperBound }
    json["default"] = fallback
    return SchemaPart(json: json)
  }

  static func number(_ range: NumberRange, _ fallback: Double?) -> SchemaPart {
    var json: [String: Any] = ["type": "number"]
    if range.lowerBound.isFinite {
      json[range.excludesLowerBound ? "exclusiveMinimum" : "minimum"] = range.lowerBound
    }
    if range.upperBound.isFinite {
      json[range.excludesUpperBound ? "exclusiveMaximum" : "maximum"] = range.upperBound
    }
    json["default"] = fallback
    return SchemaPart(json: json)
  }

  static func bool(_ fallback: Bool) -> SchemaPart { SchemaPart(json: ["type": "boolean", "default": fallback]) }

  /// The same beside something else that it may be.
  static var truth: SchemaPart { SchemaPart(json: ["type": "boolean"]) }

  static func text(_ fallback: String?) -> SchemaPart {
    var json: [String: Any] = ["type": "string"]
    json["default"] = fallback
    return SchemaPart(json: json)
  }

  /// YAML reads some words as numbers or truth values, which then are as good as the words.
  static func choice(_ words: [String], _ fallback: String?, meanings: [String] = []) -> SchemaPart {
    func value(_ word: String) -> Any { Int(word).map { $0 as Any } ?? Bool(word).map { $0 as Any } ?? word }
    var json: [String: Any] = ["enum": words.map(value)]
    json["default"] = fallback.map(value)
    var part = SchemaPart(json: json)
    part.meanings = zip(words, meanings).map { (word: $0, help: $1) }
    return part
  }

  /// One whole number for two things, or a list of two.
  static func pair(of range: ClosedRange<Int>, _ fallback: [Int]?) -> SchemaPart {
    let one = integer(range, nil).json
    var json: [String: Any] = ["anyOf": [one, ["type": "array", "items": one, "minItems": 2, "maxItems": 2]]]
    json["default"] = fallback.map { $0[0] == $0[1] ? $0[0] as Any : $0 }
    return SchemaPart(json: json)
  }

  /// One whole number, or a list of them.
  static func oneOrMore(of range: ClosedRange<Int>, _ fallback: [Int]) -> SchemaPart {
    let one = integer(range, nil).json
    var json: [String: Any] = ["anyOf": [one, ["type": "array", "items": one, "minItems": 1]]]
    json["default"] = fallback.count == 1 ? fallback[0] as Any : fallback
    return SchemaPart(json: json)
  }

  static func list(of part: SchemaPart) -> SchemaPart { SchemaPart(json: ["type": "array", "items": part.json]) }
  static func any(_ parts: [SchemaPart]) -> SchemaPart { SchemaPart(json: ["anyOf": parts.map(\.json)]) }
  /// A mapping of words that somebody else reads.
  static var words: SchemaPart {
    let word = ["anyOf": ["string", "number", "boolean"].map { ["type": $0] }]
    return SchemaPart(json: ["type": "object", "additionalProperties": word])
  }
  static func object(_ schema: ObjectSchema) -> SchemaPart { SchemaPart(json: schema.json) }

  /// Equal texts mean equal parts.
  var text: Data? { try? JSONSerialization.data(withJSONObject: json, options: .sortedKeys) }

  /// Either; a default that not both have is none.
  fileprivate func merged(with other: SchemaPart) -> SchemaPart {
    if text == other.text { return self }
    var (mine, its) = (self, other)
    mine.json["default"] = nil
    its.json["default"] = nil
    return mine.text == its.text ? mine : .any([self, other])
  }
}

/// The keys of a mapping and what each takes.
struct ObjectSchema {
  private(set) var properties: [String: SchemaPart] = [:]
  /// In the order of their declarations.
  private(set) var keys: [String] = []
  private(set) var required: Set<String> = []
  /// The key whose word decides which other keys there are.
  var selector: (key: String, words: [String])?
  /// What there is with each of those words.
  var variants: [(word: String, schema: ObjectSchema)] = []
  /// What keys besides take, and a word for them; at most one.
  private(set) var others: [(word: String, part: SchemaPart)] = []

  mutating func allowOthers(_ word: String, _ part: SchemaPart, help: String) {
    others = [(word, part)]
    others[0].part.help = help
  }

  mutating func add(_ key: String, _ part: SchemaPart, isRequired: Bool) {
    if properties.updateValue(part, forKey: key) == nil { keys.append(key) }
    if isRequired { required.insert(key) }
  }

  /// The keys of both; required are those that both require.
  mutating func merge(_ other: ObjectSchema) {
    properties.merge(other.properties) { $0.merged(with: $1) }
    required.formIntersection(other.required)
  }

  var json: [String: Any] {
    var json: [String: Any] = [
      "type": "object", "properties": properties.mapValues(\.json),
      "additionalProperties": others.first?.part.json ?? false,
    ]
    if !required.isEmpty { json["required"] = required.sorted() }
    return json
  }
}

extension Configuration {
  /// What the code that reads configurations declares.
  static func described(_ problems: ProblemList) -> ObjectSchema {
    SectionReader.describing(path: "", problems) { Configuration(reading: $0, fallbackName: "run") }.schema
  }

  /// The JSON Schema (draft 2020-12) of configurations, made by the code that reads them.
  public static var schema: String {
    let problems = ProblemList(file: "", isDescribing: true)
    let described = described(problems)
    var json = described.json
    json["$defs"] = ["layer": LayerReader.entrySchema(LayerReader.describedKinds(problems)).json]
    json["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    json["title"] = "Switchback configuration"
    let options: JSONSerialization.WritingOptions = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let data = (try? JSONSerialization.data(withJSONObject: json, options: options)) ?? Foundation.Data()
    return String(decoding: data, as: UTF8.self) + "\n"
  }
}
