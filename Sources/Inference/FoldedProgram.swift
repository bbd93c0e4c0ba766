import Foundation
import SwitchbackExecution
import SwitchbackInterchange
import SwitchbackPrograms

/// A program of inference without the calls that scale and shift a product channel by channel, such as those of a batch
/// normalization (`AffineChain` finds them): its kernel does that. It becomes gamma/√(variance + epsilon) times itself (Jacob
/// et al., 2018, section 3.2, equation 14), and one bias stands for what is added.
///
/// Both are computed in Float64 and rounded once, so a result is off by no more than roundings of the product are. What is
/// not finite stays as it is, with the answers that it has there.
package struct FoldedProgram {
  package private(set) var program: Program
  /// The states that `program` has in place of others, by name.
  package private(set) var made: [String: Safetensors.Tensor] = [:]
  /// What stands before their names.
  private static let prefix = "folded/"

  /// `program` changes no state, and `weights` are all its states, f32, by name.
  package init(_ program: Program, weights: [String: Safetensors.Tensor]) {
    self.program = program
    guard !program.values.contains(where: { $0.name.hasPrefix(Self.prefix) }) else { return }
    let (readers, constants) = (program.readers, ConstantVectors(program, weights))
    var chains: [Int: AffineChain] = [:]
    var biases: [Int: Int] = [:]
    for place in program.calls.indices {
      guard let chain = AffineChain(from: place, in: program, readers, constants),
        let kernel = weights[program.values[program.calls[place].inputs[1]].name], let folded = chain.folded(kernel)
      else { continue }
      let name = "\(Self.prefix)\(chains.count)/"
      self.program.calls[place].inputs[1] = declare(name + "kernel", kernel.shape, folded.kernel)
      biases[place] = declare(name + "bias", [folded.bias.count], folded.bias)
      chains[place] = chain
    }
    guard !chains.isEmpty else { return }
    replaceParts(of: chains, biases)
    self.program = self.program.droppingDeadWork()
    dropUnreadStates()
  }

  /// Declares a state, and answers its number.
  private mutating func declare(_ name: String, _ shape: [Int], _ numbers: [Float]) -> Int {
    made[name] = Safetensors.Tensor(name: name, shape: shape, bytes: numbers.withUnsafeBytes { Data($0) })
    program.values.append(.init(type: .float32(Shape(shape)), role: .state, name: name))
    return program.values.count - 1
  }

  /// Puts one addition behind each product in place of a chain's calls.
  private mutating func replaceParts(of chains: [Int: AffineChain], _ biases: [Int: Int]) {
    let parts = Dictionary(uniqueKeysWithValues: chains.values.flatMap(\.parts).map { ($0.place, $0.value) })
    // What stands for a value that is computed no more.
    var stands: [Int: Int] = [:]
    var calls: [Program.Call] = []
    for (place, call) in program.calls.enumerated() {
      if let value = parts[place] {
        if let result = call.outputs[0] { stands[result] = stands[value] ?? value }
        continue
      }
      var call = call
      call.inputs = call.inputs.map { stands[$0] ?? $0 }
      calls.append(call)
      guard let bias = biases[place], let product = call.outputs[0] else { continue }
      program.values.append(.init(type: program.values[product].type, role: .temporary, name: ""))
      let sum = program.values.count - 1
      calls.append(Program.Call(operation: Binary(.add), inputs: [product, bias], outputs: [sum], path: call.path))
      stands[product] = sum
    }
    program.calls = calls
    for place in program.outputs.indices {
      if let value = stands[program.outputs[place].value] { program.outputs[place].value = value }
    }
  }

  /// A state that nothing reads would get memory.
  private mutating func dropUnreadStates() {
    let read = Set(program.calls.flatMap(\.inputs)).union(program.outputs.map(\.value))
    for id in program.values(.state) where !read.contains(id) {
      program.values[id] = .init(type: program.values[id].type, role: .temporary, name: "")
    }
  }
}

extension Program {
  /// For each value the places of the calls that read it, once for each operand, and −1 for each output.
  fileprivate var readers: [[Int]] {
    var readers = [[Int]](repeating: [], count: values.count)
    for (place, call) in calls.enumerated() { for input in call.inputs { readers[input].append(place) } }
    for output in outputs { readers[output.value].append(-1) }
    return readers
  }
}
