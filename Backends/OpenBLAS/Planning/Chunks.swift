import SwitchbackBackendKit

/// How a lane's units are cut: into chunks, which workers take, and these into blocks, whose values fit into a cache.
///
/// The cuts follow from the lane's bytes and FLOPs alone, without those of probes, so partial sums have the same bits
/// whoever watches and however many workers there are.
struct Chunks: Hashable {
  let units: Int
  /// Units of a chunk; the last one may have fewer.
  let chunk: Int
  /// Units that are worked on at a time within a chunk.
  let block: Int
  var count: Int { max((units + chunk - 1) / chunk, 1) }

  /// What planning takes a core for: constants, whatever the machine.
  private static let (flopsPerMicrosecond, bytesPerMicrosecond, callMicroseconds) = (80e3, 20e3, 0.15)
  /// Less than this is not worth a chunk.
  private static let chunkMicroseconds = 5.0
  /// Bytes of a row value below which a range of elements is not cut.
  private static let rangeByteCount = 64 << 10
  /// What the values of a block may take: a part of a second-level cache.
  private static let blockByteCount = 640 << 10
  /// The most chunks of a lane without sums.
  private static let mostChunks = 64

  init(_ lane: Stages.Lane, _ works: Works, isTemporary: [Bool]) {
    units = lane.units
    let watching = lane.works.map { works.works[$0] }
    let own = watching.filter { !$0.isProbe }
    let counted = own.isEmpty ? watching : own
    var most = Self.mostChunks
    var sumBytes = 0
    for case .sum(let reduction) in counted.flatMap(\.results).map(\.form) { sumBytes += reduction.byteCount }
    if sumBytes > 0 {
      most = Works.mostSums
      while most > 1, most * sumBytes > Works.mostSumBytes { most /= 2 }
    }
    let together =
      counted.filter { $0.rowsAtOnce > 1 && $0.rows > 0 }.map { $0.rowsAtOnce * lane.units / $0.rows }.max() ?? 1
    if together > 1 { most = min(most, max((units + together / 2) / together, 1)) }
    var size: Int
    switch lane.kind {
    case .small, .whole: size = max(units, 1)
    case .samples: size = Self.samples(units, counted, works, most: most)
    case .rows:
      let isTiled = counted.contains { work in
        work.results.contains { if case .tiles = $0.form { !$0.isBeside } else { false } }
      }
      size = isTiled ? 1 : Self.range(units, counted, works, most: most)
    }
    chunk = size
    let bytes = Self.byteCount(lane, works, isTemporary)
    size = min(max(Self.blockByteCount / max(bytes, 1), 1), chunk)
    let whole = counted.map { Self.unitsOfWholeGroups($0, lane) }.max() ?? 1
    guard whole == 1 else {
      block = min(max(size / whole, 1) * whole, chunk)
      return
    }
    guard size >= min(together, chunk) else {
      let blocks = max(chunk / together, 1)
      block = (chunk + blocks - 1) / blocks
      return
    }
    if size < chunk, size >= 64 { size = size / 64 * 64 }
    // Blocks of one size.
    let blocks = (chunk + size - 1) / size
    block = size >= 64 ? size : (chunk + blocks - 1) / blocks
  }

  /// The fewest units that have whole groups of rows only.
  private static func unitsOfWholeGroups(_ work: Work, _ lane: Stages.Lane) -> Int {
    guard work.groupedRows > 1, lane.units > 0 else { return 1 }
    var (divisor, rest) = (work.groupedRows, work.rows / lane.units)
    while rest > 0 { (divisor, rest) = (rest, divisor % rest) }
    return work.groupedRows / divisor
  }

  /// As many chunks as reading the whole operands again in each of them allows.
  private static func samples(_ units: Int, _ counted: [Work], _ works: Works, most: Int) -> Int {
    var (time, again) = (0.0, 0.0)
    for work in counted {
      let whole = work.operands.filter { $0.access == .whole && $0.isCounted }.reduce(0) {
        $0 + works.byteCounts[$1.value]
      }
      let bytes = max(work.cost.bytes - whole, 0)
      time += Double(work.cost.flops) / flopsPerMicrosecond + Double(bytes) / bytesPerMicrosecond
      again += callMicroseconds + Double(whole) / bytesPerMicrosecond
    }
    var count = 1
    while count * 2 <= min(most, units), Double(count * 2) * again <= time / 2 || count == 1,
      time / Double(count * 2) >= chunkMicroseconds
    { count *= 2 }
    return (units + count - 1) / count
  }

  private static func range(_ units: Int, _ counted: [Work], _ works: Works, most: Int) -> Int {
    var bytes = 1
    for work in counted {
      var own = 0
      for operand in work.operands where operand.access == .rows { own = max(own, works.byteCounts[operand.value]) }
      for result in work.results where !result.isBeside {
        if case .rows = result.form { own = max(own, works.byteCounts[result.value]) }
      }
      // What reads everything whole reads a part of it in each row.
      if own == 0 { own = work.operands.reduce(0) { $0 + works.byteCounts[$1.value] } }
      bytes = max(bytes, own)
    }
    let least = rangeByteCount * units / bytes
    let size = max(least, (units + most - 1) / most, 1)
    // Vector loops then end where they would have ended.
    return size >= 64 ? (size + 63) / 64 * 64 : size
  }

  /// What the values take that one unit makes for later works of the lane, whoever else reads them.
  private static func byteCount(_ lane: Stages.Lane, _ works: Works, _ isTemporary: [Bool]) -> Int {
    guard lane.units > 0 else { return 0 }
    var blocks: [MemoryPlan.Block] = []
    var place: [Int: Int] = [:]
    for index in lane.works where !works.works[index].isProbe {
      let work = works.works[index]
      for operand in work.operands { if let at = place[operand.value] { blocks[at].death = index } }
      for result in work.results where isTemporary[result.value] && !result.isBeside {
        guard case .rows = result.form else { continue }
        place[result.value] = blocks.count
        blocks.append(.init(byteCount: works.byteCounts[result.value] / lane.units, birth: index, death: index))
      }
    }
    return MemoryPlan(blocks).byteCount
  }
}
