import SwitchbackBackendKit
import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackFFTConvolution
import SwitchbackNeuralNetworks
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import Testing

/// fft, and the reference for what it leaves.
private func chain(isForced: Bool) throws -> BackendChain {
  let host = try HostServices(workers: 2)
  let options = isForced ? ["force": "true"] : [:]
  return BackendChain(
    [
      .init(name: "fft", device: try FFTBackend().open(device: 0, options: options, host: host)),
      .init(name: "reference", device: try ReferenceBackend().open(device: 0, options: [:], host: host)),
    ], host: host)
}

/// Bytes at random; every fourth image is black.
private func images(_ shape: [Int], count: Int) throws -> ByteDataset {
  var dice = Dice(state: 11)
  let size = shape.reduce(1, *)
  let samples = (0..<count * size).map { $0 / size % 4 == 3 ? 0 : UInt8(dice.roll(1...255)) }
  return try ByteDataset(
    sampleShape: shape, classNames: (0...9).map { "\($0)" }, samples: samples,
    labels: (0..<count).map { Int32($0 * 7 % 10) })
}

/// The weights of a network before and after some steps, by layer and word.
private func trained(
  _ layers: [any Layer], _ shape: [Int], _ optimizer: any Optimizer, isForced: Bool, steps: Int = 4
) throws -> (before: [String: [Float]], after: [String: [Float]]) {
  let step = TrainingStep(
    model: Sequential(layers), sampleShape: Shape(shape), loss: CategoricalCrossentropy(), optimizer: optimizer)
  let data = try images(shape, count: 32)
  let session = try TrainingSession(
    step: step, batchSize: 32, seed: 1, on: chain(isForced: isForced), probeInterval: nil)
  #expect(try session.plan.placements.contains { $0.link == 0 }, "nothing runs on fft")
  let names = try step.build(batchSize: 32).parameters.map(\.name)
  func weights() throws -> [String: [Float]] {
    var result: [String: [Float]] = [:]
    for name in names {
      result[name] = try session.states.withBytes(of: name) { Array($0.bindMemory(to: Float.self)) }
    }
    return result
  }
  let before = try weights()
  for _ in 0..<steps { _ = try session.train(data, Array(0..<32)[...]) }
  return (before, try weights())
}

@Suite(.enabled(if: isFFTHere(), "libfftw3f.so.3 or libopenblas.so.0 is not on this machine"))
struct NetworksTests {
  @Test("what hangs on a dead channel of a depthwise convolution does not move", arguments: [true, false])
  func deadChannels(isForced: Bool) throws {
    let layers: [any Layer] = [
      Conv2D(8, kernelSize: 1, activation: .relu),
      Conv2D(8, kernelSize: 15, padding: .same, groups: 8, activation: .relu),
      MaxPooling2D(2), Flatten(), Dense(10, activation: .softmax),
    ]
    let (before, after) = try trained(layers, [28, 28, 1], RMSprop(), isForced: isForced)
    // Images are positive, so a negative weight shuts its channel, for ever.
    let first = try #require(before["layers.0.conv2d/kernel"])
    let dead = first.indices.filter { first[$0] < 0 }
    #expect((1...7).contains(dead.count))
    let bias = try #require(after["layers.1.conv2d/bias"])
    #expect(bias.count == 8 && dead.allSatisfy { bias[$0] == 0 }, "\(bias), dead are \(dead)")
    #expect(bias.contains { $0 != 0 })
    let (kernel, given) = (try #require(after["layers.1.conv2d/kernel"]), before["layers.1.conv2d/kernel"]!)
    let moved = kernel.indices.filter { dead.contains($0 % 8) && kernel[$0] != given[$0] }
    #expect(kernel.count == 225 * 8 && moved.isEmpty, "\(moved.count) weights of dead channels")
    for channel in dead { #expect(after["layers.0.conv2d/kernel"]![channel] == first[channel]) }
  }

  @Test(
    "taps that only ever see padding do not move, whatever Adam makes of the others",
    arguments: [(8, 1, 7, 1, true), (6, 6, 15, 1, true), (6, 6, 15, 8, true), (6, 6, 15, 8, false)])
  func padding(height: Int, width: Int, kernel: Int, filters: Int, isForced: Bool) throws {
    let layers: [any Layer] = [
      Conv2D(filters, kernelSize: kernel, padding: .same, activation: .tanh), Flatten(),
      Dense(10, activation: .softmax),
    ]
    let (before, after) = try trained(layers, [height, width, 1], Adam(), isForced: isForced, steps: 6)
    let (given, found) = (before["layers.0.conv2d/kernel"]!, try #require(after["layers.0.conv2d/kernel"]))
    #expect(given.count == kernel * kernel * filters)
    for e in given.indices {
      let (row, column) = (e / filters / kernel, e / filters % kernel)
      let isSeen = abs(row - kernel / 2) < height && abs(column - kernel / 2) < width
      #expect((found[e] != given[e]) == isSeen, "tap (\(row), \(column)): \(given[e]), then \(found[e])")
    }
  }
}
