import SwitchbackBackendKit
import SwitchbackExecution
import SwitchbackPrograms
import Testing

/// A product, normalized, and its gradient.
private func normalized() throws -> (program: Program, middle: Int) {
  var builder = ProgramBuilder(name: "normalized")
  let (x, w) = (builder.input("x", .float32([4, 3])), builder.state("w", .float32([3, 6])))
  builder.path = "layers.0.dense"
  let product = try builder.append(MatrixMultiplication(), x, w)
  builder.path = "layers.1.groupNormalization"
  let middle = try builder.append(Normalize(axis: 1, groups: 2, epsilon: 1e-3), [product])[0]
  builder.path = "layers.2.tanh"
  let y = try builder.append(Unary(.tanh), middle)
  builder.path = "loss"
  let loss = try builder.append(Reduce(.sumSquares, axes: [0, 1]), y)
  let gradients = try builder.gradients(of: loss, for: [w])
  builder.output("loss", loss)
  builder.output("gradient", gradients[w.id]!)
  return (builder.build(), middle.id)
}

private let composites: Set = ["normalize", "normalize/backward"]
/// What decompositions of normalizations are made of.
private let simple: Set = ["reshape", "reduce", "binary", "unary", "fill", "matmul"]

private func chain(_ backends: [any ComputeBackend]) throws -> BackendChain {
  let host = try HostServices(workers: 1)
  return BackendChain(
    try backends.map { .init(name: $0.identity.name, device: try $0.open(device: 0, options: [:], host: host)) },
    host: host)
}

private func planned(_ backends: [any ComputeBackend], taps: Set<Int> = []) throws -> ExecutionPlan {
  try ProgramExecutor(normalized().program, on: chain(backends), states: StateStore(), taps: taps).plan
}

extension ExecutionPlan {
  fileprivate var names: Set<String> { Set(program.calls.map(\.operation.name)) }
  /// The backends of the calls of a layer.
  fileprivate func backends(of path: String) -> Set<String> {
    Set(zip(program.calls, placements).filter { $0.0.path == path }.map { backends[$0.1.link] })
  }
}

@Suite struct DecomposingTests {
  private let layer = "layers.1.groupNormalization"
  private let reference = CountingBackend("reference")

  @Test("a composite operation goes whole to the first backend before the reference that takes it whole")
  func whole() throws {
    let first = CountingBackend("first", accepts: simple.union(["unary/backward"]))
    let plan = try planned([first, CountingBackend("second", accepts: composites), reference])
    #expect(plan.names.isSuperset(of: composites))
    #expect(plan.backends(of: layer) == ["second"])
    #expect(plan.composites.map(\.partCount) == [0, 0])
    #expect(plan.composites[0].words == "\(layer)/normalize whole on second (first: not counted here)")
  }

  @Test("where no backend before the reference takes it whole, the first computes its decomposition")
  func decomposed() throws {
    let first = CountingBackend("first", accepts: simple.union(["unary/backward"]))
    let plan = try planned([first, CountingBackend("second", accepts: ["unary"]), reference])
    #expect(plan.names.isDisjoint(with: composites))
    #expect(plan.segmentCount == 1 && plan.placements.allSatisfy { $0.link == 0 })
    #expect(plan.composites.allSatisfy { $0.backend == "first" && $0.partCount > 5 })
    let words = try #require(plan.composites.first?.words)
    #expect(words.contains("/normalize as ") && words.contains("second: not counted here"), "\(words)")
    // Each call is of its layer, and has a label of its own in routings.
    #expect(plan.program.calls.filter { $0.path == layer }.count > 10)
    #expect(Set(plan.operationKeys).count == plan.program.calls.count)
    #expect(try plan.fingerprint != planned([reference]).fingerprint)
    // It is the program that a routing is searched for, and stays as it is.
    let chain = try chain([first, reference])
    let again = try chain.decomposing(normalized().program)
    #expect(try again == chain.decomposing(again) && again == plan.program)
  }

  @Test("where the first backend declines a part of the decomposition, the reference computes the whole, and says why")
  func onReference() throws {
    let first = CountingBackend("first", accepts: simple.subtracting(["reduce"]).union(["unary/backward"]))
    let plan = try planned([first, reference])
    #expect(plan.names.isSuperset(of: composites))
    #expect(plan.backends(of: layer) == ["reference"])
    let reasons = "first: not counted here, reduce of its decomposition: not counted here"
    #expect(plan.composites.map(\.words).contains("\(layer)/normalize whole on reference (\(reasons))"))
  }

  @Test("each operation is decided by itself: one may stay whole beside one that is decomposed")
  func mixed() throws {
    let first = CountingBackend("first", accepts: simple.union(["unary/backward", "normalize"]))
    let plan = try planned([first, reference])
    #expect(plan.names.intersection(composites) == ["normalize"])
    #expect(plan.composites.map { $0.partCount == 0 } == [false, true])
    #expect(plan.placements.allSatisfy { $0.link == 0 })
  }

  @Test("without a reference a decomposition will do, and what nobody takes in either form is an error by name")
  func withoutReference() throws {
    let plan = try planned([CountingBackend("only", accepts: simple.union(["unary/backward"]))])
    #expect(plan.names.isDisjoint(with: composites))
    let error = #expect(throws: ExecutionError.self) {
      _ = try planned([CountingBackend("only", accepts: ["matmul"])])
    }
    #expect(error?.label == "\(layer)/normalize")
  }

  @Test("the reference alone computes the whole")
  func referenceAlone() throws { #expect(try planned([reference]).names.isSuperset(of: composites)) }

  @Test("whoever looks at the result of a decomposed operation has it written, under its own number")
  func taps() throws {
    let (program, middle) = try normalized()
    let first = CountingBackend("first", accepts: simple.union(["unary/backward"]))
    let executor = try ProgramExecutor(
      program, on: chain([first, reference]), states: StateStore(), taps: [middle])
    #expect(executor.plan.names.isDisjoint(with: composites))
    #expect(executor.plan.program.calls.contains { $0.outputs == [middle] && $0.operation is Reshape })
    first.counts.withLock { #expect($0.compiled[0].values.count { $0.role == .tap } == 1) }
  }

  @Test("a result of a composite operation that nothing reads costs nothing")
  func deadResult() throws {
    var builder = ProgramBuilder(name: "inference")
    let x = builder.input("x", .float32([4, 6]))
    builder.output("y", try builder.append(Normalize(axis: 1, epsilon: 1e-3), [x])[0])
    let program = try chain([CountingBackend("first", accepts: simple), reference]).decomposing(builder.build())
    // 1/σ of its own shape is not made.
    #expect(program.calls.count { $0.operation is Reshape } == 2)
    #expect(program.calls.allSatisfy { $0.outputs[0] != nil })
  }

  @Test("a routing is searched over the decomposed program and replayed")
  func routing() throws {
    let clock = ModelClock()
    let names = simple.union(["unary/backward"])
    func model(_ name: String, _ seconds: Double) -> OnlyNamed {
      OnlyNamed(ModelBackend(name, clock) { _ in seconds }, names)
    }
    let chain = try chain([model("slow", 2), model("fast", 1), reference])
    let program = try chain.decomposing(normalized().program)
    let routing = try RouteSearch(
      program, on: chain, candidates: 2, budget: 1e6, clock: { clock.seconds }, prepare: { _ in },
      verify: { _, _ in nil }
    ).run()
    let plan = try ProgramExecutor(normalized().program, on: chain.routed(by: routing), states: StateStore()).plan
    #expect(plan.names.isDisjoint(with: composites))
    #expect(plan.placements.allSatisfy { plan.backends[$0.link] == "fast" })
  }
}

/// A backend of which only some operations are left.
private struct OnlyNamed: ComputeBackend {
  let inner: any ComputeBackend
  let names: Set<String>

  init(_ inner: any ComputeBackend, _ names: Set<String>) { (self.inner, self.names) = (inner, names) }

  var identity: BackendIdentity { inner.identity }
  func devices() throws(BackendError) -> [DeviceInfo] { try inner.devices() }
  func open(
    device index: Int, options: [String: String], host: HostServices
  ) throws(BackendError) -> any ComputeDevice {
    Device(try inner.open(device: index, options: options, host: host), names)
  }

  final class Device: ComputeDevice {
    let inner: any ComputeDevice
    let names: Set<String>
    init(_ inner: any ComputeDevice, _ names: Set<String>) { (self.inner, self.names) = (inner, names) }
    var info: DeviceInfo { inner.info }
    func query(_ segment: Segment) throws(BackendError) -> [Verdict] {
      zip(segment.calls, try inner.query(segment)).map { names.contains($0.operation.name) ? $1 : .decline("not here") }
    }
    func compile(_ segment: Segment) throws(BackendError) -> any Executable { try inner.compile(segment) }
  }
}
