import Foundation
public import SwitchbackDatasets
public import SwitchbackInference
import SwitchbackInterchange

// A session in a file: what a program needs that trains its own layers, which no configuration can describe.
extension TrainingSession {
  /// Writes the states (weights, optimizer slots, averages) and how far training is, as a checkpoint of a run: whole or
  /// not at all.
  public func save(to path: String) throws {
    var position = Checkpoint.Position(
      seed: Int(seed), plan: try planFingerprint, routing: chain.routing, program: programFingerprint)
    position.follow(self)
    try AtomicFile.write(try checkpoint(at: position, of: nil).encoded(), to: path)
  }

  /// Goes on where a session was saved, or a run's checkpoint made, that was made in the same way: of the same network,
  /// loss, optimizer, batch size and seed. Another backend is allowed, and gives other last bits.
  public func load(from path: String) throws {
    let checkpoint: Checkpoint
    do {
      checkpoint = try Checkpoint(decoding: try RegularFile.read(path))
    } catch let error as FileError {
      throw CheckpointMismatch(message: "\(error)")
    } catch {
      throw CheckpointMismatch(message: "\(path) is no saved session: \(error)")
    }
    let position = checkpoint.position
    guard position.seed == Int(seed) else {
      throw CheckpointMismatch(message: "\(path) was saved with the seed \(position.seed), and this one has \(seed)")
    }
    try checkStates(of: checkpoint)
    let program = programFingerprint
    guard position.program ?? program == program else {
      throw CheckpointMismatch(message: "\(path) is of another network, loss, optimizer or batch size")
    }
    try restore(checkpoint)
  }

  /// The network as it is now, to be used or saved without what only training needs: unless said otherwise with the
  /// moving average of its weights, where the step keeps one. Of the fields and targets of `samples` the model takes those
  /// that it reads and is trained for, by their names; a single one of each fits whatever it is called.
  public func trainedModel(for samples: SampleFormat, weights wanted: ModelWeights? = nil) throws -> TrainedModel {
    let weights = try weights(wanted)
    let inference = try inference
    let tensors = try inference.parameters.map { parameter in
      let name = weights == .averaged && parameter.isTrainable ? parameter.averageName : parameter.name
      return Safetensors.Tensor(
        name: parameter.name, shape: parameter.type.shape.extents, bytes: try states.withBytes(of: name) { Data($0) })
    }
    return try TrainedModel(
      program: inference.program, tensors: tensors, samples: try step.format(of: samples), weights: weights, on: chain)
  }

  /// The same; what its samples and answers are is read from a data set.
  public func trainedModel(for data: any Dataset, weights: ModelWeights? = nil) throws -> TrainedModel {
    try trainedModel(for: SampleFormat(data), weights: weights)
  }
}
