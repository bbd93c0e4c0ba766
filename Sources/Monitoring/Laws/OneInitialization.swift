/// Every state of the step and of an evaluation gets a first value, and gets it once.
public struct OneInitialization: Law {
  public let name = "oneInitialization"
  public init() {}

  public func breaches(in step: StepDescription) -> [Finding] {
    var counts: [String: Int] = [:]
    for name in step.initialized { counts[name, default: 0] += 1 }
    var names: [String] = []
    let programs = [step.program] + (step.evaluation.map { [$0] } ?? [])
    let read = programs.map { program in program.values(.state).map { program.values[$0].name } }
    for name in read.joined() + step.initialized where !names.contains(name) {
      names.append(name)
    }
    let layers = Dictionary(step.weights.map { ($0.name, $0.layer) }) { first, _ in first }
    return names.compactMap { name in
      let count = counts[name] ?? 0
      guard count != 1 else { return nil }
      return breach(
        layers: layers[name].map { [$0] } ?? [], subject: name,
        cause: count == 0 ? "notInitialized" : "severalInitializations", evidence: ["initializations": Double(count)],
        count == 0
          ? "\(read[0].contains(name) ? "The step" : "An evaluation") reads \(name), which nothing initializes: its first value is what lay in memory. Give it an "
            + "initializer."
          : "\(name) is initialized \(count) times, and only the last counts. Give each state a name of its own, and one "
            + "initializer.")
    }
  }
}
