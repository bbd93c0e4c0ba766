/// The extents that samples take for one axis at a time, so that a block is crossed whatever size somebody chose for it.
enum BlockExtents {
  /// Below, at and above each of what kernels like to work in.
  static let all = [8, 16, 64, 256, 512, 4096].flatMap { [$0 - 1, $0, $0 + 1] }
  /// Beyond indices of 8 and of 16 bits, and beyond a work group of most devices.
  static let long = [257, 513, 4097, 65_537]

  /// One of `long` for the case number `index`, so that cases of one kernel meet all of them and each a single one.
  static func long(_ index: Int) -> Int { long[index % long.count] }
  /// As many axes as the C contract has, none of which is gone when those of one element are left out.
  static let ofMostAxes = [2, 3, 2, 2, 3, 2, 2, 3]
}
