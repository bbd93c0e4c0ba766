import Foundation
package import SwitchbackInterchange
package import SwitchbackPrograms

extension WeightMap {
  /// How a network's weights are called in another framework where nobody says it: by the paths of their layers, with that
  /// framework's endings (`layers.0.conv2d.weight`, `layers.0.conv2d/kernel`). `program` is that of inference of one sample.
  package static func usual(_ framework: ForeignWeights.Framework, for program: Program) throws(WeightError)
    -> WeightMap
  {
    var map = WeightMap([])
    for unit in NetworkUnit.units(of: program) {
      let rules = unit.rules(of: framework)
      guard rules.count == unit.weights.count else {
        throw WeightError(
          "\(unit.path) has no equal in \(framework.rawValue) that is known here; --map says what to write")
      }
      for rule in rules {
        map.entries.append(.init(rule.theirs.map { unit.name(of: $0, framework) }, rule.ours.full, rule.steps))
      }
    }
    return map
  }

  /// Somebody's tensors, made of the weights of a network by the way back; in the order of the map.
  package func exported(_ weights: [Safetensors.Tensor]) throws(WeightError) -> [Safetensors.Tensor] {
    let ours = Dictionary(weights.map { ($0.name, $0) }) { first, _ in first }
    var order: [String] = []
    var whole: [String: WeightBlock] = [:]
    var parts: [String: (count: Int, blocks: [Int: WeightBlock])] = [:]
    var used: Set<String> = []
    for entry in entries {
      guard let name = entry.ours else { continue }
      guard let tensor = ours[name] else { throw WeightError("the network has no weight \(name)") }
      used.insert(name)
      do {
        let block = WeightBlock(shape: tensor.shape, numbers: try tensor.float32())
        for (theirs, made) in zip(entry.theirs, entry.steps.undone(block, count: entry.theirs.count)) {
          if !order.contains(theirs) { order.append(theirs) }
          if case .part(let index, let count)? = entry.steps.first {
            parts[theirs, default: (count, [:])].blocks[index] = made
          } else {
            whole[theirs] = made
          }
        }
      } catch { throw WeightError("\(name): \(error)") }
    }
    if let left = weights.first(where: { !used.contains($0.name) }) {
      throw WeightError("the map says nothing of \(left.name)")
    }
    for (name, part) in parts {
      let blocks = (1...part.count).compactMap { part.blocks[$0] }
      guard blocks.count == part.count, let first = blocks.first else {
        throw WeightError("\(name) lacks some of its \(part.count) parts")
      }
      let shape = [blocks.reduce(0) { $0 + $1.shape[0] }] + first.shape.dropFirst()
      whole[name] = WeightBlock(shape: shape, numbers: blocks.flatMap(\.numbers))
    }
    return order.compactMap { name in
      whole[name].map { Safetensors.Tensor(name: name, shape: $0.shape, numbers: $0.numbers) }
    }
  }
}

extension NetworkUnit {
  /// The name of a tensor of this layer.
  fileprivate func name(of role: String, _ framework: ForeignWeights.Framework) -> String {
    switch framework {
    case .switchback: return path + "/" + role
    case .keras: return path + "/" + role
    case .pytorch:
      guard role.hasSuffix("_ih") || role.hasSuffix("_hh") else { return path + "." + role }
      if isBackward { return "\(path.dropLast(".backward".count)).\(role)_l0_reverse" }
      return "\(path.hasSuffix(".forward") ? String(path.dropLast(".forward".count)) : path).\(role)_l0"
    }
  }
}
