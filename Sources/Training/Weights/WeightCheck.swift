import Foundation
import SwitchbackDatasets
package import SwitchbackExecution
package import SwitchbackInterchange
package import SwitchbackNeuralNetworks
import SwitchbackPrograms

/// Outputs of a network here beside those that the other framework computed of the same inputs.
package struct WeightCheck {
  /// The largest difference, and the largest number among theirs.
  package private(set) var worst = 0.0
  package private(set) var largest = 0.0
  package private(set) var samples = 0

  /// Relative to the largest output.
  package var difference: Double { largest > 0 ? worst / largest : worst }

  /// `file` has the inputs by the fields' names (a single one may be called `input`), each with all samples, and the outputs
  /// by theirs (a single one `output`). They are the network's own: ahead of the gate that a loss of logits implies.
  package init(
    _ file: Safetensors, of step: TrainingStep, weights: [Safetensors.Tensor], on chain: BackendChain,
    channelsFirst: Bool
  ) throws {
    let inputs = step.inputs.map { input in
      var read = input
      if input.scale != nil { read = ModelInput(input.name, .float32(input.type.shape)) }
      return read
    }
    let program = try InferenceProgram.build(step.model, inputs: inputs, batchSize: 1).program
    let states = StateStore()
    for tensor in weights {
      _ = try states.state(tensor.name, .float32(Shape(tensor.shape)))
      try states.withMutableBytes(of: tensor.name) { bytes in
        tensor.bytes.withUnsafeBytes { bytes.copyMemory(from: $0) }
      }
    }
    let executor = try ProgramExecutor(program, on: chain, states: states)
    func tensor(_ names: [String]) throws -> WeightBlock {
      guard let found = file.tensors.first(where: { names.contains($0.name) }) else {
        throw WeightError("the outputs to compare with have no tensor \(names.joined(separator: " or "))")
      }
      return WeightBlock(shape: found.shape, numbers: try found.float32())
    }
    var given: [(name: String, isWhole: Bool, block: WeightBlock)] = []
    for id in program.values(.input) {
      let value = program.values[id]
      let names = [value.name] + (program.values(.input).count == 1 ? ["input"] : [])
      given.append(
        (
          value.name, value.type.elementType == .int32,
          try Self.fitted(tensor(names), to: Array(value.type.shape.extents.dropFirst()), value.name, channelsFirst)
        ))
    }
    samples = given.first?.block.shape.first ?? 0
    guard samples > 0, given.allSatisfy({ $0.block.shape.first == samples }) else {
      throw WeightError("the inputs to compare with have no samples, or not equally many")
    }
    let expected = try program.outputs.map { output in
      let name = output.name.replacingOccurrences(of: "/predictions", with: "")
      return (output.name, try tensor([name] + (program.outputs.count == 1 ? ["output", "outputs"] : [])))
    }
    for sample in 0..<samples {
      for (name, isWhole, block) in given {
        let size = block.numbers.count / samples
        let numbers = block.numbers[sample * size..<(sample + 1) * size]
        try executor.withInput(name) { bytes in
          for (place, number) in numbers.enumerated() {
            if isWhole {
              bytes.storeBytes(of: Int32(exactly: number) ?? -1, toByteOffset: 4 * place, as: Int32.self)
            } else {
              bytes.storeBytes(of: number, toByteOffset: 4 * place, as: Float.self)
            }
          }
        }
      }
      try executor.run()
      for (name, block) in expected {
        let size = block.numbers.count / samples
        let found = try executor.withOutput(name) { Array($0.bindMemory(to: Float.self)) }
        guard found.count == size, block.shape.first == samples else {
          throw WeightError(
            "the network answers \(found.count) numbers, and the outputs to compare with are \(block.shape)")
        }
        for (place, number) in found.enumerated() {
          let right = Double(block.numbers[sample * size + place])
          worst = number.isFinite ? max(worst, abs(Double(number) - right)) : .infinity
          largest = max(largest, abs(right))
        }
      }
    }
  }

  /// Images and sequences of theirs may have their channels first.
  private static func fitted(
    _ block: WeightBlock, to shape: [Int], _ name: String, _ channelsFirst: Bool
  ) throws -> WeightBlock {
    let found = Array(block.shape.dropFirst())
    let first = shape.isEmpty ? [] : [shape[shape.count - 1]] + shape.dropLast()
    if shape.count == 3, found == first, channelsFirst || found != shape {
      return try [WeightStep.permute([0, 2, 3, 1])].applied(to: [block])
    }
    guard found == shape else {
      throw WeightError("\(name) is \(shape) for each sample, and the inputs to compare with are \(block.shape)")
    }
    return block
  }
}
