import SwitchbackBackendKit
import SwitchbackPrograms

/// Decides what is divided over the samples of the batch, and which products are made tile by tile instead.
///
/// Everything here follows from bytes and FLOPs of the program: not from the machine, the number of workers, what is
/// watched, or which temporaries somebody looks at. So equal programs have equal bits.
struct Division {
  /// The samples of the batch: the first axis of the largest input; 0 where there is none.
  let samples: Int

  /// Chunks that rows of a batch are thought of as, where the bytes of two divisions are compared.
  static let supposedChunks = 8
  /// What a barrier takes, in bytes that could have been moved meanwhile.
  static let barrierBytes = 32 << 10
  /// An operand that stays in a worker's cache from chunk to chunk is read once.
  static let cachedByteCount = 256 << 10

  /// Replaces products in `works` by their tiles where these move fewer bytes, and marks what is divided over samples.
  init(_ segment: Segment, _ works: inout Works) {
    let inputs = segment.values.filter { $0.role == .input && $0.type.shape.rank >= 1 }
    samples = inputs.max { $0.type.shape.elementCount < $1.type.shape.elementCount }?.type.shape[0] ?? 0
    var lives = Lives(segment, works)
    var isSample = works.byteCounts.indices.map { value in
      guard value < segment.values.count else { return false }
      let info = segment.values[value]
      return samples > 0 && info.role == .input && info.type.shape.extents.first == samples
    }
    for index in works.works.indices {
      let work = works.works[index]
      let isDivisible = divides(segment, work, isSample)
      let tiles = isDivisible ? tiles(work, index, works, &lives) : (work.product.map { Self.grid($0) })
      if let product = work.product, let tiles { works.works[index] = product.tiled(tiles) }
      let isBySamples = isDivisible && tiles == nil
      works.works[index].isBySamples = isBySamples
      for result in work.results {
        if case .sum = result.form { continue }
        isSample[result.value] = isDivisible && !result.isPartBeside
        guard !result.isBeside else { continue }
        lives.begin(result.value, at: index, isByRows: isBySamples)
      }
    }
  }

  /// Whether the rows of a work are rows of samples, some to each.
  private func divides(_ segment: Segment, _ work: Work, _ isSample: [Bool]) -> Bool {
    guard samples > 0, work.isDivisible, work.rows > 0, work.rows % samples == 0 else { return false }
    for result in work.results where !result.isPartBeside {
      if case .tiles = result.form { return false }
      // What a run replaces waits for the others; see `Stages`.
      if result.value < segment.values.count, segment.values[result.value].role == .state { return false }
    }
    if work.operands.contains(where: { $0.access == .rows && isSample[$0.value] }) { return true }
    // Of what is made from nothing, or is stretched, only what has the batch as its first axis.
    return work.isSource && !work.operands.isEmpty
      && work.results.allSatisfy {
        $0.value < segment.values.count && segment.values[$0.value].type.shape.extents.first == samples
      }
  }

  /// The tiles of a product whose rows are samples; nil where its rows move fewer bytes.
  private func tiles(_ work: Work, _ index: Int, _ works: Works, _ lives: inout Lives) -> TileGrid? {
    guard let product = work.product else { return nil }
    let grid = Self.grid(product)
    let chunks = min(Self.supposedChunks, samples)
    let (operandBytes, resultBytes) = (product.operandBytes(grid), product.resultBytes)
    if case .sum = work.results[0].form {
      // Its operands must be complete. Each partial sum is zeroed, added to, and read.
      let kept = [product.a, product.b].filter { lives.isPrivate($0) }
      let tiled = operandBytes + resultBytes + kept.reduce(Self.barrierBytes) { $0 + 2 * works.byteCounts[$1] }
      guard tiled < 3 * chunks * resultBytes else { return nil }
      for value in kept { lives.keep(value) }
      return grid
    }
    // All chunks end before it and begin anew after it: what is alive meanwhile goes through memory.
    guard grid.count > 1 else { return nil }
    let kept = lives.alive(at: index)
    let tiled =
      operandBytes + 2 * resultBytes + kept.reduce(2 * Self.barrierBytes) { $0 + 2 * works.byteCounts[$1] }
    let whole = works.byteCounts[product.b]
    guard tiled < (whole > Self.cachedByteCount ? chunks : 1) * whole else { return nil }
    for value in kept { lives.keep(value) }
    return grid
  }

  /// Tiles of some 1 MFLOP, at most 16; of large products up to 64 of 32 MFLOP.
  static func grid(_ product: Work.Product) -> TileGrid {
    let flops = 2 * Double(product.m) * Double(product.n) * Double(product.k)
    let count = max(min(flops / 1e6, 16), min(flops / 32e6, 64), 1)
    return TileGrid(
      m: product.m, n: product.n, k: product.k, count: 1 << (Int.bitWidth - 1 - Int(count).leadingZeroBitCount))
  }
}

/// Which values of samples would never leave a worker's cache, and from which work to which they live.
private struct Lives {
  private var birth: [Int?]
  private var death: [Int]
  private var isTemporary: [Bool]

  init(_ segment: Segment, _ works: Works) {
    birth = Array(repeating: nil, count: works.byteCounts.count)
    death = Array(repeating: -1, count: works.byteCounts.count)
    isTemporary = works.isTemporary(in: segment)
    for (index, work) in works.works.enumerated() where !work.isProbe {
      for operand in work.operands { death[operand.value] = index }
    }
  }

  mutating func begin(_ value: Int, at index: Int, isByRows: Bool) { birth[value] = isByRows ? index : nil }

  func isPrivate(_ value: Int) -> Bool { isTemporary[value] && birth[value] != nil }

  func alive(at index: Int) -> [Int] {
    birth.indices.filter { isPrivate($0) && birth[$0]! < index && death[$0] >= index }
  }

  /// From now on it lies in memory.
  mutating func keep(_ value: Int) { birth[value] = nil }
}
