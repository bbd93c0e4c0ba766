import Foundation
import SwitchbackTraining
import TestFiles
import Testing
import Yams

/// As much of JSON Schema as ours uses: where `value` does not fit `schema`, or nil.
private func fault(
  _ value: Any, _ schema: [String: Any], _ path: String = "", in root: [String: Any]
) -> String? {
  if let name = (schema["$ref"] as? String)?.split(separator: "/").last {
    guard let definition = (root["$defs"] as? [String: [String: Any]])?[String(name)] else {
      return "\(path): there is no definition \(name)"
    }
    return fault(value, definition, path, in: root)
  }
  if let options = schema["anyOf"] as? [[String: Any]] {
    return options.contains { fault(value, $0, path, in: root) == nil } ? nil : "\(path) fits no alternative"
  }
  if let words = schema["enum"] as? [Any] {
    return words.contains { "\($0)" == "\(value)" } ? nil : "\(path) is none of the words"
  }
  switch schema["type"] as? String {
  case "null": return value is NSNull ? nil : "\(path) is not null"
  case "string": return value is String ? nil : "\(path) is no string"
  case "boolean": return value is Bool ? nil : "\(path) is no boolean"
  case "integer", "number":
    let number = (value as? Int).map(Double.init) ?? (value as? Double)
    guard let number, !(value is Bool), schema["type"] as? String == "number" || value is Int else {
      return "\(path) is no \(schema["type"] ?? "")"
    }
    let (low, high) = ((schema["minimum"] as? NSNumber)?.doubleValue, (schema["maximum"] as? NSNumber)?.doubleValue)
    let (above, below) = (
      (schema["exclusiveMinimum"] as? NSNumber)?.doubleValue, (schema["exclusiveMaximum"] as? NSNumber)?.doubleValue
    )
    let isInside =
      number >= low ?? -.infinity && number <= high ?? .infinity && number > above ?? -.infinity
      && number < below ?? .infinity
    return isInside ? nil : "\(path) is out of range"
  case "array":
    guard let items = value as? [Any] else { return "\(path) is no list" }
    if items.count < schema["minItems"] as? Int ?? 0 || items.count > schema["maxItems"] as? Int ?? .max {
      return "\(path) has \(items.count) items"
    }
    let part = schema["items"] as? [String: Any] ?? [:]
    return items.enumerated().lazy.compactMap { fault($0.element, part, "\(path)[\($0.offset)]", in: root) }.first
  case "object":
    guard let object = value as? [String: Any] else { return "\(path) is no mapping" }
    let properties = schema["properties"] as? [String: [String: Any]] ?? [:]
    if object.count < schema["minProperties"] as? Int ?? 0 || object.count > schema["maxProperties"] as? Int ?? .max {
      return "\(path) has \(object.count) keys"
    }
    for key in schema["required"] as? [String] ?? [] where object[key] == nil { return "\(path).\(key) is missing" }
    for (key, part) in object.sorted(by: { $0.key < $1.key }) {
      guard let known = properties[key] ?? schema["additionalProperties"] as? [String: Any] else {
        return "\(path).\(key) is unknown"
      }
      if let found = fault(part, known, "\(path).\(key)", in: root) { return found }
    }
    return nil
  default: return schema.isEmpty ? nil : "\(path): the schema says \(schema)"
  }
}

/// How often an alternative stands twice: keys that several words of a selector have in common are to be merged.
private func repeatedAlternatives(_ value: Any) -> Int {
  if let items = value as? [Any] { return items.reduce(0) { $0 + repeatedAlternatives($1) } }
  guard let object = value as? [String: Any] else { return 0 }
  let texts = (object["anyOf"] as? [[String: Any]])?.map { "\($0.sorted { $0.key < $1.key })" } ?? []
  return object.values.reduce(texts.count - Set(texts).count) { $0 + repeatedAlternatives($1) }
}

@Suite struct SchemaTests {
  private func schema() throws -> [String: Any] {
    let json = try JSONSerialization.jsonObject(with: Data(Configuration.schema.utf8))
    return try #require(json as? [String: Any])
  }

  private func check(_ text: String) throws -> String? {
    fault(try #require(try Yams.load(yaml: text)), try schema(), in: try schema())
  }

  private func shipped() throws -> [String] {
    let folder = root + "/configs/"
    return try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".yaml") }
      .map { try String(contentsOfFile: folder + $0, encoding: .utf8) }
  }

  @Test("every shipped configuration, and its resolved form, fits the schema")
  func fits() throws {
    let texts = try shipped()
    #expect(texts.count >= 6)
    for text in texts {
      #expect(try check(text) == nil)
      #expect(try check(Configuration(text: text, file: "shipped.yaml").resolvedText) == nil)
    }
  }

  @Test("sections of options for backends fit, and nothing else that the reader does not know")
  func backendOptions() throws {
    let text = try String(contentsOfFile: root + "/configs/mnist-mlp.yaml", encoding: .utf8)
    let start = try #require(text.range(of: "backend:"))
    let options =
      text[..<start.lowerBound] + "backend: {name: fft, device: 0, fft: {force: true}, opencl: {device: gpu}}\n"
    #expect(try check(String(options)) == nil)
    #expect(try check(Configuration(text: String(options), file: "options.yaml").resolvedText) == nil)
    #expect(try check(options.replacingOccurrences(of: "{force: true}", with: "[force]")) != nil)
  }

  @Test(
    "what the reader refuses, the schema refuses",
    arguments: [
      ("epochs: 1", "epoch: 1"), ("epochs: 1", "epochs: one"), ("epochs: 1", "epochs: 0"),
      ("units: 64", "units: -64"), ("units: 64", "unit: 64"), ("activation: relu", "activation: rellu"),
      ("type: sgd", "type: sgdd"), ("- flatten", "- flaten"), ("version: 1", "version: 2"),
      ("dataset: mnist", "dataset: cats"), ("he_normal", "{type: random_normal, stdev: 1}"), ("version: 1\n", ""),
      ("type: sgd", "type: sgd, momentum: 1.0"), ("type: sgd", "type: sgd, clipnorm: 0.0"),
      ("type: sgd", "type: adam, beta_1: 1.0"), ("type: sgd", "type: sgd, weight_decay: -0.1"),
    ])
  func refuses(old: String, new: String) throws {
    let text = try String(contentsOfFile: root + "/configs/deep-relu-he.yaml", encoding: .utf8)
    #expect(text.contains(old))
    let wrong = text.replacingOccurrences(of: old, with: new)
    #expect(try check(text) == nil)
    #expect(try check(wrong) != nil)
    #expect(throws: ConfigurationError.self) { try Configuration(text: wrong, file: "wrong.yaml") }
  }

  @Test("keys of every data set, optimizer, schedule, loss and layer are there, with defaults and ranges")
  func complete() throws {
    let text = Configuration.schema
    for key in [
      "image_size", "delimiter", "centered", "nesterov", "initial_accumulator_value", "beta_2", "decay_rate",
      "warmup_fraction", "then", "delta", "label_smoothing", "dilation_rate", "negative_slope", "stddev", "gain",
      "reduce_on_plateau", "keep_checkpoints", "restore_best", "probe_interval", "search", "device", "candidates",
      "tuning_seconds", "from", "initialization",
    ] { #expect(text.contains("\"\(key)\" : "), "\(key)") }
    #expect(repeatedAlternatives(try schema()) == 0)
    let training = (try schema()["properties"] as? [String: [String: Any]])?["training"]?["properties"]
    let size = (training as? [String: [String: Any]])?["batch_size"]
    #expect(size?["default"] as? Int == 32 && size?["minimum"] as? Int == 1 && size?["maximum"] as? Int == 1 << 20)
  }
}
