/// An m×n result cut into tiles, row by row of tiles.
struct TileGrid: Hashable {
  let m: Int
  let n: Int
  /// Rows and columns of a tile; the last ones may have fewer.
  let height: Int
  let width: Int

  var down: Int { (m + height - 1) / height }
  var across: Int { (n + width - 1) / width }
  var count: Int { down * across }

  /// Floats read of both operands: each tile reads its rows of the one and its columns of the other.
  func operandFloats(k: Int) -> Int { k * (m * across + n * down) }

  struct Tile {
    var row: Int
    var column: Int
    var height: Int
    var width: Int
  }

  @inline(__always)
  func tile(_ index: Int) -> Tile {
    let (row, column) = (index / across * height, index % across * width)
    return Tile(row: row, column: column, height: min(height, m - row), width: min(width, n - column))
  }

  /// Where a tile lies in a result of `elements` floats: an m×n matrix, or several behind each other, as a filter's cells
  /// are.
  func forEachRange(of tile: Tile, in elements: Int, _ body: (_ first: Int, _ count: Int) -> Void) {
    guard m * n > 0 else { return }
    for matrix in stride(from: 0, to: elements, by: m * n) {
      let first = matrix + tile.row * n + tile.column
      if tile.width == n {
        body(first, tile.height * n)
      } else {
        for row in 0..<tile.height { body(first + row * n, tile.width) }
      }
    }
  }

  /// About `count` tiles, the fewest operand bytes first; whole cache lines wide, eight rows high where it can be.
  init(m: Int, n: Int, k: Int, count: Int) {
    func grid(across: Int) -> TileGrid {
      let width = max((((n + across - 1) / across) + 15) / 16 * 16, 1)
      let down = max(count / max((n + width - 1) / width, 1), 1)
      let height = max((((m + down - 1) / down) + 7) / 8 * 8, 1)
      return TileGrid(m: m, n: n, height: height, width: width)
    }
    var best = grid(across: 1)
    var across = 2
    while across <= count {
      let other = grid(across: across)
      if (-min(other.count, count), other.operandFloats(k: k)) < (-min(best.count, count), best.operandFloats(k: k)) {
        best = other
      }
      across *= 2
    }
    self = best
  }

  private init(m: Int, n: Int, height: Int, width: Int) {
    (self.m, self.n, self.height, self.width) = (m, n, height, width)
  }
}
