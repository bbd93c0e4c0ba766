extension TrainingSession {
  /// The states with an infinity or a NaN, by name. Accumulators may have them: they are forgotten at the next update.
  func nonFiniteStates() throws -> [String] {
    try states.states.keys.sorted().filter { name in
      try !name.hasPrefix("accumulator/")
        && states.withBytes(of: name) { bytes in
          // Without the sign such bits are the largest of all.
          bytes.bindMemory(to: UInt32.self).reduce(0) { max($0, $1 & 0x7FFF_FFFF) } >= 0x7F80_0000
        }
    }
  }
}
