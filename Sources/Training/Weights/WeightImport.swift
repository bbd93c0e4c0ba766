import Foundation
package import SwitchbackInterchange
package import SwitchbackPrograms

extension WeightMap {
  /// The weights of a network, made of somebody's tensors. Whatever is missing, left over, of another shape or not finite is
  /// said, all at once. `program` is that of inference of one sample.
  package func weights(
    from foreign: ForeignWeights, for program: Program
  ) throws(WeightError) -> [Safetensors.Tensor] {
    let names = foreign.tensors.map(\.name)
    let theirs = Dictionary(foreign.tensors.map { ($0.name, $0) }) { first, _ in first }
    let types = program.values(.state).map { (program.values[$0].name, program.values[$0].type.shape.extents) }
    let shapes = Dictionary(types) { first, _ in first }
    var (made, used, problems) = ([String: Safetensors.Tensor](), Set<String>(), [String]())
    for entry in expanded(over: names).entries {
      used.formUnion(entry.theirs)
      guard let ours = entry.ours else { continue }
      do throws(WeightError) {
        guard let shape = shapes[ours] else { throw WeightError("the network has no weight \(ours)") }
        guard made[ours] == nil else { throw WeightError("two items of the map make \(ours)") }
        made[ours] = try Self.weight(ours, shape, entry, theirs)
      } catch {
        problems.append(error.message)
      }
    }
    if problems.isEmpty {
      problems = types.filter { made[$0.0] == nil }.map { "nothing becomes \($0.0) \($0.1)" }
    }
    for tensor in foreign.tensors where !used.contains(tensor.name) && !ForeignWeights.isIgnored(tensor.name) {
      problems.append("\(tensor.name) \(tensor.shape) becomes nothing (ours: ~ leaves it out)")
    }
    guard problems.isEmpty else {
      let rest = problems.count > 20 ? ["… and \(problems.count - 20) more"] : []
      throw WeightError(
        "the weights do not fit the network:\n  " + (problems.prefix(20) + rest).joined(separator: "\n  "))
    }
    return types.compactMap { made[$0.0] }
  }

  private static func weight(
    _ ours: String, _ shape: [Int], _ entry: Entry, _ theirs: [String: Safetensors.Tensor]
  ) throws(WeightError) -> Safetensors.Tensor {
    var blocks: [WeightBlock] = []
    for name in entry.theirs {
      guard let tensor = theirs[name] else { throw WeightError("\(ours): the file has no tensor \(name)") }
      do {
        blocks.append(WeightBlock(shape: tensor.shape, numbers: try tensor.float32()))
      } catch {
        throw WeightError("\(ours): \(error)")
      }
      guard blocks[blocks.count - 1].numbers.allSatisfy(\.isFinite) else {
        throw WeightError("\(ours): \(name) holds an infinity or NaN")
      }
    }
    let block: WeightBlock
    do { block = try entry.steps.applied(to: blocks) } catch { throw WeightError("\(ours): \(error)") }
    guard block.shape == shape else {
      let names = entry.theirs.joined(separator: ", ")
      throw WeightError("\(ours) is \(shape), and \(names) would be \(block.shape)")
    }
    return Safetensors.Tensor(name: ours, shape: shape, numbers: block.numbers)
  }
}
