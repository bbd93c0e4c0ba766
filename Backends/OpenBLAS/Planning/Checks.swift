import Synchronization

extension Works {
  /// The values that are flags.
  var flags: [Int] {
    Set(works.flatMap(\.results).compactMap { if case .flag = $0.form { $0.value } else { nil } }).sorted()
  }

  /// Gives the check of each operand a work of its own, in the lane of whatever makes that operand: a chunk is looked at
  /// while it is in the cache of the worker that wrote it, and nothing is read again behind a barrier. A small sum is looked
  /// at by whoever adds it up. All clear one flag.
  mutating func splitChecks() {
    /// Of each value the tiles that it is made of.
    var grids: [Int: TileGrid] = [:]
    /// Of each value that is added up when the last chunk ends: which result of which work it is.
    var sums: [Int: (work: Int, result: Int)] = [:]
    var split: [Work] = []
    for work in works {
      for (index, result) in work.results.enumerated() {
        grids[result.value] = nil
        sums[result.value] = nil
        switch result.form {
        case .tiles: grids[result.value] = work.grid
        case .sum: if result.sums == nil { sums[result.value] = (split.count, index) }
        case .rows, .flag: break
        }
      }
      guard let check = work.check, !work.operands.isEmpty else {
        split.append(work)
        continue
      }
      let flag = work.results[0].value
      // Every call needs a work of its own, since the call's time is that of its works.
      var isApart = work.operands.map { sums[$0.value] == nil }
      if !isApart.contains(true) { isApart[0] = true }
      var isFirst = true
      for (operand, isApart) in zip(work.operands, isApart) {
        if !isApart, let sum = sums[operand.value], split[sum.work].results[sum.result].check == nil {
          split[sum.work].results[sum.result].check = .init(passes: check, flag: flag)
          split[sum.work].results.append(.init(value: flag, form: .flag(isOfSum: true)))
          continue
        }
        var part = work.checking(operand.value, grids[operand.value], elements: byteCounts[operand.value] / 4, check)
        // They are one group where time is told, named by the first.
        if isFirst { part.notes = ["each operand where it is made"] }
        isFirst = false
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
    return Work(
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
      if !passes { Work.clear(frame.pointers[flag]) }
    }
  }

  /// Other workers may clear a flag too.
  static func clear(_ flag: UnsafeMutableRawPointer) {
    flag.assumingMemoryBound(to: Atomic<UInt8>.self).pointee.store(0, ordering: .relaxed)
  }
}
