import SwitchbackABI
import SwitchbackBackendKit
public import SwitchbackPrograms

/// Runs one program again and again: planned and compiled once, then nothing is allocated in a run.
///
/// Find inputs, step values and outputs once (`input(named:)`, `output(named:)`); then fill, call `run()` and read, again and
/// again. States live in the `StateStore`, shared with the executors of other programs. One thread at a time.
///
/// Where all of a program runs on one device with memory of its own, runs may overlap: `start()` only hands the work
/// over, and `finish` waits for a run's numbers while the next one is under way.
public final class ProgramExecutor {
  public private(set) var plan: ExecutionPlan
  public let states: StateStore
  public var program: Program { plan.program }

  private let chain: BackendChain
  private let stateOfValue: [Int: State]
  private var executables: [any Executable] = []
  private let crashNotes: [CrashNote]
  /// For each segment the states that it uses, and those that it replaces.
  private let usedStates: [[State]]
  private let changedStates: [[State]]
  private let actions: [Action]
  /// Host memory of the runs that may be under way at once.
  private var slots: [Slot] = []
  /// What the device's private memory holds besides states.
  private var deviceArenas: [(link: Int, view: sb_view)] = []
  /// Where each value lies in a device's memory, by link.
  private var deviceViews: [Int: [sb_view]] = [:]
  private var workspaceViews: [Int: sb_view] = [:]
  private var keepPlan: KeepPlan?
  private var keptViews: [Int: sb_view] = [:]
  private var kept: KeptMemories?
  private var bindings: [Binding] = []
  private var runCount: UInt64 = 0
  /// The run whose values are read.
  private var finishedRun: UInt64 = 0
  /// How often something was found by its name since the start; a step must not.
  package private(set) var nameSearchCount = 0

  /// How many runs may be under way at once.
  public var depth: Int { slots.count }

  /// Host memory of one run.
  private struct Slot {
    /// For each value its memory, where it is an input or step value.
    var inputs: [HostBuffer?] = []
    var arena: HostBuffer?
    /// Where each value lies.
    var views: [sb_view] = []
    /// Inputs that a device reads where they are, by link and value.
    var adopted: [Int: [Int: sb_view]] = [:]
    var handedOver: [(value: Int, place: MemoryPlace)] = []
    /// What is done when the run is; 0: it is.
    var ticket: UInt64 = 0
  }

  /// What one segment is handed at each run.
  private struct Binding {
    var views: UnsafeMutableBufferPointer<sb_view>
    var generations: UnsafeMutableBufferPointer<UInt64>
    var workspace: sb_view
    var microseconds: UnsafeMutableBufferPointer<Double>
    /// Values of the segment that lie elsewhere in each slot.
    var adopted: [(local: Int, value: Int)]
  }

  private let sharesMemory: Bool

  /// Microseconds by profile group since the start, where profiling was asked for.
  public private(set) var profile: Profile?

  /// Plans and compiles `program` for the chain. `taps` are temporaries that must be written, for whoever looks at
  /// them with `withValue`. At most `keepLimit` bytes are kept for segments that can share what they make (`Keep`).
  /// Without `sharesMemory` no result lies where another one lay before.
  public init(
    _ program: Program, on chain: BackendChain, states: StateStore, taps: Set<Int> = [], isProfiled: Bool = false,
    keepLimit: Int = .max, sharesMemory: Bool = true
  ) throws(ExecutionError) {
    self.chain = chain
    self.sharesMemory = sharesMemory
    self.states = states
    plan = try ExecutionPlan(program, chain: chain, taps: taps)
    actions = plan.program.actions(plan.segments, taps: taps, placeOf: chain.place(of:))
    var found: [Int: State] = [:]
    for id in plan.program.values(.state) {
      let value = plan.program.values[id]
      found[id] = try states.state(value.name, value.type)
    }
    stateOfValue = found
    usedStates = plan.segments.map { segment in segment.values.compactMap { found[$0] } }
    changedStates = plan.segments.map { segment in
      let written = Set(segment.segment.calls.flatMap { $0.outputs.compactMap { $0 } })
      return written.compactMap { found[segment.values[$0]] }
    }
    crashNotes = plan.segments.map { CrashNote($0.segment, on: chain.links[$0.link]) }
    for (segment, note) in zip(plan.segments, crashNotes) {
      do {
        executables.append(
          try note.during { () throws(BackendError) in try chain.links[segment.link].device.compile(segment.segment) })
      } catch {
        throw ExecutionError(error, backend: chain.links[segment.link].name, segment: segment.segment)
      }
    }
    plan.reports = executables.map(\.report)
    let keepPlan = KeepPlan(plan.segments, plan.reports, end: plan.program.calls.count, limit: keepLimit)
    self.keepPlan = keepPlan
    try placeValues(taps)
    kept = KeptMemories(keepPlan, views: keepPlan.memories.indices.map { keptViews[$0] ?? sb_view() })
    if isProfiled { profile = Profile(plan) { chain.links[$0].device.info.hasPrivateMemory } }
  }

  deinit {
    for binding in bindings {
      binding.views.deallocate()
      binding.generations.deallocate()
      binding.microseconds.deallocate()
    }
    // Host memory must outlive the copies to and from it.
    for slot in slots { try? wait(for: slot) }
    for (link, view) in deviceArenas { chain.links[link].device.discard(view) }
    for (link, views) in slots.flatMap(\.adopted) {
      for view in views.values { chain.links[link].device.discard(view) }
    }
  }

  // MARK: Handles

  /// The inputs of the program, in the order in which it declares them; step values are not among them.
  public var inputs: [InputHandle] { program.values(.input).map(handle(ofInput:)) }

  /// The input or step value called `name`, for whoever fills it at every run.
  public func input(named name: String) throws(ExecutionError) -> InputHandle {
    guard let handle = knownInput(name) else {
      throw ExecutionError(.invalid, "the program \(program.name) has no input called \(name)")
    }
    return handle
  }

  /// Whether the program has an input or step value of that name.
  public func hasInput(_ name: String) -> Bool { knownInput(name) != nil }

  /// The output called `name`, for whoever reads it after every run.
  public func output(named name: String) throws(ExecutionError) -> OutputHandle {
    guard let handle = outputIfAny(named: name) else {
      throw ExecutionError(.invalid, "the program \(program.name) has no output called \(name)")
    }
    return handle
  }

  /// The same, of a program that need not have it.
  public func outputIfAny(named name: String) -> OutputHandle? {
    nameSearchCount += 1
    return program.output(named: name).map { OutputHandle(name: name, type: program.values[$0].type, value: $0) }
  }

  private func knownInput(_ name: String) -> InputHandle? {
    nameSearchCount += 1
    guard let id = program.value(named: name), slots[0].inputs[id] != nil else { return nil }
    return handle(ofInput: id)
  }

  private func handle(ofInput id: Int) -> InputHandle {
    InputHandle(name: program.values[id].name, type: program.values[id].type, value: id)
  }

  // MARK: Values

  /// Which of the `depth` memories of inputs the next run reads. It belongs to the caller until `start`: the run that read
  /// it last is waited for.
  public func nextSlot() throws(ExecutionError) -> Int {
    let slot = slot(of: runCount + 1)
    try wait(slot)
    return slot
  }

  /// The memory of an input or step value in one of the `depth` slots. It stays where it is as long as the executor lives.
  public func memory(of input: InputHandle, slot: Int) -> UnsafeMutableRawBufferPointer {
    guard let buffer = slots[slot].inputs[input.value] else {
      preconditionFailure("\(input.name) is no input of the program \(program.name)")
    }
    return buffer.bytes
  }

  /// The memory of an input or step value, to be filled before the next run.
  public func withInput<Result>(
    _ input: InputHandle, _ body: (UnsafeMutableRawBufferPointer) throws -> Result
  ) throws -> Result {
    try body(memory(of: input, slot: try nextSlot()))
  }

  /// The same, found by name: for single use.
  public func withInput<Result>(
    _ name: String, _ body: (UnsafeMutableRawBufferPointer) throws -> Result
  ) throws -> Result {
    try withInput(try input(named: name), body)
  }

  /// The bytes of an output of the run that was finished last.
  public func withOutput<Result>(
    _ output: OutputHandle, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) throws -> Result {
    try withValue(output.value, body)
  }

  /// The same, found by name: for single use.
  public func withOutput<Result>(
    _ name: String, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) throws -> Result {
    try withOutput(try output(named: name), body)
  }

  /// What an input held in the run that was finished last.
  public func withValue<Result>(
    of input: InputHandle, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) throws -> Result {
    try withValue(input.value, body)
  }

  /// The bytes of an output, a tap, an input or a state after `run()`: those of the run that was finished last.
  public func withValue<Result>(
    _ id: Int, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) throws -> Result {
    if let state = stateOfValue[id] { return try state.withBytes(body) }
    // Before the first run, what was filled for it.
    let view = slots[slot(of: max(finishedRun, 1))].views[id]
    guard let host = view.host else {
      throw ExecutionError(.invalid, "value %\(id) of \(program.name) is not in host memory")
    }
    return try body(UnsafeRawBufferPointer(start: host, count: Int(view.bytes)))
  }

  private func slot(of run: UInt64) -> Int { Int(run % UInt64(slots.count)) }

  // MARK: Running

  /// Runs once and waits for the outputs.
  public func run() throws(ExecutionError) { try finish(try start()) }

  /// Hands a run over and answers its number, for `finish`. At most `depth` runs are under way.
  public func start() throws(ExecutionError) -> UInt64 {
    let slot = slot(of: runCount + 1)
    try wait(slot)
    runCount += 1
    do {
      for action in actions { try perform(action, slot) }
    } catch {
      // What went to the device comes back, as far as it still answers; the first error is the one that counts.
      try? takeBack(slot)
      throw error
    }
    try takeBack(slot)
    return runCount
  }

  /// Runs once with somebody around each action: who measures.
  func run(
    around: (Action, () throws(ExecutionError) -> Void) throws(ExecutionError) -> Void
  ) throws(ExecutionError) {
    let slot = slot(of: runCount + 1)
    try wait(slot)
    runCount += 1
    for action in actions {
      try around(action) { () throws(ExecutionError) in
        try perform(action, slot)
        try wait(slot)
      }
    }
    try takeBack(slot)
    try wait(slot)
    finishedRun = runCount
  }

  /// Adopted inputs that were handed over are the host's again when the run is done.
  private func takeBack(_ slot: Int) throws(ExecutionError) {
    while let (value, place) = slots[slot].handedOver.popLast() { try copy(value, place, .host, slot) }
  }

  private func perform(_ action: Action, _ slot: Int) throws(ExecutionError) {
    switch action {
    case .copy(let value, let from, let to): try copy(value, from, to, slot)
    case .run(let index): try run(segment: index, slot)
    }
  }

  /// Waits for a run; its outputs are then what `withOutput` and `withValue` read.
  public func finish(_ run: UInt64) throws(ExecutionError) {
    try wait(slot(of: run))
    finishedRun = run
  }

  private func wait(_ slot: Int) throws(ExecutionError) {
    guard slots[slot].ticket != 0 else { return }
    defer { slots[slot].ticket = 0 }
    do {
      try wait(for: slots[slot])
    } catch {
      throw ExecutionError(error.kind, "\(chain.links[plan.segments[0].link].name): \(error.message)")
    }
  }

  /// Only a program of one device leaves a ticket in a slot.
  private func wait(for slot: Slot) throws(BackendError) {
    guard slot.ticket != 0 else { return }
    try crashNotes[0].during { () throws(BackendError) in
      try chain.links[plan.segments[0].link].device.wait(for: slot.ticket)
    }
  }

  private func run(segment index: Int, _ slot: Int) throws(ExecutionError) {
    let segment = plan.segments[index]
    let binding = bindings[index]
    let device = chain.links[segment.link].device
    for (local, id) in binding.adopted { binding.views[local] = slots[slot].adopted[segment.link]![id]! }
    for (local, id) in segment.values.enumerated() {
      binding.generations[local] = stateOfValue[id]?.generation ?? runCount
    }
    do {
      if device.info.hasPrivateMemory {
        for state in usedStates[index] { try state.bring(to: device) }
      } else {
        for state in usedStates[index] { try state.bringToHost() }
      }
      let arguments = RunArguments(
        views: UnsafeBufferPointer(binding.views), generations: UnsafePointer(binding.generations.baseAddress!),
        workspace: binding.workspace,
        groupMicroseconds: profile == nil ? nil : binding.microseconds.baseAddress,
        kept: kept?.kept(segment: index, run: runCount))
      let begin = profile == nil ? 0 : RouteSearch.monotonicSeconds()
      if profile != nil { binding.microseconds.update(repeating: 0) }
      try crashNotes[index].during { () throws(BackendError) in
        try done(try executables[index].run(arguments), device, slot)
      }
      profile?.add(
        UnsafeBufferPointer(binding.microseconds), whole: (RouteSearch.monotonicSeconds() - begin) * 1e6, begin: begin,
        segment: index)
    } catch let error as BackendError {
      throw ExecutionError(error, backend: chain.links[segment.link].name, segment: segment.segment)
    } catch let error as ExecutionError {
      throw error
    } catch {
      throw ExecutionError(.internal, "\(error)")
    }
    for state in changedStates[index] { state.wasChanged(on: device.info.hasPrivateMemory ? device : nil) }
  }

  private func copy(_ value: Int, _ from: MemoryPlace, _ to: MemoryPlace, _ slot: Int) throws(ExecutionError) {
    guard let source = view(value, at: from, slot), let target = view(value, at: to, slot) else { return }
    guard let link = [from, to].compactMap({ if case .device(let link) = $0 { link } else { nil } }).first else {
      return
    }
    do {
      let device = chain.links[link].device
      try done(try device.copy(from: source, to: target), device, slot)
      if from == .host, slots[slot].adopted[link]?[value] != nil { slots[slot].handedOver.append((value, to)) }
    } catch {
      throw ExecutionError(error.kind, "\(chain.links[link].name): \(error.message)")
    }
  }

  /// Where runs overlap a ticket is kept for `finish`; elsewhere somebody else may need the result now.
  private func done(_ ticket: UInt64, _ device: any ComputeDevice, _ slot: Int) throws(BackendError) {
    guard ticket != 0 else { return }
    if depth > 1 {
      slots[slot].ticket = max(slots[slot].ticket, ticket)
    } else {
      try device.wait(for: ticket)
    }
  }

  private func view(_ value: Int, at place: MemoryPlace, _ slot: Int) -> sb_view? {
    switch place {
    case .host: slots[slot].views[value]
    case .device(let link): slots[slot].adopted[link]?[value] ?? deviceViews[link]?[value]
    }
  }
}

// MARK: Planning memory

extension ProgramExecutor {
  private func placeValues(_ taps: Set<Int>) throws(ExecutionError) {
    let program = plan.program
    let devices = chain.links.indices.filter { chain.links[$0].device.info.hasPrivateMemory }
    let used = Set(plan.segments.map(\.link))
    // Runs overlap where nobody but one device works on the values.
    let overlaps = profile == nil && used.count == 1 && used.isSubset(of: devices)
    do {
      for _ in 0..<(overlaps ? 2 : 1) { slots.append(try hostSlot(taps)) }
      for link in devices {
        let used = plan.valuesUsed(at: .device(link), on: chain, actions)
        try adoptInputs(link, used)
        try placeValues(on: link, used, taps)
      }
    } catch {
      throw ExecutionError(error.kind, "\(program.name): \(error.message)")
    }
    bindAll()
    plan.memory.states = stateOfValue.values.reduce(0) { $0 + $1.type.byteCount }
    plan.memory.inputs = slots.reduce(0) { $0 + $1.inputs.reduce(0) { $0 + ($1?.bytes.count ?? 0) } }
    plan.memory.own = plan.reports.reduce(0) { $0 + $1.ownByteCount }
    // A CPU's own memory, as OpenCL has it, is the host's after all.
    let onHost = chain.links.indices.filter { !devices.contains($0) || chain.links[$0].device.info.kind == "cpu" }
    plan.memory.hostStates = plan.memory.states
    for link in devices where onHost.contains(link) {
      plan.memory.hostStates += stateOfValue.keys.reduce(0) { bytes, id in
        bytes + ((deviceViews[link]?[id].bytes).map { Int($0) } ?? 0)
      }
    }
    plan.memory.host += plan.memory.hostStates + plan.memory.inputs
    for (segment, report) in zip(plan.segments, plan.reports) where onHost.contains(segment.link) {
      plan.memory.host += report.ownByteCount
    }
    plan.memory.naive = Set(program.calls.flatMap { $0.outputs.compactMap { $0 } })
      .filter { program.values[$0].role == .temporary }.reduce(0) { $0 + program.values[$1].type.byteCount }
    func name(_ place: MemoryPlace) -> String {
      if case .device(let link) = place { chain.links[link].name } else { "host" }
    }
    let moved = program.stateTransfers(plan.segments, placeOf: chain.place(of:))
    for case .copy(let value, let from, let to) in actions + moved {
      let maker = program.calls.first { $0.outputs.contains(value) }
      let label = program.values[value].name.isEmpty ? maker?.label ?? "" : program.values[value].name
      let bytes = program.values[value].type.byteCount
      plan.transfers.append(.init(value: label, bytes: bytes, from: name(from), to: name(to)))
      plan.memory.transferred += bytes
    }
  }

  /// Host memory of a run.
  private func hostSlot(_ taps: Set<Int>) throws(BackendError) -> Slot {
    let count = plan.program.values.count
    var slot = Slot(
      inputs: [HostBuffer?](repeating: nil, count: count), views: [sb_view](repeating: sb_view(), count: count))
    for (id, value) in plan.program.values.enumerated() {
      switch value.role {
      case .input, .step:
        let buffer = try HostBuffer(byteCount: value.type.byteCount)
        slot.inputs[id] = buffer
        slot.views[id] = buffer.view
      case .state: slot.views[id] = stateOfValue[id]!.hostView
      case .temporary: break
      }
    }
    let layout = layout(of: .host, plan.valuesUsed(at: .host, on: chain, actions), taps, filled: [])
    let memory = MemoryPlan(layout.blocks)
    plan.memory.arena += memory.byteCount
    plan.memory.host += memory.byteCount
    let arena = try HostBuffer(byteCount: memory.byteCount)
    slot.arena = arena
    layout.place(&slot.views, &workspaceViews, &keptViews) { arena.view(offset: memory.offsets[$0], byteCount: $1) }
    return slot
  }

  /// Inputs that the device can read in the host's memory; a few bytes are not worth it.
  private func adoptInputs(_ link: Int, _ used: Set<Int>) throws(BackendError) {
    for id in used.sorted() {
      let device = chain.links[link].device
      var views: [sb_view] = []
      for slot in slots.indices {
        // Whoever cannot is handed copies.
        guard let input = slots[slot].inputs[id], let pages = input.pages, var view = try? device.adopt(pages) else {
          break
        }
        view.bytes = UInt64(input.bytes.count)
        views.append(view)
      }
      // All runs or none.
      guard views.count == slots.count else {
        for view in views { device.discard(view) }
        continue
      }
      for slot in slots.indices { slots[slot].adopted[link, default: [:]][id] = views[slot] }
    }
  }

  private func placeValues(on link: Int, _ used: Set<Int>, _ taps: Set<Int>) throws(BackendError) {
    let device = chain.links[link].device
    var views = [sb_view](repeating: sb_view(), count: plan.program.values.count)
    for segment in plan.segments where segment.link == link {
      for id in segment.values { if let state = stateOfValue[id] { views[id] = try state.view(on: device) } }
    }
    let inputs = used.filter { id in
      [.input, .step].contains(plan.program.values[id].role) && slots[0].adopted[link]?[id] == nil
    }
    let layout = layout(of: .device(link), used, taps, filled: inputs)
    let memory = MemoryPlan(
      layout.blocks, alignment: device.info.alignment, limit: device.info.maxAllocation ?? .max)
    plan.memory.arena += memory.byteCount
    if device.info.kind == "cpu" { plan.memory.host += memory.byteCount }
    var pools: [sb_view] = []
    for byteCount in memory.pools {
      pools.append(try device.allocate(byteCount: byteCount))
      deviceArenas.append((link, pools.last!))
    }
    layout.place(&views, &workspaceViews, &keptViews) { block, byteCount in
      let pool = pools[memory.pool(of: block)]
      return sb_view(
        buffer: pool.buffer, offset: pool.offset + UInt64(memory.offsets[block]), bytes: UInt64(byteCount), host: nil)
    }
    deviceViews[link] = views
  }

  private func layout(
    of place: MemoryPlace, _ used: Set<Int>, _ taps: Set<Int>, filled: Set<Int>
  ) -> ProgramMemory {
    ProgramMemory(
      at: place, plan, on: chain, used: used,
      lasting: sharesMemory ? taps.union(plan.program.outputs.map(\.value)) : used, filled: filled, keepPlan!)
  }

  private func place(of segment: Int) -> MemoryPlace { chain.place(of: plan.segments[segment].link) }

  private func bindAll() {
    for (index, segment) in plan.segments.enumerated() {
      let count = max(segment.values.count, 1)
      let views = UnsafeMutableBufferPointer<sb_view>.allocate(capacity: count)
      views.initialize(repeating: sb_view())
      for (local, id) in segment.values.enumerated() { views[local] = view(id, at: place(of: index), 0) ?? sb_view() }
      let generations = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: count)
      generations.initialize(repeating: 0)
      let microseconds = UnsafeMutableBufferPointer<Double>.allocate(
        capacity: max(plan.reports[index].groupNames.count, 1))
      microseconds.initialize(repeating: 0)
      bindings.append(
        Binding(
          views: views, generations: generations, workspace: workspaceViews[index] ?? sb_view(),
          microseconds: microseconds,
          adopted: segment.values.enumerated().filter { slots[0].adopted[segment.link]?[$0.element] != nil }
            .map { ($0.offset, $0.element) }))
    }
  }
}
