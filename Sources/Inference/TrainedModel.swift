import Foundation
public import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackInterchange
public import SwitchbackPrograms

/// A trained network, ready to be used: the program of inference, its weights, and how samples become its input.
///
/// It answers one sample at a time, so that an answer never depends on the samples beside it. One thread at a time.
public final class TrainedModel {
  /// For one sample: an input, the weights as states, and the output `predictions`.
  public let program: Program
  public let samples: SampleFormat
  /// Which weights it holds.
  public let weights: ModelWeights
  /// Whether the outputs come from a softmax or sigmoid, the network's own or the one that its loss implies.
  public let areProbabilities: Bool
  private let executor: ProgramExecutor
  private let feed: ProgramFeed
  private let predictions: OutputHandle

  /// Takes the weights out of `tensors`, by name; whatever does not fit together is an error in words.
  package init(
    program: Program, tensors: [Safetensors.Tensor], samples: SampleFormat, weights: ModelWeights,
    on chain: BackendChain
  ) throws {
    if let fault = program.faultOfInference(on: samples.shape) ?? samples.fault(outputs: program.outputCount) {
      throw TrainedModelError("the network cannot be used: \(fault)")
    }
    (self.program, self.samples, self.weights) = (program, samples, weights)
    areProbabilities = program.answersProbabilities
    let states = StateStore()
    var given = Dictionary(tensors.map { ($0.name, $0) }) { first, _ in first }
    for id in program.values(.state) {
      let value = program.values[id]
      guard let tensor = given.removeValue(forKey: value.name) else {
        throw TrainedModelError("the weight \(value.name) is missing")
      }
      let type = tensor.type == "F32" ? TensorType.float32(Shape(tensor.shape)).description : "\(tensor.type)"
      guard type == value.type.description, tensor.bytes.count == value.type.byteCount else {
        throw TrainedModelError("the weight \(value.name) is \(type), and the network needs \(value.type)")
      }
      _ = try states.state(value.name, value.type)
      try states.withMutableBytes(of: value.name) { bytes in tensor.bytes.withUnsafeBytes { bytes.copyMemory(from: $0) }
      }
    }
    guard given.isEmpty else {
      throw TrainedModelError("the network has no weight \(given.keys.sorted().prefix(5).joined(separator: ", "))")
    }
    executor = try ProgramExecutor(program, on: chain, states: states)
    feed = try ProgramFeed(executor)
    predictions = try executor.output(named: "predictions")
  }

  // MARK: Predicting

  /// What the network says of a sample that is its input as it is: `samples.shape`, row-major; pixels from 0 to 1, table
  /// rows normalized.
  public func predict(_ sample: [Float]) throws -> Prediction {
    guard sample.count == samples.shape.reduce(1, *) else {
      throw TrainedModelError("\(sample.count) numbers are no sample \(samples.shape)")
    }
    let columns = executor.inputs.map { ArrayDataset.Column.float32($0.name, sample, shape: samples.shape) }
    try feed.fill(try ArrayDataset(columns), [0])
    try executor.run()
    let outputs = try executor.withOutput(predictions) { Array($0.bindMemory(to: Float.self)) }
    guard outputs.allSatisfy(\.isFinite) else {
      throw TrainedModelError("the network answers \(outputs.prefix(5)), which is not finite")
    }
    return Prediction(
      outputs: outputs, isOfClasses: samples.targets == .classes, areProbabilities: areProbabilities,
      names: samples.classNames)
  }

  /// The same for several samples, in their order.
  public func predict(_ batch: [[Float]]) throws -> [Prediction] { try batch.map { try predict($0) } }

  /// What the network says of a row of the table, its features in the order of `samples.features`, as they stand in the
  /// table: they are normalized here, in Float64.
  public func predict(row: [Double]) throws -> Prediction {
    guard samples.shape == [row.count] else {
      throw TrainedModelError("\(row.count) numbers are no row of the network's \(samples.shape) features")
    }
    let normalization = samples.normalization
    let values = row.indices.map { Float(normalization.isEmpty ? row[$0] : normalization[$0](row[$0])) }
    for (index, value) in values.enumerated() where !value.isFinite {
      let name = samples.features.isEmpty ? "number \(index)" : samples.features[index]
      throw TrainedModelError("\(name): \(row[index]) is too large for the network")
    }
    return try predict(values)
  }

  /// What the network says of a picture, which is resized and made gray or coloured as it wants them.
  public func predict(_ image: Image) throws -> Prediction {
    let shape = samples.shape
    guard shape.count == 3, samples.channels != nil else {
      throw TrainedModelError("the network takes samples \(shape), which are no images")
    }
    var values = [Float](repeating: 0, count: shape.reduce(1, *))
    image.write(to: &values, height: shape[0], width: shape[1], channels: shape[2])
    return try predict(values)
  }

  // MARK: Weights

  /// The weights as they are stored.
  package func tensors() throws -> [Safetensors.Tensor] {
    try executor.states.states.values.map { state in
      Safetensors.Tensor(
        name: state.name, shape: state.type.shape.extents,
        bytes: try executor.states.withBytes(of: state.name) { Data($0) })
    }
  }
}

/// Why a trained model cannot be read, written or used, in words.
public struct TrainedModelError: Error, Hashable, Sendable, CustomStringConvertible {
  public let message: String

  public init(_ message: String) { self.message = message }

  public var description: String { message }
}
