import SwitchbackExecution
import SwitchbackMonitoring
import SwitchbackNeuralNetworks

/// Whether anybody writes the states between two steps. A state counts how often it is written, so nothing of it is read.
struct WrittenStates {
  private var targets: [(initial: InitialState, state: State)] = []
  private var generations: [UInt64] = []
  private var step: Int?

  /// What is written from here to the next step is no matter of the law: it is the run's own.
  mutating func forget() { step = nil }

  /// Once a step was handed over. Allocates at the first one alone.
  mutating func begin(_ session: TrainingSession) {
    if targets.isEmpty {
      targets = session.training.states.compactMap { initial in
        session.states.states[initial.name].map { (initial, $0) }
      }
      generations = [UInt64](repeating: 0, count: targets.count)
    }
    for index in targets.indices { generations[index] = targets[index].state.generation }
    step = session.batches
  }

  /// Whether somebody wrote since.
  var areWritten: Bool {
    step != nil && targets.indices.contains { targets[$0].state.generation != generations[$0] }
  }

  /// Before the next one; nil where nobody wrote.
  func writes(in session: TrainingSession) throws -> StateWrites? {
    guard let step, let first = targets.indices.first(where: { targets[$0].state.generation != generations[$0] }) else {
      return nil
    }
    var writes = StateWrites(step: step, written: [])
    for index in first..<targets.count where targets[index].state.generation != generations[index] {
      let (initial, state) = targets[index]
      let weight = StepDescription.Weight(stateNamed: initial.name)
      writes.written.append(weight)
      let values = initial.values(seed: session.seed)
      // States that begin as zeros, and slots that are cleared, are no sign of it.
      guard values.contains(where: { $0 != values[0] }) else { continue }
      let isFirst = try state.withBytes { bytes in
        values.withUnsafeBytes { $0.elementsEqual(bytes) }
      }
      if isFirst { writes.initialized.append(weight) }
    }
    return writes
  }
}
