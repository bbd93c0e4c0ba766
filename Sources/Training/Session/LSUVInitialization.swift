public import SwitchbackDatasets
import Foundation
import SwitchbackExecution
public import SwitchbackNeuralNetworks
import SwitchbackPrograms

/// What a data-dependent initialization did: in the record of a run.
public struct LSUVRecord: Hashable, Sendable, Codable {
  public var settings: LSUV
  /// How many were looked at.
  public var samples: Int
  /// In the order in which they compute.
  public var kernels: [Kernel]

  public struct Kernel: Hashable, Sendable, Codable {
    /// `layers.2.conv2d/kernel`
    public var name: String
    /// What it was multiplied with.
    public var factor: Double
    /// The variance of what it makes of the samples, before and after. Where the first is 0 or not finite, the kernel was left
    /// as it was.
    public var varianceBefore: Float
    public var variance: Float

    var isLeft: Bool { !(varianceBefore > 0 && varianceBefore.isFinite) }
  }

  /// What it did, a line each.
  var words: [String] {
    let scaled = kernels.filter { !$0.isLeft }
    func range(_ numbers: [Double]) -> String {
      let (least, most) = (numbers.min() ?? 0, numbers.max() ?? 0)
      return least == most ? String(format: "%.4g", least) : String(format: "%.4g to %.4g", least, most)
    }
    guard !kernels.isEmpty else {
      return ["warning: LSUV found no dense layer and no convolution that is trained: weights start as they are"]
    }
    let start = settings.orthogonal ? "orthogonal kernels" : "kernels"
    let first =
      scaled.isEmpty
      ? []
      : [
        "LSUV on \(samples) samples: \(scaled.count) \(start) scaled by \(range(scaled.map(\.factor))); variances were "
          + "\(range(scaled.map { Double($0.varianceBefore) })) and are \(range(scaled.map { Double($0.variance) }))"
      ]
    let far = scaled.filter { !(abs(Double($0.variance) - 1) <= settings.tolerance) }
    return first
      + far.map { "warning: LSUV: after all rounds the variance behind \($0.name) is \($0.variance)" }
      + kernels.filter(\.isLeft).map {
        "warning: LSUV leaves \($0.name) unscaled: the variance of what it makes of the samples is \($0.varianceBefore)"
      }
  }
}

extension TrainingSession {
  /// Scales the kernels of dense layers and convolutions, layer by layer, by what they make of these samples in a forward pass
  /// of training; moving averages start as they do. For a session that has not trained yet.
  ///
  /// Equal seeds, samples and plans give equal weights. Variances of other backends differ in their last bits, and so do
  /// these weights.
  public func initialize(
    _ settings: LSUV, on dataset: any Dataset, _ indices: ArraySlice<Int32>
  ) throws -> LSUVRecord {
    if let states = perSampleStates, indices.count != batchSize {
      throw DatasetError(
        .invalid, "\(states.layer) is stateful: LSUV takes a batch of \(batchSize) samples there, not \(indices.count)")
    }
    let made = try step.variances(batchSize: indices.count)
    guard !made.kernels.isEmpty else { return LSUVRecord(settings: settings, samples: indices.count, kernels: []) }
    if settings.orthogonal {
      for kernel in made.kernels {
        let values = kernel.orthogonalValues(seed: seed)
        try change(kernel) { numbers in for index in numbers.indices { numbers[index] = values[index] } }
      }
    }
    let executor = try ProgramExecutor(made.program, on: chain, states: states)
    let feed = try StepFeed(executor, made.stepValues)
    let outputs = try made.kernels.map { try executor.output(named: $0.output) }
    func variances() throws -> [Float] {
      try feed.fill(dataset, indices, at: StepPosition(update: 0, seed: seed))
      try executor.run()
      return try outputs.map { output in try executor.withOutput(output) { $0.load(as: Float.self) } }
    }
    var found = try variances()
    let kernels = try made.kernels.enumerated().map { place, kernel in
      var record = LSUVRecord.Kernel(
        name: kernel.parameter.name, factor: 1, varianceBefore: found[place], variance: found[place])
      for _ in 0..<settings.rounds where found[place] > 0 && found[place].isFinite {
        if abs(Double(found[place]) - 1) <= settings.tolerance { break }
        let factor = Float(1 / Double(found[place]).squareRoot())
        try change(kernel) { numbers in for index in numbers.indices { numbers[index] *= factor } }
        record.factor *= Double(factor)
        found = try variances()
      }
      record.variance = found[place]
      return record
    }
    return LSUVRecord(settings: settings, samples: indices.count, kernels: kernels)
  }

  /// Changes a kernel, and its moving average alike.
  private func change(
    _ kernel: VarianceProgram.Kernel, _ body: (UnsafeMutableBufferPointer<Float>) -> Void
  ) throws {
    for name in [kernel.parameter.name] + (kernel.averageName.map { [$0] } ?? []) {
      try states.withMutableBytes(of: name) { body($0.bindMemory(to: Float.self)) }
    }
  }
}
