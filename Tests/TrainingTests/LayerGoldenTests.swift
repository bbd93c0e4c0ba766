import Foundation
import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackExecution
import SwitchbackNeuralNetworks
import SwitchbackOpenBLAS
import SwitchbackOpenCL
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import Testing

/// A case of `Golden/layers.json`: what PyTorch says a layer gives, and the gradients of Σ result·upstream over its results.
private struct GoldenLayer: Decodable, Sendable, CustomTestStringConvertible {
  struct Tensor: Decodable {
    let type: ElementType
    let shape: [Int]
    let values: [Double]
  }

  struct Result: Decodable {
    let result: Tensor
    let upstream: Tensor
  }

  let layer: String
  /// The layer in a configuration: `{"dot": {"axes": [-1, 1]}}`.
  let entry: String
  let isTraining: Bool
  let inputs: [Tensor]
  /// By the place of their input.
  let masks: [String: Tensor]
  let parameters: [String: Tensor]
  let states: [String: Tensor]
  let upstream: Tensor
  let result: Tensor
  /// Those behind the first.
  let further: [Result]
  let inputGradients: [String: Tensor]
  let parameterGradients: [String: Tensor]
  let replaced: [String: Tensor]

  var testDescription: String { "\(entry) of \(inputs.map(\.shape))" }

  /// What the entry says of the layer's options.
  var options: [String: Option] {
    get throws {
      try JSONDecoder().decode([String: [String: Option]].self, from: Data(entry.utf8))[layer] ?? [:]
    }
  }

  /// The value of an option.
  struct Option: Decodable {
    private var text: String?
    private var number: Double?

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let truth = try? container.decode(Bool.self) {
        text = "\(truth)"
      } else if let value = try? container.decode(Double.self) {
        number = value
      } else {
        text = try? container.decode(String.self)
      }
    }

    /// Whether a configuration's default is the same; lists and sections are none.
    func isWritten(as fallback: String?) -> Bool {
      guard let fallback else { return false }
      return number.map { $0 == Double(fallback) } ?? (text == fallback)
    }
  }

  static let all: [GoldenLayer] = {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden/layers.json")
    return (try? JSONDecoder().decode([GoldenLayer].self, from: Data(contentsOf: file))) ?? []
  }()

  /// As a configuration makes it, so that its table is asked too.
  func make() throws -> any Layer {
    let text = """
      version: 1
      model: {layers: [\(entry)]}
      data: {dataset: mnist}
      training: {optimizer: sgd}
      """
    return try #require(Configuration(text: text, file: "\(layer).yaml").model.nodes.first?.layer)
  }

  /// `kernel` is a weight of the layer, `query/kernel` one of a layer in it.
  static func stateName(_ own: String) -> String { (own.contains("/") ? "layer." : "layer/") + own }

  private static func ownName(_ parameter: Parameter) -> String { String(parameter.name.dropFirst("layer/".count)) }

  /// The layer, the sum of its result times `upstream`, and that sum's gradients; with the numbers of its operands.
  func program() throws -> (program: Program, values: [String: [Double]], expected: [String: [Double]]) {
    var context = LayerContext(builder: ProgramBuilder(name: "layer"), isTraining: isTraining)
    var values: [String: [Double]] = ["upstream": upstream.values]
    let operands = inputs.enumerated().map { index, input in
      values["x\(index)"] = input.values
      return context.builder.input("x\(index)", TensorType(input.type, Shape(input.shape)))
    }
    for (place, mask) in masks {
      values["mask" + place] = mask.values
      let value = context.builder.input("mask" + place, TensorType(mask.type, Shape(mask.shape)))
      try context.setMask(value, of: operands[try #require(Int(place))])
    }
    let layer = try make()
    let results = try context.call(layer, at: "layer", operands)
    try #require(results.count == 1 + further.count)
    #expect(layer.resultNames.count == (further.isEmpty ? 0 : results.count))
    for (name, tensor) in parameters.merging(states, uniquingKeysWith: { $1 }) {
      values[Self.stateName(name)] = tensor.values
    }
    var expected = ["result": self.result.values]
    var builder = context.builder
    builder.output("result", results[0])
    for (index, value) in context.replacements {
      builder.output(Self.ownName(context.parameters[index]), value)
    }
    for (name, tensor) in replaced { expected[name] = tensor.values }
    for (place, other) in further.enumerated() {
      builder.output("result\(place + 1)", results[place + 1])
      expected["result\(place + 1)"] = other.result.values
      values["upstream\(place + 1)"] = other.upstream.values
    }
    var sum: Value?
    for (place, result) in results.enumerated() {
      let upstream = builder.input(place == 0 ? "upstream" : "upstream\(place)", result.type)
      let product = try builder.append(Binary(.multiply), result, upstream)
      let part = try builder.append(Reduce(.sum, axes: Array(0..<result.shape.rank)), product)
      sum = if let sum { try builder.append(Binary(.add), sum, part) } else { part }
    }
    let loss = try #require(sum)
    builder.output("loss", loss)
    let trained = context.parameters.filter(\.isTrainable)
    let floating = operands.enumerated().filter { $0.element.type.elementType.isFloatingPoint }
    let gradients = try builder.gradients(of: loss, for: trained.map(\.value) + floating.map(\.element))
    for parameter in trained {
      let name = Self.ownName(parameter)
      builder.output("d/\(name)", try #require(gradients[parameter.value.id]))
      expected["d/\(name)"] = try #require(parameterGradients[name]).values
    }
    for (index, operand) in floating {
      builder.output("d/x\(index)", try #require(gradients[operand.id]))
      expected["d/x\(index)"] = try #require(inputGradients["\(index)"]).values
    }
    return (builder.build(), values, expected)
  }
}

@Suite struct LayerGoldenTests {
  private func chain(_ backend: any ComputeBackend) throws -> BackendChain {
    let host = try HostServices(workers: 2)
    return BackendChain(
      [.init(name: backend.identity.name, device: try backend.open(device: 0, options: [:], host: host))], host: host)
  }

  /// PyTorch has no Gaussian noise (`NoiseLayerTests`); what is shared has a name (`SharedLayerTests`).
  private static let others: Set = ["gaussian_noise", "gaussian_dropout", "shared"]
  /// What draws numbers or keeps states (`RandomGradientTests`), or says how weights start (`RecurrentLayerTests`).
  private static let askedElsewhere: Set = [
    "rate", "dropout", "recurrent_dropout", "stateful", "unit_forget_bias",
  ]

  @Test("each option of a layer that changes its numbers has another value than its default in a case of PyTorch")
  func options() throws {
    /// Initializers and regularizers have tests of their own.
    func options<L: ConfigurableLayer>(_ type: L.Type) -> [String] {
      type.settings.keys.compactMap { key in
        switch key.property {
        case .initializer, .regularizer: nil
        default: key.word
        }
      }
    }
    let keys = Configuration.keys.flatMap(\.all)
    for type in LayerCatalog.layers where !Self.others.contains(type.word) {
      let given = try GoldenLayer.all.filter { $0.layer == type.word }.flatMap { try $0.options }
      for option in options(type) where !Self.askedElsewhere.contains(option) {
        let fallback = keys.first { $0.path == "model.layers.N.\(type.word).\(option)" }?.fallback
        #expect(
          given.contains { $0.key == option && !$0.value.isWritten(as: fallback) }, "\(option) of \(type.word)")
      }
    }
  }

  @Test("PyTorch has a case for each layer of the catalogue, in training and in inference")
  func complete() {
    #expect(Set(GoldenLayer.all.map(\.layer)) == Set(LayerCatalog.layers.map { $0.word }).subtracting(Self.others))
    for word in ["batch_normalization", "residual", "simple_rnn", "lstm", "gru"] {
      #expect(Set(GoldenLayer.all.filter { $0.layer == word }.map(\.isTraining)) == [true, false], "\(word)")
    }
    let masked = Set(GoldenLayer.all.filter { !$0.masks.isEmpty }.map(\.layer))
    #expect(
      masked.isSuperset(of: [
        "simple_rnn", "lstm", "gru", "bidirectional", "multi_head_attention", "transformer_encoder",
        "batch_normalization", "global_average_pooling1d", "global_max_pooling1d",
      ]))
  }

  @Test("layers give PyTorch's results, gradients and replaced states, on every backend", arguments: GoldenLayer.all)
  fileprivate func golden(_ golden: GoldenLayer) throws {
    let (program, values, expected) = try golden.program()
    func check(_ program: Program, _ backend: any ComputeBackend, _ tolerance: Double) throws {
      // Without a fallback: the backend takes all of it.
      let found = try ProgramEvaluation(program, values, on: try chain(backend)).outputs
      let largest = expected.values.joined().reduce(0) { max($0, abs($1)) }
      for (name, truth) in expected {
        let numbers = try #require(found[name])
        #expect(numbers.count == truth.count)
        // The gradient of the keys' bias in attention is 0: what is left of numbers as large as the others.
        let least = truth.allSatisfy { abs($0) < 1e-12 } ? max(1e-2, largest / 10) : 1e-2
        let scale = truth.reduce(least) { max($0, abs($1)) }
        for (number, right) in zip(numbers, truth) {
          #expect(abs(number - right) <= tolerance * scale, "\(name) on \(backend.identity.name)")
        }
      }
      #expect(Set(found.keys) == Set(expected.keys).union(["loss"]))
    }
    try check(program.converted(to: .float64), ReferenceBackend(), 1e-12)
    try check(program, ReferenceBackend(), 5e-5)
    if hasOpenBLAS { try check(program, OpenBLASBackend(), 5e-5) }
    if (try? OpenCLBackend().devices()) != nil { try check(program, OpenCLBackend(), 5e-5) }
  }

  @Test("gradients are those of finite differences in Float64", arguments: GoldenLayer.all)
  fileprivate func differences(_ golden: GoldenLayer) throws {
    let (program, values, _) = try golden.program()
    try expectDifferences(
      of: program, values, operand: { $0.hasPrefix("x") ? $0 : GoldenLayer.stateName($0) }, golden.testDescription)
  }
}

@Suite struct SharedLayerTests {
  /// Σ result·upstream of a graph of two inputs, and its gradients, in Float64.
  private func program(_ model: Graph) throws -> (program: Program, values: [String: [Double]]) {
    var context = LayerContext(builder: ProgramBuilder(name: "shared"), isTraining: true)
    let operands = ["left", "right"].map { context.builder.input($0, .float32([5, 3])) }
    let result = try context.call(model, at: "model", operands)[0]
    var builder = context.builder
    let product = try builder.append(Binary(.multiply), result, builder.input("upstream", result.type))
    let loss = try builder.append(Reduce(.sum, axes: [0, 1]), product)
    builder.output("loss", loss)
    let trained = context.parameters.filter(\.isTrainable)
    let gradients = try builder.gradients(of: loss, for: trained.map(\.value))
    for parameter in trained {
      builder.output("d/" + parameter.name, try #require(gradients[parameter.value.id]))
    }
    for (index, value) in context.replacements { builder.output(context.parameters[index].name + "/new", value) }
    let program = try builder.build().converted(to: .float64)
    var values: [String: [Double]] = [:]
    for id in program.values.indices where program.values[id].role != .temporary {
      let count = program.values[id].type.shape.elementCount
      values[program.values[id].name] = (0..<count).map { 0.3 + Double(($0 * 7 + id * 5) % 11) / 8 }
    }
    return (program, values)
  }

  @Test("the gradient of a shared weight is the sum over its uses, by finite differences")
  func gradients() throws {
    let model = Graph(inputs: ["left", "right"]) {
      Dense(4, activation: .tanh, name: "twin").reading("left")
      BatchNormalization(name: "norm")
      Shared("twin", name: "other").reading("right")
      Shared("norm", name: "again")
      Multiply().reading("norm", "again")
    }
    let (program, values) = try program(model)
    let reference = try chain(ReferenceBackend())
    let found = try ProgramEvaluation(program, values, on: reference).outputs
    let gradients = found.filter { $0.key.hasPrefix("d/") }
    #expect(gradients.count == 4)
    for (name, gradient) in gradients {
      for element in gradient.indices {
        func loss(at shift: Double) throws -> Double {
          var moved = values
          moved[String(name.dropFirst(2))]![element] += shift
          return try #require(ProgramEvaluation(program, moved, on: reference).outputs["loss"])[0]
        }
        let slope = (try loss(at: 1e-5) - loss(at: -1e-5)) / 2e-5
        #expect(abs(gradient[element] - slope) < 1e-6 * max(1, abs(slope)), "\(name) \(element)")
      }
    }
  }

  @Test("statistics of a shared normalization move by one use after the other")
  func statistics() throws {
    let model = Graph(inputs: ["left", "right"]) {
      BatchNormalization(momentum: 0.5, name: "norm").reading("left")
      Shared("norm", name: "again").reading("right")
      Add().reading("norm", "again")
    }
    let (program, values) = try program(model)
    let found = try ProgramEvaluation(program, values, on: try chain(ReferenceBackend())).outputs
    func mean(_ name: String, _ channel: Int) -> Double {
      (0..<5).reduce(0) { $0 + values[name]![3 * $1 + channel] } / 5
    }
    for channel in 0..<3 {
      let start = values["model.norm/movingMean"]![channel]
      let expected = 0.25 * start + 0.25 * mean("left", channel) + 0.5 * mean("right", channel)
      #expect(abs(found["model.norm/movingMean/new"]![channel] - expected) < 1e-12)
    }
  }
}
