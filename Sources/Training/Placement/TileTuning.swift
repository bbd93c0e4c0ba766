import Foundation
import SwitchbackConformance
public import SwitchbackExecution
import SwitchbackPrograms

/// What `switchback tune` measures: the tiles of OpenCL's matrix products and convolutions, by the columns (filters) of
/// the result.
///
/// A candidate is checked first, on small samples, and timed only when it computes rightly.
public enum TileTuning {
  /// Columns of the products that are timed; each gets its own tile.
  public static let columns = [8, 16, 32, 64, 128]

  /// In the order in which they are tried: shapes that won on some device, then their neighbours.
  public static let candidates: [String] = {
    var tiles = ["local", "6x16x64x1", "6x8x16x1", "4x8x8x16", "4x4x8x32", "8x4x8x32"]
    for group in [1, 32, 64] {
      for (vector, block) in [(4, 4), (4, 8), (4, 16), (8, 8), (8, 16), (8, 32), (16, 16), (16, 32), (16, 64)] {
        for rows in [4, 6, 8] where group == 1 || rows * block <= 64 {
          tiles.append("\(rows)x\(vector)x\(block)x\(group)")
        }
      }
    }
    return tiles.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }()

  /// What a candidate took; microseconds by columns.
  public struct Measurement: Codable, Sendable {
    public var faults: [String] = []
    public var microseconds: [Int: Double] = [:]

    public init() {}
  }

  /// Checks and times an open device. A candidate that is `hopeless` times slower than `known` on a small load is not
  /// asked for a large one.
  public static func measure(
    _ chain: BackendChain, reference: BackendChain, known: [Int: Double] = [:], hopeless: Double = 3
  ) throws -> Measurement {
    var result = Measurement()
    var trial = DeviceTrial(chain, reference: reference)
    trial.operations = DeviceTrial.products
    result.faults = try trial.run { _, _, _ in }.faults
    guard result.faults.isEmpty else { return result }
    for columns in columns {
      let small = try seconds(columns, images: 1, chain)
      if let known = known[columns], small * 1e6 > hopeless * known { continue }
      result.microseconds[columns] = try seconds(columns, images: 16, chain) * 1e6
    }
    return result
  }

  /// The shortest of several runs: a convolution, its two gradients, and a matrix product.
  private static func seconds(_ columns: Int, images: Int, _ chain: BackendChain) throws -> Double {
    var builder = ProgramBuilder(name: "products with \(columns) columns")
    let x = builder.input("x", .float32([images, 14, 14, 32]))
    let w = builder.input("w", .float32([3, 3, 32, columns]))
    let geometry = ConvolutionGeometry(padding: [1, 1, 1, 1])
    let y = try builder.append(Convolution2D(geometry), x, w)
    let dw = try builder.append(Convolution2DBackwardFilter(geometry, kernelSize: [3, 3]), x, y)
    // Its columns are the image's channels: an image with as many, and a filter back to it.
    let back = builder.input("back", .float32([3, 3, columns, 32]))
    let upstream = builder.input("upstream", .float32([images, 14, 14, 32]))
    let dx = try builder.append(Convolution2DBackwardInput(geometry, inputSize: [14, 14]), upstream, back)
    let a = builder.input("a", .float32([images * 4, 512]))
    let b = builder.input("b", .float32([512, columns]))
    let product = try builder.append(MatrixMultiplication(), a, b)
    for (name, value) in [("y", y), ("dw", dw), ("dx", dx), ("product", product)] { builder.output(name, value) }
    let executor = try ProgramExecutor(builder.build(), on: chain, states: StateStore())
    for name in ["x", "w", "back", "upstream", "a", "b"] {
      try executor.withInput(name) { bytes in
        let numbers = bytes.bindMemory(to: Float.self)
        for index in numbers.indices { numbers[index] = Float(index % 17) / 17 - 0.5 }
      }
    }
    var best = Double.infinity
    for _ in 0..<8 {
      let begin = ContinuousClock.now
      try executor.run()
      best = min(best, begin.duration(to: .now) / .seconds(1))
    }
    return best
  }

  /// The option `tiles` of the fastest candidates: another than the class's own only where it gains 3 %.
  public static func choice(
    _ base: Measurement, _ found: [(tile: String, measurement: Measurement)]
  ) -> (tiles: String, gains: [Int: Double]) {
    var (words, gains): ([String], [Int: Double]) = ([], [:])
    for columns in columns {
      guard let own = base.microseconds[columns] else { continue }
      let best = found.compactMap { entry in entry.measurement.microseconds[columns].map { (entry.tile, $0) } }
        .min { $0.1 < $1.1 }
      if let best, best.1 < own * 0.97 {
        words.append("\(columns):\(best.0)")
        gains[columns] = own / best.1
      } else {
        words.append("\(columns):default")
        gains[columns] = 1
      }
    }
    return (gains.values.contains { $0 > 1 } ? words.joined(separator: " ") : "", gains)
  }
}
