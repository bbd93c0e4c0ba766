import SwitchbackCPUKernels
import Testing

/// The kernels of normalizations against the formula in Float64, for every instruction set that this CPU has: groups that
/// are walked line by line and channel by channel, with lines and positions that fill lanes and blocks and leave rests.
@Suite struct NormalizeKernelsTests {
  /// [samples, positions, groups, width]
  private static let forms = [
    [5, 1, 1, 7], [3, 1, 1, 67], [2, 5, 3, 17], [1, 1, 1, 2100], [3, 15, 4, 1], [2, 33, 3, 2], [2, 70, 1, 5],
    [2, 1, 257, 2], [1, 3, 2, 16], [4, 2, 5, 15],
  ]

  @Test(
    "results and gradients are the formula's, also far from 0, and nothing beyond them is written",
    arguments: ["avx512", "avx2", "baseline"])
  func agree(set: String) throws {
    guard let kernels = sb_kernels_named(set) else { return }
    for form in Self.forms {
      for isCentered in [true, false] {
        for mean in [0, -4096] as [Float] { check(form, isCentered, mean, kernels.pointee) }
      }
    }
  }

  private func check(_ form: [Int], _ isCentered: Bool, _ mean: Float, _ kernels: sb_kernels) {
    let (samples, positions, groups, width) = (form[0], form[1], form[2], form[3])
    var size = sb_normalization(
      positions: Int64(positions), groups: Int64(groups), width: Int64(width), epsilon: 1e-3,
      centered: isCentered ? 1 : 0)
    let count = samples * positions * groups * width
    var state: UInt32 = 1
    func random() -> Float {
      state = state &* 1_664_525 &+ 1_013_904_223
      return Float(state >> 8) * 0x1p-23 - 1
    }
    let (x, dy) = ((0..<count).map { _ in mean + random() }, (0..<count).map { _ in random() })
    let guarded: Float = 77
    var y = [Float](repeating: guarded, count: count + 1)
    var (dx, inverse) = (y, [Float](repeating: guarded, count: samples * groups + 1))
    var scratch = [Float](repeating: .nan, count: Int(kernels.normalize_scratch_bytes(&size)) / 4 + 1)
    kernels.normalize(&size, Int64(samples), x, &y, &inverse, &scratch)
    kernels.normalize_backward(&size, Int64(samples), y, inverse, dy, &dx, &scratch)
    #expect(y[count] == guarded && dx[count] == guarded && inverse[samples * groups] == guarded)
    var alone = [Float](repeating: guarded, count: count + 1)
    kernels.normalize(&size, Int64(samples), x, &alone, nil, &scratch)
    #expect(alone == y)

    var errors: (y: Double, inverse: Double, dx: Double) = (0, 0, 0)
    for group in 0..<samples * groups {
      let first = group / groups * positions * groups * width + group % groups * width
      let places = (0..<positions).flatMap { position in (0..<width).map { first + position * groups * width + $0 } }
      let terms = Double(places.count)
      func average(_ number: (Int) -> Double) -> Double { places.reduce(0) { $0 + number($1) } / terms }
      let middle = isCentered ? average { Double(x[$0]) } : 0
      let variance = average { (Double(x[$0]) - middle) * (Double(x[$0]) - middle) }
      let factor = 1 / (variance + 1e-3).squareRoot()
      errors.inverse = max(errors.inverse, abs(Double(inverse[group]) - factor) / factor)
      let (level, slope) = (
        isCentered ? average { Double(dy[$0]) } : 0, average { Double(dy[$0]) * Double(y[$0]) }
      )
      for place in places {
        errors.y = max(errors.y, abs(Double(y[place]) - (Double(x[place]) - middle) * factor))
        let gradient = Double(inverse[group]) * ((Double(dy[place]) - level) - Double(y[place]) * slope)
        errors.dx = max(errors.dx, abs(Double(dx[place]) - gradient) / Double(inverse[group]))
      }
    }
    // Some ten roundings of the largest number; of the mean −4096 by itself a rounding is 2⁻¹².
    let words = "\(form), centered \(isCentered), mean \(mean): \(errors)"
    #expect(errors.y < 5e-6 && errors.inverse < 2e-6 && errors.dx < 5e-6, "\(words)")
  }
}
