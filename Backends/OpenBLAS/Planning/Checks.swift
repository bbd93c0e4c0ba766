import Synchronization

extension Works {
  /// The values that are flags.
  var flags: [Int] {
    Set(works.flatMap(\.results).compactMap { if case .flag = $0.form { $0.value } else { nil } }).sorted()
  }

  /// Gives the check of each operand a work of its own, in the lane of whatever makes that operand: a chunk is looked at
  /// while it is in the cache of the worker that wrote it, and nothing is read again behind a barrier. All clear one flag.
  mutating func splitChecks() {
    /// Of each value the tiles that it is made of.
    var grids: [Int: TileGrid] = [:]
    var split: [Work] = []
    for work in works {
      for result in work.results {
        if case .tiles = result.form { grids[result.value] = work.grid } else { grids[result.value] = nil }
      }
      guard let check = work.check, !work.operands.isEmpty else {
        split.append(work)
        continue
      }
      for (index, operand) in work.operands.enumerated() {
        var part = work.checking(operand.value, grids[operand.value], elements: byteCounts[operand.value] / 4, check)
        // They are one group where time is told, named by the first.
        if index == 0 { part.notes = ["each operand where it is made"] }
        split.append(part)
      }
    }
    works = split
  }
}

extension Work {
  /// The check of one operand: by ranges of elements, or tile by tile of `grid`.
  fileprivate func checking(
    _ value: Int, _ grid: TileGrid?, elements: Int, _ check: @escaping (UnsafePointer<Float>, Int) -> Bool
  ) -> Work {
    let flag = results[0].value
    var part = Work(
      calls: calls, operands: [.init(value: value, access: grid == nil ? .rows : .tiles)], results: results,
      rows: grid?.count ?? elements, isDivisible: true, check: check
    ) { frame in
      let from = frame.floats(value)
      var passes = true
      if let grid {
        for index in frame.firstRow..<frame.firstRow + frame.rows {
          grid.forEachRange(of: grid.tile(index), in: elements) { first, count in
            passes = check(from + first, count) && passes
          }
        }
      } else {
        passes = check(from, frame.rows)
      }
      guard !passes else { return }
      // Other workers may clear it too.
      frame.pointers[flag].assumingMemoryBound(to: Atomic<UInt8>.self).pointee.store(0, ordering: .relaxed)
    }
    part.grid = grid
    return part
  }
}
