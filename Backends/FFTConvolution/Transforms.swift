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

  /// `FFT of 32 × 40 points`, with how many tiles an image is cut into.
  var words: String {
    let points = (vertical.length > 1 ? "\(vertical.length) × " : "") + "\(horizontal.length) points"
    return "FFT of \(points)" + (tiles > 1 ? " in \(tiles) tiles" : "")
  }

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

/// Nanoseconds of one core; what counts is how they stand to each other. `Benchmarks/fit_convolutions.py` fits those of
/// the direct algorithm and says what the choices are worth. (Of the times of depthwise convolutions a quiet Emerald
/// Rapids takes three quarters.)
enum CostModel {
  /// Gathering and sorting a complex number.
  static let movePoint = 1.2
  /// A complex multiply-add of a matrix product (80 GF/s), and by itself.
  static let product = 0.1
  static let pointwiseProduct = 0.5
  /// Of the direct algorithm: a multiply-add of its matrix product, and an element gathered for it (im2col).
  static let direct = 0.0135
  static let directElement = 0.3
  /// A multiply-add of its depthwise loops: forward, and in either backward pass, whose sums run across the result.
  static let directDepthwise = 0.065
  static let directDepthwiseBackward = 0.11
  /// So many times faster a convolution must promise to be: what the model does not know must not make it slower.
  static let margin = 1.15

  static func directMicroseconds(_ shape: ConvolutionShape, _ pass: Pass) -> Double {
    let multiplies = shape.directMultiplies
    guard !shape.isDepthwise else {
      return multiplies * (pass == .forward ? directDepthwise : directDepthwiseBackward) * 1e-3
    }
    return (multiplies * direct + multiplies / Double(max(shape.groupFilters, 1)) * directElement) * 1e-3
  }

  /// Whether transforms pay.
  static func isWorthIt(_ own: Double, direct: Double) -> Bool { own * margin < direct }
}
