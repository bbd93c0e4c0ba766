import SwitchbackABI
import SwitchbackBackendKit
import SwitchbackCPUKernels
import SwitchbackPrograms
import Synchronization

/// A compiled segment: one fork of the workers, whatever its length.
///
/// Calls become works (`WorkMaker`), works are divided (`Division`) and put into the lanes of stages (`Stages`), lanes
/// are cut into chunks (`Chunks`), and values get their places (`Places`). In a run every worker goes through the stages
/// and takes its chunks, then those that are left (`ChunkQueue`). Partial sums belong to chunks and are added in their order, so the bits
/// do not depend on how many workers there are.
final class SegmentPlan: Executable, @unchecked Sendable {
  // Unchecked: one run at a time; in it workers write only where the stages let them.
  let report: CompiledReport

  /// Raised whenever equal programs get other bits than before: runs of earlier plans are then told so.
  static let version = 8

  private struct Stage {
    var lanes: FixedList<LanePlan>
    /// The number of its first lane among all.
    var firstLane: Int
    /// Whether all that it makes is kept by the host.
    var isKept: Bool
  }

  private let host: HostServices
  private let stages: FixedList<Stage>
  private let queue: ChunkQueue
  /// Bytes that are set before each run.
  private let flags: FixedList<LanePlan.Address>
  private let valueCount: Int
  /// Where the workers' own memory begins in the workspace, the bytes of each, and where scratch begins in it.
  private let ownStart: Int
  private let ownStride: Int
  private let scratchStart: Int

  /// One entry a worker and value; filled anew for each block.
  private let tables: UnsafeMutablePointer<UnsafeMutableRawPointer>
  private let workers: Int
  /// One a worker, for the step at hand.
  private let faults: UnsafeMutablePointer<Work.Fault>
  /// Microseconds of each worker in each group, while somebody profiles.
  private let clocks: UnsafeMutablePointer<Double>
  private let groupCount: Int
  private var isProfiled = false
  // The run at hand.
  private var kept: KeptMemory
  private var views: UnsafeBufferPointer<sb_view>
  private var workspace: UnsafeMutableRawPointer
  /// The first stage with a wrong index; what comes after it is not run, so no state changes.
  private let faultyStage = Atomic<Int>(.max)
  private let firstFault = Mutex<FoundFault?>(nil)

  private struct FoundFault {
    var call: Int
    var fault: Work.Fault
    var bound: Work.Bound
  }

  init(_ segment: Segment, library: OpenBLASLibrary, host: HostServices) throws(BackendError) {
    let planned = try PlannedSegment(segment, library: library)
    let (works, places) = (planned.works, planned.places)
    (self.host, workers) = (host, host.workers)
    valueCount = works.byteCounts.count
    var (plans, chunkCounts, laneCount): ([Stage], [Int], Int) = ([], [], 0)
    for (stage, lanes) in planned.stages.stages.enumerated() {
      var (list, chunkCount): ([LanePlan], Int) = ([], 0)
      for (index, lane) in lanes.enumerated() {
        let chunks = planned.chunks[stage][index]
        list.append(
          LanePlan(
            lane, chunks: chunks, firstChunk: chunkCount, stage: stage, index: index, works, places,
            groupOfWork: planned.groupOfWork, chunkCountOfSums: planned.chunkCountOfSums))
        chunkCount += chunks.count
      }
      let isKept = lanes.flatMap(\.works).allSatisfy {
        works.works[$0].results.allSatisfy { places.kept($0.value) != nil }
      }
      plans.append(Stage(lanes: FixedList(list), firstLane: laneCount, isKept: isKept))
      chunkCounts.append(chunkCount)
      laneCount += lanes.count
    }
    stages = FixedList(plans)
    flags = FixedList(works.flags.map { LanePlan.Address($0, places) })
    queue = ChunkQueue(chunkCounts: chunkCounts, lanes: laneCount, workers: host.workers)
    ownStart = places.sharedByteCount
    scratchStart = places.ownByteCount
    ownStride = scratchStart + planned.scratchByteCount
    let byteCount = ownStart + ownStride * host.workers
    tables = .allocate(capacity: max(valueCount, 1) * host.workers)
    faults = .allocate(capacity: host.workers)
    faults.initialize(repeating: Work.Fault(), count: host.workers)
    groupCount = planned.groupNames.count
    clocks = .allocate(capacity: max(host.workers * groupCount, 1))
    views = UnsafeBufferPointer(start: nil, count: 0)
    workspace = UnsafeMutableRawPointer(tables)
    var fingerprint = Fingerprint()
    let forced = sb_forced_convolution().map { String(cString: $0) } ?? ""
    fingerprint.mix(
      "plan \(Self.version) \(library.core) \(library.kernelName) \(forced)\(library.isStrict ? " strict" : "")")
    for chunks in planned.chunks.joined() { fingerprint.mix("\(chunks.units) \(chunks.chunk) \(chunks.block)") }
    var report = CompiledReport(
      workspaceByteCount: byteCount, fingerprint: fingerprint.value, groupOfCall: planned.groupOfCall,
      groupNames: planned.groupNames)
    report.keeps = works.kept.map(\.keep)
    self.report = report
    kept = KeptMemory(report.keeps)
    guard byteCount <= segment.workspaceLimit else {
      throw BackendError(.outOfMemory, "the segment needs \(byteCount) bytes of workspace")
    }
  }

  deinit {
    for stage in 0..<stages.count {
      for lane in 0..<stages[stage].lanes.count { stages[stage].lanes[lane].discard() }
      stages[stage].lanes.discard()
    }
    stages.discard()
    flags.discard()
    kept.discard()
    tables.deallocate()
    faults.deallocate()
    clocks.deallocate()
  }

  // MARK: Running

  func run(_ arguments: borrowing RunArguments) throws(BackendError) -> UInt64 {
    try kept.begin(arguments)
    views = arguments.views
    workspace = arguments.workspace.host ?? UnsafeMutableRawPointer(tables)
    isProfiled = arguments.groupMicroseconds != nil
    let start = isProfiled ? microseconds() : 0
    for index in 0..<flags.count {
      (base(flags[index], workspace) + flags[index].offset).storeBytes(of: 1, as: UInt8.self)
    }
    if isProfiled { clocks.update(repeating: 0, count: workers * groupCount) }
    queue.reset()
    let table = host.table
    table.pointee.team(
      table.pointee.`self`,
      { context, worker, _, team in
        Unmanaged<SegmentPlan>.fromOpaque(context!).takeUnretainedValue().work(Int(worker), team)
      }, Unmanaged.passUnretained(self).toOpaque())
    if let groups = arguments.groupMicroseconds { report(groups, total: microseconds() - start) }
    if faultyStage.load(ordering: .relaxed) != .max { throw takeFault() }
    kept.end(arguments)
    return 0
  }

  /// A group's time is the mean over the workers, so that all groups add up to the run's time; the last one is what waits
  /// and adds.
  private func report(_ groups: UnsafeMutablePointer<Double>, total: Double) {
    let last = groupCount - 1
    groups[last] = total
    for group in 0..<last {
      let time = (0..<workers).reduce(0) { $0 + clocks[$1 * groupCount + group] } / Double(workers)
      groups[group] = time
      groups[last] -= time
    }
  }

  /// What one worker does. A team may be smaller than the pool (a nested fork): it takes more chunks, and its results are
  /// the same.
  private func work(_ worker: Int, _ team: OpaquePointer?) {
    // What is kept is made in the first stage, if anything of it is to be made.
    let firstStage = stages.count > 0 && stages[0].isKept && !kept.isAnyStale ? 1 : 0
    for number in firstStage..<stages.count {
      // Barriers lie between stages: every worker sees the same faults of stages before, and leaves with the others.
      if number > firstStage { host.table.pointee.barrier(team) }
      if faultyStage.load(ordering: .relaxed) < number { return }
      var lane = 0
      while let chunk = queue.take(number, worker) {
        // Mostly the lane is this one or a later one.
        if chunk < stages[number].lanes[lane].firstChunk { lane = 0 }
        while lane + 1 < stages[number].lanes.count, stages[number].lanes[lane + 1].firstChunk <= chunk { lane += 1 }
        run(stages[number].lanes[lane], chunk, stage: number, worker)
        if stages[number].lanes[lane].lastSums.count > 0,
          queue.end(stages[number].firstLane + lane) == stages[number].lanes[lane].chunks.count
        {
          addSums(stages[number].lanes[lane], worker)
        }
      }
    }
  }

  private func run(_ lane: borrowing LanePlan, _ number: Int, stage: Int, _ worker: Int) {
    let pointers = tables + worker * max(valueCount, 1)
    let own = ownMemory(of: worker)
    let chunk = number - lane.firstChunk
    for index in 0..<lane.sums.count {
      let sum = lane.sums[index]
      (workspace + (sum.offset + chunk * sum.stride)).initializeMemory(
        as: UInt8.self, repeating: 0, count: sum.byteCount)
    }
    var first = chunk * lane.chunks.chunk
    let end = min(first + lane.chunks.chunk, lane.chunks.units)
    // Of no rows too: a sum over nothing is made.
    repeat {
      let units = max(min(lane.chunks.block, end - first), 0)
      for index in 0..<lane.addresses.count {
        let address = lane.addresses[index]
        pointers[address.value] =
          base(address, own) + (address.offset + first * address.unitStride + chunk * address.chunkStride)
      }
      for index in 0..<lane.steps.count {
        if let kept = lane.steps[index].kept, !self.kept.isStale(kept) { continue }
        let rowsPerUnit = lane.steps[index].rowsPerUnit
        let frame = Work.Frame(
          pointers: UnsafePointer(pointers), firstRow: first * rowsPerUnit, rows: units * rowsPerUnit,
          scratch: own + scratchStart, fault: faults + worker)
        if isProfiled {
          let start = microseconds()
          lane.steps[index].run(frame)
          clocks[worker * groupCount + lane.steps[index].group] += microseconds() - start
        } else {
          lane.steps[index].run(frame)
        }
        if faults[worker].position >= 0 { keepFault(of: lane.steps[index], stage: stage, worker) }
      }
      first += units
    } while first < end
  }

  private func addSums(_ lane: borrowing LanePlan, _ worker: Int) {
    let own = ownMemory(of: worker)
    for index in 0..<lane.lastSums.count {
      let address = lane.lastSums[index].result
      let sum = base(address, own) + address.offset
      lane.lastSums[index].reduction.add(
        workspace + lane.lastSums[index].offset, lane.chunks.count, lane.lastSums[index].stride, 0,
        lane.lastSums[index].reduction.elements, sum)
      guard let check = lane.lastSums[index].check else { continue }
      if !check.passes(sum.assumingMemoryBound(to: Float.self), check.count) {
        Work.clear(base(check.flag, own) + check.flag.offset)
      }
    }
  }

  @inline(__always)
  private func ownMemory(of worker: Int) -> UnsafeMutableRawPointer { workspace + (ownStart + worker * ownStride) }

  @inline(__always)
  private func base(_ address: LanePlan.Address, _ own: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
    switch address.base {
    case .view: views[address.value].host ?? own
    case .workspace: workspace
    case .own: own
    case .kept(let index): kept[index]
    }
  }

  // MARK: Faults

  /// Keeps a wrong index that a step met. If several calls fail, the earliest call's first bad index is kept, whichever
  /// worker reported it.
  private func keepFault(of step: LanePlan.Step, stage: Int, _ worker: Int) {
    let fault = faults[worker]
    faults[worker] = Work.Fault()
    guard let bound = step.bound else { return }
    firstFault.withLock { first in
      if let first, (first.call, first.fault.position) <= (step.call, fault.position) { return }
      first = FoundFault(call: step.call, fault: fault, bound: bound)
    }
    faultyStage.min(stage, ordering: .relaxed)
  }

  private func takeFault() -> BackendError {
    faultyStage.store(.max, ordering: .relaxed)
    let found = firstFault.withLock { first in
      defer { first = nil }
      return first
    }
    guard let found else { return BackendError(.internal, "an index was wrong, but nobody kept it") }
    return found.bound.error(found.fault, operation: found.call)
  }
}
