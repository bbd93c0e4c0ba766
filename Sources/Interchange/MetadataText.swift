import Foundation

extension Safetensors {
  /// What the metadata say under `key`, as JSON; nil where they say nothing. Where it is something else, the error says
  /// at which place, in the file's words.
  package func decoded<Value: Decodable>(
    _ key: String, as type: Value.Type, by decoder: JSONDecoder = JSONDecoder()
  ) throws(FormatError) -> Value? {
    guard let text = metadata[key] else { return nil }
    do {
      return try decoder.decode(type, from: Data(text.utf8))
    } catch let error as DecodingError {
      throw FormatError(description: "its \(key) cannot be read: \(error.inWords)")
    } catch {
      throw FormatError(description: "its \(key) cannot be read: \(error)")
    }
  }
}

extension DecodingError {
  /// `plateau.factor is no number`
  fileprivate var inWords: String {
    func place(_ path: [any CodingKey]) -> String {
      let words = path.reduce("") { $0 + ($1.intValue.map { "[\($0)]" } ?? ($0.isEmpty ? "" : ".") + $1.stringValue) }
      return words.isEmpty ? "it" : words
    }
    return switch self {
    case .keyNotFound(let key, let context): "\(place(context.codingPath + [key])) is missing"
    case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
      "\(place(context.codingPath)) is no \(Self.word(for: type))"
    case .dataCorrupted(let context):
      context.codingPath.isEmpty ? "it is no JSON" : "\(place(context.codingPath)) is of no known kind"
    @unknown default: "it is of another form"
    }
  }

  private static func word(for type: Any.Type) -> String {
    switch type {
    case is String.Type: "text"
    case is Bool.Type: "truth value"
    case is Double.Type, is Float.Type: "number"
    case is any FixedWidthInteger.Type: "whole number"
    default: "\(type)".hasPrefix("Array") ? "list" : "object"
    }
  }
}
