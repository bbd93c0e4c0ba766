import SwitchbackPrograms

extension MatrixMultiplication: OpenBLASOperation {
  func work(_ maker: WorkMaker) -> Work { maker.matrixMultiplication(self) }
}

extension WorkMaker {
  func matrixMultiplication(_ operation: MatrixMultiplication) -> Work {
    let (a, b, y, library) = (input(0), input(1), output, library)
    let (batch, m, n, k) = operation.sizes(types)
    let (transposeA, transposeB) = (operation.transposeA, operation.transposeB)
    guard type(0).shape.rank == 2 else {
      // A row is one matrix.
      return work(access: [.rows, .rows], rows: batch) { frame in
        for matrix in 0..<frame.rows {
          library.multiply(
            m, n, k, frame.floats(a) + matrix * m * k, transposeA: transposeA, frame.floats(b) + matrix * k * n,
            transposeB: transposeB, into: frame.floats(y) + matrix * m * n, beta: 0)
        }
      }
    }
    var product: Work
    if !transposeA {
      product = work(access: [.rows, .whole], rows: m) { frame in
        library.multiply(
          frame.rows, n, k, frame.floats(a), transposeA: false, frame.floats(b), transposeB: transposeB,
          into: frame.floats(y), beta: 0)
      }
    } else if !transposeB {
      // aᵀ·b sums over the rows of both: the gradient of a dense kernel.
      product = work(access: [.rows, .rows], rows: k, sum: .sum(count: m * n)) { frame in
        library.multiply(
          m, n, frame.rows, frame.floats(a), transposeA: true, frame.floats(b), transposeB: false,
          into: frame.floats(y), beta: 1)
      }
    } else {
      product = work(access: nil, rows: 1) { frame in
        library.multiply(
          m, n, k, frame.floats(a), transposeA: true, frame.floats(b), transposeB: true, into: frame.floats(y), beta: 0)
      }
    }
    product.product = Work.Product(m: m, n: n, k: k, a: a, b: b) { grid in tiles(operation, grid) }
    return product
  }

  /// The same tile by tile of the result, whatever is transposed.
  private func tiles(_ operation: MatrixMultiplication, _ grid: TileGrid) -> Work {
    let (a, b, y, library) = (input(0), input(1), output, library)
    let (_, m, n, k) = operation.sizes(types)
    let (transposeA, transposeB) = (operation.transposeA, operation.transposeB)
    var tiles = work(access: [.whole, .whole], rows: grid.count, isSource: true) { frame in
      for index in frame.firstRow..<frame.firstRow + frame.rows {
        let tile = grid.tile(index)
        let (left, right) = (frame.floats(a), frame.floats(b))
        let result = frame.floats(y) + (tile.row * n + tile.column)
        guard k > 0 else {
          for row in 0..<tile.height { (result + row * n).update(repeating: 0, count: tile.width) }
          continue
        }
        library.multiply(
          tile.height, tile.width, k, transposeA ? left + tile.row : left + tile.row * k, transposeA: transposeA,
          stride: transposeA ? m : k, transposeB ? right + tile.column * k : right + tile.column,
          transposeB: transposeB, stride: transposeB ? k : n, into: result, stride: n, beta: 0)
      }
    }
    tiles.results[0].form = .tiles
    tiles.grid = grid
    return tiles
  }
}
