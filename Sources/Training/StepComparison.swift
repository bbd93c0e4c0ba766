public import SwitchbackDatasets
public import SwitchbackExecution
public import SwitchbackNeuralNetworks
import SwitchbackPrograms

/// The same training steps on two chains of backends, each step from the same weights and slots: those of the first.
///
/// Left to themselves two right backends part ways (one unit in the last place flips a pooling tie), so free runs of a
/// convolutional network prove nothing.
public final class StepComparison {
  /// How far one step was apart.
  public struct Row: Sendable, Codable {
    /// From 1.
    public var step: Int
    public var losses: [Double]
    /// |a − b| / |a|
    public var lossDifference: Double
    /// ‖a − b‖₂ / ‖a‖₂ of the worst parameter's gradient, and its name.
    public var gradientDifference: Double
    public var parameter: String
    /// Elements of gradients that are exactly 0 on the first, and not on the second: noise, of which an optimizer that
    /// divides by the gradient's size makes steps.
    public var lostZeros: Int
  }

  private let executors: [ProgramExecutor]
  private let training: TrainingProgram
  private let inputName: String
  private let seed: Int64
  private var steps = 0

  public init(_ step: TrainingStep, batchSize: Int, seed: Int, on first: BackendChain, and second: BackendChain) throws
  {
    training = try step.build(batchSize: batchSize) { (builder, trace) throws(ProgramError) in
      for parameter in trace.parameters { builder.output("gradient/" + parameter.parameter.name, parameter.gradient) }
    }
    let program = training.program
    executors = try [first, second].map { try ProgramExecutor(program, on: $0, states: StateStore()) }
    (inputName, self.seed) = (step.inputName, Int64(seed))
    for state in training.states {
      let values = state.values(seed: Int64(seed))
      try executors[0].states.withMutableBytes(of: state.name) { bytes in
        values.withUnsafeBytes { bytes.copyMemory(from: $0) }
      }
    }
  }

  /// The program that both run, and the numbers of its operands before the next step on these samples.
  public func operands(_ dataset: any Dataset, _ indices: ArraySlice<Int32>) throws -> (Program, [String: [Double]]) {
    try prepare(executors[0], dataset, indices)
    var values: [String: [Double]] = [:]
    for id in training.program.values.indices where training.program.values[id].role != .temporary {
      let value = training.program.values[id]
      guard let bytes = try? executors[0].withValue(id, { Array($0) }) else { continue }
      values[value.name] = bytes.withUnsafeBytes { raw in
        (0..<value.type.shape.elementCount).map { e in
          switch value.type.elementType {
          case .int32: Double(raw.load(fromByteOffset: 4 * e, as: Int32.self))
          case .int64: Double(raw.load(fromByteOffset: 8 * e, as: Int64.self))
          case .uint8, .bool: Double(raw[e])
          default: Double(raw.load(fromByteOffset: 4 * e, as: Float.self))
          }
        }
      }
    }
    return (training.program, values)
  }

  /// One step of both from the first's states.
  public func advance(_ dataset: any Dataset, _ indices: ArraySlice<Int32>) throws -> Row {
    let (a, b) = (executors[0], executors[1])
    for name in a.states.states.keys {
      let bytes = try a.states.withBytes(of: name) { Array($0) }
      try b.states.withMutableBytes(of: name) { $0.copyBytes(from: bytes) }
    }
    for executor in executors {
      try prepare(executor, dataset, indices)
      try executor.run()
    }
    steps += 1
    let losses = try executors.map { Double(try $0.withOutput("loss") { $0.load(as: Float.self) }) }
    var row = Row(
      step: steps, losses: losses, lossDifference: abs(losses[0] - losses[1]) / max(abs(losses[0]), 1e-30),
      gradientDifference: 0, parameter: "", lostZeros: 0)
    for parameter in training.parameters where parameter.isTrainable {
      let (difference, lostZeros) = try self.difference("gradient/" + parameter.name)
      row.lostZeros += lostZeros
      // A difference that is no number is the worst of all.
      if !(difference <= row.gradientDifference) {
        (row.gradientDifference, row.parameter) = (difference, parameter.name)
      }
    }
    return row
  }

  private func difference(_ output: String) throws -> (relative: Double, lostZeros: Int) {
    try executors[0].withOutput(output) { first in
      try executors[1].withOutput(output) { second in
        let (a, b) = (first.bindMemory(to: Float.self), second.bindMemory(to: Float.self))
        var (squares, norm) = (0.0, 0.0)
        var lostZeros = 0
        for e in a.indices {
          let difference = Double(a[e]) - Double(b[e])
          squares += difference * difference
          norm += Double(a[e]) * Double(a[e])
          if a[e] == 0, b[e] != 0 { lostZeros += 1 }
        }
        return ((squares / max(norm, 1e-30)).squareRoot(), lostZeros)
      }
    }
  }

  private func prepare(_ executor: ProgramExecutor, _ dataset: any Dataset, _ indices: ArraySlice<Int32>) throws {
    try executor.withInput(inputName) { images in
      try executor.withInput("labels") { labels in
        try dataset.gather(
          indices, samples: images.bindMemory(to: Float.self).baseAddress!, targets: labels.baseAddress!)
      }
    }
    try executor.fill(training.stepValues, at: StepPosition(update: steps, seed: seed))
  }
}
