import Foundation
import SwitchbackDatasets
import SwitchbackOpenBLAS
import SwitchbackTraining
import TestFiles
import Testing

/// The first epoch of `mnist-cnn` against three seeds of Keras 3 on the same batches, which
/// `Benchmarks/peers/keras_cnn.py` recorded: weights start elsewhere, so curves agree as samples of one distribution.
private struct KerasCurve: Decodable {
  /// Steps whose losses a point of a curve averages.
  var window: Int
  /// Three seeds' curves of 14 points.
  var curves: [[Double]]

  static func recorded() throws -> KerasCurve {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Golden/keras_curve.json")
    return try JSONDecoder().decode(KerasCurve.self, from: Data(contentsOf: file))
  }

  private func mean(_ curves: [[Double]]) -> [Double] {
    curves[0].indices.map { point in curves.reduce(0) { $0 + $1[point] } / Double(curves.count) }
  }

  /// The standard deviation of a seed's curve around the seeds' mean, as a share of it, over all points.
  var deviation: Double {
    let mean = mean(curves)
    let squares = curves.flatMap { curve in zip(curve, mean).map { log($0 / $1) * log($0 / $1) } }
    return (squares.reduce(0, +) / Double(squares.count - mean.count)).squareRoot()
  }

  /// For each point, how many of Keras's standard deviations the mean of `ours` lies from Keras's mean.
  func distances(of ours: [[Double]]) -> [Double] { zip(mean(ours), mean(curves)).map { log($0 / $1) / deviation } }

  /// How many points of the mean of `ours` lie between Keras's lowest and highest seed.
  func pointsWithin(_ ours: [[Double]]) -> Int {
    mean(ours).enumerated().filter { index, loss in
      let seeds = curves.map { $0[index] }
      return seeds.min()! <= loss && loss <= seeds.max()!
    }.count
  }
}

@Suite(
  .enabled(if: runsLongTests, "set SWITCHBACK_LONG_TESTS=1"),
  .enabled(if: hasMNIST, "the real MNIST is not in ../shared/data/mnist"),
  .enabled(if: hasOpenBLAS, "libopenblas.so.0 is not on this machine"))
struct KerasCurveTests {
  private func curves(_ keras: KerasCurve, _ overrides: [String] = []) throws -> [[Double]] {
    let data = try NamedDataset.named("mnist").load(given: mnistFolder).train
    return try (1...3).map { seed in
      let session = try session(
        "mnist-cnn", on: OpenBLASBackend(), isWatched: false, ["training.seed=\(seed)"] + overrides)
      let order = BatchOrder(count: data.count, batchSize: 64, seed: Int64(seed), epoch: 1)
      return try keras.curves[0].indices.map { point in
        let steps = point * keras.window..<(point + 1) * keras.window
        return try steps.reduce(0) { $0 + (try session.train(data, order.batch($1)).loss) } / Double(keras.window)
      }
    }
  }

  @Test("the mean loss curve of three seeds lies within the spread of Keras's three")
  func firstEpoch() throws {
    let keras = try KerasCurve.recorded()
    let ours = try curves(keras)
    let distances = keras.distances(of: ours)
    print("in Keras's standard deviations: \(distances.map { ($0 * 100).rounded() / 100 })")
    #expect(distances.allSatisfy { abs($0) <= 2 }, "\(distances)")
    #expect(keras.pointsWithin(ours) >= 7, "\(ours)")
  }

  @Test("half or twice the learning rate lies outside: the comparison can fail", arguments: [0.0005, 0.002])
  func otherRate(rate: Double) throws {
    let keras = try KerasCurve.recorded()
    let distances = keras.distances(of: try curves(keras, ["training.optimizer.learning_rate=\(rate)"]))
    #expect(!distances.allSatisfy { abs($0) <= 2 }, "\(distances)")
  }
}
