import SwitchbackPrograms

extension Program {
  /// The program without calls that nothing needs, and with unread results marked as not to be written.
  ///
  /// Needed are the program's outputs, `taps`, every change of a state, and what those are computed from.
  package func droppingDeadWork(keeping taps: Set<Int> = []) -> Program {
    var isNeeded = Set(outputs.map(\.value)).union(taps)
    var kept: [Call] = []
    for call in calls.reversed() {
      let changesState = call.outputs.contains { $0.map { values[$0].role == .state } ?? false }
      guard changesState || call.outputs.contains(where: { $0.map(isNeeded.contains) ?? false }) else { continue }
      var call = call
      call.outputs = call.outputs.map { id in
        guard let id, values[id].role == .state || isNeeded.contains(id) else { return nil }
        return id
      }
      kept.append(call)
      isNeeded.formUnion(call.inputs)
    }
    var result = self
    result.calls = kept.reversed()
    return result
  }
}
