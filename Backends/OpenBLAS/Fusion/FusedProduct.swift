import SwitchbackPrograms

/// A product whose calls end with y: what the patterns of dense layers have in common. It is made by rows or, where
/// `Division` wants it so, tile by tile.
struct FusedProduct {
  let fusion: Fusion
  let calls: [Int]
  let operation: MatrixMultiplication
  /// a is not transposed, and both are matrices.
  let a: Int
  let b: Int
  /// Operands that lie as y, and those that are read whole.
  var rows: [Int] = []
  var whole: [Int] = []
  let y: Int
  /// Values between that somebody looks at; they lie as y.
  let beside: [Int]
  /// Makes a part of y.
  let compute: (_ frame: Work.Frame, _ part: MatrixMultiplication.Part) -> Void

  func work() -> Work {
    var work = work(grid: nil)
    work.product = operation.product(of: a, b, types) { self.work(grid: $0) }
    return work
  }

  private var types: [TensorType] { [a, b].map { fusion.segment.values[$0].type } }

  private func work(grid: TileGrid?) -> Work {
    let (operation, compute) = (operation, compute)
    let (_, m, n, k) = operation.sizes(types)
    let read = [a, b] + rows + whole
    let form: Work.Form = grid == nil ? .rows : .tiles
    var work = Work(
      calls: calls,
      operands: read.map { .init(value: $0, access: grid == nil && ($0 == a || rows.contains($0)) ? .rows : .whole) },
      results: [.init(value: y, form: form)] + beside.map { .init(value: $0, form: form, isBeside: true) },
      // One address a value: what is read both ways is not divided.
      rows: grid?.count ?? m, isDivisible: grid != nil || a != b, isSource: grid != nil,
      cost: fusion.cost(of: calls, reading: read, writing: [y])
    ) { frame in operation.forEachPart(of: frame, n: n, k: k, grid) { compute(frame, $0) } }
    work.grid = grid
    return work
  }
}
