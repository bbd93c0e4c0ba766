import SwitchbackFFTLibrary

/// Which transforms a convolution is done with, and what it is expected to cost.
struct Transforms: Hashable, Sendable {
  let verticalLength: TransformLength
  let horizontalLength: TransformLength
  let vertical: Tiling
  let horizontal: Tiling

  /// Frequencies that a spectrum keeps: all rows, half the columns and one.
  var frequencies: Int { vertical.length * (horizontal.length / 2 + 1) }
  var points: Int { vertical.length * horizontal.length }
  var tiles: Int { vertical.count * horizontal.count }

  /// The cheapest by `cost`.
  static func best(for shape: ConvolutionShape, _ pass: Pass) -> Transforms {
    let rows = TransformLength.candidates(for: shape.vertical)
    let columns = TransformLength.candidates(for: shape.horizontal)
    var best: (cost: Double, transforms: Transforms)?
    for row in rows {
      for column in columns {
        let made = Transforms(
          verticalLength: row, horizontalLength: column, vertical: Tiling(shape.vertical, length: row.length),
          horizontal: Tiling(shape.horizontal, length: column.length))
        // All passes choose alike, or they could share nothing.
        let cost = made.microseconds(shape)
        if best.map({ cost < $0.cost }) ?? true { best = (cost, made) }
      }
    }
    return best!.transforms
  }

  /// Time of one pass on one worker, if its filter's spectrum has to be made too.
  func microseconds(_ shape: ConvolutionShape) -> Double {
    let phases = Double(shape.phaseCount)
    let images = Double(shape.images * tiles)
    let planes =
      images * (Double(shape.channels) * phases + Double(shape.filters))
      + Double(shape.groupChannels * shape.filters) * phases
    // A complex point holds two channels; each goes through both axes once, is gathered, and is sorted into a spectrum.
    // Beyond the second-level cache both axes pay for memory.
    let memory = points > 1 << 16 && vertical.length > 1 ? 2.0 : 1
    let transforms =
      planes / 2 * Double(points) * (verticalLength.cost + horizontalLength.cost + CostModel.movePoint) * memory
    let products =
      images * Double(frequencies) * phases * Double(shape.groupChannels * shape.filters)
      * (shape.isDepthwise ? CostModel.pointwiseProduct : CostModel.product)
    return (transforms + products) * 1e-3
  }
}

/// Nanoseconds, measured on one core of a Emerald Rapids at 2.3 GHz; what counts is how they stand to each other.
enum CostModel {
  /// Gathering and sorting a complex number.
  static let movePoint = 1.2
  /// A complex multiply-add of a matrix product (80 GF/s), and by itself.
  static let product = 0.1
  static let pointwiseProduct = 0.5
  /// Of the direct algorithm: a multiply-add of its matrix product, an element gathered for it (im2col), and a
  /// multiply-add of the depthwise loops. `Benchmarks/fit_convolutions.py` fits them (2026-11-25: 0.0174, 0.36 and 0.066
  /// under a load that made everything 1.3 times slower than when the others were measured; none of the 30 cases that
  /// were taken was slower for it).
  static let direct = 0.0135
  static let directElement = 0.3
  static let directDepthwise = 0.05
  /// So many times faster a convolution must promise to be: what the model does not know must not make it slower.
  static let margin = 1.15

  static func directMicroseconds(_ shape: ConvolutionShape) -> Double {
    let multiplies = shape.directMultiplies
    guard !shape.isDepthwise else { return multiplies * directDepthwise * 1e-3 }
    return (multiplies * direct + multiplies / Double(max(shape.groupFilters, 1)) * directElement) * 1e-3
  }

  /// Whether transforms pay.
  static func isWorthIt(_ own: Double, direct: Double) -> Bool { own * margin < direct }
}
