/// The type of one element of a tensor.
///
/// Float32 works on every backend; Float64 on the reference, which is the truth the others are judged by.
public enum ElementType: String, Hashable, Codable, Sendable, CaseIterable {
  case float32 = "f32"
  case float64 = "f64"
  case float16 = "f16"
  case bfloat16 = "bf16"
  case int32 = "i32"
  case int64 = "i64"
  case uint8 = "u8"
  case bool = "bool"

  /// Whether `value`, without its fraction, is a number of this type. Floating point has room for all.
  package func holds(_ value: Double) -> Bool {
    let whole = value.rounded(.towardZero)
    return switch self {
    case .float32, .float64, .float16, .bfloat16: true
    case .int32: Int32(exactly: whole) != nil
    case .int64: Int64(exactly: whole) != nil
    case .uint8: UInt8(exactly: whole) != nil
    case .bool: whole == 0 || whole == 1
    }
  }

  /// Bytes one element takes; a `bool` takes a whole byte (0 or 1).
  public var byteCount: Int {
    switch self {
    case .uint8, .bool: 1
    case .float16, .bfloat16: 2
    case .float32, .int32: 4
    case .float64, .int64: 8
    }
  }

  public var isFloatingPoint: Bool {
    switch self {
    case .float32, .float64, .float16, .bfloat16: true
    case .int32, .int64, .uint8, .bool: false
    }
  }
}
