import SwitchbackBackendKit
import SwitchbackExecution
import SwitchbackPrograms
import Testing

@Suite struct HandleTests {
  /// y = x + rate, where two runs may be under way at once.
  private func executor() throws -> ProgramExecutor {
    var builder = ProgramBuilder(name: "small")
    let x = builder.input("x", .float32([4]))
    let rates = try builder.append(Broadcast(shape: [4]), builder.step("rate", .float32([])))
    builder.output("y", try builder.append(Binary(.add), x, rates))
    let host = try HostServices(workers: 1)
    let device = try CountingBackend("device") { $0.hasPrivateMemory = true }.open(device: 0, options: [:], host: host)
    let chain = BackendChain([.init(name: "device", device: device)], host: host)
    return try ProgramExecutor(builder.build(), on: chain, states: StateStore())
  }

  @Test("runs through handles search no name, and each fills the memory of the run after it")
  func runs() throws {
    let executor = try executor()
    #expect(executor.depth == 2)
    let (x, rate) = (try executor.input(named: "x"), try executor.input(named: "rate"))
    let y = try executor.output(named: "y")
    #expect(executor.inputs == [x])
    #expect(x.type == .float32([4]) && y.type == .float32([4]))
    let searches = executor.nameSearchCount
    var places: [[UnsafeMutableRawPointer?]] = []
    for run in 1...4 {
      try executor.withInput(rate) { $0.storeBytes(of: Float(run), as: Float.self) }
      let slot = try executor.nextSlot()
      let memory = executor.memory(of: x, slot: slot)
      try executor.withInput(x) { #expect($0.baseAddress == memory.baseAddress && $0.count == 16) }
      memory.storeBytes(of: Float(10 * run), as: Float.self)
      places.append([memory.baseAddress, executor.memory(of: x, slot: 1 - slot).baseAddress])
      try executor.run()
      #expect(try executor.withValue(of: x) { $0.load(as: Float.self) } == Float(10 * run))
      #expect(try executor.withOutput(y) { $0.count } == 16)
    }
    #expect(executor.nameSearchCount == searches)
    // Two memories in turn, which stay where they are.
    #expect(places[0][0] != places[0][1])
    for run in 1..<4 { #expect(places[run] == Array(places[run - 1].reversed())) }
  }

  @Test("a name that nobody declared is an error that says so; a call by name is counted")
  func unknown() throws {
    let executor = try executor()
    let input = #expect(throws: ExecutionError.self) { try executor.input(named: "z") }
    #expect(input?.message == "the program small has no input called z")
    // An output is no input.
    #expect(throws: ExecutionError.self) { try executor.input(named: "y") }
    #expect(throws: ExecutionError.self) { try executor.output(named: "x") }
    #expect(executor.hasInput("rate") && !executor.hasInput("y"))
    let searches = executor.nameSearchCount
    try executor.withInput("x") { _ in }
    #expect(executor.nameSearchCount == searches + 1)
  }
}
