import SwitchbackExecution

extension ProgramExecutor {
  /// The bits of a value of f32. One NaN is as good as another.
  func bits(of value: Int) throws -> [UInt32] {
    try withValue(value) { bytes in
      (0..<bytes.count / 4).map { element in
        let bits = bytes.loadUnaligned(fromByteOffset: 4 * element, as: UInt32.self)
        return Float(bitPattern: bits).isNaN ? 0x7fc0_0000 : bits
      }
    }
  }
}
