import SwitchbackBackendKit

/// When each call of a segment runs.
///
/// Stages alternate. In an odd stage every worker takes its chunks of the rows depth-first through all calls of the
/// stage, so that what they hand to each other stays in its cache; sums over the rows go to slots. In an even stage the
/// slots are added up in their order, and calls on whole tensors (updates, statistics of gradients) run, divided among
/// the workers call by call. Between stages stands a barrier.
struct SegmentSchedule {
  enum Form {
    /// Divided over rows, in an odd stage.
    case rows(stage: Int)
    /// On whole tensors, in an even stage; calls of one level do not depend on each other.
    case whole(stage: Int, level: Int)
  }

  /// The number of rows that odd stages divide; 0 where nothing is divided.
  let rows: Int
  private(set) var forms: [Form] = []
  private(set) var stageCount = 1
  /// Values whose rows are made by odd stages, with the stage.
  private(set) var rowStage: [Int?]
  /// For each value the last stage that reads it, and whether every reader takes rows in the value's own stage.
  private(set) var isPrivate: [Bool]
  /// Whether odd stages take the value by rows; otherwise whole.
  private(set) var isDivided: [Bool]

  init(_ segment: Segment, _ kernels: [Kernel]) {
    let count = segment.values.count
    // The batch is the first axis of the largest input.
    let inputs = segment.values.filter { $0.role == .input && $0.type.shape.rank >= 1 }
    let rows = inputs.max { $0.type.shape.elementCount < $1.type.shape.elementCount }?.type.shape[0] ?? 0
    self.rows = rows
    rowStage = Array(repeating: nil, count: count)
    isPrivate = Array(repeating: true, count: count)
    isDivided = Array(repeating: false, count: count)
    var isTakenWhole = Array(repeating: false, count: count)
    /// Whether rows of the value can be taken: inputs of that many rows, and what odd stages made.
    var isRows = segment.values.map { $0.role == .input && $0.type.shape.rank >= 1 && $0.type.shape[0] == rows }
    /// The stage in which a value is made, -1 from outside; for a sum over rows the even stage that adds it up.
    var made = Array(repeating: -1, count: count)
    var level = Array(repeating: 0, count: count)
    var lastRead = Array(repeating: -1, count: count)
    var lastReadLevel = Array(repeating: -1, count: count)

    for (call, kernel) in zip(segment.calls, kernels) {
      let isByRows =
        rows > 0 && kernel.rows == rows && kernel.access != nil
        && (kernel.isSource || zip(call.inputs, kernel.access!).contains { $0.1 == .rows && isRows[$0.0] })
        // A worker's table holds one address a value, so odd stages take a value either by rows or whole.
        && zip(call.inputs, kernel.access!).allSatisfy {
          $0.1 == .rows ? !isTakenWhole[$0.0] : !isDivided[$0.0] && rowStage[$0.0] == nil
        }
        && !zip(call.inputs, kernel.access!).contains { value, access in
          access == .whole && zip(call.inputs, kernel.access!).contains { $0 == (value, .rows) }
        }
      var stage = 0
      if isByRows {
        stage = 1
        for (value, access) in zip(call.inputs, kernel.access!) {
          // Rows of the same stage are at hand; everything else must be complete.
          let ready = access == .rows && rowStage[value] != nil ? made[value] : made[value] + 1
          stage = max(stage, ready)
        }
        if stage % 2 == 0 { stage += 1 }
        for (value, access) in zip(call.inputs, kernel.access!) {
          lastRead[value] = max(lastRead[value], stage)
          if access == .rows { isDivided[value] = true } else { isTakenWhole[value] = true }
          if access != .rows || rowStage[value] != stage { isPrivate[value] = false }
        }
        forms.append(.rows(stage: stage))
        for case let value? in call.outputs {
          if kernel.reduction != nil {
            made[value] = stage + 1
            isPrivate[value] = false
          } else {
            made[value] = stage
            isDivided[value] = true
            rowStage[value] = stage
            isRows[value] = true
          }
        }
        stageCount = max(stageCount, stage + 1 + (kernel.reduction == nil ? 0 : 1))
        continue
      }
      let results = call.outputs.compactMap { $0 }
      for value in call.inputs { stage = max(stage, rowStage[value] == nil ? made[value] : made[value] + 1) }
      // A state is replaced only after everybody before has read it.
      for value in results { stage = max(stage, lastRead[value]) }
      if stage % 2 == 1 { stage += 1 }
      var depth = 0
      for value in call.inputs where rowStage[value] == nil && made[value] == stage {
        depth = max(depth, level[value] + 1)
      }
      for value in results where lastRead[value] == stage { depth = max(depth, lastReadLevel[value] + 1) }
      for value in results where made[value] == stage { depth = max(depth, level[value] + 1) }
      for value in call.inputs {
        isPrivate[value] = false
        // Calls do not come in the order of their stages: a later stage may have read the value already.
        if lastRead[value] <= stage {
          lastReadLevel[value] = lastRead[value] == stage ? max(lastReadLevel[value], depth) : depth
          lastRead[value] = stage
        }
      }
      for value in results {
        (made[value], level[value], isPrivate[value]) = (stage, depth, false)
      }
      forms.append(.whole(stage: stage, level: depth))
      stageCount = max(stageCount, stage + 1)
    }
  }
}
