import SwitchbackCPUKernels
import SwitchbackPrograms

extension Statistics: OpenBLASOperation {
  func work(_ maker: WorkMaker) -> Work { maker.statistics(self) }
}

extension WorkMaker {
  func statistics(_ operation: Statistics) -> Work {
    let bins = operation.histogram ? Statistics.histogramBins : 0
    precondition(bins <= SB_EXPONENT_BINS && Statistics.firstExponent == SB_FIRST_EXPONENT)
    let (x, y, kernels) = (input(0), output, library.kernels)
    // Partial sums begin zeroed; low and high are then turned around where nothing finite was seen.
    let binStart = MemoryLayout<sb_statistics>.size
    let sum = Work.Reduction(byteCount: binStart + bins * 8, elements: 1) { sums, count, stride, _, _, result in
      let y = result.assumingMemoryBound(to: Double.self)
      let counts = y + Statistics.Field.allCases.count
      for bin in 0..<bins { counts[bin] = 0 }
      var total = sb_statistics()
      (total.low, total.high) = (.infinity, -.infinity)
      for index in 0..<count {
        let part = (sums + index * stride).load(as: sb_statistics.self)
        total.count += part.count
        total.finite += part.finite
        total.sum += part.sum
        total.squares += part.squares
        total.zeros += part.zeros
        total.nans += part.nans
        total.infinities += part.infinities
        if part.finite > 0 {
          total.low = min(total.low, part.low)
          total.high = max(total.high, part.high)
        }
        let own = (sums + index * stride + binStart).assumingMemoryBound(to: Double.self)
        for bin in 0..<bins { counts[bin] += own[bin] }
      }
      Self.write(total, to: y)
    }
    return work(access: [.rows], rows: type(0).shape.elementCount, sum: sum) { frame in
      let part = frame.pointers[y].assumingMemoryBound(to: sb_statistics.self)
      // A fresh sum has no smallest element yet.
      if part.pointee.finite == 0 { (part.pointee.low, part.pointee.high) = (.infinity, -.infinity) }
      kernels.pointee.statistics(Int64(frame.rows), frame.floats(x), part)
      if bins > 0 {
        let counts = (frame.pointers[y] + binStart).assumingMemoryBound(to: Double.self)
        kernels.pointee.exponents(Int64(frame.rows), frame.floats(x), counts)
      }
    }
  }

  private static func write(_ s: sb_statistics, to y: UnsafeMutablePointer<Double>) {
    let mean = s.finite == 0 ? 0 : s.sum / s.finite
    let values: (Double, Double) = s.finite == 0 ? (0, 0) : (s.low, s.high)
    y[Statistics.Field.count.rawValue] = s.count
    y[Statistics.Field.mean.rawValue] = mean
    // Sums in Float64 of Float32 elements: the difference keeps enough digits unless mean² exceeds the variance 10⁸ times.
    y[Statistics.Field.m2.rawValue] = max(s.squares - mean * s.sum, 0)
    y[Statistics.Field.min.rawValue] = values.0
    y[Statistics.Field.max.rawValue] = values.1
    y[Statistics.Field.absMax.rawValue] = max(abs(values.0), abs(values.1))
    y[Statistics.Field.l2.rawValue] = s.squares.squareRoot()
    y[Statistics.Field.zeros.rawValue] = s.zeros
    y[Statistics.Field.nans.rawValue] = s.nans
    y[Statistics.Field.infinities.rawValue] = s.infinities
  }
}
