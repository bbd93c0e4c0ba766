/// Which calls of a segment are computed at once, and in what order the groups can run.
///
/// A call waits for those that write what it reads; one that replaces a state waits for those that read what was there.
/// Calls are joined only where no group comes to wait for itself.
package struct CallGroups: Sendable {
  /// For each call those that must have run before it.
  private let before: [[Int]]
  /// For each call the first one of its group.
  private var leaderOfCall: [Int]
  /// By the first call: the calls of each group in their order; empty for calls that lead none.
  private var members: [[Int]]
  /// Whether every group can run where its first call stands.
  private var runsAtLeaders = true

  /// Each call a group of its own.
  package init(_ segment: Segment) {
    leaderOfCall = Array(segment.calls.indices)
    members = segment.calls.indices.map { [$0] }
    var writer: [Int?] = segment.values.map { _ in nil }
    var readers: [[Int]] = segment.values.map { _ in [] }
    before = segment.calls.enumerated().map { index, call in
      var earlier: Set<Int> = []
      for id in call.inputs {
        if let writer = writer[id] { earlier.insert(writer) }
        readers[id].append(index)
      }
      for case let id? in call.outputs {
        if let writer = writer[id] { earlier.insert(writer) }
        earlier.formUnion(readers[id])
        writer[id] = index
        readers[id] = []
      }
      earlier.remove(index)
      return earlier.sorted()
    }
  }

  /// Makes each of `groups` one, all of them or none: false where a call belongs to another group already, or two groups
  /// would wait for each other.
  package mutating func join(_ groups: [[Int]]) -> Bool {
    let calls = groups.flatMap { $0 }
    guard Set(calls).count == calls.count, calls.allSatisfy({ members[$0] == [$0] }) else { return false }
    var joined = self
    for group in groups.map({ $0.sorted() }) {
      guard let leader = group.first else { continue }
      for call in group {
        joined.leaderOfCall[call] = leader
        joined.members[call] = []
      }
      joined.members[leader] = group
    }
    // Mostly whatever a group waits for stands before its first call; then there is nothing to search.
    joined.runsAtLeaders =
      runsAtLeaders
      && groups.allSatisfy { group in
        guard let leader = group.min() else { return true }
        return joined.waitsFor(leader).allSatisfy { $0 < leader }
      }
    guard joined.runsAtLeaders || joined.sorted() != nil else { return false }
    self = joined
    return true
  }

  /// The groups in an order in which they can run: as near as may be to that of their first calls.
  package var order: [[Int]] {
    // `join` leaves no group that waits for itself.
    sorted() ?? members.filter { !$0.isEmpty }
  }

  /// nil where a group waits for itself.
  private func sorted() -> [[Int]]? {
    enum Mark { case unseen, waiting, placed }
    var marks = [Mark](repeating: .unseen, count: members.count)
    var order: [[Int]] = []
    // Depth first with a stack of its own: a program may be longer than the thread's.
    var stack: [(leader: Int, rest: ArraySlice<Int>)] = []
    for first in members.indices where !members[first].isEmpty && marks[first] == .unseen {
      stack.append((first, waitsFor(first)[...]))
      marks[first] = .waiting
      while let top = stack.last {
        guard let next = top.rest.first else {
          order.append(members[top.leader])
          marks[top.leader] = .placed
          stack.removeLast()
          continue
        }
        stack[stack.count - 1].rest.removeFirst()
        switch marks[next] {
        case .placed: continue
        case .waiting: return nil
        case .unseen:
          stack.append((next, waitsFor(next)[...]))
          marks[next] = .waiting
        }
      }
    }
    return order
  }

  /// The groups, by their first calls, that must have run before the one of `leader`.
  private func waitsFor(_ leader: Int) -> [Int] {
    let leaders = members[leader].flatMap { before[$0] }.map { leaderOfCall[$0] }
    return Set(leaders).subtracting([leader]).sorted()
  }
}
