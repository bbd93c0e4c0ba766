import SwitchbackPrograms

extension Program {
  /// The order of calls in which those that only tell something, such as statistics, and that run elsewhere than the
  /// calls around them, come behind these: they cut no segment of a backend that does not take them.
  ///
  /// Such a call waits as long as nobody replaces what it reads. What it reads lives until then, which is why a training
  /// step's program has each right behind what it reads (`ProgramBuilder.placeBehindProducers`).
  func orderSinkingProbes(_ placements: [Placement]) -> [Int] {
    let read = Set(calls.flatMap(\.inputs))
    var order: [Int] = []
    var waiting: [Int] = []
    func links(_ a: Int, _ b: Int) -> Bool { placements[a].link == placements[b].link }
    for (index, call) in calls.enumerated() {
      let written = call.outputs.compactMap { $0 }
      let isProbe = !written.contains { read.contains($0) || values[$0].role == .state }
      let isElsewhere = order.last.map { !links($0, index) } ?? false
      if isProbe, isElsewhere {
        waiting.append(index)
        continue
      }
      if isElsewhere || waiting.contains(where: { !Set(calls[$0].inputs).isDisjoint(with: written) }) {
        order += waiting
        waiting = []
      }
      order.append(index)
    }
    return order + waiting
  }
}
