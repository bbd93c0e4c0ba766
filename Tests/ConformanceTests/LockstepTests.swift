import SwitchbackABI
import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackExecution
import SwitchbackPrograms
import SwitchbackReference
import Testing

/// The reference, but a segment in which a relu follows an addition forgets the addition: a fault of fusion, which no
/// operation alone shows. `hides`: only where nobody sees the sum. `shares`: it forgets a product instead, where the
/// product after it has the same second operand.
private struct BadlyFusing: ComputeBackend {
  var hides = false
  var shares = false
  var identity: BackendIdentity { BackendIdentity(name: "badlyFusing", version: "1") }
  func devices() throws(BackendError) -> [DeviceInfo] { try ReferenceBackend().devices() }
  func open(
    device index: Int, options: [String: String], host: HostServices
  ) throws(BackendError) -> any ComputeDevice {
    Device(
      inner: try ReferenceBackend().open(device: index, options: options, host: host), hides: hides, shares: shares)
  }

  private final class Device: ComputeDevice {
    let inner: any ComputeDevice
    let hides: Bool
    let shares: Bool
    var info: DeviceInfo { inner.info }
    init(inner: any ComputeDevice, hides: Bool, shares: Bool) {
      (self.inner, self.hides, self.shares) = (inner, hides, shares)
    }
    func query(_ segment: Segment) throws(BackendError) -> [Verdict] { try inner.query(segment) }

    func compile(_ segment: Segment) throws(BackendError) -> any Executable {
      var calls = segment.calls
      for index in calls.indices.dropFirst() {
        let before = calls[index - 1]
        let function = (before.operation as? Binary)?.function
        let isPair =
          shares
          ? function == .multiply && calls[index].inputs == [before.outputs[0], before.inputs[1]]
          : function == .add && (calls[index].operation as? Unary)?.function == .relu
        guard isPair, calls[index].inputs.first == before.outputs[0] else { continue }
        if hides, segment.values[calls[index].inputs[0]].role != .temporary { continue }
        calls[index].inputs[0] = before.inputs[0]
      }
      return try inner.compile(Segment(calls: calls, values: segment.values))
    }
  }
}

/// The reference, but an executable never computes twice: what it kept is stale once its operands change.
private struct Stale: ComputeBackend {
  var identity: BackendIdentity { BackendIdentity(name: "stale", version: "1") }
  func devices() throws(BackendError) -> [DeviceInfo] { try ReferenceBackend().devices() }
  func open(
    device index: Int, options: [String: String], host: HostServices
  ) throws(BackendError) -> any ComputeDevice {
    Device(inner: try ReferenceBackend().open(device: index, options: options, host: host))
  }

  private final class Device: ComputeDevice {
    let inner: any ComputeDevice
    var info: DeviceInfo { inner.info }
    init(inner: any ComputeDevice) { self.inner = inner }
    func query(_ segment: Segment) throws(BackendError) -> [Verdict] { try inner.query(segment) }
    func compile(_ segment: Segment) throws(BackendError) -> any Executable { Once(try inner.compile(segment)) }
  }

  private final class Once: Executable, @unchecked Sendable {
    // Unchecked: one run at a time.
    let inner: any Executable
    var hasRun = false
    var report: CompiledReport { inner.report }
    init(_ inner: any Executable) { self.inner = inner }
    func run(_ arguments: borrowing RunArguments) throws(BackendError) -> UInt64 {
      if hasRun { return 0 }
      hasRun = true
      return try inner.run(arguments)
    }
  }
}

@Suite struct LockstepTests {
  private func program() throws -> (Program, [String: [Double]]) {
    var builder = ProgramBuilder(name: "layer")
    let (x, w, b) = (
      builder.input("x", .float32([5, 4])), builder.state("w", .float32([4, 3])), builder.state("b", .float32([5, 3]))
    )
    builder.path = "layers.0.dense"
    let product = try builder.append(MatrixMultiplication(), x, w)
    let sum = try builder.append(Binary(.add), product, b)
    let y = try builder.append(Unary(.relu), sum)
    builder.path = "layers.1.tanh"
    builder.output("y", try builder.append(Unary(.tanh), y))
    func numbers(_ count: Int) -> [Double] { (0..<count).map { Double(Float($0 % 7) - 3) / 4 } }
    return (builder.build(), ["x": numbers(20), "w": numbers(12), "b": numbers(15)])
  }

  @Test("a fault of fusion is told from a fault of an operation, and shrinks to the two operations it takes")
  func fusion() throws {
    let (program, values) = try program()
    let (candidate, reference) = (try chain(BadlyFusing()), try chain(ReferenceBackend()))
    let lockstep = try Lockstep(program, values, on: candidate, reference: reference)
    #expect(lockstep.faults.map(\.form) == [.fused])
    #expect(lockstep.faults.first?.label == "layers.0.dense/relu")
    let suite = ConformanceSuite(candidate, reference: reference)
    guard case .failed(_, let replay?) = try suite.lockstep(ReplayFile(program, values)) else {
      Issue.record("it should fail")
      return
    }
    #expect(replay.program.calls.map(\.operation.name) == ["binary", "unary"])
    let again = try ReplayFile(text: "\(replay)")
    #expect(again.values == replay.values)
    #expect(try Lockstep(again.program, again.values, on: candidate, reference: reference).faults.count == 1)
    #expect(try Lockstep(again.program, again.values, on: reference, reference: reference).faults.isEmpty)
  }

  @Test("a fault of fusion that shows only where nobody sees the value between is found")
  func hiddenFusion() throws {
    let (program, values) = try program()
    let (candidate, reference) = (try chain(BadlyFusing(hides: true)), try chain(ReferenceBackend()))
    let lockstep = try Lockstep(program, values, on: candidate, reference: reference)
    #expect(lockstep.faults.map(\.form) == [.fused])
    let fault = try #require(lockstep.faults.first)
    #expect(fault.label == "layers.0.dense/relu" && fault.replay.program.calls.count == 2)
    let again = try Lockstep(fault.replay.program, fault.replay.values, on: candidate, reference: reference)
    #expect(again.faults.map(\.operation) == ["unary"])
  }

  @Test("a fault of fusion that shows only where two operations read the same value is found")
  func sharedOperand() throws {
    var builder = ProgramBuilder(name: "shared")
    let (x, y) = (builder.input("x", .float32([4])), builder.input("y", .float32([4])))
    let product = try builder.append(Binary(.multiply), x, y)
    builder.output("z", try builder.append(Binary(.multiply), product, y))
    let values = ["x": [1.0, 2, 3, 4], "y": [2.0, 3, 5, 7]]
    let (candidate, reference) = (try chain(BadlyFusing(hides: true, shares: true)), try chain(ReferenceBackend()))
    let lockstep = try Lockstep(builder.build(), values, on: candidate, reference: reference)
    #expect(lockstep.faults.map(\.form) == [.fused])
  }

  @Test("what is right only in its first run is found")
  func stale() throws {
    let (program, values) = try program()
    let (candidate, reference) = (try chain(Stale()), try chain(ReferenceBackend()))
    let lockstep = try Lockstep(program, values, on: candidate, reference: reference)
    #expect(lockstep.faults.first?.form == .repeated)
    #expect(lockstep.faults.first?.operation == "matmul")
  }

  @Test("a right backend has no fault, alone or in a segment")
  func right() throws {
    let (program, values) = try program()
    let reference = try chain(ReferenceBackend())
    let lockstep = try Lockstep(program, values, on: reference, reference: reference)
    #expect(lockstep.faults.isEmpty && lockstep.checkedCount == 4 && lockstep.declined.isEmpty)
  }

  @Test("a replay file with a wrong name, size or number is refused with its line")
  func replayFaults() throws {
    let (program, values) = try program()
    let text = "\(ReplayFile(program, values))"
    #expect(try ReplayFile(text: text).values == values)
    #expect(throws: ProgramError.self) { try ReplayFile(text: text + "value q 1\n") }
    #expect(throws: ProgramError.self) { try ReplayFile(text: text + "value x 1 2\n") }
    #expect(throws: ProgramError.self) { try ReplayFile(text: text + "value x one\n") }
    #expect(try ReplayFile(text: program.description).values.count == 3)
    for (type, number) in [
      ("i32", "1e10"), ("i32", "nan"), ("u8", "-1"), ("u8", "256"), ("bool", "2"), ("i64", "1e19"), ("i64", "inf"),
    ] {
      let text = "input %0 a \(type)[1]\n%1: \(type)[1] = reshape(%0) {shape: [1]}\noutput y %1\nvalue a \(number)\n"
      let error = #expect(throws: ProgramError.self) { _ = try ReplayFile(text: text) }
      #expect(error?.message.hasPrefix("line 4: a is \(type)[1]") == true, "\(error?.message ?? "")")
      #expect(throws: Never.self) { try ReplayFile(text: text.replacing("value a \(number)", with: "value a 1")) }
    }
    for (type, number) in [("i32", "3e9"), ("u8", "300.0"), ("bool", "2.0"), ("i64", "1e19")] {
      let text = "%0: \(type)[1] = fill() {elementType: \"\(type)\", shape: [1], value: \(number)}\noutput y %0\n"
      #expect(throws: ProgramError.self) { try ReplayFile(text: text) }
      #expect(throws: Never.self) { try ReplayFile(text: text.replacing("value: \(number)", with: "value: 1.0")) }
    }
    // As an operand, as a result and as one that nobody reads.
    let type = "f32[1048576,1048576]"
    let call = "= broadcast(%0) {shape: [1048576, 1048576]}\n"
    for huge in ["input %0 x \(type)\n", "input %0 x f32[1]\n%1: \(type) \(call)", "input %0 x f32[1]\n_ \(call)"] {
      let error = #expect(throws: ProgramError.self) { _ = try ReplayFile(text: huge) }
      #expect(error?.message.contains("GB; this machine has less") == true, "\(error?.message ?? "")")
    }
  }
}
