import Foundation
import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackNeuralNetworks
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import Testing

/// The simple recurrence as a cell of one's own, with a layer in it.
private struct ElmanCell: RecurrentCell {
  var units: Int
  var kind: String { "elman" }
  var stateShapes: [Shape] { [[units]] }

  func callAsFunction(
    _ input: Value, _ states: [Value], in context: inout LayerContext
  ) throws(ProgramError) -> (output: Value, states: [Value]) {
    let seen = try context.call(Dense(units), at: "seen", input)
    let kernel = try context.parameter("recurrentKernel", [units, units], initializer: .orthogonal())
    let kept = try context.append(MatrixMultiplication(), states[0], kernel)
    let state = try context.activate(context.append(Binary(.add), seen, kept), .tanh)
    return (state, [state])
  }
}

/// A cell whose state is not its output: it counts its steps, and answers the input times the count.
private struct CountingCell: RecurrentCell {
  var width = 1
  var kind: String { "counting" }
  var stateShapes: [Shape] { [[1]] }

  func callAsFunction(
    _ input: Value, _ states: [Value], in context: inout LayerContext
  ) throws(ProgramError) -> (output: Value, states: [Value]) {
    let count = try context.append(Binary(.add), states[0], context.constant(1))
    let wide = try context.append(SwitchbackPrograms.Concatenate(axis: 1), count, count)
    return (try context.append(Binary(.multiply), input, count), [width == 1 ? count : wide])
  }
}

/// What a layer makes of sequences, in Float64 on the reference: its results `0`, `1`, …, and the gradients of their sum
/// with respect to its weights and `x`. Numbers that are not given are made up by their place.
private func outcome(
  _ layer: any Layer, _ shape: [Int], _ given: [String: [Double]] = [:], mask: [Double]? = nil, states: [[Int]] = [],
  isTraining: Bool = true
) throws -> [String: [Double]] {
  var context = LayerContext(builder: ProgramBuilder(name: "recurrent"), isTraining: isTraining)
  let x = context.builder.input("x", .float32(Shape(shape)))
  var inputs = [x]
  for (place, extents) in states.enumerated() {
    inputs.append(context.builder.input("s\(place)", .float32(Shape(extents))))
  }
  if mask != nil {
    try context.setMask(context.builder.input("mask", TensorType(.bool, [shape[0], shape[1]])), of: x)
  }
  let results = try context.call(layer, at: "layer", inputs)
  var builder = context.builder
  var loss = try builder.append(Fill(value: 0, shape: [], elementType: .float32))
  for (place, result) in results.enumerated() {
    builder.output("\(place)", result)
    let squares = try builder.append(Unary(.square), result)
    let sum = try builder.append(Reduce(.sum, axes: Array(0..<result.shape.rank)), squares)
    loss = try builder.append(Binary(.add), loss, sum)
  }
  let trained = context.parameters.filter(\.isTrainable)
  let gradients = try builder.gradients(of: loss, for: trained.map(\.value) + [x])
  for parameter in trained { builder.output("d/" + parameter.name, try #require(gradients[parameter.value.id])) }
  builder.output("d/x", try #require(gradients[x.id]))
  let program = try builder.build().converted(to: .float64)
  var values: [String: [Double]] = [:]
  for id in program.values.indices where program.values[id].role != .temporary {
    let (name, count) = (program.values[id].name, program.values[id].type.shape.elementCount)
    values[name] = given[name] ?? madeUp(count)
  }
  if let mask { values["mask"] = mask }
  if values["randomKey"] != nil { values["randomKey"] = [5, 9] }
  return try ProgramEvaluation(program, values, on: chain(ReferenceBackend())).outputs
}

private func madeUp(_ count: Int) -> [Double] {
  (0..<count).map { (place: Int) -> Double in
    let number = (place * 7 + 3) % 11
    return Double(number) / 8 - 0.6
  }
}

private func isNear(_ a: [Double]?, _ b: [Double]?) -> Bool {
  guard let a, let b, a.count == b.count else { return false }
  return zip(a, b).allSatisfy { abs($0 - $1) < 1e-12 }
}

@Suite("Recurrent networks")
struct RecurrentTests {
  // MARK: Cells of one's own

  @Test(
    "a cell over the steps gives what the operation over the sequence gives, gradients too",
    arguments: [nil, [1, 1, 0, 1, 0, 0, 0, 1]] as [[Double]?], [false, true])
  func cell(mask: [Double]?, goBackwards: Bool) throws {
    let bias = [0.1, -0.2, 0.3]
    for sequences in [false, true] {
      let one = try outcome(
        SimpleRNN(3, returnSequences: sequences, returnState: true, goBackwards: goBackwards), [2, 4, 2],
        ["layer/bias": bias], mask: mask)
      let other = try outcome(
        Recurrent(ElmanCell(units: 3), returnSequences: sequences, returnState: true, goBackwards: goBackwards),
        [2, 4, 2], ["layer.elman.seen/bias": bias], mask: mask)
      #expect(isNear(one["0"], other["0"]) && isNear(one["1"], other["1"]) && isNear(one["d/x"], other["d/x"]))
      #expect(isNear(one["d/layer/kernel"], other["d/layer.elman.seen/kernel"]))
      #expect(isNear(one["d/layer/recurrentKernel"], other["d/layer.elman/recurrentKernel"]))
      #expect(isNear(one["d/layer/bias"], other["d/layer.elman.seen/bias"]))
    }
  }

  @Test("an output that is no state is 0 at masked steps, and the last valid one is the result")
  func outputOfCell() throws {
    let ones = ["x": [Double](repeating: 1, count: 6)]
    let mask: [Double] = [1, 0, 1, 0, 0, 0]
    let all = try outcome(
      Recurrent(CountingCell(), returnSequences: true, returnState: true), [2, 3, 1],
      ones.merging(["s0": [5, 7]]) { $1 }, mask: mask, states: [[2, 1]])
    #expect(all["0"] == [6, 0, 7, 0, 0, 0] && all["1"] == [7, 7])
    let last = try outcome(Recurrent(CountingCell()), [2, 3, 1], ones, mask: mask)
    #expect(last["0"] == [2, 0])
  }

  @Test("a cell may be run in both directions, and frozen")
  func cellInBoth() throws {
    let both = try outcome(Bidirectional(Recurrent(ElmanCell(units: 2), returnSequences: true)), [2, 3, 2])
    #expect(both["0"]?.count == 24 && both["d/layer.backward.elman/recurrentKernel"]?.contains { $0 != 0 } == true)
    let frozen = try outcome(Bidirectional(Frozen(Recurrent(ElmanCell(units: 2)))), [2, 3, 2])
    #expect(Set(frozen.keys) == ["0", "d/x"])
  }

  @Test("a cell that changes its states' shape is an error with its path")
  func wrongCell() {
    do {
      _ = try outcome(Recurrent(CountingCell(width: 2)), [2, 3, 1])
      Issue.record("it was traced")
    } catch {
      let message = "\(error)"
      #expect(
        message.contains("layer.counting") && message.contains("[[2,1]]") && message.contains("[[2,2]]"), "\(message)")
    }
  }

  // MARK: Dropout

  @Test("inputs are dropped by feature, the same at all steps, and there is none in inference")
  func dropout() throws {
    let (samples, steps, features) = (40, 3, 1)
    let given: [String: [Double]] = [
      "x": [Double](repeating: 1, count: samples * steps * features), "layer/kernel": [1], "layer/bias": [0],
      "layer/recurrentKernel": [0],
    ]
    let layer = SimpleRNN(1, activation: .linear, dropout: 0.5, returnSequences: true)
    let values = try #require(try outcome(layer, [samples, steps, features], given)["0"])
    for sample in 0..<samples {
      let own = Set(values[sample * steps..<(sample + 1) * steps])
      #expect(own == [0] || own == [2])
    }
    #expect((8...32).contains(values.count { $0 == 0 } / steps))
    let still = try outcome(layer, [samples, steps, features], given, isTraining: false)
    #expect(still["0"] == [Double](repeating: 1, count: samples * steps))
  }

  @Test("a state is dropped in its product, the same at all steps")
  func recurrentDropout() throws {
    let samples = 40
    let given: [String: [Double]] = [
      "x": [Double](repeating: 0, count: samples * 3), "s0": [Double](repeating: 1, count: samples),
      "layer/kernel": [1], "layer/bias": [0], "layer/recurrentKernel": [1],
    ]
    let layer = SimpleRNN(1, activation: .linear, recurrentDropout: 0.5, returnSequences: true)
    let values = try #require(try outcome(layer, [samples, 3, 1], given, states: [[samples, 1]])["0"])
    let courses = Set((0..<samples).map { Array(values[3 * $0..<3 * $0 + 3]) })
    #expect(courses == [[0, 0, 0], [2, 4, 8]])
    for other in [LSTM(2, dropout: 0.5, recurrentDropout: 0.5), GRU(2, recurrentDropout: 0.5)] as [any Layer] {
      let (training, inference) = (
        try outcome(other, [2, 3, 2])["0"], try outcome(other, [2, 3, 2], isTraining: false)["0"]
      )
      #expect(training != inference && training != nil, "\(other.kind)")
    }
  }

  // MARK: Stateful training

  /// Sequences of twelve steps as three windows of four; window w of sample i is sample 4·w + i.
  private static let windows: [Float] = (0..<96).map { (place: Int) -> Float in
    let number = (place / 8 * 5 + place % 8 * 3) % 13
    return Float(number) / 13 - 0.5
  }

  private func step(_ layer: any Layer, _ steps: Int = 4) -> TrainingStep {
    TrainingStep(
      model: Sequential([layer, Dense(1)]), inputs: [ModelInput("sequence", .float32([steps, 2]))],
      objectives: [Objective(loss: MeanSquaredError())], optimizer: SGD(learningRate: 0))
  }

  private func data() throws -> ArrayDataset {
    try ArrayDataset([
      .float32("sequence", Self.windows, shape: [4, 2]),
      .float32("labels", (0..<12).map { Float($0 % 5) }, shape: [1]),
    ])
  }

  private func numbers(_ bytes: [UInt8]?) -> [Float] {
    bytes?.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) } ?? []
  }

  @Test("a batch goes on from the states of the one before, and evaluation begins with 0")
  func stateful() throws {
    let data = try data()
    let session = try TrainingSession(
      step: step(LSTM(3, stateful: true)), batchSize: 4, seed: 1, on: chain(ReferenceBackend()))
    #expect(numbers(try session.bytes()["layers.0.lstm/carry"]) == [Float](repeating: 0, count: 12))
    let before = try session.evaluate(data)
    for window in 0..<3 { _ = try session.train(data, ArraySlice((0..<4).map { Int32(4 * window + $0) })) }
    #expect(try session.evaluate(data) == before)
    // The same weights over the whole sequence at once.
    let states = try session.bytes()
    var given = ["layer/kernel", "layer/recurrentKernel", "layer/bias"].reduce(into: [String: [Double]]()) {
      $0[$1] = numbers(states[$1.replacing("layer/", with: "layers.0.lstm/")]).map(Double.init)
    }
    given["x"] = (0..<4).flatMap { sample in
      (0..<3).flatMap { window in
        let first = (4 * window + sample) * 8
        return Self.windows[first..<first + 8].map(Double.init)
      }
    }
    let whole = try outcome(LSTM(3, returnState: true), [4, 12, 2], given)
    for (name, place) in [("state", "1"), ("carry", "2")] {
      let (kept, truth) = (numbers(states["layers.0.lstm/" + name]), try #require(whole[place]))
      #expect(kept.count == 12 && zip(kept, truth).allSatisfy { abs(Double($0) - $1) < 1e-5 }, "\(name)")
    }
  }

  @Test("a batch of another size cannot follow in a stateful training, and that is said")
  func changingBatch() throws {
    let data = try data()
    let session = try TrainingSession(
      step: step(GRU(3, stateful: true)), batchSize: 8, seed: 1, on: chain(ReferenceBackend()))
    _ = try session.train(data, ArraySlice(0..<8))
    do {
      _ = try session.train(data, ArraySlice(8..<12))
      Issue.record("it was trained on")
    } catch {
      let message = "\(error)"
      #expect(message.contains("layers.0.gru") && message.contains("its states are of 8 samples"), "\(message)")
      #expect(message.contains("a batch of 4 cannot follow") && message.contains("last_batch: drop"), "\(message)")
    }
    // Without states of samples it may.
    let plain = try TrainingSession(step: step(GRU(3)), batchSize: 8, seed: 1, on: chain(ReferenceBackend()))
    _ = try plain.train(data, ArraySlice(8..<12))
  }

  private static func run(_ keys: String = "") -> String {
    """
    version: 1
    model:
      layers: [{lstm: {units: 4, stateful: true}}, {dense: {units: 1}}]
    data: {dataset: adding-problem, sequence_length: 6, samples: 100, validation_split: 0.2}
    training: {epochs: 2, batch_size: 16, loss: mean_squared_error, \(keys) optimizer: {type: adam}}
    backend: {name: reference}
    """
  }

  private func parts(_ text: String, _ record: DatasetRecord? = nil) throws -> DatasetParts {
    let configuration = try Configuration(text: text, file: "test.yaml")
    var request = configuration.data.request
    request.record = record
    return try configuration.data.source.open(request)
  }

  @Test("a run that would end an epoch with a smaller batch is refused before its first step")
  func restOfEpoch() throws {
    let text = Self.run("batch_size: 24,").replacing("batch_size: 16, ", with: "")
    do {
      _ = try makeLoop(text, data: parts(text))
      Issue.record("it was begun")
    } catch {
      let message = "\(error)"
      #expect(
        message.contains("model.layers.0.lstm: the layer is stateful: its states are of 24 samples"), "\(message)")
      #expect(message.contains("a batch of 16, which 64 samples leave, cannot follow"), "\(message)")
    }
    let dropping = text.replacing("batch_size: 24,", with: "batch_size: 24, last_batch: drop,")
    _ = try makeLoop(dropping, data: parts(dropping)).run()
    #expect(try check(dropping).problems.isEmpty)
    // The check says it as the run does, with the layer's line.
    let error = #expect(throws: ConfigurationError.self) { _ = try makeLoop(text, data: parts(text)) }
    #expect(try error != nil && error?.problems == check(text).problems)
    #expect(error?.problems.first?.description.hasPrefix("test.yaml:3:") == true, "\(error.map { "\($0)" } ?? "")")
  }

  private func check(_ text: String) throws -> ConfigurationCheck {
    ConfigurationCheck(
      try Configuration(text: text, file: "test.yaml"),
      registry: BackendRegistry(linked: [ReferenceBackend()], folders: []), host: try HostServices(workers: 1))
  }

  /// Batches of four windows of eight steps.
  private func onSeries(stride: Int, _ layer: String = "lstm: {units: 4, stateful: true}") throws -> String {
    let folder = temporaryRun()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let path = folder + "/series.csv"
    let rows = (0..<100).map { "\(Double($0 % 7) / 7)\n" }.joined()
    try ("x\n" + rows).write(toFile: path, atomically: true, encoding: .utf8)
    return """
      version: 1
      model:
        layers: [{\(layer)}, {dense: {units: 1}}]
      data: {dataset: time-series, path: \(path), target: x, window: 8, stride: \(stride)}
      training: {epochs: 1, batch_size: 4, last_batch: drop, loss: mean_squared_error, optimizer: {type: adam}}
      backend: {name: reference}
      """
  }

  /// What is said before the first step.
  private func messages(_ text: String) throws -> [String] {
    var lines: [String] = []
    let listener = EventHandler { event in
      if case .message(let line) = event { lines.append(line) }
      if case .step = event { return .finish }
      return .proceed
    }
    _ = try makeLoop(text, data: parts(text)).run(callbacks: [listener])
    return lines
  }

  @Test(
    "windows that do not go on with those of the batch before are said before the first step, and by the check",
    arguments: [
      (
        1,
        "1 is 4, and data.window is 8, so 4 of its 8 steps are read again. Set data.window to 4, or training.batch_size to 8"
      ),
      (3, "3 is 12, and data.window is 8, so 4 steps between are left out. Set data.window to 12"),
    ])
  func apart(stride: Int, words: String) throws {
    let text = try onSeries(stride: stride)
    let note =
      "layers.0.lstm is stateful, but no window begins where that of the batch before ended: training.batch_size 4 times "
      + "data.stride \(words)"
    #expect(try messages(text).contains("warning: " + note))
    let found = try check(text)
    #expect(found.problems.isEmpty && found.warnings == [note], "\(found.warnings)")
  }

  @Test("nothing is said of windows that go on, nor of a network that keeps no states")
  func together() throws {
    for text in [try onSeries(stride: 2), try onSeries(stride: 1, "lstm: {units: 4}")] {
      #expect(try check(text).warnings.isEmpty)
      #expect(try !messages(text).contains { $0.contains("no window begins") })
    }
  }

  @Test("a stateful run takes the samples in their order, and goes on to the bits that it would have had")
  func resumed() throws {
    let text = Self.run()
    let whole = try makeLoop(text, data: try parts(text))
    _ = try whole.run()
    let checkpoint = try interrupted(try makeLoop(text, data: try parts(text)), after: 3)
    let record: DatasetRecord = try #require(checkpoint.data)
    let rest = try makeLoop(text, data: try parts(text, record), going: checkpoint)
    _ = try rest.run(from: checkpoint)
    #expect(try rest.session.bytes() == whole.session.bytes())
    #expect(try whole.session.bytes()["layers.0.lstm/state"]?.contains { $0 != 0 } == true)
  }

  @Test("gates solve the adding problem of few steps", arguments: ["lstm: {units: 16}", "gru: {units: 16}"])
  func learns(layer: String) throws {
    let text = """
      version: 1
      model:
        layers: [{\(layer)}, {dense: {units: 1}}]
      data: {dataset: adding-problem, sequence_length: 6, samples: 8000}
      training:
        epochs: 2
        batch_size: 64
        loss: mean_squared_error
        optimizer: {type: adam, learning_rate: 0.02, global_clipnorm: 1}
      backend: {name: reference}
      """
    // Whoever always says 1 has 1/6.
    #expect(try makeLoop(text, data: parts(text)).run().testLoss < 0.01)
  }

  // MARK: Configurations

  private func read(_ layers: String) -> (configuration: Configuration?, problems: String) {
    let text = """
      version: 1
      model:
        layers:
          - \(layers)
          - dense: {units: 1}
      data: {dataset: adding-problem, sequence_length: 5}
      training: {loss: mean_squared_error, optimizer: sgd}
      """
    do { return (try Configuration(text: text, file: "test.yaml"), "") } catch {
      return (nil, error.problems.map(\.description).joined(separator: "\n"))
    }
  }

  @Test("they are read from YAML and back, a layer in a layer too")
  func reading() throws {
    let (read, problems) = read(
      "bidirectional: {layer: {lstm: {units: 3, return_sequences: true, trainable: false}}, merge_mode: ave}")
    let configuration = try #require(read, "\(problems)")
    let layer = try #require(configuration.model.nodes[0].layer as? Bidirectional)
    #expect(layer.mergeMode == .ave && layer.backwardLayer == nil)
    #expect(((layer.layer as? Frozen)?.layer as? LSTM)?.returnSequences == true)
    #expect(!configuration.resolvedText.contains("backward_layer"))
    let again = try Configuration(text: configuration.resolvedText, file: "again.yaml")
    #expect(again.resolvedText == configuration.resolvedText)
    let two = self.read(
      "bidirectional: {layer: {gru: {units: 3}}, backward_layer: {simple_rnn: {units: 2, go_backwards: true}}}")
    let other = try #require(two.configuration, "\(two.problems)").model.nodes[0].layer as? Bidirectional
    #expect((other?.layer as? GRU)?.resetAfter == true && (other?.backwardLayer as? SimpleRNN)?.units == 2)
  }

  @Test(
    "what cannot be is said with its line",
    arguments: [
      ("lstm: {}", "model.layers.0.lstm.units is missing"),
      ("lstm: {units: 3, activation: tanhh}", "cannot be tanhh; did you mean tanh?"),
      ("bidirectional: {}", "model.layers.0.bidirectional.layer must be a layer"),
      ("bidirectional: {layer: {dense: {units: 3}}}", "and dense is none"),
      ("bidirectional: {layer: {lstmm: {units: 3}}}", "there is no layer lstmm; did you mean lstm?"),
      ("bidirectional: {layer: {lstm: {unit: 3}}}", "model.layers.0.bidirectional.layer.lstm.unit is not a key here"),
      ("bidirectional: {layer: {lstm: {units: 3, name: a}}}", "takes no name and no inputs"),
      ("bidirectional: {layer: [{lstm: {units: 3}}]}", "must be one layer"),
      ("bidirectional: {layer: {lstm: {units: 3}}, merge_mode: add}", "merge_mode cannot be add; did you mean sum?"),
      (
        "bidirectional: {gru: {units: 3}}",
        "bidirectional.gru is not a key here: the recurrent layer goes under layer, as in layer: {gru: …}"
      ),
      (
        "bidirectional: {layer: {lstm: {units: 3}}, return_sequences: true}",
        "it goes under layer, with the recurrent layer's keys: layer: {lstm: {…, return_sequences: …}}"
      ),
      ("bidirectional: {layer: {gru: {units: 3}}, return_state: true}", "layer: {lstm: {…, return_state: …}}"),
    ])
  func mistakes(layers: String, words: String) {
    let found = read(layers).problems
    #expect(found.contains(words) && found.contains("test.yaml:4:"), "\(found)")
    // What is given in the wrong place is not missing too.
    if words.contains("goes under layer") { #expect(!found.contains("\n"), "\(found)") }
  }

  @Test("what tracing finds in a direction is said with the line of its layer")
  func located() throws {
    let configuration = try #require(
      read("bidirectional: {layer: {lstm: {units: 3, recurrent_activation: swish}}}").configuration)
    do {
      _ = try configuration.trainingStep(
        on: DatasetLayout(inputs: [Field("sequence", .float32, [5, 2])], targets: [.init("labels", .values(1))]))
      Issue.record("it was traced")
    } catch {
      let message = "\(error)"
      #expect(
        message.contains("test.yaml:4:") && message.contains("model.layers.0.bidirectional.layer.lstm"), "\(message)")
      #expect(message.contains("recurrent_activation cannot be swish; these work: linear"), "\(message)")
    }
  }
}
