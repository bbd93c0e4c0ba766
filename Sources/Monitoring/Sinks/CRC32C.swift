/// CRC-32C (Castagnoli): the reflected polynomial 0x82F63B78 (RFC 3720, appendix B.4).
struct CRC32C {
  private static let table: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { sum, _ in sum & 1 == 1 ? sum >> 1 ^ 0x82F6_3B78 : sum >> 1 }
  }

  let value: UInt32

  init(_ bytes: some Sequence<UInt8>) {
    let table = Self.table
    var sum = UInt32.max
    for byte in bytes { sum = sum >> 8 ^ table[Int(UInt8(truncatingIfNeeded: sum) ^ byte)] }
    value = ~sum
  }

  /// As records of TensorFlow have it, so that a checksum of bytes which hold checksums is none of these: turned by 15 bits,
  /// and a constant added.
  var masked: UInt32 { (value >> 15 | value << 17) &+ 0xA282_EAD8 }
}
