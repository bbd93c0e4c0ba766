import SwitchbackBackendKit
import SwitchbackPrograms

/// A segment of a program: which calls, on which device, and how its values map back.
package struct ProgramSegment: Sendable {
  /// Index into the chain.
  package var link: Int
  /// The program's calls that it covers.
  package var calls: Range<Int>
  package var segment: Segment
  /// For each value of the segment its number in the program.
  package var values: [Int]
}

extension Program {
  /// Cuts the program into the longest runs of consecutive calls on one device.
  ///
  /// A run of consecutive calls of a program in execution order is convex: no path leaves it and comes back.
  package func segments(
    _ placements: [Placement], chain: BackendChain, taps: Set<Int>
  ) -> [ProgramSegment] {
    var result: [ProgramSegment] = []
    var lastUse: [Int: Int] = [:]
    for (index, call) in calls.enumerated() { for id in call.inputs { lastUse[id] = index } }
    for output in outputs { lastUse[output.value] = calls.count }
    var start = 0
    while start < calls.count {
      let link = placements[start].link
      let limit = chain.links[link].device.info.maxOperations ?? calls.count
      var end = start + 1
      while end < calls.count, placements[end].link == link, end - start < limit { end += 1 }
      result.append(segment(start..<end, link: link, lastUse: lastUse, taps: taps))
      start = end
    }
    return result
  }

  private func segment(_ range: Range<Int>, link: Int, lastUse: [Int: Int], taps: Set<Int>) -> ProgramSegment {
    var numbers: [Int: Int] = [:]
    var ids: [Int] = []
    func number(_ id: Int) -> Int {
      if let known = numbers[id] { return known }
      numbers[id] = ids.count
      ids.append(id)
      return ids.count - 1
    }
    var written: Set<Int> = []
    let local = calls[range].map { call in
      var call = call
      call.inputs = call.inputs.map(number)
      written.formUnion(call.outputs.compactMap { $0 })
      call.outputs = call.outputs.map { $0.map(number) }
      return call
    }
    let infos = ids.map { id in
      let role: Segment.Role =
        switch values[id].role {
        case .input: .input
        case .step: .step
        case .state: .state
        case .temporary:
          if !written.contains(id) {
            .input
          } else if lastUse[id, default: -1] >= range.upperBound {
            .output
          } else {
            taps.contains(id) ? .tap : .temporary
          }
        }
      return Segment.ValueInfo(type: values[id].type, role: role)
    }
    return ProgramSegment(link: link, calls: range, segment: Segment(calls: local, values: infos), values: ids)
  }
}
