import SwitchbackConformance
import SwitchbackFFTConvolution
import SwitchbackPrograms
import Testing

/// One row of samples in 16 channels, eight pairs of them, with a kernel too long for tiles.
private struct LongRow: CustomTestStringConvertible {
  var size: Int
  var taps: Int
  var padding = 0
  var groups = 1
  static let channels = 16

  var testDescription: String { "\(size) samples, \(taps) taps, \(groups) groups" }
  var outputs: Int { size + 2 * padding - taps + 1 }
  var geometry: ConvolutionGeometry { ConvolutionGeometry(padding: [0, 0, padding, padding], groups: groups) }
  var groupChannels: Int { Self.channels / groups }

  /// The input channels that are summed for an output channel.
  func inputs(of filter: Int) -> Range<Int> {
    let first = filter / groupChannels * groupChannels
    return first..<first + groupChannels
  }
}

@Suite(.enabled(if: isFFTHere(), "libfftw3f.so.3 or libopenblas.so.0 is not on this machine"))
struct LongTransformsTests {
  /// 12,288 is 64 · 192, of which 192 is divided once more, and so is 384 of 24,576; 16,384 is 128 · 128. Up to 16,384 eight
  /// pairs are taken at once, with a line between their parts.
  @Test(
    "transforms of 12,288, 16,384 and 24,576 points give what direct sums give, in all passes",
    arguments: [
      (12_288, LongRow(size: 12_000, taps: 8_200)), (12_288, LongRow(size: 8_100, taps: 8_193, padding: 4_096)),
      (12_288, LongRow(size: 12_288, taps: 8_200, groups: 16)), (16_384, LongRow(size: 16_384, taps: 8_200)),
      (16_384, LongRow(size: 16_000, taps: 8_200, groups: 16)), (24_576, LongRow(size: 20_000, taps: 8_200)),
    ])
  fileprivate func direct(points: Int, row: LongRow) throws {
    let image = [1, 1, row.size, LongRow.channels]
    let samples = try passes(row.geometry, image, [1, row.taps, LongRow.channels])
    let fft = try chain()
    for (pass, sample) in samples.enumerated() {
      let values = operands(sample)
      let evaluation = try ProgramEvaluation(try sample.program(), values, on: fft)
      let names = evaluation.plan.reports.flatMap(\.groupNames)
      #expect(names.count == 1 && names[0].hasSuffix(" by FFT of \(points) points"), "\(names)")
      let found = try #require(evaluation.outputs["y0"])
      let (first, second) = (try #require(values["x0"]), try #require(values["x1"]))
      var dice = Dice(state: UInt64(points + pass))
      // The ends of the row and places between.
      let length = [row.outputs, row.size, row.taps][pass]
      let sums = ([0, 1, length - 1] + (0..<9).map { _ in dice.roll(0...length - 1) }).map { place in
        let (channel, filter) = (dice.roll(0...row.groupChannels - 1), dice.roll(0...LongRow.channels - 1))
        return switch pass {
        case 0: forward(row, first, second, place, filter)
        case 1: backwardInput(row, first, second, place, row.inputs(of: filter).lowerBound + channel)
        default: backwardFilter(row, first, second, place, channel, filter)
        }
      }
      // Rounding is that of the largest sums everywhere. Terms have random signs: a wrong place or phase is off by their norm.
      let norm = sums.reduce(0) { max($0, $1.squares) }.squareRoot()
      for sum in sums {
        #expect(abs(found[sum.element] - sum.value) < 1e-4 * norm, "\(sample.operation) at \(sum.element)")
      }
    }
  }

  /// What an element of a result must be.
  private struct Sum {
    var element: Int
    var value = 0.0
    var squares = 0.0

    init(at element: Int) { self.element = element }

    mutating func add(_ a: Double, _ b: Double) {
      value += a * b
      squares += a * a * b * b
    }
  }

  /// y[p, f] = Σ x[p + t − before, c] · w[t, c, f].
  private func forward(
    _ row: LongRow, _ x: [Double], _ w: [Double], _ place: Int, _ filter: Int
  ) -> Sum {
    var sum = Sum(at: place * LongRow.channels + filter)
    for t in 0..<row.taps {
      let from = place + t - row.padding
      guard (0..<row.size).contains(from) else { continue }
      for (c, channel) in row.inputs(of: filter).enumerated() {
        sum.add(x[from * LongRow.channels + channel], w[(t * row.groupChannels + c) * LongRow.channels + filter])
      }
    }
    return sum
  }

  /// dx[i, c] = Σ dy[i − t + before, f] · w[t, c, f], over the filters of the channel's group.
  private func backwardInput(
    _ row: LongRow, _ dy: [Double], _ w: [Double], _ place: Int, _ channel: Int
  ) -> Sum {
    var sum = Sum(at: place * LongRow.channels + channel)
    for t in 0..<row.taps {
      let to = place - t + row.padding
      guard (0..<row.outputs).contains(to) else { continue }
      // As many filters as channels, so a group's have the same numbers.
      for filter in row.inputs(of: channel) {
        let c = channel % row.groupChannels
        sum.add(dy[to * LongRow.channels + filter], w[(t * row.groupChannels + c) * LongRow.channels + filter])
      }
    }
    return sum
  }

  /// dw[t, c, f] = Σ x[p + t − before, c] · dy[p, f].
  private func backwardFilter(
    _ row: LongRow, _ x: [Double], _ dy: [Double], _ tap: Int, _ channel: Int, _ filter: Int
  ) -> Sum {
    var sum = Sum(at: (tap * row.groupChannels + channel) * LongRow.channels + filter)
    for p in 0..<row.outputs {
      let from = p + tap - row.padding
      guard (0..<row.size).contains(from) else { continue }
      sum.add(
        x[from * LongRow.channels + row.inputs(of: filter).lowerBound + channel], dy[p * LongRow.channels + filter])
    }
    return sum
  }
}
