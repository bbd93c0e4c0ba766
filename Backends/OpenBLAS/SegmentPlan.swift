import SwitchbackABI
import SwitchbackBackendKit
import SwitchbackPrograms
import Synchronization

/// A compiled segment: one fork of the workers, whatever its length. See `SegmentSchedule` for the order of the work.
///
/// Sums over the rows are made in at most four slots, fixed parts of the rows, and added in their order, so that the
/// bits do not depend on how many workers there are.
final class SegmentPlan: Executable, @unchecked Sendable {
  // Unchecked: one run at a time; in it workers write only where the schedule lets them.
  let report: CompiledReport

  private let host: HostServices
  private let schedule: SegmentSchedule
  private let stages: [Stage]
  private let valueCount: Int
  private let layout: Layout
  /// Where each value lies in the workspace, if it does.
  private let places: [Place]
  private let rowBytes: [Int]
  private let slotOffsets: [Int?]

  /// One entry a worker and value; filled anew for each chunk.
  private let tables: UnsafeMutablePointer<UnsafeMutableRawPointer>
  private let workers: Int
  /// One a worker, for the step at hand.
  private let faults: UnsafeMutablePointer<Kernel.Fault>
  /// Microseconds of each worker in each call, while somebody profiles.
  private let clocks: UnsafeMutablePointer<Double>
  private let callCount: Int
  private var isProfiled = false
  // The run at hand.
  private var views: UnsafeBufferPointer<sb_view>
  private var workspace: UnsafeMutableRawPointer
  /// The first moment (see `moment`) with a wrong index; what comes after it is not run, so no state changes.
  private let faultyMoment = Atomic<Int>(.max)
  private let firstFault = Mutex<FoundFault?>(nil)

  private struct FoundFault {
    var call: Int
    var fault: Kernel.Fault
    var bound: Kernel.Bound
  }

  private enum Place {
    /// A view that the host gives.
    case view
    /// Whole, at an offset of the workspace.
    case whole(Int)
    /// The chunk's rows only, at an offset of the worker's own part.
    case chunk(Int)
  }

  private struct Layout {
    var slots = 0
    var slotStride = 0
    var slotStart = 0
    var chunkRows = 1
    var workerStart = 0
    var workerStride = 0
    var scratchStart = 0
  }

  private struct Stage {
    /// Calls on rows, in order (odd stages).
    var chunked: [Step] = []
    /// Sums over rows of the stage before (even stages), then calls by level, each with its worker.
    var sums: [Sum] = []
    var levels: [[Step]] = []
  }

  private struct Step {
    var kernel: Kernel
    var call: Int
    var output: Int
    var worker: Int
  }

  private struct Sum {
    var value: Int
    var reduction: Kernel.Reduction
    var worker: Int
  }

  init(_ segment: Segment, library: OpenBLASLibrary, host: HostServices) throws(BackendError) {
    var kernels: [Kernel] = []
    for (index, call) in segment.calls.enumerated() {
      switch KernelMaker(segment: segment, call: call, library: library).make() {
      case .success(let kernel): kernels.append(kernel)
      case .failure(let declined): throw BackendError(.unsupported, declined.reason, operation: index)
      }
    }
    let schedule = SegmentSchedule(segment, kernels)
    (self.host, self.schedule, workers) = (host, schedule, host.workers)
    valueCount = segment.values.count
    rowBytes = segment.values.map { info in
      let rows = info.type.shape.extents.first ?? 1
      return rows == 0 ? 0 : info.type.byteCount / rows
    }
    var layout = Layout()
    layout.slots = max(1, min(4, schedule.rows))
    (stages, slotOffsets, layout.slotStride) = Self.stages(segment, kernels, schedule, workers: host.workers)
    let slotRows = (schedule.rows + layout.slots - 1) / layout.slots
    let oneRow = Self.chunkPlaces(segment, schedule, rowBytes, rows: 1).byteCount
    // Chunks whose values fit into a part of the second-level cache.
    layout.chunkRows = max(1, min(slotRows, 640 * 1024 / max(oneRow, 1)))
    let chunk = Self.chunkPlaces(segment, schedule, rowBytes, rows: layout.chunkRows)
    var wholeBytes = 0
    func take(_ bytes: Int) -> Int {
      defer { wholeBytes += (bytes + 63) / 64 * 64 }
      return wholeBytes
    }
    var places: [Place] = []
    for (value, info) in segment.values.enumerated() {
      if info.role != .temporary {
        places.append(.view)
      } else if let offset = chunk.offsets[value] {
        places.append(.chunk(offset))
      } else {
        places.append(.whole(take(info.type.byteCount)))
      }
    }
    self.places = places
    let scratch =
      zip(kernels, schedule.forms).map { kernel, form in
        if case .rows = form { kernel.scratch(layout.chunkRows) } else { kernel.scratch(kernel.rows) }
      }.max() ?? 0
    layout.slotStart = take(layout.slotStride * layout.slots)
    layout.scratchStart = (chunk.byteCount + 63) / 64 * 64
    layout.workerStride = layout.scratchStart + (scratch + 63) / 64 * 64
    layout.workerStart = take(layout.workerStride * host.workers)
    self.layout = layout
    tables = .allocate(capacity: max(valueCount, 1) * host.workers)
    faults = .allocate(capacity: host.workers)
    faults.initialize(repeating: Kernel.Fault(), count: host.workers)
    callCount = segment.calls.count
    clocks = .allocate(capacity: max(host.workers * callCount, 1))
    views = UnsafeBufferPointer(start: nil, count: 0)
    workspace = UnsafeMutableRawPointer(tables)
    var fingerprint = Fingerprint()
    fingerprint.mix("\(library.core) \(library.kernelName) \(layout.slots) \(layout.chunkRows)")
    report = CompiledReport(
      workspaceByteCount: wholeBytes, fingerprint: fingerprint.value, groupOfCall: Array(segment.calls.indices),
      groupNames: segment.calls.map(\.operation.name) + ["adding slots, waiting"])
    guard wholeBytes <= segment.workspaceLimit else {
      throw BackendError(.outOfMemory, "the segment needs \(wholeBytes) bytes of workspace")
    }
  }

  deinit {
    tables.deallocate()
    faults.deallocate()
    clocks.deallocate()
  }

  // MARK: Planning

  private static func stages(
    _ segment: Segment, _ kernels: [Kernel], _ schedule: SegmentSchedule, workers: Int
  ) -> (stages: [Stage], slotOffsets: [Int?], slotStride: Int) {
    var stages = [Stage](repeating: Stage(), count: schedule.stageCount)
    var offsets = [Int?](repeating: nil, count: segment.values.count)
    var stride = 0
    for (index, call) in segment.calls.enumerated() {
      let output = call.outputs[0] ?? 0
      switch schedule.forms[index] {
      case .rows(let stage):
        stages[stage].chunked.append(Step(kernel: kernels[index], call: index, output: output, worker: 0))
        if let reduction = kernels[index].reduction {
          offsets[output] = stride
          stride += (reduction.slotByteCount + 63) / 64 * 64
          stages[stage + 1].sums.append(
            Sum(value: output, reduction: reduction, worker: stages[stage + 1].sums.count % workers))
        }
      case .whole(let stage, let level):
        while stages[stage].levels.count <= level { stages[stage].levels.append([]) }
        let worker = stages[stage].levels[level].count % workers
        stages[stage].levels[level].append(Step(kernel: kernels[index], call: index, output: output, worker: worker))
        // A sum over all rows at once is one slot.
        if let reduction = kernels[index].reduction {
          offsets[output] = stride
          stride += (reduction.slotByteCount + 63) / 64 * 64
        }
      }
    }
    return (stages, offsets, stride)
  }

  /// Offsets of the values that live inside one odd stage, for chunks of `rows`.
  private static func chunkPlaces(
    _ segment: Segment, _ schedule: SegmentSchedule, _ rowBytes: [Int], rows: Int
  ) -> (offsets: [Int?], byteCount: Int) {
    var blocks: [(value: Int, block: MemoryPlan.Block)] = []
    var position: [Int: Int] = [:]
    for (index, call) in segment.calls.enumerated() {
      guard case .rows = schedule.forms[index] else { continue }
      for value in call.inputs { if let at = position[value] { blocks[at].block.death = index } }
      for case let value? in call.outputs
      where segment.values[value].role == .temporary && schedule.isPrivate[value] && schedule.rowStage[value] != nil {
        position[value] = blocks.count
        blocks.append((value, MemoryPlan.Block(byteCount: rowBytes[value] * rows, birth: index, death: index)))
      }
    }
    let plan = MemoryPlan(blocks.map(\.block))
    var offsets = [Int?](repeating: nil, count: segment.values.count)
    for (index, entry) in blocks.enumerated() { offsets[entry.value] = plan.offsets[index] }
    return (offsets, plan.byteCount)
  }

  // MARK: Running

  func run(_ arguments: borrowing RunArguments) throws(BackendError) -> UInt64 {
    views = arguments.views
    workspace = arguments.workspace.host ?? UnsafeMutableRawPointer(tables)
    isProfiled = arguments.groupMicroseconds != nil
    let start = isProfiled ? microseconds() : 0
    if isProfiled { clocks.update(repeating: 0, count: workers * callCount) }
    let table = host.table
    table.pointee.team(
      table.pointee.`self`,
      { context, worker, workers, team in
        Unmanaged<SegmentPlan>.fromOpaque(context!).takeUnretainedValue().work(Int(worker), Int(workers), team)
      }, Unmanaged.passUnretained(self).toOpaque())
    if let groups = arguments.groupMicroseconds { report(groups, total: microseconds() - start) }
    if faultyMoment.load(ordering: .relaxed) != .max { throw takeFault() }
    return 0
  }

  /// A call's time is the mean over the workers, so that all groups add up to the run's time.
  private func report(_ groups: UnsafeMutablePointer<Double>, total: Double) {
    groups[callCount] = total
    for call in 0..<callCount {
      let time = (0..<workers).reduce(0) { $0 + clocks[$1 * callCount + call] } / Double(workers)
      groups[call] = time
      groups[callCount] -= time
    }
  }

  private func run(_ step: Step, _ frame: Kernel.Frame, worker: Int) {
    guard isProfiled else { return step.kernel.run(frame) }
    let start = microseconds()
    step.kernel.run(frame)
    clocks[worker * callCount + step.call] += microseconds() - start
  }

  /// When something runs: a number that grows from barrier to barrier.
  private func moment(stage: Int, level: Int) -> Int { stage << 32 | level }

  /// Keeps a wrong index that a step met. If several calls fail, the earliest call's first bad index is kept, whichever
  /// worker reported it.
  private func keepFault(of step: Step, worker: Int, moment: Int) {
    let fault = faults[worker]
    faults[worker] = Kernel.Fault()
    guard let bound = step.kernel.bound else { return }
    firstFault.withLock { first in
      if let first, (first.call, first.fault.position) <= (step.call, fault.position) { return }
      first = FoundFault(call: step.call, fault: fault, bound: bound)
    }
    faultyMoment.min(moment, ordering: .relaxed)
  }

  private func takeFault() -> BackendError {
    faultyMoment.store(.max, ordering: .relaxed)
    let found = firstFault.withLock { first in
      defer { first = nil }
      return first
    }
    guard let found else { return BackendError(.internal, "an index was wrong, but nobody kept it") }
    return found.bound.error(found.fault, operation: found.call)
  }

  /// What one worker does. A team may be smaller than the pool (a nested fork); the work is divided anew, and its
  /// results are the same.
  private func work(_ worker: Int, _ workers: Int, _ team: OpaquePointer?) {
    let pointers = tables + worker * max(valueCount, 1)
    let own = workspace + layout.workerStart + worker * layout.workerStride
    let scratch = own + layout.scratchStart
    for (number, stage) in stages.enumerated() {
      // Barriers lie between moments: every worker sees the same faults of moments before, and leaves with the others.
      if faultyMoment.load(ordering: .relaxed) < moment(stage: number, level: 0) { return }
      if !stage.chunked.isEmpty {
        for slot in 0..<layout.slots where slot * workers / layout.slots == worker {
          runSlot(slot, number, stage.chunked, worker, own)
        }
        host.table.pointee.barrier(team)
      }
      if !stage.sums.isEmpty {
        point(pointers, own, firstRow: 0)
        for sum in stage.sums where sum.worker % workers == worker {
          sum.reduction.finish(
            slotAddress(0, sum.value), layout.slots, layout.slotStride, pointers[sum.value])
        }
        host.table.pointee.barrier(team)
      }
      guard !stage.levels.isEmpty else { continue }
      point(pointers, own, firstRow: 0)
      for (level, steps) in stage.levels.enumerated() {
        let moment = moment(stage: number, level: level)
        if faultyMoment.load(ordering: .relaxed) < moment { return }
        for step in steps where step.worker % workers == worker { runWhole(step, moment, worker, scratch) }
        host.table.pointee.barrier(team)
      }
    }
  }

  private func runSlot(_ slot: Int, _ stage: Int, _ steps: [Step], _ worker: Int, _ own: UnsafeMutableRawPointer) {
    let pointers = tables + worker * max(valueCount, 1)
    let (first, end) = (slot * schedule.rows / layout.slots, (slot + 1) * schedule.rows / layout.slots)
    for step in steps where step.kernel.reduction != nil {
      slotAddress(slot, step.output).initializeMemory(
        as: UInt8.self, repeating: 0, count: step.kernel.reduction!.slotByteCount)
    }
    var row = first
    while row < end {
      let rows = min(layout.chunkRows, end - row)
      point(pointers, own, firstRow: row)
      for step in steps where step.kernel.reduction != nil { pointers[step.output] = slotAddress(slot, step.output) }
      let frame = Kernel.Frame(
        pointers: UnsafePointer(pointers), firstRow: row, rows: rows, scratch: own + layout.scratchStart,
        fault: faults + worker)
      for step in steps {
        run(step, frame, worker: worker)
        if frame.fault.pointee.position >= 0 {
          keepFault(of: step, worker: worker, moment: moment(stage: stage, level: 0))
        }
      }
      row += rows
    }
  }

  private func runWhole(_ step: Step, _ moment: Int, _ worker: Int, _ scratch: UnsafeMutableRawPointer) {
    let pointers = tables + worker * max(valueCount, 1)
    let frame = Kernel.Frame(
      pointers: UnsafePointer(pointers), firstRow: 0, rows: step.kernel.rows, scratch: scratch, fault: faults + worker)
    defer {
      if frame.fault.pointee.position >= 0 { keepFault(of: step, worker: worker, moment: moment) }
    }
    guard let reduction = step.kernel.reduction else { return run(step, frame, worker: worker) }
    let (slot, result) = (slotAddress(0, step.output), pointers[step.output])
    slot.initializeMemory(as: UInt8.self, repeating: 0, count: reduction.slotByteCount)
    pointers[step.output] = slot
    run(step, frame, worker: worker)
    pointers[step.output] = result
    reduction.finish(slot, 1, layout.slotStride, result)
  }

  private func slotAddress(_ slot: Int, _ value: Int) -> UnsafeMutableRawPointer {
    workspace + layout.slotStart + slot * layout.slotStride + (slotOffsets[value] ?? 0)
  }

  /// Fills a worker's table: rows of a value start at `firstRow` where they are divided.
  private func point(
    _ pointers: UnsafeMutablePointer<UnsafeMutableRawPointer>, _ own: UnsafeMutableRawPointer, firstRow: Int
  ) {
    for value in 0..<valueCount {
      switch places[value] {
      case .view:
        pointers[value] = (views[value].host ?? own) + (schedule.isDivided[value] ? firstRow * rowBytes[value] : 0)
      case .whole(let offset):
        pointers[value] = workspace + offset + (schedule.isDivided[value] ? firstRow * rowBytes[value] : 0)
      case .chunk(let offset): pointers[value] = own + offset
      }
    }
  }
}
