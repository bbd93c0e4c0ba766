import SwitchbackPrograms

/// One thing an executor does in a run.
package enum Action: Hashable, Sendable {
  /// Runs the segment of that index.
  case run(Int)
  /// Moves a value between memories.
  case copy(value: Int, from: MemoryPlace, to: MemoryPlace)
}

/// A memory: the host's, or that of a device with its own (its index in the chain).
package enum MemoryPlace: Hashable, Sendable {
  case host
  case device(Int)
}

extension Program {
  /// The segments in order, with the copies between memories that they need. Values from outside come from host memory;
  /// states are wherever they were used last, and are brought when a segment runs.
  /// Outputs and `taps` go to host memory.
  package func actions(
    _ segments: [ProgramSegment], taps: Set<Int> = [], placeOf: (Int) -> MemoryPlace
  ) -> [Action] {
    var actions: [Action] = []
    var valid: [Int: Set<MemoryPlace>] = [:]
    for id in values(.input) + values(.step) { valid[id] = [.host] }

    func bring(_ id: Int, to place: MemoryPlace) {
      guard let places = valid[id], !places.contains(place) else { return }
      if !places.contains(.host), place != .host { bring(id, to: .host) }
      let source = valid[id]!.contains(.host) ? MemoryPlace.host : valid[id]!.first!
      actions.append(.copy(value: id, from: source, to: place))
      valid[id]!.insert(place)
    }

    for (index, segment) in segments.enumerated() {
      let place = placeOf(segment.link)
      let produced = segment.produced
      for id in segment.values where !produced.contains(id) { bring(id, to: place) }
      actions.append(.run(index))
      for id in produced where values[id].role == .temporary { valid[id] = [place] }
    }
    for id in outputs.map(\.value) + taps.sorted() { bring(id, to: .host) }
    return actions
  }

  /// The states that move in every run: those that one place changes and another uses.
  package func stateTransfers(_ segments: [ProgramSegment], placeOf: (Int) -> MemoryPlace) -> [Action] {
    var valid: [Int: Set<MemoryPlace>] = [:]
    var transfers: [Action] = []
    // In the first run states come from the host; the second is like all that follow.
    for _ in 0..<2 {
      transfers = []
      for segment in segments {
        let place = placeOf(segment.link)
        for id in segment.values where values[id].role == .state {
          let places = valid[id] ?? [.host]
          if !places.contains(place) {
            transfers.append(.copy(value: id, from: places.contains(.host) ? .host : places.first!, to: place))
          }
          valid[id] = places.union([place])
        }
        for id in segment.produced where values[id].role == .state { valid[id] = [place] }
      }
    }
    return transfers
  }
}

extension ProgramSegment {
  /// The program's values that it writes.
  fileprivate var produced: Set<Int> { Set(segment.calls.flatMap { $0.outputs.compactMap { $0.map { values[$0] } } }) }
}
