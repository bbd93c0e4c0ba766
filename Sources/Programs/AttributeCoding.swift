/// An attribute of an operation, as it crosses into the C contract, program text and cache keys.
public enum AttributeValue: Hashable, Sendable {
  case bool(Bool)
  case int(Int)
  case double(Double)
  case string(String)
  case ints([Int])
  case doubles([Double])
}

extension TensorOperation {
  /// The stored properties by name, in order of name.
  public var attributes: [(name: String, value: AttributeValue)] {
    let encoder = AttributeEncoder()
    // Encoding flat values into a dictionary cannot fail; an operation with nested properties is caught by the test
    // that walks the catalogue.
    try? encode(to: encoder)
    return encoder.storage.values.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// The operation with these attributes; every property must be given, and nothing else.
  public init(attributes: [String: AttributeValue]) throws(ProgramError) {
    let decoder = AttributeDecoder(attributes)
    do {
      self = try Self(from: decoder)
    } catch let error as ProgramError {
      throw error
    } catch {
      throw ProgramError("\(Self.name): attributes cannot be read: \(error)")
    }
    let unknown = Set(attributes.keys).subtracting(decoder.storage.read)
    guard unknown.isEmpty else {
      throw ProgramError("\(Self.name) has no attribute \(unknown.sorted().joined(separator: ", "))")
    }
  }
}

// MARK: Encoding

private final class AttributeStorage {
  var values: [String: AttributeValue] = [:]
  var read: Set<String> = []
}

private struct UnsupportedAttribute: Error, CustomStringConvertible {
  var description: String { "an attribute must be a Bool, Int, Double, String or an array of Int or Double" }
}

private struct AttributeEncoder: Encoder {
  let storage = AttributeStorage()
  var codingPath: [any CodingKey] = []
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    KeyedEncodingContainer(Keyed<Key>(storage: storage))
  }
  // Reached only by operations that are not flat structs.
  func unkeyedContainer() -> any UnkeyedEncodingContainer { Refusal() }
  func singleValueContainer() -> any SingleValueEncodingContainer { Refusal() }

  struct Keyed<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let storage: AttributeStorage
    var codingPath: [any CodingKey] = []
    mutating func encodeNil(forKey key: Key) throws { throw UnsupportedAttribute() }
    mutating func encode<T: Encodable>(_ value: T, forKey key: Key) throws {
      storage.values[key.stringValue] =
        switch value {
        case let value as Bool: .bool(value)
        case let value as Int: .int(value)
        case let value as Double: .double(value)
        case let value as String: .string(value)
        case let value as [Int]: .ints(value)
        case let value as [Double]: .doubles(value)
        case let value as any RawRepresentable: try Self.raw(value)
        default: throw UnsupportedAttribute()
        }
    }
    private static func raw(_ value: some RawRepresentable) throws -> AttributeValue {
      guard let text = value.rawValue as? String else { throw UnsupportedAttribute() }
      return .string(text)
    }
    mutating func nestedContainer<Nested: CodingKey>(
      keyedBy keyType: Nested.Type, forKey key: Key
    ) -> KeyedEncodingContainer<Nested> { KeyedEncodingContainer(AttributeEncoder.Keyed<Nested>(storage: storage)) }
    mutating func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer { Refusal() }
    mutating func superEncoder() -> any Encoder { AttributeEncoder() }
    mutating func superEncoder(forKey key: Key) -> any Encoder { AttributeEncoder() }
  }

  struct Refusal: UnkeyedEncodingContainer, SingleValueEncodingContainer {
    var codingPath: [any CodingKey] = []
    var count: Int { 0 }
    mutating func encodeNil() throws { throw UnsupportedAttribute() }
    mutating func encode<T: Encodable>(_ value: T) throws { throw UnsupportedAttribute() }
    mutating func nestedContainer<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
      KeyedEncodingContainer(Keyed<Key>(storage: AttributeStorage()))
    }
    mutating func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { self }
    mutating func superEncoder() -> any Encoder { AttributeEncoder() }
  }
}

// MARK: Decoding

private struct AttributeDecoder: Decoder {
  let values: [String: AttributeValue]
  let storage = AttributeStorage()
  var codingPath: [any CodingKey] = []
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  init(_ values: [String: AttributeValue]) { self.values = values }

  func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    KeyedDecodingContainer(Keyed<Key>(values: values, storage: storage))
  }
  func unkeyedContainer() throws -> any UnkeyedDecodingContainer { throw UnsupportedAttribute() }
  func singleValueContainer() throws -> any SingleValueDecodingContainer { throw UnsupportedAttribute() }

  struct Keyed<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let values: [String: AttributeValue]
    let storage: AttributeStorage
    var codingPath: [any CodingKey] = []
    var allKeys: [Key] { values.keys.compactMap(Key.init(stringValue:)) }
    func contains(_ key: Key) -> Bool { values[key.stringValue] != nil }
    func decodeNil(forKey key: Key) throws -> Bool { !contains(key) }

    func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
      guard let value = values[key.stringValue] else { throw ProgramError("attribute \(key.stringValue) is missing") }
      storage.read.insert(key.stringValue)
      let found: Any? =
        switch value {
        case .bool(let value): value
        case .int(let value): T.self == Double.self ? Double(value) : value
        case .double(let value): value
        case .string(let value): (type as? any StringAttribute.Type).map { $0.fromAttribute(value) as Any } ?? value
        case .ints(let value): T.self == [Double].self ? value.map(Double.init) : value
        case .doubles(let value): value.isEmpty && T.self == [Int].self ? [Int]() : value
        }
      guard let result = found as? T else {
        throw ProgramError("attribute \(key.stringValue) is \(value), which is no \(T.self)")
      }
      return result
    }
    func nestedContainer<Nested: CodingKey>(
      keyedBy type: Nested.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<Nested> { throw UnsupportedAttribute() }
    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer { throw UnsupportedAttribute() }
    func superDecoder() throws -> any Decoder { throw UnsupportedAttribute() }
    func superDecoder(forKey key: Key) throws -> any Decoder { throw UnsupportedAttribute() }
  }
}

/// An enumeration that may be an attribute: it travels as its word.
public protocol StringAttribute: RawRepresentable<String>, Codable, Hashable, Sendable {}

extension StringAttribute {
  fileprivate static func fromAttribute(_ text: String) -> Any? { Self(rawValue: text) }
}

extension ElementType: StringAttribute {}
