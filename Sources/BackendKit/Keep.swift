import SwitchbackABI

/// What a backend makes from one value and would like to find again: a spectrum, a packed filter.
///
/// The host gives memory for each at every run. Segments of one device that state the same value, format and bytes
/// share it; how long the contents live is the host's choice, and `sb_kept.generation` says what they were made from.
public struct Keep: Hashable, Sendable {
  /// A value number of the segment.
  public var value: Int
  /// The backend's own number for what lies in the memory, and how.
  public var format: UInt64
  public var byteCount: Int
  /// Worth keeping from run to run: made from a state.
  public var isLasting: Bool

  public init(value: Int, format: UInt64, byteCount: Int, isLasting: Bool = false) {
    (self.value, self.format, self.byteCount, self.isLasting) = (value, format, byteCount, isLasting)
  }
}

extension Keep {
  var description: sb_keep {
    sb_keep(
      value: UInt32(value), flags: isLasting ? UInt32(SB_KEEP_LASTING) : 0, format: format, bytes: UInt64(byteCount))
  }

  /// `nil` where it makes no sense for a segment of that many values.
  init?(_ keep: sb_keep, valueCount: Int) {
    guard Int(keep.value) < valueCount, keep.flags & ~UInt32(SB_KEEP_LASTING) == 0, keep.bytes < 1 << 48 else {
      return nil
    }
    self.init(
      value: Int(keep.value), format: keep.format, byteCount: Int(keep.bytes),
      isLasting: keep.flags & UInt32(SB_KEEP_LASTING) != 0)
  }
}
