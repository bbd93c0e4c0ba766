import SwitchbackBackendKit

/// The shape of a work-item's tile in a matrix product (`multiplication.cl`).
struct Tile: Hashable, Sendable {
  /// Rows of results in a work-item.
  var rows: Int
  /// Floats of a vector register.
  var vector: Int
  /// Columns of results: a multiple of `vector`.
  var block: Int
  /// Work-items of a group, along the rows.
  var group: Int
  /// 64 × 64 results shared by 16 × 16 work-items in local memory.
  var isLocal = false

  static let local = Tile(rows: 4, vector: 4, block: 64, group: 1, isLocal: true)

  var options: String {
    isLocal ? "-DLOCAL -DVECTOR=4 -DBLOCK=64" : "-DVECTOR=\(vector) -DBLOCK=\(block) -DROWS=\(rows)"
  }

  /// `local`, or rows, vector, block and group as in `6x16x64x1`; nil where that is no tile of our kernels.
  init?(_ text: some StringProtocol, maxWorkGroup: Int) {
    if text == "local" {
      guard maxWorkGroup >= 256 else { return nil }
      self = .local
      return
    }
    let numbers = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
    guard numbers.count == 4, (1...16).contains(numbers[0]), [4, 8, 16].contains(numbers[1]),
      (1...128).contains(numbers[2]), numbers[2] % numbers[1] == 0, (1...maxWorkGroup).contains(numbers[3])
    else { return nil }
    self.init(rows: numbers[0], vector: numbers[1], block: numbers[2], group: numbers[3])
  }

  init(rows: Int, vector: Int, block: Int, group: Int, isLocal: Bool = false) {
    (self.rows, self.vector, self.block, self.group, self.isLocal) = (rows, vector, block, group, isLocal)
  }
}

/// Tiles by the number of columns, as `switchback tune` measured them: `16:6x16x16x1 64:default`. A product takes the
/// entry of the fewest columns that are enough, or the last; `default` is what the device's class has.
struct TileTable: Sendable {
  private var entries: [(columns: Int, tile: Tile?)] = []

  /// No entry: the class decides.
  init() {}

  init(_ text: String, maxWorkGroup: Int) throws(BackendError) {
    for word in text.split(whereSeparator: { " ,".contains($0) }) {
      let parts = word.split(separator: ":")
      guard parts.count == 2, let columns = Int(parts[0]), columns > 0 else { throw Self.error(word) }
      if parts[1] == "default" {
        entries.append((columns, nil))
      } else if let tile = Tile(parts[1], maxWorkGroup: maxWorkGroup) {
        entries.append((columns, tile))
      } else {
        throw Self.error(word)
      }
    }
    entries.sort { $0.columns < $1.columns }
  }

  private static func error(_ word: Substring) -> BackendError {
    BackendError(
      .invalid,
      "opencl: tiles are columns:tile, a tile is `default`, `local`, or rows x vector x block x group such as 6x16x64x1 "
        + "(rows 1 to 16, vectors of 4, 8 or 16, blocks of whole vectors up to 128), not \(word)")
  }

  func tile(columns: Int) -> Tile? { (entries.first { $0.columns >= columns } ?? entries.last)?.tile }
}
