import SwitchbackABI
import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackExecution
import SwitchbackPrograms
import SwitchbackReference
import Testing

/// The reference, but a segment in which a relu follows an addition forgets the addition: a fault of fusion, which no
/// operation alone shows.
private struct BadlyFusing: ComputeBackend {
  var identity: BackendIdentity { BackendIdentity(name: "badlyFusing", version: "1") }
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

    func compile(_ segment: Segment) throws(BackendError) -> any Executable {
      var calls = segment.calls
      for index in calls.indices.dropFirst() {
        let before = calls[index - 1]
        let isPair =
          (before.operation as? Binary)?.function == .add && (calls[index].operation as? Unary)?.function == .relu
        guard isPair, calls[index].inputs == before.outputs else { continue }
        calls[index].inputs = [before.inputs[0]]
      }
      return try inner.compile(Segment(calls: calls, values: segment.values))
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
  }
}
