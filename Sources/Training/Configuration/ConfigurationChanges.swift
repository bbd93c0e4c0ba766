import Yams

extension Configuration {
  /// What this configuration says otherwise than an earlier one, a line a key such as `training.epochs: 10, not 5`.
  /// Where runs are written to does not count, nor what a run starts with.
  public func changes(since earlier: Configuration) -> [String] {
    let (then, now) = (Self.values(earlier.resolvedText), Self.values(resolvedText))
    return Set(then.keys).union(now.keys).sorted().compactMap { key in
      guard then[key] != now[key], key != "training.runs", key != "model.from" else { return nil }
      return "\(key): \(now[key] ?? "none"), not \(then[key] ?? "none")"
    }
  }

  /// The changes that a run cannot follow when it goes on, each with the reason; what enters the program of a step is
  /// told by its plan.
  public func changesRefusedAtResume(since earlier: Configuration) -> [String] {
    changes(since: earlier).compactMap { change in
      let key = change.prefix { $0 != ":" }
      let isInitial =
        key.split(separator: ".").contains { $0.hasSuffix("_initializer") }
        || key.hasSuffix(".initial_accumulator_value") || key.hasPrefix("training.initialization.")
      if isInitial { return "\(change) (it only says how a run starts)" }
      let isForMeasuring = key == "backend.tuning_seconds" || key.hasPrefix("backend.candidates")
      guard isForMeasuring, backend.name == AutoBackend.name else { return nil }
      return "\(change) (the run keeps the routing that was measured at its start)"
    }
  }

  /// Every scalar by its keys, joined with periods.
  private static func values(_ text: String) -> [String: String] {
    var values: [String: String] = [:]
    func walk(_ node: Node, _ path: String) {
      func below(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }
      switch node {
      case .mapping(let pairs): for (key, value) in pairs { walk(value, below(key.string ?? "")) }
      case .sequence(let items): for (index, item) in items.enumerated() { walk(item, below("\(index)")) }
      default: values[path] = node.string ?? ""
      }
    }
    if let root = try? Yams.compose(yaml: text) { walk(root, "") }
    return values
  }
}
