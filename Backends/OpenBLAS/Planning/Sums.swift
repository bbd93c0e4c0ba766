extension Work.Reduction {
  /// Partial sums of `count` floats added up, times `scale`.
  static func sum(count: Int, scale: Float = 1) -> Work.Reduction {
    Work.Reduction(byteCount: count * 4, elements: count) { sums, sumCount, stride, first, elements, result in
      let y = result.assumingMemoryBound(to: Float.self)
      let start = (sums + first * 4).assumingMemoryBound(to: Float.self)
      for e in 0..<elements { y[e] = start[e] }
      for sum in 1..<max(sumCount, 1) {
        let x = (sums + (sum * stride + first * 4)).assumingMemoryBound(to: Float.self)
        for e in 0..<elements { y[e] += x[e] }
      }
      if scale != 1 { for e in 0..<elements { y[e] *= scale } }
    }
  }

  /// One number, summed up in Float64 and rounded once.
  static func double(scale: Float = 1) -> Work.Reduction {
    Work.Reduction(byteCount: 8, elements: 1) { sums, sumCount, stride, _, _, result in
      var total = 0.0
      for sum in 0..<sumCount { total += (sums + sum * stride).load(as: Double.self) }
      result.storeBytes(of: Float(total) * scale, as: Float.self)
    }
  }
}

extension Works {
  /// Partial sums of at most so many bytes are added by whoever ends the last chunk; larger ones by ranges of elements,
  /// behind a barrier.
  static let smallSumByteCount = 4 << 10
  /// The most partial sums, and the most bytes of all of a lane.
  static let (mostSums, mostSumBytes) = (16, 64 << 20)

  /// Gives the adding of large partial sums a work of its own.
  mutating func splitSums() {
    var split: [Work] = []
    for var work in works {
      var adding: [Work] = []
      for (index, result) in work.results.enumerated() {
        guard case .sum(let reduction) = result.form, reduction.elements > 1,
          reduction.byteCount > Self.smallSumByteCount
        else { continue }
        let sums = addValue(byteCount: reduction.byteCount * Self.mostSums)
        work.results[index].sums = sums
        adding.append(
          Work(
            calls: [], operands: [.init(value: sums, access: .whole)],
            results: [.init(value: result.value, form: .rows)], rows: reduction.elements, isDivisible: true,
            isSource: true, isProbe: work.isProbe, adding: (sums, reduction)
          ) { _ in })
      }
      split.append(work)
      split += adding
    }
    works = split
  }
}
