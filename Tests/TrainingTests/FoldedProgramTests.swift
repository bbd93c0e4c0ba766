import Foundation
import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackDatasets
import SwitchbackInference
import SwitchbackInterchange
import SwitchbackNeuralNetworks
import SwitchbackOpenBLAS
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import Testing

/// A network of inference with drawn weights, and with its normalizations folded.
private struct FoldedNetwork {
  let plain: Program
  let folded: FoldedProgram
  let tensors: [String: Safetensors.Tensor]
  private let input: [Double]

  /// `change` may replace the numbers of a weight, by its name.
  init(
    _ model: any Layer, sample: Shape, _ change: (String, inout [Float]) -> Void = { _, _ in }
  ) throws {
    let network = try InferenceProgram.build(model, sampleShape: sample, batchSize: 1, inputName: "x")
    plain = network.program
    var tensors: [String: Safetensors.Tensor] = [:]
    for (place, parameter) in network.parameters.enumerated() {
      var numbers = Self.drawn(parameter.type.shape.elementCount, stream: place + 1)
      if parameter.name.hasSuffix("movingVariance") { numbers = numbers.map { 1.25 + $0 } }
      if parameter.name.hasSuffix("gamma") { numbers = numbers.map { 0.5 + 2 * $0 } }
      change(parameter.name, &numbers)
      tensors[parameter.name] = Safetensors.Tensor(
        name: parameter.name, shape: parameter.type.shape.extents, bytes: numbers.withUnsafeBytes { Data($0) })
    }
    self.tensors = tensors
    input = Self.drawn(sample.elementCount, stream: 0).map(Double.init)
    folded = FoldedProgram(plain, weights: tensors)
  }

  /// From −1 to 1.
  private static func drawn(_ count: Int, stream: Int) -> [Float] {
    var state = UInt64(stream + 1) &* 0x9E37_79B9_7F4A_7C15
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(state >> 40) / Float(1 << 23) - 1
    }
  }

  private func values(_ tensors: [String: Safetensors.Tensor]) -> [String: [Double]] {
    var values = tensors.mapValues { tensor in
      tensor.bytes.withUnsafeBytes { bytes in
        (0..<bytes.count / 4).map { Double(bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self)) }
      }
    }
    values["x"] = input
    return values
  }

  /// What the network answers as it was traced, in Float32 or Float64, and as it was folded.
  func answers(
    on backend: any ComputeBackend = ReferenceBackend()
  ) throws -> (plain: [Double], exact: [Double], folded: [Double]) {
    func run(_ program: Program, _ tensors: [String: Safetensors.Tensor], _ backend: any ComputeBackend) throws
      -> [Double]
    {
      let names = program.values(.state).map { program.values[$0].name }
      let values = self.values(tensors).filter { $0.key == "x" || names.contains($0.key) }
      return try #require(try ProgramEvaluation(program, values, on: try chain(backend)).outputs["predictions"])
    }
    return (
      try run(plain, tensors, backend),
      try run(try plain.converted(to: .float64), tensors, ReferenceBackend()),
      try run(folded.program, tensors.merging(folded.made) { $1 }, backend)
    )
  }

  /// How many products were folded.
  var count: Int { folded.made.keys.count { $0.hasSuffix("/kernel") } }
}

/// `folds` products take in what follows them; `terms` are the most that one number of such a product adds up.
private let networks: [(name: String, sample: Shape, folds: Int, terms: Int, model: any Layer)] = [
  (
    "convolutions, with a bias and without", [9, 9, 3], 2, 54,
    Sequential {
      Conv2D(6, kernelSize: 3, useBias: false)
      BatchNormalization()
      Activation(.relu)
      Conv2D(4, kernelSize: 3, strides: 2, padding: .same)
      BatchNormalization()
    }
  ),
  (
    "groups, and a filter for each channel", [7, 7, 4], 2, 18,
    Sequential {
      Conv2D(6, kernelSize: 3, groups: 2)
      BatchNormalization(center: false)
      DepthwiseConv2D(kernelSize: 3, depthMultiplier: 2)
      BatchNormalization(scale: false)
    }
  ),
  (
    "a transposed convolution", [4, 4, 3], 1, 27,
    Sequential {
      Conv2DTranspose(5, kernelSize: 3, strides: 2)
      BatchNormalization()
    }
  ),
  (
    "sequences, where a reshape stands between", [8, 3], 2, 9,
    Sequential {
      Conv1D(5, kernelSize: 3)
      BatchNormalization()
      Dense(4, useBias: false)
      BatchNormalization()
    }
  ),
  (
    "dense layers, and two normalizations at once", [7], 1, 7,
    Sequential {
      Dense(5)
      BatchNormalization()
      BatchNormalization(center: false, scale: false)
    }
  ),
  (
    "a residual block, whose branches end in normalizations", [6, 6, 2], 3, 36,
    Sequential {
      Residual(activation: .relu) {
        Conv2D(4, kernelSize: 3, padding: .same, useBias: false)
        BatchNormalization()
        Activation(.relu)
        Conv2D(4, kernelSize: 3, padding: .same, useBias: false)
        BatchNormalization()
      } shortcut: {
        Conv2D(4, kernelSize: 1)
        BatchNormalization()
      }
    }
  ),
  (
    "a frozen normalization", [7], 1, 7,
    Sequential {
      Dense(5)
      Frozen(BatchNormalization())
    }
  ),
  (
    "one kernel, twice", [5], 2, 5,
    Sequential {
      Dense(5, name: "twin")
      BatchNormalization()
      Shared("twin", name: "other")
      BatchNormalization()
    }
  ),
]

/// What stays as it is: something else reads what a fold would leave out, or it is no scale and shift of channels.
private let unfolded: [(name: String, sample: Shape, model: any Layer)] = [
  (
    "the product is read beside the normalization", [5, 5, 2],
    Graph {
      Conv2D(3, kernelSize: 3, useBias: false, name: "a")
      BatchNormalization(name: "b")
      Add().reading("a", "b")
    }
  ),
  (
    "so is the product with its bias", [5],
    Graph {
      Dense(3, name: "a")
      BatchNormalization(name: "b")
      Multiply().reading("a", "b")
    }
  ),
  (
    "an activation stands between", [5],
    Sequential {
      Dense(3, activation: .relu)
      BatchNormalization()
    }
  ),
  (
    "the channels are rows", [4, 5, 3],
    Sequential {
      Conv2D(3, kernelSize: 3)
      BatchNormalization(axis: 1)
    }
  ),
  (
    "there is nothing but a bias", [5],
    Sequential {
      Dense(3)
      Dense(2, activation: .softmax)
    }
  ),
  (
    "the normalization comes first", [5],
    Sequential {
      BatchNormalization()
      Dense(3)
    }
  ),
]

@Suite("Batch normalizations folded into what stands before them")
struct FoldedProgramTests {
  private func distance(_ a: [Double], _ b: [Double]) -> Double {
    zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
  }

  @Test("a folded network answers what it did, within the bound of its products", arguments: networks.indices)
  func equal(index: Int) throws {
    let (name, sample, folds, terms, model) = networks[index]
    let network = try FoldedNetwork(model, sample: sample)
    #expect(network.count == folds, "\(name)")
    let calls = network.folded.program.calls
    let names = calls.map(\.name)
    #expect(!["rsqrt", "subtract", "multiply"].contains(where: names.contains), "\(names)")
    // Only what is read is a state, so nothing gets memory twice.
    let read = Set(calls.flatMap(\.inputs))
    #expect(network.folded.program.values(.state).allSatisfy(read.contains), "\(name)")
    let bound = 4 * Double(folds) * ErrorBound.accumulation(terms: terms).relativeTolerance(in: .float32)
    for backend: any ComputeBackend in [ReferenceBackend()] + (hasOpenBLAS ? [OpenBLASBackend()] : []) {
      let (plain, exact, folded) = try network.answers(on: backend)
      let size = distance(exact, exact.map { _ in 0 })
      #expect(size > 0 && folded.count == exact.count, "\(name)")
      #expect(distance(folded, exact) <= bound * size, "\(name)")
      #expect(distance(plain, exact) <= bound * size, "\(name)")
    }
  }

  @Test("what something else reads stays as it is", arguments: unfolded.indices)
  func untouched(index: Int) throws {
    let (name, sample, model) = unfolded[index]
    let network = try FoldedNetwork(model, sample: sample)
    #expect(network.count == 0 && network.folded.program == network.plain, "\(name)")
  }

  @Test("an output of the network is written, whatever reads it besides")
  func outputs() throws {
    let model = Graph(outputs: ["a", "b"]) {
      Dense(3, useBias: false, name: "a")
      BatchNormalization(name: "b")
    }
    #expect(try FoldedNetwork(model, sample: [4]).count == 0)
  }

  @Test("by hand: (2x + 1 − 3)·3/√(0.24 + 0.01) + 5 is 12x − 7")
  func byHand() throws {
    let model = Sequential {
      Dense(1)
      BatchNormalization(epsilon: 0.01)
    }
    let numbers: [String: Float] = [
      "kernel": 2, "bias": 1, "movingMean": 3, "movingVariance": 0.24, "gamma": 3, "beta": 5,
    ]
    let network = try FoldedNetwork(model, sample: [1]) { name, weight in
      weight = [numbers[String(name.split(separator: "/").last ?? "")] ?? 0]
    }
    func number(_ name: String) throws -> Float {
      try #require(network.folded.made[name]).bytes.withUnsafeBytes { $0.loadUnaligned(as: Float.self) }
    }
    let (kernel, bias) = (try number("folded/0/kernel"), try number("folded/0/bias"))
    #expect(abs(kernel - 12) < 1e-5 && abs(bias + 7) < 1e-5)
  }

  @Test(
    "a weight that is not finite, or would vanish, gives the answers of the unfolded network",
    arguments: [
      ("movingVariance", Float.nan), ("movingVariance", .infinity), ("movingVariance", -1), ("movingMean", .infinity),
      ("gamma", .infinity), ("gamma", .nan), ("beta", -.infinity), ("bias", .infinity), ("kernel", .nan),
      ("gamma", 1e-38), ("gamma", 3e38), ("gamma", 0),
    ])
  func notFinite(weight: String, number: Float) throws {
    let model = Sequential {
      Dense(4)
      BatchNormalization()
    }
    let network = try FoldedNetwork(model, sample: [3]) { name, numbers in
      if name.hasSuffix("/" + weight) { numbers[1] = number }
    }
    let (plain, _, folded) = try network.answers()
    #expect(plain.count == 4)
    for (a, b) in zip(plain, folded) {
      #expect(a.isNaN == b.isNaN && a.isInfinite == b.isInfinite, "\(plain) and \(folded)")
      if a.isFinite {
        #expect(abs(a - b) <= 1e-5 * max(1, abs(a)), "\(plain) and \(folded)")
      } else {
        #expect(a.isNaN || a == b)
      }
    }
  }

  @Test("a trained model folds what it runs; its program, its weights and its file are those of before")
  func trainedModel() throws {
    let step = TrainingStep(
      model: Sequential {
        Conv2D(4, kernelSize: 3, useBias: false)
        BatchNormalization(momentum: 0.5)
        Activation(.relu)
        Flatten()
        Dense(10)
        BatchNormalization(momentum: 0.5)
        Activation(.softmax)
      }, inputs: [ModelInput(try #require(try madeData(count: 64).fields.first))],
      objectives: [Objective(loss: CategoricalCrossentropy())], optimizer: SGD(learningRate: 0.05))
    let data = try madeData(count: 192)
    let session = try TrainingSession(step: step, batchSize: 64, seed: 2, on: try chain(ReferenceBackend()))
    try session.train(data, steps: 3)
    let model = try session.trainedModel(for: data)
    let traced = try step.inference(batchSize: 1)
    #expect(model.program == traced.program && model.areProbabilities)
    let tensors = try model.tensors()
    #expect(Set(tensors.map(\.name)) == Set(traced.parameters.map(\.name)))
    for tensor in tensors { #expect(try session.states.withBytes(of: tensor.name) { Data($0) } == tensor.bytes) }
    let paths = (0..<2).map { _ in temporaryRun() + ".safetensors" }
    try model.save(to: paths[0])
    let loaded = try TrainedModel(file: paths[0], on: try chain(ReferenceBackend()))
    try loaded.save(to: paths[1])
    #expect(try Data(contentsOf: URL(fileURLWithPath: paths[0])) == Data(contentsOf: URL(fileURLWithPath: paths[1])))
    let indices: [Int32] = [0, 1, 2]
    for (index, answer) in zip(indices, try loaded.predict(data, indices[...])) {
      let expected = try session.predict(data, [index])[0]
      let found = try #require(answer["labels"]?.outputs)
      #expect(found.count == 10 && zip(found, expected).allSatisfy { abs($0 - $1) <= 1e-5 })
    }
    // The statistics have moved, so that folding has something to do.
    let text = try String(decoding: Data(contentsOf: URL(fileURLWithPath: paths[0])), as: UTF8.self)
    #expect(!text.contains("folded/") && text.contains("movingVariance"))
  }
}
