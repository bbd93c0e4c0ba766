import SwitchbackBackendKit

/// Where every value lies while a segment runs.
///
/// Values that only one lane touches by rows lie in its worker's own memory, for the rows of one block; the other
/// temporaries and the partial sums share the workspace, as long as each lives.
struct Places {
  enum Place {
    /// A view that the host gives.
    case view
    /// Whole, at an offset of the workspace.
    case workspace(Int)
    /// The rows of a block, at an offset of the worker's own memory.
    case own(Int)
    /// Memory that the host keeps.
    case kept(Int)
  }

  /// For each value number.
  private(set) var places: [Place]
  /// Partial sums by stage, lane and value: their offset in the workspace and the bytes from one to the next.
  private(set) var sums: [SumKey: (offset: Int, stride: Int)] = [:]
  /// Bytes of the workspace that all workers share, and of each worker's own memory for values.
  private(set) var sharedByteCount = 0
  private(set) var ownByteCount = 0

  struct SumKey: Hashable {
    var stage: Int
    var lane: Int
    var value: Int
  }

  init(_ segment: Segment, _ works: Works, _ stages: Stages, _ chunks: [[Chunks]]) {
    let valueCount = works.byteCounts.count
    var isTemporary = (0..<valueCount).map { $0 >= segment.values.count || segment.values[$0].role == .temporary }
    places = isTemporary.map { $0 ? .workspace(0) : .view }
    for (index, kept) in works.kept.enumerated() {
      isTemporary[kept.value] = false
      places[kept.value] = .kept(index)
    }
    // The first and last stage of each value, and its lane if it is one alone.
    var life = [ClosedRange<Int>?](repeating: nil, count: valueCount)
    var lane = [(stage: Int, lane: Int)?](repeating: nil, count: valueCount)
    var isShared = [Bool](repeating: false, count: valueCount)
    var isSums = isShared
    for case let sums? in works.works.flatMap(\.results).map(\.sums) { isSums[sums] = true }
    func lives(_ value: Int, in stage: Int) {
      life[value] = life[value].map { min($0.lowerBound, stage)...max($0.upperBound, stage) } ?? stage...stage
    }
    func touch(_ value: Int, _ stage: Int, _ index: Int, isByRows: Bool) {
      lives(value, in: stage)
      if let own = lane[value], own != (stage, index) { isShared[value] = true }
      lane[value] = (stage, index)
      if !isByRows { isShared[value] = true }
    }
    for (stage, lanes) in stages.stages.enumerated() {
      for (index, lane) in lanes.enumerated() {
        for work in lane.works.map({ works.works[$0] }) {
          for operand in work.operands {
            touch(operand.value, stage, index, isByRows: operand.access == .rows || lane.kind == .small)
          }
          for result in work.results {
            if case .rows = result.form {
              touch(result.value, stage, index, isByRows: true)
            } else {
              touch(result.made, stage, index, isByRows: false)
              // Flags are set before the first stage.
              if case .flag = result.form { lives(result.value, in: 0) }
            }
          }
        }
      }
    }
    placeOwn(works, stages, chunks) { isTemporary[$0] && !isShared[$0] }
    var blocks: [MemoryPlan.Block] = []
    var take: [(inout Places, Int) -> Void] = []
    for value in 0..<valueCount where isTemporary[value] && isShared[value] {
      guard let life = life[value] else { continue }
      // Partial sums have their size from the chunks.
      guard !isSums[value] else { continue }
      blocks.append(.init(byteCount: works.byteCounts[value], birth: life.lowerBound, death: life.upperBound))
      take.append { $0.places[value] = .workspace($1) }
    }
    for (stage, lanes) in stages.stages.enumerated() {
      for (index, lane) in lanes.enumerated() {
        for work in lane.works {
          for result in works.works[work].results {
            guard case .sum(let reduction) = result.form else { continue }
            let stride = (reduction.byteCount + 63) / 64 * 64
            let death = result.sums.flatMap { life[$0]?.upperBound } ?? stage
            blocks.append(.init(byteCount: stride * chunks[stage][index].count, birth: stage, death: death))
            let (key, sums) = (SumKey(stage: stage, lane: index, value: result.value), result.sums)
            take.append {
              $0.sums[key] = ($1, stride)
              if let sums { $0.places[sums] = .workspace($1) }
            }
          }
        }
      }
    }
    let plan = MemoryPlan(blocks)
    for (index, take) in take.enumerated() { take(&self, plan.offsets[index]) }
    sharedByteCount = (plan.byteCount + 63) / 64 * 64
  }

  /// The number of the memory that the host keeps for a value, if it does.
  func kept(_ value: Int) -> Int? {
    if case .kept(let index) = places[value] { index } else { nil }
  }

  private mutating func placeOwn(_ works: Works, _ stages: Stages, _ chunks: [[Chunks]], _ isOwn: (Int) -> Bool) {
    for (stage, lanes) in stages.stages.enumerated() {
      for (index, lane) in lanes.enumerated() where lane.units > 0 {
        var blocks: [MemoryPlan.Block] = []
        var values: [Int] = []
        var at: [Int: Int] = [:]
        for work in lane.works {
          for operand in works.works[work].operands { if let at = at[operand.value] { blocks[at].death = work } }
          for result in works.works[work].results where isOwn(result.value) && at[result.value] == nil {
            at[result.value] = blocks.count
            values.append(result.value)
            let bytes = works.byteCounts[result.value] / lane.units * chunks[stage][index].block
            blocks.append(.init(byteCount: bytes, birth: work, death: work))
          }
        }
        let plan = MemoryPlan(blocks)
        for (block, value) in values.enumerated() { places[value] = .own(plan.offsets[block]) }
        ownByteCount = max(ownByteCount, (plan.byteCount + 63) / 64 * 64)
      }
    }
  }
}
