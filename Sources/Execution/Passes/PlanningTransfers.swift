import SwitchbackPrograms

/// One thing an executor does in a run.
package enum Action: Hashable, Sendable {
  /// Runs the segment of that index.
  case run(Int)
  /// Moves a value between memories.
  case copy(value: Int, from: Place, to: Place)
}

/// A memory: the host's, or that of a device with its own (its index in the chain).
package enum Place: Hashable, Sendable {
  case host
  case device(Int)
}

extension Program {
  /// The segments in order, with the copies between memories that they need. Values from outside and states live in
  /// host memory between runs.
  package func actions(_ segments: [ProgramSegment], placeOf: (Int) -> Place) -> [Action] {
    var actions: [Action] = []
    var valid: [Int: Set<Place>] = [:]
    for (id, value) in values.enumerated() where value.role != .temporary { valid[id] = [.host] }

    func bring(_ id: Int, to place: Place) {
      guard let places = valid[id], !places.contains(place) else { return }
      if !places.contains(.host), place != .host { bring(id, to: .host) }
      let source = valid[id]!.contains(.host) ? Place.host : valid[id]!.first!
      actions.append(.copy(value: id, from: source, to: place))
      valid[id]!.insert(place)
    }

    for (index, segment) in segments.enumerated() {
      let place = placeOf(segment.link)
      let produced = Set(segment.segment.calls.flatMap { $0.outputs.compactMap { $0.map { segment.values[$0] } } })
      for id in segment.values where values[id].role != .temporary || !produced.contains(id) { bring(id, to: place) }
      actions.append(.run(index))
      for id in produced { valid[id] = [place] }
    }
    for id in values(.state) { bring(id, to: .host) }
    for output in outputs { bring(output.value, to: .host) }
    return actions
  }
}
