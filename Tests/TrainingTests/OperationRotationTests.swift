import Foundation
import SwitchbackAllocationCount
import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackDatasets
import SwitchbackMonitoring
import SwitchbackOpenBLAS
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import Synchronization
import Testing

/// Two dense layers on ten classes of sixteen numbers, every step looked at, by the backend `spoiled`.
private let twoLayers = """
  version: 1
  model: {layers: [flatten, {dense: {units: 8, activation: relu}}, {dense: {units: 10, activation: softmax}}]}
  data: {dataset: mnist}
  training: {epochs: 40, steps: 90, batch_size: 32, optimizer: {type: sgd, learning_rate: 0.1, momentum: 0.9}}
  backend: {name: spoiled}
  monitor: {probe_interval: 1, check_share: 1}
  """

private let sigmoid = "{dense: {units: 8, activation: sigmoid, kernel_initializer: {type: constant, value: 0.01}}}"

/// Six layers of sigmoid with small weights: δ loses nearly two decades in each.
private let sixLayers = """
  version: 1
  model:
    layers: [flatten, \([String](repeating: sigmoid, count: 6).joined(separator: ", ")),
      {dense: {units: 10, activation: softmax}}]
  data: {dataset: mnist}
  training: {epochs: 40, steps: 110, batch_size: 32, optimizer: {type: sgd, learning_rate: 0.1}}
  backend: {name: spoiled}
  monitor: {probe_interval: 1, check_share: 0}
  """

private func parts() throws -> DatasetParts {
  let numbers = (0..<320 * 16).map { (place: Int) -> Float in
    let label = place / 16 % 10
    return Float((place * 7 + label * 3) % 11) / 10
  }
  let data = try ArrayDataset(
    numbers, shape: [4, 4, 1], labels: (0..<320).map { Int32($0 % 10) }, classNames: (0...9).map { "\($0)" })
  return DatasetParts(train: data, test: data.subset(0..<64))
}

private func loop(
  _ text: String = twoLayers, _ overrides: [String] = [], on backend: any ComputeBackend = SpoiledBackend(),
  going checkpoint: Checkpoint? = nil
) throws -> TrainingLoop {
  try makeLoop(text, overrides, data: parts(), linked: [backend], going: checkpoint)
}

private final class Counter: Sendable {
  private let count = Atomic<Int>(0)
  func next() -> Int { count.add(1, ordering: .relaxed).newValue }
}

/// What a run says; it may end early.
private final class Heard: TrainingCallback {
  var findings: [Finding] = []
  var replays: [ReplayText] = []
  var lines: [String] = []
  var last: Checkpoint?

  func handle(_ event: TrainingEvent, in loop: TrainingLoop) -> TrainingDecision {
    switch event {
    case .started(let lines): self.lines += lines
    case .message(let text): lines.append(text)
    case .finding(let finding): findings.append(finding)
    case .replay(let replay): replays.append(replay)
    case .checkpoint(let checkpoint): last = checkpoint
    default: break
    }
    return .proceed
  }

  var wrong: [Finding] { findings.filter { $0.rule == OperationRotation.name } }
  var memory: [String: Int] { last?.position.monitor?.memories[OperationRotation.name] ?? [:] }
}

private func listen(_ loop: TrainingLoop, from start: Checkpoint? = nil) throws -> Heard {
  let heard = Heard()
  do { _ = try loop.run(from: start, callbacks: [heard]) } catch is TrainingLoop.Stop {}
  return heard
}

@Suite("Operations that are checked in training") struct OperationRotationTests {
  @Test(
    "within one rotation a wrong operation is named with its backend and nothing else is, and a file shows it again",
    arguments: ["layers.2.dense/matmul", "layers.1.dense/relu/backward", "sgdUpdate"])
  func wrong(operation: String) throws {
    let backend = SpoiledBackend { call, result in
      guard call.label == operation || call.operation.name == operation, !result.isEmpty else { return }
      result[result.count - 1] += 1
    }
    let heard = try listen(loop(on: backend))
    #expect(
      !heard.wrong.isEmpty && heard.wrong.allSatisfy { $0.subject?.hasSuffix(operation) == true }, "\(heard.wrong)")
    let finding = try #require(heard.wrong.first)
    let proof = try #require(finding.proof)
    #expect(finding.severity == .error && finding.cause == "backend")
    #expect(proof.verdict == .backend && proof.backend == "spoiled" && proof.operation == finding.subject)
    #expect(try #require(proof.error) > #require(proof.limit))
    #expect(finding.message.contains("The backend is to blame, not the network"))
    // Each is said once.
    #expect(Set(heard.wrong.map(\.subject)).count == heard.wrong.count)
    let file = try #require(heard.replays.first { $0.name == proof.file })
    #expect(proof.command == "switchback conformance --backend spoiled --program \(file.name)")
    let replay = try ReplayFile(text: file.text)
    func faults(_ backend: any ComputeBackend) throws -> [CallFault] {
      try Lockstep(replay.program, replay.values, on: chain(backend), reference: chain(ReferenceBackend())).faults
    }
    #expect(try faults(backend).map(\.label) == [finding.subject])
    #expect(try faults(ReferenceBackend()).isEmpty)
    let text = try JSONEncoder().encode(finding)
    #expect(try JSONDecoder().decode(Finding.self, from: text) == finding)
    #expect(String(decoding: text, as: UTF8.self).contains(#""verdict":"backend""#))
  }

  @Test("a run's folder has the file of a wrong operation")
  func file() throws {
    let runs = temporaryRun()
    defer { try? FileManager.default.removeItem(atPath: runs) }
    let backend = SpoiledBackend { call, result in if call.operation is MatrixMultiplication { result[0] += 1 } }
    let loop = try loop(twoLayers, ["training.runs=\(runs)", "training.steps=60"], on: backend)
    let recorder = try RunRecorder(loop)
    let heard = Heard()
    _ = try loop.run(callbacks: [recorder, heard])
    let name = try #require(heard.wrong.first?.proof?.file)
    let text = try String(contentsOfFile: recorder.folder.path + "/" + name, encoding: .utf8)
    #expect(try ReplayFile(text: text).program.calls.map(\.operation.name) == ["matmul"])
  }

  @Test("a healthy backend has no finding in two rotations, and what is checked is said at the start")
  func healthy() throws {
    let heard = try listen(loop(twoLayers, ["training.steps=160"]))
    #expect(heard.wrong.isEmpty, "\(heard.wrong)")
    #expect(heard.memory["turn"] == 160 && heard.memory["skipped"] ?? 160 < 10, "\(heard.memory)")
    let count = try #require(heard.lines[0].split(separator: " · ").last { $0.hasPrefix("checks each of ") })
    #expect(try #require(Int(count.split(separator: " ")[3])) < 80, "\(count)")
  }

  @Test("OpenBLAS has no finding", .enabled(if: hasOpenBLAS, "libopenblas.so.0 is not on this machine"))
  func openBLAS() throws {
    let overrides = ["backend.name=openblas", "training.steps=160"]
    let heard = try listen(loop(twoLayers, overrides, on: OpenBLASBackend()))
    #expect(heard.wrong.isEmpty && (heard.memory["turn"] ?? 0) >= 160, "\(heard.wrong)")
  }

  @Test("the reference is checked by nobody, and a share of 0 checks nothing")
  func nothing() throws {
    for overrides in [["backend.name=reference"], ["monitor.check_share=0"], ["monitor.enabled=false"]] {
      let backend = SpoiledBackend { call, result in if call.operation is MatrixMultiplication { result[0] += 1 } }
      let heard = try listen(loop(twoLayers, overrides + ["training.steps=40"], on: backend))
      #expect(heard.wrong.isEmpty && heard.memory["turn"] ?? 0 == 0, "\(overrides)")
      #expect(!heard.lines.contains { $0.contains(" operations ") && $0.contains("checks ") })
    }
  }

  @Test(
    "the weights have equal bits with checks and without, also where a run goes on, which checks what would come next")
  func bits() throws {
    for (name, backend) in [("spoiled", SpoiledBackend() as any ComputeBackend)]
      + (hasOpenBLAS ? [("openblas", OpenBLASBackend())] : [])
    {
      func made(_ share: Int, going checkpoint: Checkpoint? = nil) throws -> TrainingLoop {
        try loop(
          twoLayers, ["backend.name=\(name)", "monitor.check_share=\(share)", "training.steps=60"], on: backend,
          going: checkpoint)
      }
      let (checked, unchecked) = (try made(1), try made(0))
      let whole = try listen(checked)
      _ = try listen(unchecked)
      let bits = try checked.session.bytes()
      #expect(try unchecked.session.bytes() == bits, "\(name)")
      let start = try interrupted(try made(1), after: 25)
      let resumed = try made(1, going: start)
      let rest = try listen(resumed, from: start)
      #expect(try resumed.session.bytes() == bits, "\(name)")
      #expect(rest.memory == whole.memory && whole.memory["turn"] ?? 0 >= 60)
    }
  }

  @Test(
    "whatever a checkpoint says of the rotation, the run goes on", arguments: [-1, -7_000_000_000, .min, .max, 12345])
  func hostile(turn: Int) throws {
    var start = try interrupted(loop(), after: 5)
    let (encoder, decoder) = (JSONEncoder(), JSONDecoder())
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    let encoded = try JSONSerialization.jsonObject(with: encoder.encode(start.position))
    var position = try #require(encoded as? [String: Any])
    var monitor = try #require(position["monitor"] as? [String: Any])
    var memories = try #require(monitor["memories"] as? [String: [String: Int]])
    memories[OperationRotation.name] = ["turn": turn, "skipped": turn, "else": turn]
    (monitor["memories"], position["monitor"]) = (memories, monitor)
    start.position = try decoder.decode(
      Checkpoint.Position.self, from: JSONSerialization.data(withJSONObject: position))
    let goingOn = try loop(twoLayers, ["training.steps=20"], going: start)
    let heard = try listen(goingOn, from: start)
    #expect(heard.wrong.isEmpty && goingOn.session.batches == 20)
    let straight = try loop(twoLayers, ["training.steps=20"])
    _ = try listen(straight)
    #expect(try goingOn.session.bytes() == straight.session.bytes())
  }

  @Test(
    "a step that is not checked costs no allocation", .enabled(if: allocation_count_works() != 0, "none can be counted")
  )
  func allocations() throws {
    var rotation = OperationRotation(share: 0.005, reference: try chain(ReferenceBackend()))
    let session = try session("mnist-mlp", on: ReferenceBackend(), isWatched: false)
    // There is no time for it yet; and there is, but nobody looks at the step.
    for time in [TrainedTime(seconds: 1, steps: 100), TrainedTime(seconds: 1e6, steps: 100)] {
      try rotation.prepare(time, in: session, samples: 64, endsAccumulation: false)
      let before = allocation_count()
      for _ in 0..<100 { try rotation.prepare(time, in: session, samples: 64, endsAccumulation: false) }
      #expect(allocation_count() == before)
    }
  }

  @Test("where there is no memory for a step a second time its states are not copied either")
  func room() throws {
    let session = try session("mnist-mlp", on: ReferenceBackend())
    for hasRoom in [false, true] {
      var rotation = OperationRotation(share: 1, reference: try chain(ReferenceBackend())) { _ in hasRoom }
      try rotation.prepare(TrainedTime(seconds: 1, steps: 1), in: session, samples: 64, endsAccumulation: false)
      #expect(rotation.memory["skipped"] == (hasRoom ? 0 : 1))
    }
  }

  @Test("once the first steps were timed, it is said when each will have been checked")
  func estimate() throws {
    let heard = try listen(loop(twoLayers, ["monitor.check_share=0.01", "training.steps=30"]))
    #expect(heard.lines.count { $0.contains("will have been compared with the reference after about") } == 1)
    #expect(heard.lines[0].contains("in 1.0 % of the time"), "\(heard.lines[0])")
  }
}

@Suite("Your network or your backend") struct BackendProofTests {
  @Test("a gradient that vanishes by itself is the network's")
  func network() throws {
    let heard = try listen(loop(sixLayers))
    let finding = try #require(heard.findings.first { $0.rule == "vanishingGradient" })
    let proof = try #require(finding.proof)
    #expect(proof.verdict == .network && proof.checked ?? 0 > 20 && proof.unchecked ?? 20 < 5, "\(proof)")
    #expect(finding.message.contains("The backend is not to blame") && heard.replays.isEmpty)
  }

  @Test("a gradient that the backend loses is the backend's, and the operation is named")
  func backend() throws {
    let backend = SpoiledBackend { call, result in
      if call.label == "layers.1.dense/relu/backward" { for index in result.indices { result[index] = 0 } }
    }
    let heard = try listen(loop(twoLayers, ["monitor.check_share=0"], on: backend))
    let finding = try #require(heard.findings.first { $0.rule == "vanishingGradient" })
    let proof = try #require(finding.proof)
    #expect(proof.verdict == .backend && proof.operation == "layers.1.dense/relu/backward", "\(proof)")
    #expect(proof.path == "layers.1.dense" && proof.backend == "spoiled" && finding.cause == "backend")
    #expect(heard.replays.map(\.name) == [proof.file])
  }

  @Test("an infinity that the backend makes is not the network's, however often it comes")
  func infinity() throws {
    let backend = SpoiledBackend { call, result in
      if call.label == "layers.2.dense/matmul", !result.isEmpty { result[0] = .infinity }
    }
    let heard = try listen(loop(twoLayers, ["monitor.check_share=0"], on: backend))
    let finding = try #require(heard.findings.first { $0.rule == "nonFinite" })
    #expect(finding.proof?.verdict == .backend && finding.proof?.operation == "layers.2.dense/matmul", "\(finding)")
    // JSON has no infinity.
    #expect(finding.proof?.error == nil && (try? JSONEncoder().encode(finding)) != nil)
  }

  @Test("what does not come again is said to be not reproduced")
  func once() throws {
    let runs = Counter()
    let backend = SpoiledBackend { call, result in
      // The tenth step's: each has two gradients of weights, and an evaluation has none.
      guard (call.operation as? MatrixMultiplication)?.transposeA == true, runs.next() == 20 else { return }
      for index in result.indices { result[index] = .nan }
    }
    let heard = try listen(loop(twoLayers, ["monitor.check_share=0"], on: backend))
    let finding = try #require(heard.findings.first { $0.rule == "nonFinite" })
    #expect(finding.step == 10 && finding.proof?.verdict == .notReproduced, "\(finding)")
    #expect(finding.message.contains("Not reproduced") && heard.replays.isEmpty)
  }

  @Test("a proof says where its weights are those behind another step")
  func otherWeights() {
    var proof = Proof.network(checked: 3, unchecked: 0)
    #expect(!proof.words.contains("weights"))
    proof.weightsOfStep = 11
    #expect(proof.words.contains("run again on the weights behind step 11, which was under way by then."))
  }

  @Test("on the reference nobody asks, and the finding says why")
  func reference() throws {
    let heard = try listen(loop(sixLayers, ["backend.name=reference"]))
    let finding = try #require(heard.findings.first { $0.rule == "vanishingGradient" })
    #expect(finding.proof == .ofReference && finding.proof?.verdict == .notAsked)
  }
}
