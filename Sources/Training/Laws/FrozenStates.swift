import SwitchbackExecution
import SwitchbackMonitoring
import SwitchbackNeuralNetworks
import SwitchbackPrograms

/// The states that no program of the training writes, with checksums of their bits at the first look.
struct FrozenStates {
  private var targets: [(weight: StepDescription.Weight, state: State, first: UInt64)]?
  private var turn = 0

  /// Looks at them anew: they were restored.
  mutating func forget() { targets = nil }

  /// Before a step: the first look.
  mutating func begin(_ session: TrainingSession) throws {
    guard targets == nil else { return }
    let programs = [session.training.program] + (session.training.accumulation.map { [$0] } ?? [])
    var written: Set<String> = []
    for program in programs {
      for call in program.calls {
        for output in call.outputs.compactMap({ $0 }) where program.values[output].role == .state {
          written.insert(program.values[output].name)
        }
      }
    }
    targets = try session.training.states.compactMap { initial in
      guard !written.contains(initial.name), let state = session.states.states[initial.name] else { return nil }
      return (StepDescription.Weight(stateNamed: initial.name), state, try Self.checksum(state))
    }
  }

  /// The next one, behind a probed step.
  mutating func next(step: Int) throws -> SampledState? {
    guard let targets, !targets.isEmpty else { return nil }
    let target = targets[turn % targets.count]
    turn += 1
    return SampledState(
      step: step, weight: target.weight, .frozen(first: target.first, now: try Self.checksum(target.state)))
  }

  /// Of all bits of a small state, of as many elements at equal distances of a large one.
  private static let mostElements = 4096

  private static func checksum(_ state: State) throws -> UInt64 {
    try state.withBytes { bytes in
      let words = bytes.bindMemory(to: UInt32.self)
      // Odd, so that rows of any length are met in all their places.
      let distance = max(words.count / mostElements, 1) | 1
      var sum: UInt64 = 0xCBF2_9CE4_8422_2325
      for place in stride(from: 0, to: words.count, by: distance) {
        sum = (sum ^ UInt64(words[place])) &* 0x100_0000_01B3
      }
      return sum
    }
  }
}

extension StepDescription.Weight {
  /// Of a state that is called `layers.2.conv2d/kernel`.
  init(stateNamed name: String) {
    self.init(name: name, layer: String(name[..<(name.lastIndex(of: "/") ?? name.endIndex)]), isTrainable: false)
  }
}
