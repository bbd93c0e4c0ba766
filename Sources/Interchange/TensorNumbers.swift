import Foundation

extension Safetensors.Tensor {
  /// The numbers in Float32, rounded to nearest where the type is wider. Row-major, as the bytes.
  ///
  /// A type that holds no numbers, bytes that do not fit the shape, and a finite number beyond Float32 are errors in words.
  public func float32() throws(Safetensors.FormatError) -> [Float] {
    guard let size = Safetensors.byteCounts[type] else {
      throw Safetensors.FormatError(description: "\(name) is of the unknown type \(type)")
    }
    guard let count = Safetensors.elementCount(shape),
      count.multipliedReportingOverflow(by: size) == (bytes.count, false)
    else { throw Safetensors.FormatError(description: "\(name) has not the bytes of \(type) \(shape)") }
    let numbers = bytes.withUnsafeBytes { bytes in
      func read<Number>(_ kind: Number.Type, _ convert: (Number) -> Float) -> [Float] {
        (0..<count).map { convert(bytes.loadUnaligned(fromByteOffset: $0 * size, as: kind)) }
      }
      return switch type {
      case "F32": read(UInt32.self) { Float(bitPattern: UInt32(littleEndian: $0)) }
      case "F64": read(UInt64.self) { Float(Double(bitPattern: UInt64(littleEndian: $0))) }
      case "F16": read(UInt16.self) { Self.half(UInt16(littleEndian: $0)) }
      case "BF16": read(UInt16.self) { Float(bitPattern: UInt32(UInt16(littleEndian: $0)) << 16) }
      case "I64": read(Int64.self) { Float(Int64(littleEndian: $0)) }
      case "U64": read(UInt64.self) { Float(UInt64(littleEndian: $0)) }
      case "I32": read(Int32.self) { Float(Int32(littleEndian: $0)) }
      case "U32": read(UInt32.self) { Float(UInt32(littleEndian: $0)) }
      case "I16": read(Int16.self) { Float(Int16(littleEndian: $0)) }
      case "U16": read(UInt16.self) { Float(UInt16(littleEndian: $0)) }
      case "I8": read(Int8.self) { Float($0) }
      default: read(UInt8.self) { Float($0) }
      }
    }
    if type == "F64", let place = numbers.firstIndex(where: \.isInfinite) {
      let number = bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: place * 8, as: UInt64.self) }
      let exact = Double(bitPattern: UInt64(littleEndian: number))
      guard !exact.isFinite else {
        throw Safetensors.FormatError(description: "\(name) holds \(exact), which is beyond Float32")
      }
    }
    return numbers
  }

  /// IEEE 754 binary16: a sign, five bits of exponent, ten of fraction.
  private static func half(_ bits: UInt16) -> Float {
    let sign: Float = bits & 0x8000 == 0 ? 1 : -1
    let (exponent, fraction) = (Int(bits >> 10 & 0x1F), Float(bits & 0x3FF))
    switch exponent {
    case 0: return sign * fraction * 0x1p-24
    case 31: return fraction == 0 ? sign * .infinity : .nan
    default: return sign * Float(sign: .plus, exponent: exponent - 15, significand: 1 + fraction * 0x1p-10)
    }
  }

  /// A tensor of Float32 numbers, row-major.
  public init(name: String, shape: [Int], numbers: [Float]) {
    var bytes = Data(capacity: 4 * numbers.count)
    for number in numbers { withUnsafeBytes(of: number.bitPattern.littleEndian) { bytes.append(contentsOf: $0) } }
    self.init(name: name, shape: shape, bytes: bytes)
  }
}
