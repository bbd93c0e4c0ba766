import SwitchbackABI
import SwitchbackBackendKit
import SwitchbackPrograms

extension ExecutionPlan {
  /// The values that need memory at a place: all operands and results of its segments but private temporaries, and
  /// what is copied there.
  func valuesUsed(at place: MemoryPlace, on chain: BackendChain, _ actions: [Action]) -> Set<Int> {
    var used: Set<Int> = []
    for segment in segments where chain.place(of: segment.link) == place {
      let needsTemporaries = chain.links[segment.link].device.info.needsTemporaries
      for (local, id) in segment.values.enumerated()
      where segment.segment.values[local].role != .temporary || needsTemporaries {
        used.insert(id)
      }
    }
    for case .copy(let value, let from, let to) in actions where from == place || to == place { used.insert(value) }
    return used
  }
}

/// What of a program needs memory at one place, and when: values, then the workspaces of segments, then what is kept.
struct ProgramMemory {
  private(set) var blocks: [MemoryPlan.Block] = []
  /// Values that have a block each, in the order of the blocks.
  private let values: [Int]
  /// Reshapes by what they share memory with.
  private let alias: [Int: Int]
  /// Segments.
  private let workspaces: [Int]
  /// What is kept for others, by its number in the plan.
  private let keeps: [Int]

  /// `used`: values stored here. `lasting` ones live to the end of the run; `filled` ones for all of it.
  init(
    at place: MemoryPlace, _ plan: ExecutionPlan, on chain: BackendChain, used: Set<Int>, lasting: Set<Int>,
    filled: Set<Int>, _ keepPlan: KeepPlan
  ) {
    let end = plan.program.calls.count
    var lives = Self.temporaries(of: plan, chain, used)
    for id in lasting where lives[id] != nil { lives[id]!.death = end }
    for id in filled {
      lives[id] = MemoryPlan.Block(byteCount: plan.program.values[id].type.byteCount, birth: -1, death: end)
    }
    alias = Self.shareReshapes(of: plan.program, &lives)
    values = lives.keys.sorted()
    let isHere = plan.segments.map { chain.place(of: $0.link) == place }
    workspaces = plan.segments.indices.filter { isHere[$0] && plan.reports[$0].workspaceByteCount > 0 }
    keeps = keepPlan.memories.indices.filter { isHere[keepPlan.memories[$0].segment] }
    blocks = values.map { lives[$0]! }
    for segment in workspaces {
      let calls = plan.segments[segment].calls
      blocks.append(
        MemoryPlan.Block(
          byteCount: plan.reports[segment].workspaceByteCount, birth: calls.lowerBound, death: calls.upperBound - 1))
    }
    blocks += keeps.map { keepPlan.memories[$0].block }
  }

  /// Those of `used` that calls make, from the call that does to the last one that reads them.
  private static func temporaries(
    of plan: ExecutionPlan, _ chain: BackendChain, _ used: Set<Int>
  ) -> [Int: MemoryPlan.Block] {
    let program = plan.program
    // The moments in which a call may touch its operands: those of its group, which is what a backend makes one kernel
    // of, or its whole segment's where the device orders the work itself.
    let spans = zip(plan.segments, plan.reports).flatMap { segment, report in
      guard chain.links[segment.link].device.info.needsTemporaries else {
        return segment.calls.map { _ in segment.calls.lowerBound...(segment.calls.upperBound - 1) }
      }
      let calls = Dictionary(grouping: segment.calls) { report.groupOfCall[$0 - segment.calls.lowerBound] }
      return segment.calls.map { call in
        let group = calls[report.groupOfCall[call - segment.calls.lowerBound]] ?? [call]
        return (group.first ?? call)...(group.last ?? call)
      }
    }
    var lives: [Int: MemoryPlan.Block] = [:]
    for (call, span) in zip(program.calls, spans) {
      for id in call.outputs.compactMap({ $0 }) where program.values[id].role == .temporary && used.contains(id) {
        lives[id] = MemoryPlan.Block(
          byteCount: program.values[id].type.byteCount, birth: span.lowerBound, death: span.upperBound)
      }
      for id in call.inputs where lives[id] != nil { lives[id]!.death = max(lives[id]!.death, span.upperBound) }
    }
    return lives
  }

  /// A reshape between two temporaries is the same bytes: both live in one block.
  private static func shareReshapes(of program: Program, _ lives: inout [Int: MemoryPlan.Block]) -> [Int: Int] {
    var alias: [Int: Int] = [:]
    for call in program.calls where call.operation is Reshape {
      let operand = alias[call.inputs[0]] ?? call.inputs[0]
      guard let result = call.outputs[0],
        let life = lives[result], lives[operand] != nil, program.values[operand].role == .temporary,
        program.values[result].role == .temporary
      else { continue }
      lives[operand]!.death = max(lives[operand]!.death, life.death)
      lives[result] = nil
      alias[result] = operand
    }
    return alias
  }

  /// Fills in where everything lies; `view` answers a block's memory.
  func place(
    _ views: inout [sb_view], _ workspaceViews: inout [Int: sb_view], _ keptViews: inout [Int: sb_view],
    _ view: (_ block: Int, _ bytes: Int) -> sb_view
  ) {
    for (block, id) in values.enumerated() { views[id] = view(block, blocks[block].byteCount) }
    for (result, operand) in alias { views[result] = views[operand] }
    for (index, segment) in workspaces.enumerated() {
      let block = values.count + index
      workspaceViews[segment] = view(block, blocks[block].byteCount)
    }
    for (index, keep) in keeps.enumerated() {
      let block = values.count + workspaces.count + index
      keptViews[keep] = view(block, blocks[block].byteCount)
    }
  }
}
