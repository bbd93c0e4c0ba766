import Foundation
import SwitchbackDatasets
import SwitchbackNeuralNetworks
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import Testing

private let kernels = ["layers.0.dense/kernel", "layers.1.dense/kernel"]

/// Rows of six numbers, none of whose columns has mean 0.
private func rows(_ count: Int = 40, scale: Float = 7) throws -> (data: ArrayDataset, numbers: [[Float]]) {
  let numbers = (0..<count).map { row in (0..<6).map { scale * (Float((row * 13 + $0 * 7) % 11) / 10 - 0.2) } }
  let data = try ArrayDataset([
    .float32("images", numbers.flatMap { $0 }, shape: [6]), .int32("labels", (0..<count).map { Int32($0 % 3) }),
  ])
  return (data, numbers)
}

private func session(
  _ layers: [any Layer] = [Dense(8, activation: .relu), Dense(3, activation: .softmax)], seed: Int = 1,
  averageMomentum: Double? = nil
) throws -> TrainingSession {
  let step = TrainingStep(
    model: Sequential(layers), sampleShape: [6], loss: CategoricalCrossentropy(), optimizer: SGD(),
    averageMomentum: averageMomentum)
  return try TrainingSession(step: step, batchSize: 20, seed: seed, on: try chain(ReferenceBackend()))
}

extension TrainingSession {
  fileprivate func numbers(_ name: String) throws -> [Float] {
    try states.withBytes(of: name) { Array($0.bindMemory(to: Float.self)) }
  }
}

/// x · kernel in Float64.
private func products(_ rows: [[Double]], _ kernel: [Float]) -> [[Double]] {
  let width = kernel.count / rows[0].count
  return rows.map { row in
    (0..<width).map { unit in row.indices.reduce(0) { $0 + row[$1] * Double(kernel[$1 * width + unit]) } }
  }
}

private func variance(_ rows: [[Double]]) -> Double {
  let numbers = rows.flatMap { $0 }
  let mean = numbers.reduce(0, +) / Double(numbers.count)
  return numbers.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(numbers.count)
}

@Suite("Layer-sequential unit-variance initialization")
struct LSUVTests {
  @Test("what each kernel makes of the samples has variance 1, and its columns or rows stay orthogonal")
  func unitVariance() throws {
    let session = try session()
    let (data, numbers) = try rows()
    let record = try session.initialize(LSUV(tolerance: 1e-3), on: data, Array(0..<Int32(20))[...])
    #expect(record.samples == 20 && record.kernels.map(\.name) == kernels)
    let (first, second) = (try session.numbers(kernels[0]), try session.numbers(kernels[1]))
    let hidden = products(numbers.prefix(20).map { $0.map(Double.init) }, first)
    #expect(abs(variance(hidden) - 1) < 1e-3)
    #expect(abs(variance(products(hidden.map { $0.map { max($0, 0) } }, second)) - 1) < 1e-3)
    for kernel in record.kernels {
      #expect(abs(kernel.variance - 1) < 1e-3)
      #expect(abs(kernel.factor * kernel.factor * Double(kernel.varianceBefore) - 1) < 1e-3)
    }
    #expect(record.kernels[0].varianceBefore > 1.5)
    // Six rows of eight: orthogonal, as long as the factor.
    for a in 0..<6 {
      for b in 0..<6 {
        let product = (0..<8).reduce(0) { $0 + Double(first[a * 8 + $1]) * Double(first[b * 8 + $1]) }
        let square = record.kernels[0].factor * record.kernels[0].factor
        #expect(abs(product - (a == b ? square : 0)) < 1e-5 * square)
      }
    }
  }

  @Test("without orthogonal kernels the initializer's are scaled, and nothing else is changed")
  func scalesOnly() throws {
    let (plain, scaled) = (try session(), try session(averageMomentum: 0.9))
    let record = try scaled.initialize(LSUV(orthogonal: false), on: try rows().data, Array(0..<Int32(30))[...])
    for kernel in record.kernels {
      for (a, b) in zip(try plain.numbers(kernel.name), try scaled.numbers(kernel.name)) {
        #expect(abs(Double(a) * kernel.factor - Double(b)) <= 1e-5 * abs(Double(b)))
      }
      #expect(try scaled.numbers(kernel.name) == scaled.numbers("ema/" + kernel.name))
    }
    for (name, bytes) in try plain.bytes() where !kernels.contains(name) { #expect(try scaled.bytes()[name] == bytes) }
    #expect(scaled.batches == 0 && scaled.updates == 0)
  }

  @Test("seed and samples decide the weights")
  func deterministic() throws {
    func weights(seed: Int = 1, from first: Int32 = 0) throws -> [String: [UInt8]] {
      let layers: [any Layer] = [Dense(8, activation: .relu), Dropout(0.5), Dense(3, activation: .softmax)]
      let session = try session(layers, seed: seed)
      _ = try session.initialize(LSUV(), on: try rows().data, Array(first..<first + 20)[...])
      return try session.bytes()
    }
    let one = try weights()
    #expect(try weights() == one)
    #expect(try weights(seed: 2) != one)
    #expect(try weights(from: 20) != one)
  }

  @Test("convolutions of all kinds are scaled; what is frozen is not, nor what is no kernel")
  func kinds() throws {
    let session = try session([
      Reshaping([6, 1]), Conv1D(4, kernelSize: 3, padding: .same, activation: .relu, name: "first"),
      BatchNormalization(), SeparableConv1D(4, kernelSize: 3, name: "separable"),
      Conv1DTranspose(3, kernelSize: 2, name: "transposed"), Frozen(Dense(4, name: "frozen")), PReLU(),
      GRU(3, name: "recurrent"), Dense(3, activation: .softmax, name: "last"),
    ])
    let record = try session.initialize(LSUV(), on: try rows().data, Array(0..<Int32(20))[...])
    #expect(Set(record.kernels.map { $0.name.prefix { $0 != "/" } }) == ["first", "separable", "transposed", "last"])
    #expect(record.kernels.count == 5)
    #expect(record.kernels.allSatisfy { abs($0.variance - 1) <= 0.01 }, "\(record)")
  }

  @Test("a kernel that makes nothing of the samples is left as it is, and said")
  func nothing() throws {
    let text = smallRun.replacingOccurrences(of: "epochs: 3", with: "epochs: 1, initialization: {orthogonal: false}")
    let black = try ByteDataset(
      sampleShape: [28, 28, 1], classNames: (0...9).map { "\($0)" }, samples: [UInt8](repeating: 0, count: 100 * 784),
      labels: (0..<100).map { Int32($0 % 10) })
    let loop = try makeLoop(text, data: DatasetParts(train: black, test: black))
    let record = try #require(try loop.initializeWeights())
    #expect(record.kernels.allSatisfy { $0.factor == 1 && $0.varianceBefore == 0 && $0.variance == 0 })
    #expect(try loop.session.bytes() == makeLoop(smallRun).session.bytes())
    var messages: [String] = []
    _ = try loop.run(callbacks: [
      EventHandler(watching: { if case .message(let text) = $0 { messages.append(text) } })
    ])
    #expect(messages.count { $0.contains("LSUV leaves layers.") && $0.contains("unscaled") } == 2, "\(messages)")
  }

  @Test("a run is initialized once, says it and records it; one that goes on has the bits of one that never stopped")
  func runs() throws {
    let settings = [
      "training.initialization={type: lsuv, samples: 70}", "training.epochs=2", "training.runs=\(temporaryRun())",
    ]
    let whole = try makeLoop(smallRun, settings)
    let recorder = try RunRecorder(whole)
    var messages: [String] = []
    _ = try whole.run(callbacks: [
      recorder, EventHandler(watching: { if case .message(let text) = $0 { messages.append(text) } }),
    ])
    #expect(messages.count { $0.hasPrefix("LSUV on 70 samples: 2 orthogonal kernels scaled by ") } == 1, "\(messages)")
    let record = try #require(recorder.folder.environment?.initialization)
    #expect(record.samples == 70 && record.kernels.count == 2 && record.settings == LSUV(samples: 70))
    #expect(try whole.initializeWeights() == record)

    let start = try interrupted(try makeLoop(smallRun, settings), after: 7)
    let resumed = try makeLoop(smallRun, settings, going: start)
    messages = []
    _ = try resumed.run(
      from: start, callbacks: [EventHandler(watching: { if case .message(let text) = $0 { messages.append(text) } })])
    #expect(!messages.contains { $0.contains("LSUV") })
    #expect(try resumed.session.bytes() == whole.session.bytes())
    #expect(try makeLoop(smallRun).initializeWeights() == nil)
  }

  @Test("more samples than there are take all of them; stateful layers take a batch")
  func samples() throws {
    let text = smallRun.replacingOccurrences(of: "epochs: 3", with: "epochs: 1, initialization: {samples: 100000}")
    #expect(try makeLoop(text, data: madeParts(count: 150)).initializeWeights()?.samples == 150)
    let stateful = try session([Reshaping([6, 1]), GRU(3, stateful: true), Dense(3, activation: .softmax)])
    let data = try rows().data
    #expect(try stateful.initialize(LSUV(), on: data, Array(0..<Int32(20))[...]).kernels.count == 1)
    let error = #expect(throws: DatasetError.self) {
      try stateful.initialize(LSUV(), on: data, Array(0..<Int32(30))[...])
    }
    #expect(error.map { "\($0)".contains("LSUV takes a batch of 20 samples there, not 30") } == true)
  }

  @Test("the configuration says it, with ranges, not beside model.from, and not of a run that goes on")
  func configuration() throws {
    func read(_ overrides: String...) throws -> Configuration {
      try Configuration(text: smallRun, file: "test.yaml", overrides: overrides)
    }
    #expect(try read().training.initialization == nil)
    #expect(try !read().resolvedText.contains("initialization"))
    #expect(try read("training.initialization={}").training.initialization == LSUV())
    let given = try read(
      "training.initialization={type: lsuv, samples: 9, tolerance: 0.5, rounds: 2, orthogonal: false}")
    #expect(given.training.initialization == LSUV(samples: 9, tolerance: 0.5, rounds: 2, orthogonal: false))
    #expect(try Configuration(text: given.resolvedText, file: "test.yaml").resolvedText == given.resolvedText)
    for (wrong, words) in [
      ("{tolerance: 0}", "tolerance must be a number above 0"), ("{samples: 0}", "samples must be"),
      ("{rounds: 0}", "rounds must be"), ("{type: lsvu}", "did you mean lsuv"), ("{share: 1}", "share is not a key"),
    ] {
      let error = #expect(throws: ConfigurationError.self) { try read("training.initialization=\(wrong)") }
      let messages = (error?.problems ?? []).map(\.message)
      #expect(messages.count == 1 && messages[0].contains(words), "\(wrong): \(messages)")
    }
    let both = #expect(throws: ConfigurationError.self) {
      try read("training.initialization={}", "model.from=runs/other")
    }
    #expect(both?.problems.map(\.message).joined().contains("model.from says what weights start with") == true)
    let refused = given.changesRefusedAtResume(since: try read())
    #expect(refused.count == 5 && refused.allSatisfy { $0.contains("it only says how a run starts") }, "\(refused)")
  }
}
