import Foundation
public import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackInterchange
public import SwitchbackPrograms

/// A trained network, ready to be used: the program of inference, its weights, and how samples become its inputs.
///
/// It answers one sample at a time, so that an answer never depends on the samples beside it. One thread at a time. Batch
/// normalizations are folded into the convolutions and dense layers before them (`FoldedProgram`), so answers may differ in
/// their last digits from an evaluation's; `program` and the file have them as they were traced.
///
/// ```swift
/// let answers = try model.predict(fields: ["images": .image(picture), "table": .row([31, 4.5])])
/// print(answers["digit"]?.best?.name ?? "", answers["ink"]?.outputs ?? [])
/// ```
public final class TrainedModel {
  /// For one sample: the fields as inputs, the weights as states, and the output `predictions`, of several outputs
  /// `digit/predictions`.
  public let program: Program
  public let samples: SampleFormat
  /// Which weights it holds.
  public let weights: ModelWeights
  /// Runs `program` with its normalizations folded.
  private let executor: ProgramExecutor
  /// The weights that `executor` has others for, by name.
  private let unfolded: [String: Safetensors.Tensor]
  private let feed: ProgramFeed
  /// One for each of `samples.inputs`.
  private let inputs: [InputHandle]
  /// One for each of `samples.outputs`.
  private let answers: [Answer]
  /// The words of fields that texts become, by the fields' names.
  private let vocabularies: [String: VocabularyIndex]
  /// Fields of tokens that the network looks up.
  private let tokens: [(bound: TokenBound, handle: InputHandle)]

  /// Where the program answers an output.
  private struct Answer {
    let handle: OutputHandle
    let areProbabilities: Bool
    /// bool `[1, T]`: which steps are valid; nil where all are, or the answer is not by steps.
    let mask: OutputHandle?
  }

  /// Takes the weights out of `tensors`, by name; whatever does not fit together is an error in words. Of one field the
  /// program says the name.
  package init(
    program: Program, tensors: [Safetensors.Tensor], samples: SampleFormat, weights: ModelWeights,
    on chain: BackendChain
  ) throws {
    var samples = samples
    let fields = program.values(.input)
    if samples.inputs.count == 1, fields.count == 1 { samples.inputs[0].name = program.values[fields[0]].name }
    if let fault = program.faultOfInference(on: samples) ?? samples.fault(answering: program.answerCounts(samples)) {
      throw TrainedModelError("the network cannot be used: \(fault)")
    }
    (self.program, self.samples, self.weights) = (program, samples, weights)
    var given = Dictionary(tensors.map { ($0.name, $0) }) { first, _ in first }
    var stored: [String: Safetensors.Tensor] = [:]
    for id in program.values(.state) {
      let value = program.values[id]
      guard let tensor = given.removeValue(forKey: value.name) else {
        throw TrainedModelError("the weight \(value.name) is missing")
      }
      let type = tensor.type == "F32" ? TensorType.float32(Shape(tensor.shape)).description : "\(tensor.type)"
      guard type == value.type.description, tensor.bytes.count == value.type.byteCount else {
        throw TrainedModelError("the weight \(value.name) is \(type), and the network needs \(value.type)")
      }
      stored[value.name] = tensor
    }
    guard given.isEmpty else {
      throw TrainedModelError("the network has no weight \(given.keys.sorted().prefix(5).joined(separator: ", "))")
    }
    let folded = FoldedProgram(program, weights: stored)
    let states = StateStore()
    for id in folded.program.values(.state) {
      let value = folded.program.values[id]
      guard let tensor = folded.made[value.name] ?? stored.removeValue(forKey: value.name) else { continue }
      _ = try states.state(value.name, value.type)
      try states.withMutableBytes(of: value.name) { bytes in tensor.bytes.withUnsafeBytes { bytes.copyMemory(from: $0) }
      }
    }
    // Copied, so that a file's bytes are not kept for a slice of them.
    unfolded = stored.mapValues { tensor in
      Safetensors.Tensor(
        name: tensor.name, shape: tensor.shape, bytes: tensor.bytes.withUnsafeBytes { Data($0) })
    }
    let executor = try ProgramExecutor(folded.program, on: chain, states: states)
    (self.executor, feed) = (executor, try ProgramFeed(executor))
    inputs = try samples.inputs.map { try executor.input(named: $0.name) }
    var vocabularies: [String: VocabularyIndex] = [:]
    for input in samples.inputs { vocabularies[input.name] = input.vocabulary.map { VocabularyIndex($0) } }
    self.vocabularies = vocabularies
    tokens = try program.tokenBounds.map { ($0, try executor.input(named: $0.name)) }
    answers = try samples.outputs.map { output in
      let name = Program.answerName(output, in: samples)
      return Answer(
        handle: try executor.output(named: name), areProbabilities: program.answersProbabilities(name),
        mask: Program.maskName(output, in: samples).flatMap { executor.outputIfAny(named: $0) })
    }
  }

  /// Whether the first output comes from a softmax or sigmoid, the network's own or the one that its loss implies.
  public var areProbabilities: Bool { answers[0].areProbabilities }

  /// The same of the output of a name; false where there is none.
  public func areProbabilities(of output: String) -> Bool {
    samples.outputs.firstIndex { $0.name == output }.map { answers[$0].areProbabilities } ?? false
  }

  // MARK: Predicting

  /// What the network says of a sample, given as a value for each of `samples.inputs`: an answer for each of
  /// `samples.outputs`, by its name.
  public func predict(fields: [String: FieldValue]) throws -> [String: Prediction] {
    let unknown = fields.keys.filter { name in !samples.inputs.contains { $0.name == name } }.sorted()
    guard unknown.isEmpty else {
      throw TrainedModelError(
        "the network reads no field \(unknown.joined(separator: ", ")); it reads \(samples.inputWords)")
    }
    let fields = tokenized(fields)
    for (input, handle) in zip(samples.inputs, inputs) {
      guard let value = fields[input.name] ?? length(input.name, of: fields) else {
        throw TrainedModelError("the field \(input.name) is missing; the network reads \(samples.inputWords)")
      }
      try executor.withInput(handle) { bytes in
        do throws(TrainedModelError) { try input.write(value, to: bytes) } catch {
          throw TrainedModelError(samples.words(error.message, of: input.name, among: inputs.count))
        }
      }
    }
    return try answer()
  }

  /// The same with tokens in place of texts: how many they are may be a field too.
  private func tokenized(_ fields: [String: FieldValue]) -> [String: FieldValue] {
    var fields = fields
    for input in samples.inputs {
      guard case .text(let text)? = fields[input.name], let words = vocabularies[input.name] else { continue }
      fields[input.name] = .tokens(words.tokens(of: text))
    }
    return fields
  }

  /// How many tokens of a sequence that is given are read, where the field holds the lengths of such.
  private func length(_ name: String, of fields: [String: FieldValue]) -> FieldValue? {
    for input in samples.inputs where input.lengths == name {
      if case .tokens(let tokens)? = fields[input.name] { return .integers([Int32(min(tokens.count, input.shape[0]))]) }
    }
    return nil
  }

  /// What the network says of samples of a data set that has its fields, in the order of `indices`; its other fields are
  /// read with them and not used.
  public func predict(_ dataset: any Dataset, _ indices: ArraySlice<Int32>) throws -> [[String: Prediction]] {
    try indices.map { index in
      guard (0..<dataset.count).contains(Int(index)) else {
        throw TrainedModelError("there is no sample \(index): the data has \(dataset.count)")
      }
      try feed.fill(dataset, [index])
      return try answer()
    }
  }

  /// What the network with one field and one output says of a sample that is its input as it is, row-major: pixels from 0
  /// to 1, table rows normalized.
  public func predict(_ sample: [Float]) throws -> Prediction { try predict(.numbers(sample)) }

  /// The same for several samples, in their order.
  public func predict(_ batch: [[Float]]) throws -> [Prediction] { try batch.map { try predict($0) } }

  /// What the network with one field and one output says of a row of the table, as it stands there (`FieldValue.row`).
  public func predict(row: [Double]) throws -> Prediction { try predict(.row(row)) }

  /// What the network with one field and one output says of a picture, which is resized and made gray or coloured as it
  /// wants them.
  public func predict(_ image: Image) throws -> Prediction { try predict(.image(image)) }

  private func predict(_ value: FieldValue) throws -> Prediction {
    guard samples.inputs.count == 1, samples.outputs.count == 1 else {
      throw TrainedModelError(
        "the network reads \(samples.inputWords), and answers \(samples.outputs.map(\.name).joined(separator: ", ")): "
          + "predict(fields:) takes and answers them by their names")
    }
    let answers = try predict(fields: [samples.inputs[0].name: value])
    guard let answer = answers[samples.outputs[0].name] else { throw TrainedModelError("the network has no answer") }
    return answer
  }

  /// Runs the program on what its inputs hold.
  private func answer() throws -> [String: Prediction] {
    for (bound, handle) in tokens {
      let fault = try executor.withInput(handle) { bytes in
        bytes.bindMemory(to: Int32.self).lazy.compactMap(bound.fault).first
      }
      if let fault { throw TrainedModelError(fault) }
    }
    try executor.run()
    var found: [String: Prediction] = [:]
    for (output, answer) in zip(samples.outputs, answers) {
      let outputs = try executor.withOutput(answer.handle) { Array($0.bindMemory(to: Float.self)) }
      guard outputs.allSatisfy(\.isFinite) else {
        let words = "the network answers \(outputs.prefix(5)), which is not finite"
        throw TrainedModelError(samples.words(words, of: output.name, among: answers.count))
      }
      let mask = try answer.mask.map { try executor.withOutput($0) { $0.map { $0 != 0 } } }
      found[output.name] = Prediction(
        outputs: outputs, output.targets, mask: mask, areProbabilities: answer.areProbabilities,
        names: output.classNames)
    }
    return found
  }

  // MARK: Weights

  /// The weights as they are stored.
  package func tensors() throws -> [Safetensors.Tensor] {
    try program.values(.state).map { id in
      let (name, type) = (program.values[id].name, program.values[id].type)
      if let tensor = unfolded[name] { return tensor }
      return Safetensors.Tensor(
        name: name, shape: type.shape.extents, bytes: try executor.states.withBytes(of: name) { Data($0) })
    }
  }
}

/// Why a trained model cannot be read, written or used, in words.
public struct TrainedModelError: Error, Hashable, Sendable, CustomStringConvertible {
  public let message: String

  public init(_ message: String) { self.message = message }

  public var description: String { message }
}
