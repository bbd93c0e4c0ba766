import SwitchbackABI
import SwitchbackBackendKit
public import SwitchbackPrograms

/// Runs one program again and again: planned and compiled once, then nothing is allocated in a run.
///
/// Fill the inputs and step values (`withInput`, `bindInput`), call `run()`, read the outputs. States live in the
/// `StateStore`, shared with the executors of other programs. One thread at a time.
public final class ProgramExecutor {
  public private(set) var plan: ExecutionPlan
  public let states: StateStore
  public var program: Program { plan.program }

  private let chain: BackendChain
  private let stateOfValue: [Int: StateStore.State]
  private var executables: [any Executable] = []
  /// For each segment the states that it replaces.
  private let changedStates: [[Int]]
  private let actions: [Action]
  /// Owners of host memory: inputs and step values by id, and the arena.
  private var inputBuffers: [Int: HostBuffer] = [:]
  private var arena: HostBuffer?
  private var deviceArenas: [Int: sb_view] = [:]
  /// Where each value lies, by place.
  private var views: [Place: [sb_view]] = [:]
  private var workspaceViews: [Int: sb_view] = [:]
  private var keepPlan: KeepPlan?
  private var keptViews: [Int: sb_view] = [:]
  private var kept: KeptMemories?
  private var bindings: [Binding] = []
  private var runCount: UInt64 = 0

  /// What one segment is handed at each run.
  private struct Binding {
    var views: UnsafeMutableBufferPointer<sb_view>
    var generations: UnsafeMutableBufferPointer<UInt64>
    var workspace: sb_view
    var microseconds: UnsafeMutableBufferPointer<Double>
  }

  /// Microseconds by profile group since the start, where profiling was asked for.
  public private(set) var profile: Profile?

  /// Plans and compiles `program` for the chain. `taps` are temporaries that must be written, for whoever looks at
  /// them with `withValue`. At most `keepLimit` bytes are kept for segments that can share what they make (`Keep`).
  public init(
    _ program: Program, on chain: BackendChain, states: StateStore, taps: Set<Int> = [], isProfiled: Bool = false,
    keepLimit: Int = .max
  ) throws(ExecutionError) {
    self.chain = chain
    self.states = states
    plan = try ExecutionPlan(program, chain: chain, taps: taps)
    changedStates = plan.segments.map { segment in
      let written = Set(segment.segment.calls.flatMap { $0.outputs.compactMap { $0 } })
      return written.filter { segment.segment.values[$0].role == .state }.map { segment.values[$0] }
    }
    let privateLinks = chain.links.map(\.device.info.hasPrivateMemory)
    actions = plan.program.actions(plan.segments) { privateLinks[$0] ? .device($0) : .host }
    var found: [Int: StateStore.State] = [:]
    for id in plan.program.values(.state) {
      let value = plan.program.values[id]
      found[id] = try states.state(value.name, value.type)
    }
    stateOfValue = found
    for segment in plan.segments {
      do {
        executables.append(try chain.links[segment.link].device.compile(segment.segment))
      } catch {
        throw ExecutionError(error, backend: chain.links[segment.link].name, segment: segment.segment)
      }
    }
    plan.reports = executables.map(\.report)
    let keepPlan = KeepPlan(plan.segments, plan.reports, end: plan.program.calls.count, limit: keepLimit)
    self.keepPlan = keepPlan
    try placeValues(taps)
    kept = KeptMemories(keepPlan, views: keepPlan.memories.indices.map { keptViews[$0] ?? sb_view() })
    if isProfiled { profile = Profile(plan) }
  }

  deinit {
    for binding in bindings {
      binding.views.deallocate()
      binding.generations.deallocate()
      binding.microseconds.deallocate()
    }
    for (link, view) in deviceArenas { chain.links[link].device.discard(view) }
  }

  // MARK: Values

  /// The memory of an input or step value, to be filled before `run()`.
  public func withInput<Result>(
    _ name: String, _ body: (UnsafeMutableRawBufferPointer) throws -> Result
  ) throws -> Result {
    guard let id = program.value(named: name), let buffer = inputBuffers[id] else {
      throw ExecutionError(.invalid, "the program \(program.name) has no input called \(name)")
    }
    return try body(buffer.bytes)
  }

  /// Whether the program reads an input or step value of that name.
  public func hasInput(_ name: String) -> Bool {
    program.value(named: name).map { inputBuffers[$0] != nil } ?? false
  }

  /// The bytes of an output after `run()`.
  public func withOutput<Result>(
    _ name: String, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) throws -> Result {
    guard let id = program.output(named: name) else {
      throw ExecutionError(.invalid, "the program \(program.name) has no output called \(name)")
    }
    return try withValue(id, body)
  }

  /// The bytes of an output, a tap, an input or a state after `run()`.
  public func withValue<Result>(
    _ id: Int, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) throws -> Result {
    guard let view = views[.host]?[id], let host = view.host else {
      throw ExecutionError(.invalid, "value %\(id) of \(program.name) is not in host memory")
    }
    return try body(UnsafeRawBufferPointer(start: host, count: Int(view.bytes)))
  }

  // MARK: Running

  public func run() throws(ExecutionError) {
    runCount += 1
    for action in actions { try perform(action) }
  }

  /// The same with somebody around each action: who measures.
  func run(
    around: (Action, () throws(ExecutionError) -> Void) throws(ExecutionError) -> Void
  ) throws(ExecutionError) {
    runCount += 1
    for action in actions { try around(action) { () throws(ExecutionError) in try perform(action) } }
  }

  private func perform(_ action: Action) throws(ExecutionError) {
    switch action {
    case .copy(let value, let from, let to): try copy(value, from, to)
    case .run(let index): try run(segment: index)
    }
  }

  private func run(segment index: Int) throws(ExecutionError) {
    let segment = plan.segments[index]
    let binding = bindings[index]
    for (local, id) in segment.values.enumerated() {
      binding.generations[local] = stateOfValue[id]?.generation ?? runCount
    }
    do {
      let ticket = try executables[index].run(
        RunArguments(
          views: UnsafeBufferPointer(binding.views), generations: UnsafePointer(binding.generations.baseAddress!),
          workspace: binding.workspace,
          groupMicroseconds: profile == nil ? nil : binding.microseconds.baseAddress,
          kept: kept?.kept(segment: index, run: runCount)))
      if ticket != 0 { try chain.links[segment.link].device.wait(for: ticket) }
    } catch {
      throw ExecutionError(error, backend: chain.links[segment.link].name, segment: segment.segment)
    }
    for id in changedStates[index] { stateOfValue[id]?.generation += 1 }
    profile?.add(UnsafeBufferPointer(binding.microseconds), segment: index)
  }

  private func copy(_ value: Int, _ from: Place, _ to: Place) throws(ExecutionError) {
    guard let source = views[from]?[value], let target = views[to]?[value] else { return }
    guard let link = [from, to].compactMap({ if case .device(let link) = $0 { link } else { nil } }).first else {
      return
    }
    do {
      try chain.links[link].device.copy(from: source, to: target)
    } catch {
      throw ExecutionError(error.kind, "\(chain.links[link].name): \(error.message)")
    }
  }
}

// MARK: Planning memory

extension ProgramExecutor {
  private func placeValues(_ taps: Set<Int>) throws(ExecutionError) {
    let program = plan.program
    let places: [Place] =
      [.host] + chain.links.indices.filter { chain.links[$0].device.info.hasPrivateMemory }.map { .device($0) }
    do {
      for place in places { try placeValues(at: place, taps) }
    } catch {
      throw ExecutionError(error.kind, "\(program.name): \(error.message)")
    }
    bindAll()
    plan.memory.states = stateOfValue.values.reduce(0) { $0 + $1.type.byteCount }
    plan.memory.inputs = inputBuffers.values.reduce(0) { $0 + $1.bytes.count }
    plan.memory.own = plan.reports.reduce(0) { $0 + $1.ownByteCount }
    plan.memory.naive = Set(program.calls.flatMap { $0.outputs.compactMap { $0 } })
      .filter { program.values[$0].role == .temporary }.reduce(0) { $0 + program.values[$1].type.byteCount }
    func name(_ place: Place) -> String { if case .device(let link) = place { chain.links[link].name } else { "host" } }
    for case .copy(let value, let from, let to) in actions {
      let maker = program.calls.first { $0.outputs.contains(value) }
      let label = program.values[value].name.isEmpty ? maker?.label ?? "" : program.values[value].name
      let bytes = program.values[value].type.byteCount
      plan.transfers.append(.init(value: label, bytes: bytes, from: name(from), to: name(to)))
      plan.memory.transferred += bytes
    }
  }

  /// The moments in which a call may touch its operands: its own, or its whole segment's where the device orders the
  /// work itself.
  private func spans() -> [ClosedRange<Int>] {
    plan.segments.flatMap { segment in
      segment.calls.map { call in
        chain.links[segment.link].device.info.needsTemporaries
          ? call...call : segment.calls.lowerBound...(segment.calls.upperBound - 1)
      }
    }
  }

  private func placeValues(at place: Place, _ taps: Set<Int>) throws(BackendError) {
    let program = plan.program
    var views = [sb_view](repeating: sb_view(), count: program.values.count)
    let end = program.calls.count
    var blocks: [Int: MemoryPlan.Block] = [:]
    let spans = spans()
    let used = valuesUsed(at: place, taps)
    for (index, call) in program.calls.enumerated() {
      for id in call.outputs.compactMap({ $0 }) where program.values[id].role == .temporary && used.contains(id) {
        let bytes = program.values[id].type.byteCount
        blocks[id] = MemoryPlan.Block(byteCount: bytes, birth: spans[index].lowerBound, death: spans[index].upperBound)
      }
      for id in call.inputs where blocks[id] != nil {
        blocks[id]!.death = max(blocks[id]!.death, spans[index].upperBound)
      }
    }
    for id in program.outputs.map(\.value) + Array(taps) where blocks[id] != nil { blocks[id]!.death = end }
    if case .device = place {
      for id in used where program.values[id].role != .temporary {
        blocks[id] = MemoryPlan.Block(byteCount: program.values[id].type.byteCount, birth: -1, death: end)
      }
    }
    // A reshape between two temporaries is the same bytes: both live in one block.
    var alias: [Int: Int] = [:]
    for call in program.calls where call.operation is Reshape {
      let operand = alias[call.inputs[0]] ?? call.inputs[0]
      guard let result = call.outputs[0],
        let block = blocks[result], blocks[operand] != nil, program.values[operand].role == .temporary,
        program.values[result].role == .temporary
      else { continue }
      blocks[operand]!.death = max(blocks[operand]!.death, block.death)
      blocks[result] = nil
      alias[result] = operand
    }
    let ids = blocks.keys.sorted()
    var all = ids.map { blocks[$0]! }
    let workspaces = plan.segments.indices.filter {
      self.place(of: $0) == place && plan.reports[$0].workspaceByteCount > 0
    }
    all += workspaces.map {
      MemoryPlan.Block(
        byteCount: plan.reports[$0].workspaceByteCount, birth: plan.segments[$0].calls.lowerBound,
        death: plan.segments[$0].calls.upperBound - 1)
    }
    let keeps = keepPlan!.memories.enumerated().filter { self.place(of: $0.element.segment) == place }
    let firstKeep = all.count
    all += keeps.map(\.element.block)
    let memory = MemoryPlan(all)
    plan.memory.arena += memory.byteCount
    let block: (Int, Int) -> sb_view
    switch place {
    case .host:
      let arena = try HostBuffer(byteCount: memory.byteCount)
      self.arena = arena
      block = { arena.view(offset: $0, byteCount: $1) }
      for (id, value) in program.values.enumerated() {
        switch value.role {
        case .input, .step:
          let buffer = try HostBuffer(byteCount: value.type.byteCount)
          inputBuffers[id] = buffer
          views[id] = buffer.view
        case .state: views[id] = stateOfValue[id]!.buffer.view
        case .temporary: break
        }
      }
    case .device(let link):
      guard memory.byteCount > 0 else { return }
      let base = try chain.links[link].device.allocate(byteCount: memory.byteCount)
      deviceArenas[link] = base
      block = { sb_view(buffer: base.buffer, offset: base.offset + UInt64($0), bytes: UInt64($1), host: nil) }
    }
    for (index, id) in ids.enumerated() { views[id] = block(memory.offsets[index], all[index].byteCount) }
    for (result, operand) in alias { views[result] = views[operand] }
    for (index, segment) in workspaces.enumerated() {
      workspaceViews[segment] = block(memory.offsets[ids.count + index], all[ids.count + index].byteCount)
    }
    for (index, keep) in keeps.enumerated() {
      keptViews[keep.offset] = block(memory.offsets[firstKeep + index], all[firstKeep + index].byteCount)
    }
    self.views[place] = views
  }

  private func place(of segment: Int) -> Place {
    let link = plan.segments[segment].link
    return chain.links[link].device.info.hasPrivateMemory ? .device(link) : .host
  }

  /// The values that need memory at a place: all operands and results of its segments but private temporaries, and
  /// what is copied there.
  private func valuesUsed(at place: Place, _ taps: Set<Int>) -> Set<Int> {
    var used: Set<Int> = []
    for (index, segment) in plan.segments.enumerated() where self.place(of: index) == place {
      let needsTemporaries = chain.links[segment.link].device.info.needsTemporaries
      for (local, id) in segment.values.enumerated()
      where segment.segment.values[local].role != .temporary || needsTemporaries {
        used.insert(id)
      }
    }
    for case .copy(let value, let from, let to) in actions where from == place || to == place { used.insert(value) }
    return used
  }

  private func bindAll() {
    for (index, segment) in plan.segments.enumerated() {
      let count = max(segment.values.count, 1)
      let views = UnsafeMutableBufferPointer<sb_view>.allocate(capacity: count)
      views.initialize(repeating: sb_view())
      for (local, id) in segment.values.enumerated() { views[local] = self.views[place(of: index)]![id] }
      let generations = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: count)
      generations.initialize(repeating: 0)
      let microseconds = UnsafeMutableBufferPointer<Double>.allocate(
        capacity: max(plan.reports[index].groupNames.count, 1))
      microseconds.initialize(repeating: 0)
      bindings.append(
        Binding(
          views: views, generations: generations, workspace: workspaceViews[index] ?? sb_view(),
          microseconds: microseconds))
    }
  }
}
