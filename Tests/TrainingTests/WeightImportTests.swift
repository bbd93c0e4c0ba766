import Foundation
import SwitchbackDatasets
import SwitchbackInterchange
import SwitchbackNeuralNetworks
import SwitchbackReference
import SwitchbackTraining
import Testing

/// A network of `Golden/Weights`, as a configuration has it.
private struct ForeignNetwork: Sendable, CustomTestStringConvertible {
  var file: String
  var shape: [Int]
  var layers: String
  var testDescription: String { file }

  static let all = [
    ForeignNetwork(
      file: "torch-cnn.pt", shape: [8, 9, 3],
      layers: """
        [{conv2d: {filters: 4, kernel_size: 3, strides: 2, padding: [1, 1, 1, 1]}}, {batch_normalization: {epsilon: 1.0e-5}},
         relu, {conv2d: {filters: 6, kernel_size: 3, padding: same, activation: relu}}, flatten,
         {dense: {units: 7, activation: relu}}, {dense: {units: 3}}]
        """),
    ForeignNetwork(file: "torch-lstm.pt", shape: [6, 3], layers: "[{lstm: {units: 5}}, {dense: {units: 2}}]"),
    ForeignNetwork(file: "torch-gru.pt", shape: [6, 3], layers: "[{gru: {units: 5}}, {dense: {units: 2}}]"),
    ForeignNetwork(
      file: "torch-bidirectional.pt", shape: [6, 3],
      layers: """
        [{bidirectional: {layer: {lstm: {units: 4, return_sequences: true}}}},
         {bidirectional: {layer: {lstm: {units: 4, return_sequences: true}}}}]
        """),
    ForeignNetwork(
      file: "torch-transformer.pt", shape: [5, 8],
      layers:
        "[{transformer_encoder: {intermediate_dim: 12, num_heads: 2, activation: relu, layer_norm_epsilon: 1.0e-5}}]"),
    ForeignNetwork(
      file: "keras-cnn.safetensors", shape: [8, 9, 3],
      layers: """
        [{conv2d: {filters: 4, kernel_size: 3, strides: 2, padding: [1, 1, 1, 1]}}, batch_normalization, relu,
         {conv2d: {filters: 6, kernel_size: 3, padding: same, activation: relu}}, flatten, {dense: {units: 3}}]
        """),
    ForeignNetwork(file: "keras-lstm.safetensors", shape: [6, 3], layers: "[{lstm: {units: 5}}, {dense: {units: 2}}]"),
    ForeignNetwork(file: "keras-gru.safetensors", shape: [6, 3], layers: "[{gru: {units: 5}}, {dense: {units: 2}}]"),
    ForeignNetwork(
      file: "keras-gru-before.safetensors", shape: [6, 3],
      layers: "[{gru: {units: 5, reset_after: false}}, {dense: {units: 2}}]"),
    ForeignNetwork(
      file: "keras-bidirectional.safetensors", shape: [6, 3],
      layers: """
        [{bidirectional: {layer: {lstm: {units: 4, return_sequences: true}}}},
         {bidirectional: {layer: {gru: {units: 3, return_sequences: true}}}}]
        """),
    ForeignNetwork(
      file: "keras-transformer.safetensors", shape: [5, 8],
      layers:
        "[{transformer_encoder: {intermediate_dim: 12, num_heads: 2, activation: relu, layer_norm_epsilon: 0.001}}]"),
  ]

  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Golden/Weights/"
  var path: String { Self.folder + file }
  var outputs: String { Self.folder + file.split(separator: ".")[0] + ".outputs.safetensors" }

  /// The network alone: nothing of it is trained here.
  func step() throws -> TrainingStep {
    let text = """
      version: 1
      model: {layers: \(layers.split(separator: "\n").joined(separator: "\n    "))}
      data: {dataset: mnist}
      training: {optimizer: {type: sgd}}
      """
    let configuration = try Configuration(text: text, file: "test.yaml")
    return TrainingStep(
      model: configuration.model, inputs: [ModelInput("images", .float32(.init(shape)))],
      objectives: [Objective(loss: MeanSquaredError(), targets: .values)], optimizer: SGD())
  }
}

private struct Generator: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state ^ state >> 33
  }
}

@Suite struct WeightImportTests {
  @Test(
    "weights of PyTorch and Keras answer here what they answered there, and go back as they came",
    arguments: ForeignNetwork.all)
  fileprivate func outputs(network: ForeignNetwork) throws {
    let step = try network.step()
    let program = try step.inference(batchSize: 1).program
    let foreign = try ForeignWeights(network.path)
    let proposal = WeightProposal(foreign, for: program)
    #expect(
      proposal.missing.isEmpty && proposal.leftOver.isEmpty, "\(proposal.missing) \(proposal.leftOver.map(\.name))")
    // Through the text of a map, as a user keeps it.
    let map = try WeightMap(text: proposal.map.text(), file: "map.yaml")
    #expect(map == proposal.map)
    let weights = try map.weights(from: foreign, for: program)
    let check = try WeightCheck(
      Safetensors(mapping: network.outputs), of: step, weights: weights, on: try chain(ReferenceBackend()),
      channelsFirst: foreign.framework == .pytorch)
    #expect(check.difference <= 1e-5 && check.samples == 4 && check.largest > 0.01, "\(check.difference)")
    // Back by the map; of two biases that were added the first has the sum.
    let back = try map.exported(weights)
    let theirs = Dictionary(uniqueKeysWithValues: foreign.tensors.map { ($0.name, $0) })
    for tensor in back {
      #expect(theirs[tensor.name]?.shape == tensor.shape, "\(tensor.name)")
      if tensor.name.contains("bias_"), network.file.contains("torch"), !network.file.contains("gru") { continue }
      #expect(try theirs[tensor.name]?.float32() == tensor.float32(), "\(tensor.name)")
    }
    // And by names of our own, which are found again without a map.
    for framework in [foreign.framework] {
      let usual = try WeightMap.usual(framework, for: program).exported(weights)
      let again = WeightProposal(
        ForeignWeights(usual, framework: framework, isOrdered: true), for: program)
      #expect(again.missing.isEmpty && again.leftOver.isEmpty, "\(again.missing) \(again.leftOver.map(\.name))")
    }
  }

  @Test("what is missing, left over, of another shape or not finite is named")
  func faults() throws {
    let network = ForeignNetwork.all[1]
    let program = try network.step().inference(batchSize: 1).program
    let whole = try ForeignWeights(network.path)
    let map = WeightProposal(whole, for: program).map
    func fault(_ change: (inout [Safetensors.Tensor]) -> Void) -> String {
      var tensors = whole.tensors
      change(&tensors)
      return errorText {
        _ = try map.weights(from: ForeignWeights(tensors, framework: .pytorch, isOrdered: true), for: program)
      }
    }
    #expect(fault { _ in } == "")
    #expect(fault { $0.removeLast() }.contains("the file has no tensor 1.bias"))
    #expect(fault { $0.append(.init(name: "more", shape: [1], numbers: [1])) }.contains("more [1] becomes nothing"))
    #expect(
      fault { $0[4] = .init(name: $0[4].name, shape: [2, 4], numbers: [Float](repeating: 0, count: 8)) }
        .contains("would be [4, 2]"))
    #expect(fault { $0[5] = .init(name: $0[5].name, shape: [2], numbers: [.nan, 0]) }.contains("infinity or NaN"))
    #expect(fault { $0[5].bytes.removeLast() }.contains("has not the bytes"))
  }

  @Test("halves, doubles and whole numbers are read; a double beyond Float32 is an error")
  func types() throws {
    func read(_ type: String, _ bytes: [UInt8]) throws -> Float {
      try Safetensors.Tensor(name: "a", type: type, shape: [1], bytes: Data(bytes)).float32()[0]
    }
    #expect(try read("F16", [0x00, 0x3E]) == 1.5 && read("F16", [0x01, 0x80]) == -0x1p-24)
    #expect(
      try read("F16", [0xFF, 0x7B]) == 65504 && read("F16", [0, 0x7C]) == .infinity && read("F16", [1, 0x7C]).isNaN)
    #expect(try read("BF16", [0xC0, 0xBF]) == -1.5 && read("I8", [0xFE]) == -2 && read("U16", [1, 1]) == 257)
    #expect(try read("F64", [0, 0, 0, 0, 0, 0, 0xF8, 0x3F]) == 1.5)
    #expect(throws: Safetensors.FormatError.self) { try read("F64", [0, 0, 0, 0, 0, 0, 0xF0, 0x7E]) }
  }

  @Test("a pickle that calls anything is refused by name, and Keras's files with advice")
  func refusals() throws {
    let whole = try Data(contentsOf: URL(fileURLWithPath: ForeignNetwork.all[1].path))
    let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    defer { unlink(path) }
    func words(_ data: Data) throws -> String {
      try data.write(to: URL(fileURLWithPath: path))
      return errorText { _ = try ForeignWeights(path) }
    }
    #expect(try words(Data([0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A])).contains("keras_to_safetensors.py"))
    #expect(try words(whole.prefix(whole.count / 2)).contains("its end is missing"))
    #expect(
      errorText { _ = try TensorPickle(Data("\u{80}\u{2}cos\nsystem\n".unicodeScalars.map { UInt8($0.value) })) }
        .contains("os.system"))
    #expect(errorText { _ = try TensorPickle(Data([0x80, 2, 0x30])) }.contains("POP"))
  }

  @Test("3,000 changed files are read or refused: nothing crashes, hangs or takes more than four times the file")
  func mutations() throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    defer { unlink(path) }
    var random = Generator(state: 11)
    var read = 0
    let files = [ForeignNetwork.all[1], ForeignNetwork.all[6], ForeignNetwork.all[4]].map(\.path)
    let contents = try files.map { try Data(contentsOf: URL(fileURLWithPath: $0)) }
    let programs = try [1, 6, 4].map { try ForeignNetwork.all[$0].step().inference(batchSize: 1).program }
    for round in 0..<3000 {
      var data = contents[round % 3]
      for _ in 0...Int.random(in: 0..<4, using: &random) {
        data[Int.random(in: 0..<data.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      if round % 7 == 0 { data = data.prefix(Int.random(in: 0..<data.count, using: &random)) }
      try data.write(to: URL(fileURLWithPath: path))
      guard let foreign = try? ForeignWeights(path) else { continue }
      read += 1
      #expect(foreign.tensors.reduce(0) { $0 + $1.bytes.count } <= 4 * data.count)
      if round % 10 < 3 {
        _ = try? WeightProposal(foreign, for: programs[round % 3]).map.weights(from: foreign, for: programs[round % 3])
      }
    }
    #expect(read > 100)
    // The pickle alone, whose checksum in the archive would refuse nearly all of them.
    let pickle = try #require(
      contents[0].firstRange(of: Data([0x80, 0x02])).map { contents[0][$0.lowerBound...].prefix(900) })
    for _ in 0..<3000 {
      var data = Data(pickle)
      for _ in 0...Int.random(in: 0..<4, using: &random) {
        data[Int.random(in: 0..<data.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      if let nodes = try? TensorPickle(data).nodes { #expect(nodes.count <= data.count) }
    }
  }
}
