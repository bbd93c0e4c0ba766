import SwitchbackBackendKit
import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackFFTConvolution
import SwitchbackNeuralNetworks
import SwitchbackOpenBLAS
import SwitchbackOpenCL
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import TestFiles
import Testing

/// A small network of convolutions put together at random, with images of which a channel, some images and some rows
/// are dead. A pure function of the seed.
private struct RandomNetwork {
  let layers: [any Layer]
  let sampleShape: [Int]
  let batchSize: Int
  let data: ByteDataset
  /// What the generator has drawn, for messages and to see that nothing is left out.
  private(set) var words: [String] = []

  private struct Dice {
    var state: UInt64

    mutating func roll(_ range: ClosedRange<Int>) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return range.lowerBound + Int((state >> 33) % UInt64(range.count))
    }
    mutating func pick<Element>(_ elements: [Element]) -> Element { elements[roll(0...elements.count - 1)] }
  }

  init(seed: Int) throws {
    var dice = Dice(state: UInt64(seed) &* 0x9E37_79B9_7F4A_7C15)
    sampleShape = [dice.roll(6...14), dice.roll(6...14), dice.pick([1, 2, 3, 4, 6])]
    batchSize = dice.pick([1, 3, 5, 7, 9, 11, 13])
    var (size, channels) = ([sampleShape[0], sampleShape[1]], sampleShape[2])
    var layers: [any Layer] = []
    words = ["\(sampleShape)", "batch \(batchSize)"]
    for _ in 0..<dice.roll(1...3) {
      let groups = dice.pick([1, (2...6).first { channels % $0 == 0 } ?? 1, channels])
      let filters = groups * (groups == channels ? dice.roll(1...2) : dice.roll(1...4))
      if groups > 1 { words.append(groups < channels ? "groups" : filters == channels ? "depthwise" : "multiplier") }
      let kernel = [dice.pick([1, 2, 3, 5, 7, 15]), dice.pick([1, 2, 3, 5, 7, 15])]
      let strides = size.map { $0 > 4 ? dice.pick([1, 1, 2, 3]) : 1 }
      let dilations = [dice.pick([1, 1, 2]), dice.pick([1, 1, 3])]
      let reach = (0..<2).map { (kernel[$0] - 1) * dilations[$0] + 1 }
      let isValid = (0..<2).allSatisfy { reach[$0] <= size[$0] } && dice.roll(0...1) == 0
      let activation = dice.pick([ActivationFunction.relu, .relu, .tanh, .linear, .sigmoid])
      layers.append(
        Conv2D(
          filters, kernelSize: (kernel[0], kernel[1]), strides: (strides[0], strides[1]),
          padding: isValid ? .valid : .same, dilationRate: (dilations[0], dilations[1]), groups: groups,
          activation: activation))
      words.append("kernel \(kernel)")
      if strides != [1, 1] { words.append("strides") }
      if dilations != [1, 1] { words.append("dilations") }
      words.append(isValid ? "valid" : "same")
      words.append("\(activation)")
      size = (0..<2).map { ((isValid ? size[$0] - reach[$0] : size[$0] - 1) / strides[$0]) + 1 }
      channels = filters
      if size.allSatisfy({ $0 > 1 }), dice.roll(0...1) == 0 {
        let isMaximum = dice.roll(0...1) == 0
        layers.append(isMaximum ? MaxPooling2D(2) : AveragePooling2D(2))
        words.append(isMaximum ? "maximum" : "average")
        size = size.map { $0 / 2 }
      }
    }
    layers += [Flatten(), Dense(dice.roll(3...10), activation: dice.pick([.relu, .tanh]))]
    layers.append(Dense(5, activation: .softmax))
    self.layers = layers
    let (shape, count) = (sampleShape, 3 * batchSize)
    let length = shape.reduce(1, *)
    var samples = [UInt8](repeating: 0, count: count * length)
    for e in samples.indices {
      let (image, row, channel) = (e / length, e / (shape[1] * shape[2]) % shape[0], e % shape[2])
      let byte = UInt8(dice.roll(1...255))
      let isDead = image % 4 == 2 || (image % 4 == 3 && row * 3 < shape[0]) || (channel > 0 && channel == shape[2] - 1)
      if !isDead { samples[e] = byte }
    }
    data = try ByteDataset(
      sampleShape: shape, classNames: (0..<5).map { "\($0)" }, samples: samples,
      labels: (0..<count).map { Int32($0 * 3 % 5) })
  }

  var step: TrainingStep {
    TrainingStep(
      model: Sequential(layers), sampleShape: Shape(sampleShape), loss: CategoricalCrossentropy(), optimizer: Adam())
  }
}

private let backends: [String: any ComputeBackend] = [
  "openblas": OpenBLASBackend(), "fft": FFTBackend(), "opencl": OpenCLBackend(),
]

/// Of a backend, with the reference for what it leaves, or skips the test.
private func chain(_ name: String?) throws -> BackendChain {
  let host = try HostServices(workers: 2)
  var links: [BackendChain.Link] = []
  if let name, let backend = backends[name] {
    do {
      _ = try backend.devices()
    } catch {
      try Test.cancel("\(name): \(error.message)")
    }
    let options = name == "fft" ? ["force": "true"] : [:]
    links.append(.init(name: name, device: try backend.open(device: 0, options: options, host: host)))
  }
  links.append(.init(name: "reference", device: try ReferenceBackend().open(device: 0, options: [:], host: host)))
  return BackendChain(links, host: host)
}

@Suite struct RandomNetworksTests {
  /// Ten, of which OpenCL's compiler makes the fast tests wait for three.
  private static let seeds = Array(1...10)

  @Test("the ten networks leave no kind of convolution out")
  func kinds() throws {
    let words = try Self.seeds.map { try RandomNetwork(seed: $0).words }
    let all = Set(words.joined())
    for word in [
      "groups", "depthwise", "multiplier", "strides", "dilations", "valid", "same", "maximum", "average", "relu",
    ] {
      #expect(all.contains(word), "\(word)")
    }
    #expect(all.contains { $0.hasPrefix("kernel") && $0.contains("15") })
  }

  @Test(
    "random networks on data with dead channels, images and rows agree with the reference step by step",
    arguments: ["openblas", "fft", "opencl"])
  func lockstep(backend: String) throws {
    let seeds = backend == "opencl" && !runsLongTests ? Array(Self.seeds.prefix(3)) : Self.seeds
    let candidate = try chain(backend)
    var apart: [String] = []
    for seed in seeds {
      let network = try RandomNetwork(seed: seed)
      let comparison = try StepComparison(
        network.step, batchSize: network.batchSize, seed: seed, on: chain(nil), and: candidate)
      let indices = (0..<Int32(network.data.count)).map { $0 }
      for index in 0..<6 {
        let first = index % 3 * network.batchSize
        let row = try comparison.advance(network.data, indices[first..<first + network.batchSize])
        let name = "\(backend), network \(seed), \(row): \(network.words.joined(separator: " "))"
        #expect(row.lossDifference <= 1e-5, "\(name)")
        if !(row.gradientDifference <= 1e-4) || row.lostZeros > 0 { apart.append(name) }
      }
    }
    // Of these steps: a gate at its kink may flip, of which a small batch shows much.
    #expect(apart.count <= 6 * seeds.count / 30, "\(apart)")
  }
}
