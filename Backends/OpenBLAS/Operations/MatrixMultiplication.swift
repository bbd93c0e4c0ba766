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
    product.product = operation.product(of: a, b, types) { tiles(operation, $0) }
    return product
  }

  /// The same tile by tile of the result, whatever is transposed.
  private func tiles(_ operation: MatrixMultiplication, _ grid: TileGrid) -> Work {
    let (a, b, y, library) = (input(0), input(1), output, library)
    let (_, m, n, k) = operation.sizes(types)
    let (transposeA, transposeB) = (operation.transposeA, operation.transposeB)
    var tiles = work(access: [.whole, .whole], rows: grid.count, isSource: true) { frame in
      operation.forEachPart(of: frame, n: n, k: k, grid) { part in
        let result = frame.floats(y) + part.result
        guard k > 0 else {
          for row in 0..<part.rows { (result + row * n).update(repeating: 0, count: part.columns) }
          return
        }
        library.multiply(
          part.rows, part.columns, k, frame.floats(a) + part.a, transposeA: transposeA, stride: transposeA ? m : k,
          frame.floats(b) + part.b, transposeB: transposeB, stride: transposeB ? k : n, into: result, stride: n, beta: 0
        )
      }
    }
    tiles.results[0].form = .tiles
    tiles.grid = grid
    return tiles
  }
}

extension MatrixMultiplication {
  /// A part of the result: its size, and where its first elements of a, b and the result lie.
  struct Part {
    var rows: Int
    var columns: Int
    var column = 0
    var a = 0
    var b = 0
    var result = 0
  }

  /// What `Division` weighs of a product of two matrices.
  func product(of a: Int, _ b: Int, _ types: [TensorType], tiled: @escaping (TileGrid) -> Work) -> Work.Product {
    let (_, m, n, k) = sizes(types)
    return Work.Product(
      m: m, n: n, k: k, a: a, b: b, resultBytes: 4 * m * n, operandBytes: { 4 * $0.operandFloats(k: k) }, tiled: tiled)
  }

  /// The parts that a frame's rows are: those rows in full, or tiles of `grid`. n and k are those of `sizes`.
  @inline(__always)
  func forEachPart(of frame: Work.Frame, n: Int, k: Int, _ grid: TileGrid?, _ body: (Part) -> Void) {
    guard let grid else { return body(Part(rows: frame.rows, columns: n)) }
    for index in frame.firstRow..<frame.firstRow + frame.rows {
      let tile = grid.tile(index)
      body(
        Part(
          rows: tile.height, columns: tile.width, column: tile.column,
          a: transposeA ? tile.row : tile.row * k, b: transposeB ? tile.column * k : tile.column,
          result: tile.row * n + tile.column))
    }
  }
}
