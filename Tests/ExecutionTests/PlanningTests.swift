import SwitchbackBackendKit
import SwitchbackExecution
import SwitchbackPrograms
import Testing

/// x·w + b → relu → sum of squares, with the update of w: seven calls, one of them dead.
private func smallProgram(rows: Int = 4) throws -> Program {
  var builder = ProgramBuilder(name: "small")
  let x = builder.input("x", .float32([rows, 3]))
  let w = builder.state("w", .float32([3, 5]))
  builder.path = "layers.0.dense"
  let product = try builder.append(MatrixMultiplication(), x, w)
  let gate = try builder.append(Unary(.relu), product)
  _ = try builder.append(Unary(.tanh), product)
  builder.path = "loss"
  let loss = try builder.append(Reduce(.sumSquares, axes: [0, 1]), gate)
  let gradients = try builder.gradients(of: loss, for: [w])
  let rate = builder.step("learningRate", .float32([]))
  let finite = try builder.append(AllFinite(), gradients[w.id]!)
  _ = try builder.append(SGDUpdate(), [w, gradients[w.id]!, rate, finite])
  builder.output("loss", loss)
  return builder.build()
}

private func chain(_ backends: [CountingBackend]) throws -> BackendChain {
  let host = try HostServices(workers: 1)
  return BackendChain(
    try backends.map { .init(name: $0.identity.name, device: try $0.open(device: 0, options: [:], host: host)) },
    host: host)
}

@Suite struct PlanningTests {
  @Test("dead calls go, and results that nothing reads are not written")
  func deadWork() throws {
    let program = try smallProgram()
    let live = program.droppingDeadWork()
    #expect(live.calls.count == program.calls.count - 1)
    #expect(!live.calls.contains { ($0.operation as? Unary)?.function == .tanh })
    let update = try #require(live.calls.first { $0.operation is SGDUpdate })
    #expect(update.outputs == [1, nil])
    let tanh = try #require(program.calls.first { ($0.operation as? Unary)?.function == .tanh }?.outputs[0])
    #expect(program.droppingDeadWork(keeping: [tanh]).calls.count == program.calls.count)
  }

  @Test("one backend that takes all makes one segment, and private values are temporaries")
  func oneSegment() throws {
    let backend = CountingBackend("all")
    let executor = try ProgramExecutor(try smallProgram(), on: try chain([backend]), states: StateStore())
    #expect(executor.plan.segmentCount == 1)
    #expect(executor.plan.transfers.count == 0)
    try executor.run()
    try executor.run()
    backend.counts.withLock { counts in
      #expect(counts.runs == 2)
      #expect(counts.compiled.count == 1)
      let roles = counts.compiled[0].values.map(\.role)
      #expect(roles.filter { $0 == .output }.count == 1)
      #expect(roles.filter { $0 == .state }.count == 1)
    }
  }

  @Test("statistics that a backend declines come behind its segment, but before what they read is replaced")
  func probes() throws {
    var builder = ProgramBuilder(name: "probed")
    let x = builder.input("x", .float32([4, 3]))
    let (w, rate) = (builder.state("w", .float32([3, 3])), builder.step("learningRate", .float32([])))
    let product = try builder.append(MatrixMultiplication(), x, w)
    builder.output("product", try builder.append(Statistics(), product))
    let gate = try builder.append(Unary(.relu), product)
    builder.output("gate", try builder.append(Statistics(), gate))
    let gradient = try builder.append(MatrixMultiplication(transposeA: true), x, gate)
    builder.output("before", try builder.append(Statistics(), w))
    let finite = try builder.append(AllFinite(), gradient)
    _ = try builder.append(SGDUpdate(), [w, gradient, rate, finite])
    builder.output("after", try builder.append(Statistics(), w))
    builder.output("y", try builder.append(MatrixMultiplication(), gate, w))

    let first = CountingBackend("first", accepts: ["matmul", "unary", "allFinite", SGDUpdate.name])
    let second = CountingBackend("second")
    let executor = try ProgramExecutor(builder.build(), on: try chain([first, second]), states: StateStore())
    let plan = executor.plan
    #expect(plan.segmentCount == 4)
    let names = plan.program.calls.map { $0.operation.name }
    let update = try #require(names.firstIndex(of: SGDUpdate.name))
    #expect(names[..<update].filter { $0 == Statistics.name }.count == 3)
    #expect(names.suffix(3) == [SGDUpdate.name, "matmul", Statistics.name])
    #expect(zip(names, plan.placements).allSatisfy { ($0 == Statistics.name) == ($1.link == 1) })
    first.counts.withLock { counts in
      // The product and the gate are read outside.
      #expect(counts.compiled[0].values.filter { $0.role == .output }.count >= 2)
    }
  }

  @Test("a backend of two operations splits the program; what it declines is said")
  func split() throws {
    let first = CountingBackend("first", accepts: ["matmul"])
    let second = CountingBackend("second")
    let executor = try ProgramExecutor(try smallProgram(), on: try chain([first, second]), states: StateStore())
    let plan = executor.plan
    #expect(plan.segmentCount == 4)
    let relu = try #require(plan.program.calls.firstIndex { $0.operation is Unary })
    #expect(plan.placements[relu].link == 1)
    #expect(plan.placements[relu].declined == ["first": "not counted here"])
    #expect(plan.summary.contains("2 on first"))
  }

  @Test("without a fallback an operation that nobody takes is an error by name")
  func noFallback() throws {
    let only = CountingBackend("only", accepts: ["matmul"])
    let error = #expect(throws: ExecutionError.self) {
      _ = try ProgramExecutor(try smallProgram(), on: try chain([only]), states: StateStore())
    }
    #expect(error?.label == "layers.0.dense/relu")
    #expect(error?.message.contains("not counted here") == true)
  }

  @Test("maxOperations caps a segment")
  func cap() throws {
    let backend = CountingBackend("one") { $0.maxOperations = 1 }
    let program = try smallProgram()
    let executor = try ProgramExecutor(program, on: try chain([backend]), states: StateStore())
    #expect(executor.plan.segmentCount == program.droppingDeadWork().calls.count)
  }

  @Test("private memory gets inputs at each run and states once; outputs come back, states when somebody looks")
  func transfers() throws {
    let device = CountingBackend("device") { $0.hasPrivateMemory = true }
    let executor = try ProgramExecutor(try smallProgram(), on: try chain([device]), states: StateStore())
    let (x, w, scalar) = (4 * 3 * 4, 3 * 5 * 4, 4)
    for run in 1...3 {
      try executor.run()
      device.counts.withLock { counts in
        #expect(counts.bytesIn == run * (x + scalar) + w)
        #expect(counts.bytesOut == run * scalar)
        #expect(counts.allocated >= x + w)
      }
    }
    #expect(executor.plan.memory.transferred == x + 2 * scalar)
    for _ in 0..<2 { _ = try executor.states.withBytes(of: "w") { $0.count } }
    device.counts.withLock { #expect($0.bytesOut == 3 * scalar + w) }
    // What the host changes goes there again.
    try executor.states.withMutableBytes(of: "w") { $0[0] = 1 }
    try executor.run()
    device.counts.withLock { #expect($0.bytesIn == 4 * (x + scalar) + 2 * w) }
  }

  @Test("a device that shares the host's memory reads inputs where they are, between handing over and taking back")
  func adoption() throws {
    let device = CountingBackend("device", adopts: true) { $0.hasPrivateMemory = true }
    let executor = try ProgramExecutor(try smallProgram(rows: 512), on: try chain([device]), states: StateStore())
    #expect(executor.depth == 2)
    for run in 1...3 {
      try executor.withInput("x") { $0.storeBytes(of: Float(run), as: Float.self) }
      try executor.run()
      device.counts.withLock { counts in
        #expect(counts.handedOver == run && counts.takenBack == run)
        // The learning rate and the state still go there.
        #expect(counts.bytesIn == run * 4 + 3 * 5 * 4)
      }
    }
    let copying = CountingBackend("device") { $0.hasPrivateMemory = true }
    _ = try ProgramExecutor(try smallProgram(rows: 512), on: try chain([copying]), states: StateStore())
    let (adopted, copied) = (device.counts.withLock { $0.allocated }, copying.counts.withLock { $0.allocated })
    #expect(adopted + 512 * 3 * 4 <= copied)
  }

  @Test("memory that was handed over comes back when a run fails, and the next run works")
  func failedAdoption() throws {
    let device = CountingBackend("device", adopts: true, failingRun: 2) { $0.hasPrivateMemory = true }
    let executor = try ProgramExecutor(try smallProgram(rows: 512), on: try chain([device]), states: StateStore())
    try executor.run()
    let error = #expect(throws: ExecutionError.self) { try executor.run() }
    #expect(error?.message.contains("as planned") == true)
    device.counts.withLock { #expect($0.handedOver == 2 && $0.takenBack == 2) }
    try executor.run()
    device.counts.withLock { #expect($0.handedOver == 3 && $0.takenBack == 3) }
  }

  @Test("tuned options are of a device and a host, lie below the user's, and can be forgotten")
  func tunedOptions() throws {
    let host = try HostServices(workers: 1)
    let (one, other) = (CountingBackend("one") { $0.driver = "1; 7 MiB" }, CountingBackend("one") { $0.driver = "2" })
    let registry = BackendRegistry(linked: [one], folders: [])
    func opened(_ options: [String: String] = [:]) throws -> [String: String] {
      try BackendChain(["one"], registry: registry, options: ["one": options], host: host).links[0].options
    }
    #expect(try opened() == [:])
    try TunedOptions(of: one, device: 0).remember(["tiles": "8:a 16:b=c", "other": "1"], by: host)
    #expect(try opened() == ["tiles": "8:a 16:b=c", "other": "1"])
    #expect(try opened(["tiles": "mine"]) == ["tiles": "mine", "other": "1"])
    // Free memory comes and goes; a new driver is a new device.
    let later = CountingBackend("one") { $0.driver = "1; 8 MiB" }
    #expect(try TunedOptions(of: later, device: 0).recalled(by: host).count == 2)
    #expect(try TunedOptions(of: other, device: 0).recalled(by: host) == [:])
    try TunedOptions(of: one, device: 0).remember([:], by: host)
    #expect(try opened() == [:])
  }

  @Test("a value that crosses to another memory is copied once, however many read it")
  func crossing() throws {
    let device = CountingBackend("device", accepts: ["unary"]) { $0.hasPrivateMemory = true }
    let host = CountingBackend("host")
    let executor = try ProgramExecutor(try smallProgram(), on: try chain([device, host]), states: StateStore())
    // The product goes there, the relu comes back and serves the loss, the gate and nothing else.
    #expect(executor.plan.transfers.count == 2)
  }

  @Test("programs that name a state share it, and differing types are refused")
  func sharedStates() throws {
    let states = StateStore()
    let backend = CountingBackend("all")
    _ = try ProgramExecutor(try smallProgram(), on: try chain([backend]), states: states)
    #expect(states.states.count == 1)
    #expect(throws: ExecutionError.self) { try states.state("w", .float32([5, 3])) }
  }
}

@Suite struct MemoryPlanTests {
  @Test("blocks alive together never overlap, blocks apart share", arguments: 1...20)
  func random(seed: Int) {
    var state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15
    func next(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    let blocks = (0..<40).map { _ in
      let birth = next(30)
      return MemoryPlan.Block(byteCount: next(5000), birth: birth, death: birth + next(8))
    }
    let plan = MemoryPlan(blocks)
    for (i, a) in blocks.enumerated() {
      #expect(plan.offsets[i] % 64 == 0)
      #expect(plan.offsets[i] + a.byteCount <= plan.byteCount)
      for (j, b) in blocks.enumerated() where j < i && a.birth <= b.death && b.birth <= a.death {
        let apart =
          plan.offsets[i] + a.byteCount <= plan.offsets[j] || plan.offsets[j] + b.byteCount <= plan.offsets[i]
        #expect(apart, "blocks \(i) and \(j) overlap")
      }
    }
    #expect(plan.byteCount < blocks.reduce(0) { $0 + $1.byteCount })
    // Each lies as low as those that were placed before it, the larger ones, let it.
    let order = blocks.indices.sorted { (blocks[$1].byteCount, $0) < (blocks[$0].byteCount, $1) }
    for (place, i) in order.enumerated() {
      let block = blocks[i]
      let others = order[..<place].filter { blocks[$0].birth <= block.death && block.birth <= blocks[$0].death }
      func isFree(_ offset: Int) -> Bool {
        others.allSatisfy {
          offset + block.byteCount <= plan.offsets[$0] || plan.offsets[$0] + blocks[$0].byteCount <= offset
        }
      }
      let lowest = ([0] + others.map { (plan.offsets[$0] + blocks[$0].byteCount + 63) / 64 * 64 }).filter(isFree).min()
      #expect(plan.offsets[i] == lowest)
    }
  }
}
