import SwitchbackInterchange
package import SwitchbackPrograms

/// A map from somebody's tensors to the weights of a network, found by order, shapes and the endings of names.
package struct WeightProposal {
  package private(set) var map = WeightMap([])
  /// Weights of ours that nothing was found for, and why.
  package private(set) var missing: [(name: String, shape: [Int], reason: String)] = []
  /// Tensors of theirs that no weight takes.
  package private(set) var leftOver: [Safetensors.Tensor] = []
  /// What else is to be known: settings that differ, choices that might be others.
  package private(set) var notes: [String] = []

  /// `program` is that of inference of one sample.
  package init(_ weights: ForeignWeights, for program: Program) {
    let units = NetworkUnit.units(of: program)
    if weights.framework == .switchback {
      takeEqualNames(weights, units)
    } else {
      match(weights, units)
      for note in Self.settings(of: program, weights.framework, units) { notes.append(note) }
    }
    let ignored = weights.tensors.filter { ForeignWeights.isIgnored($0.name) }
    map.entries += ignored.map { .init([$0.name], nil) }
    let taken = Set(map.entries.flatMap(\.theirs))
    leftOver = weights.tensors.filter { !taken.contains($0.name) }
  }

  private mutating func takeEqualNames(_ weights: ForeignWeights, _ units: [NetworkUnit]) {
    let theirs = Dictionary(weights.tensors.map { ($0.name, $0) }) { first, _ in first }
    for weight in units.flatMap(\.weights) {
      guard let tensor = theirs[weight.full] else {
        missing.append((weight.full, weight.shape, "they have no tensor of that name"))
        continue
      }
      guard tensor.shape == weight.shape else {
        missing.append((weight.full, weight.shape, "theirs is \(tensor.shape)"))
        continue
      }
      map.entries.append(.init([weight.full], weight.full))
    }
  }

  private mutating func match(_ weights: ForeignWeights, _ units: [NetworkUnit]) {
    var groups = weights.groups
    for unit in units {
      let rules = unit.rules(of: weights.framework)
      guard rules.count == unit.weights.count else {
        let reason =
          unit.kind == .gru
          ? "PyTorch's reset gate always stands behind its product: set reset_after: true"
          : "\(weights.framework.rawValue) has no layer with such weights that is known here"
        for weight in unit.weights { missing.append((weight.full, weight.shape, reason)) }
        continue
      }
      let fitting = groups.indices.filter { Self.fits(groups[$0], unit, rules) }
      let own = unit.path.split(separator: ".").last ?? ""
      guard let chosen = fitting.first(where: { groups[$0].name == own }) ?? fitting.first else {
        for rule in rules { missing.append((rule.ours.full, rule.ours.shape, Self.reason(rule, rules, groups))) }
        continue
      }
      if !weights.isOrdered, fitting.count > 1, groups[chosen].name != own {
        let others = fitting.filter { $0 != chosen }.prefix(3).map { groups[$0].path }.joined(separator: ", ")
        notes.append(
          "\(unit.path) might as well be \(others), not \(groups[chosen].path): the file does not keep the order of layers, so "
            + "prove it with --check")
      }
      for rule in rules {
        map.entries.append(
          .init(rule.theirs.compactMap { groups[chosen].tensors[$0]?.name }, rule.ours.full, rule.steps))
      }
      groups.remove(at: chosen)
    }
  }

  private static func fits(_ group: ForeignWeights.Group, _ unit: NetworkUnit, _ rules: [WeightRule]) -> Bool {
    guard group.isBackward == unit.isBackward, Set(rules.flatMap(\.theirs)) == Set(group.tensors.keys) else {
      return false
    }
    return rules.allSatisfy { rule in
      rule.steps.result(of: rule.theirs.compactMap { group.tensors[$0]?.shape }) == rule.ours.shape
    }
  }

  /// What the nearest of their layers has in place of a weight.
  private static func reason(_ rule: WeightRule, _ rules: [WeightRule], _ groups: [ForeignWeights.Group]) -> String {
    let roles = Set(rules.flatMap(\.theirs))
    guard
      let near = groups.first(where: { Set($0.tensors.keys) == roles })
        ?? groups.first(where: {
          !roles.isDisjoint(with: $0.tensors.keys)
        })
    else { return "no layer of theirs is left that has \(rule.theirs.joined(separator: ", "))" }
    let tensors = rule.theirs.compactMap { near.tensors[$0] }
    guard tensors.count == rule.theirs.count else {
      return "\(near.path) has no \(rule.theirs.joined(separator: ", "))"
    }
    let made = rule.steps.result(of: tensors.map(\.shape))
    return "\(tensors.map(\.name).joined(separator: ", ")) \(tensors[0].shape) "
      + (made.map { "would be \($0)" } ?? "does not fit")
  }

  // MARK: Settings that no file of weights holds

  private static func settings(
    of program: Program, _ framework: ForeignWeights.Framework, _ units: [NetworkUnit]
  ) -> [String] {
    let usual = framework == .pytorch ? 1e-5 : 1e-3
    let whose = framework == .pytorch ? "PyTorch's" : "Keras's"
    return units.compactMap { unit in
      guard unit.kind == .batchNormalization || unit.kind == .normalization,
        let epsilon = program.epsilon(of: unit), abs(epsilon - usual) > usual * 1e-3
      else { return nil }
      let momentum =
        unit.kind == .batchNormalization && framework == .pytorch
        ? "; its momentum is the share that is kept, which is 1 - m of PyTorch's m (0.9 of the usual 0.1)" : ""
      return "\(unit.path) has epsilon \(epsilon), and \(whose) is \(usual) unless said: set what the other network has"
        + momentum
    }
  }
}

extension Program {
  /// What a normalization adds to the variance.
  fileprivate func epsilon(of unit: NetworkUnit) -> Double? {
    let own = calls.filter { $0.path == unit.path }
    if let normalize = own.lazy.compactMap({ $0.operation as? Normalize }).first { return normalize.epsilon }
    guard let variance = unit["movingVariance"].flatMap({ value(named: $0.full) }) else { return nil }
    for call in own {
      guard let binary = call.operation as? Binary, binary.function == .add, call.inputs.contains(variance) else {
        continue
      }
      let other = call.inputs.first { $0 != variance }
      let maker = calls.first { $0.outputs.contains(other) }
      if let fill = maker?.operation as? Fill { return fill.value }
    }
    return nil
  }
}
