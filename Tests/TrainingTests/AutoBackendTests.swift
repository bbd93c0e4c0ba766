import Foundation
import SwitchbackABI
import SwitchbackBackendKit
import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackOpenBLAS
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import TestFiles
import Testing

/// The reference under another name. It takes matrix products only, waits `delay` in each segment, and, where it is
/// wrong, adds one to a number of each result.
private struct Products: ComputeBackend {
  var name: String
  var version = "1"
  var isWrong = false
  var takesNothing = false
  var delay: Duration = .zero

  var identity: BackendIdentity { BackendIdentity(name: name, version: version) }
  func devices() throws(BackendError) -> [DeviceInfo] { try ReferenceBackend().devices() }
  func open(
    device index: Int, options: [String: String], host: HostServices
  ) throws(BackendError) -> any ComputeDevice {
    Device(owner: self, inner: try ReferenceBackend().open(device: index, options: options, host: host))
  }

  private final class Device: ComputeDevice {
    let owner: Products
    let inner: any ComputeDevice
    var info: DeviceInfo { inner.info }
    init(owner: Products, inner: any ComputeDevice) { (self.owner, self.inner) = (owner, inner) }
    func query(_ segment: Segment) throws(BackendError) -> [Verdict] {
      segment.calls.map {
        $0.operation is MatrixMultiplication && !owner.takesNothing ? .accept() : .decline("only products")
      }
    }
    func compile(_ segment: Segment) throws(BackendError) -> any Executable {
      Compiled(owner: owner, inner: try inner.compile(segment), results: segment.calls.compactMap { $0.outputs[0] })
    }
  }

  private final class Compiled: Executable {
    let owner: Products
    let inner: any Executable
    let results: [Int]
    var report: CompiledReport { inner.report }
    init(owner: Products, inner: any Executable, results: [Int]) {
      (self.owner, self.inner, self.results) = (owner, inner, results)
    }
    func run(_ arguments: borrowing RunArguments) throws(BackendError) -> UInt64 {
      let ticket = try inner.run(
        RunArguments(
          views: arguments.views, generations: arguments.generations, workspace: arguments.workspace,
          groupMicroseconds: arguments.groupMicroseconds))
      let end = ContinuousClock.now + owner.delay
      while owner.delay > .zero, ContinuousClock.now < end {}
      guard owner.isWrong else { return ticket }
      for id in results { arguments.views[id].host?.assumingMemoryBound(to: Float.self)[0] += 1 }
      return ticket
    }
  }
}

private func text(_ candidates: String, _ more: String = "") -> String {
  smallRun.replacingOccurrences(
    of: "{name: reference}", with: "{name: auto, candidates: \(candidates), tuning_seconds: 0.5\(more)}")
}

/// What `auto` says while a loop is made.
private final class Words {
  var done: [String] = []
  var measured: [String] = []
  func hear(_ progress: BackendProgress) {
    switch progress {
    case .working(let text): measured.append(text)
    case .done(let text): done.append(text)
    }
  }
}

private func autoLoop(
  _ configuration: String, _ linked: [any ComputeBackend], store: String? = nil, replaying routing: Routing? = nil,
  _ words: Words = Words()
) throws -> TrainingLoop {
  let data = try madeData()
  return try TrainingLoop(
    try Configuration(text: configuration, file: "test.yaml"),
    data: DatasetParts(train: data, test: data.subset(0..<64)),
    registry: BackendRegistry(linked: linked + [ReferenceBackend()], folders: []),
    host: try HostServices(workers: 2, store: store), replaying: routing,
    progress: words.hear)
}

@Suite struct AutoBackendTests {
  /// Slow products lose against the reference, those of `fast` (equal, but first) win the ties.
  private let products: [any ComputeBackend] = [
    Products(name: "fast"), Products(name: "slow", delay: .milliseconds(2)), Products(name: "wrong", isWrong: true),
  ]

  @Test("a backend that computes wrongly is refused by operation and never runs, a slow one is not chosen")
  func wrong() throws {
    let words = Words()
    let loop = try autoLoop(text("[reference, wrong, slow]"), products, words)
    let routing = try #require(loop.session.chain.routing)
    #expect(routing.refusals.filter { $0.backend == "wrong" }.count == 5)
    #expect(routing.refusals.allSatisfy { $0.operation.contains("matmul") && $0.reason.contains("bounds off") })
    #expect(Set(routing.choices.values) == ["reference"])
    #expect(try loop.session.plan.segmentCount == 1)
    // On a busy machine a mixture may look faster at first, and be dropped in turns.
    let verdicts = ["reference is the fastest, alone", "was not faster beyond noise"]
    #expect(words.done.count == 1 && verdicts.contains { words.done[0].contains($0) }, "\(words.done)")
    #expect(routing.trials.contains { $0.words == "slow" })
    #expect(!routing.trials.contains { $0.words.contains("wrong") })
  }

  @Test("what cannot be used is left out with its reason")
  func leftOut() throws {
    let words = Words()
    let loop = try autoLoop(text("[reference, none]"), products, words)
    #expect(words.done.count == 1 && words.done[0].hasSuffix("; without none: there is no backend called none"))
    let routing = try #require(loop.session.chain.routing)
    #expect(routing.leftOut["none"]?.contains("there is no backend called none") == true)
    #expect(throws: BackendError.self) { _ = try autoLoop(text("[none]", ", fallback: []"), products) }
    let idle = Words()
    _ = try autoLoop(
      text("[reference, nothing, none]"), products + [Products(name: "nothing", takesNothing: true)], idle)
    #expect(
      idle.done.first?.hasSuffix(
        "reference is the only choice; nothing takes no operation of it; without none: there is no backend called none")
        == true, "\(idle.done)")
  }

  @Test("without a candidate that takes anything the fallbacks run it all; a backend named twice is an error")
  func fewCandidates() throws {
    for candidates in ["[]", "[none]", "[nothing]"] {
      let words = Words()
      let loop = try autoLoop(text(candidates), products + [Products(name: "nothing", takesNothing: true)], words)
      #expect(Set(try #require(loop.session.chain.routing).choices.values) == ["reference"])
      #expect(words.done.first?.contains("no candidate takes any of it") == true)
    }
    #expect(throws: BackendError.self) { _ = try autoLoop(text("[reference, slow, slow]"), products) }
  }

  @Test("what could not be checked in time is said, and decided anew the next time")
  func unchecked() throws {
    let store = temporaryRun()
    let configuration = text("[reference, slow]").replacing("tuning_seconds: 0.5", with: "tuning_seconds: 0")
    let (first, second) = (Words(), Words())
    let loop = try autoLoop(configuration, products, store: store, first)
    #expect(try #require(loop.session.chain.routing).refusals.contains { $0.backend == "slow" })
    #expect(first.done.first?.contains("not all could be checked within backend.tuning_seconds") == true)
    _ = try autoLoop(text("[reference, slow]"), products, store: store, second)
    #expect(second.done.first?.contains("decided in") == true)
  }

  @Test("a second process finds the routing in the host's store and measures nothing")
  func store() throws {
    let store = temporaryRun()
    let (first, second) = (Words(), Words())
    let measured = try autoLoop(text("[reference, slow]"), products, store: store, first)
    let recalled = try autoLoop(text("[reference, slow]"), products, store: store, second)
    #expect(!first.measured.isEmpty && second.measured.isEmpty)
    #expect(second.done.first?.contains("as decided before") == true)
    #expect(recalled.session.chain.routing == measured.session.chain.routing)
    // Another version is another backend.
    let third = Words()
    let newer = Products(name: "slow", version: "2", delay: .milliseconds(2))
    _ = try autoLoop(text("[reference, slow]"), [newer], store: store, third)
    #expect(!third.measured.isEmpty)
  }

  @Test("a checkpoint keeps the routing; resuming replays it without measuring, to the same bits")
  func resume() throws {
    // Written down here, so that both backends have a part whatever a measurement would say.
    var routing = try #require(try autoLoop(text("[reference, fast]"), products).session.chain.routing)
    for key in routing.choices.keys { routing = try changed(routing, key, to: "reference") }
    let key = "layers.1.dense/matmul"
    routing = try changed(routing, key, to: "fast")
    let whole = try autoLoop(text("[reference, fast]"), products, replaying: routing)
    #expect(try whole.session.plan.summary.contains("1 on fast"))
    _ = try whole.run()
    let store = CheckpointStore(run: temporaryRun())
    let first = try autoLoop(text("[reference, fast]"), products, replaying: routing)
    let interrupter = EventHandler { event in
      if case .step(let report) = event, report.step >= 7 { .interrupt } else { .proceed }
    }
    #expect(throws: TrainingLoop.Stop.self) {
      _ = try first.run(callbacks: [CheckpointSaver(store), interrupter])
    }
    let checkpoint = try #require(store.newestComplete())
    #expect(checkpoint.position.routing == routing)
    let words = Words()
    let second = try autoLoop(text("[reference, fast]"), products, replaying: checkpoint.position.routing, words)
    #expect(words.measured.isEmpty)
    _ = try second.run(from: checkpoint)
    #expect(try second.session.bytes() == whole.session.bytes())
    let environment = try RunEnvironment(of: second.session)
    #expect(environment.routing == routing)
    // Placed in another way, or with a backend that is not there, the run does not go on.
    let other = try autoLoop(text("[reference, fast]"), products, replaying: try changed(routing, key, to: "reference"))
    #expect(throws: ExecutionError.self) { _ = try other.run(from: checkpoint) }
    let error = #expect(throws: ExecutionError.self) {
      _ = try autoLoop(text("[reference]"), products, replaying: checkpoint.position.routing)
    }
    #expect(error?.message.contains("fast is not in the chain here") == true)
  }

  /// The same routing with another backend for one operation.
  private func changed(_ routing: Routing, _ key: String, to backend: String) throws -> Routing {
    var json = try #require(
      try JSONSerialization.jsonObject(with: try JSONEncoder().encode(routing)) as? [String: Any])
    var choices = try #require(json["choices"] as? [String: String])
    choices[key] = backend
    json["choices"] = choices
    return try JSONDecoder().decode(Routing.self, from: try JSONSerialization.data(withJSONObject: json))
  }

  @Test("probes do not change who runs the operations that are there without them")
  func probes() throws {
    let loop = try autoLoop(text("[reference, fast]"), products)
    var routing = try #require(loop.session.chain.routing)
    for key in routing.choices.keys where key.contains("matmul") { routing = try changed(routing, key, to: "fast") }
    let watched = try autoLoop(text("[reference, fast]"), products, replaying: routing).session.plan
    let keys = zip(watched.operationKeys, watched.placements).filter { routing.choices[$0.0] != nil }
    #expect(keys.count == routing.choices.count)
    #expect(keys.allSatisfy { watched.backends[$0.1.link] == routing.choices[$0.0] })
  }

  @Test(
    "of openblas and reference every product and convolution goes to openblas",
    .enabled(if: hasOpenBLAS, "libopenblas.so.0 is not on this machine"))
  func openBLAS() throws {
    let cnn = try String(contentsOfFile: root + "/configs/mnist-cnn.yaml", encoding: .utf8)
    let start = try #require(cnn.range(of: "backend:"))
    let loop = try autoLoop(
      cnn[..<start.lowerBound] + "backend: {name: auto, candidates: [reference, openblas], tuning_seconds: 20}",
      [OpenBLASBackend()])
    let routing = try #require(loop.session.chain.routing)
    #expect(routing.refusals.isEmpty)
    let heavy: [String: String] = routing.choices.filter { key, _ in
      key.contains("matmul") || key.contains("conv2d/backward")
    }
    #expect(heavy.count >= 9)
    #expect(heavy.allSatisfy { $0.value == "openblas" })
    let times = try #require(routing.trials.first { $0.words == "openblas" }?.microseconds)
    let slower = try #require(routing.trials.first { $0.words == "reference" }?.microseconds)
    #expect(slower > times)
  }
}
