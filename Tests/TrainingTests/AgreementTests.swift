import SwitchbackBackendKit
import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackNeuralNetworks
import SwitchbackOpenBLAS
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import TestFiles
import Testing

/// One training step with every gradient as an output.
func trainingExecutor(_ configuration: Configuration, on chain: BackendChain) throws -> (
  ProgramExecutor, TrainingProgram
) {
  let program = try configuration.trainingStep(on: DatasetLayout(sampleShape: [28, 28, 1], targets: .classes)).build(
    batchSize: 64
  ) {
    (builder, trace) throws(ProgramError) in
    for parameter in trace.parameters { builder.output("gradient/" + parameter.parameter.name, parameter.gradient) }
  }
  return (try ProgramExecutor(program.program, on: chain, states: StateStore()), program)
}

func floats(_ executor: ProgramExecutor, _ output: String) throws -> [Float] {
  try executor.withOutput(output) { Array($0.bindMemory(to: Float.self)) }
}

@Suite(.enabled(if: hasOpenBLAS, "libopenblas.so.0 is not on this machine")) struct AgreementTests {
  @Test("free-running on the MLP: 50 losses to 1e-5")
  func freeRunning() throws {
    let data = hasMNIST ? try NamedDataset.named("mnist").load(given: mnistFolder).train : try madeData()
    let a = try session("mnist-mlp", on: ReferenceBackend()).train(data, steps: 50)
    let b = try session("mnist-mlp", on: OpenBLASBackend()).train(data, steps: 50)
    for (index, pair) in zip(a, b).enumerated() { #expect(abs(pair.0 - pair.1) <= 1e-5 * abs(pair.0), "step \(index)") }
    #expect(a[49] < a[0])
  }

  @Test("a training step of the CNN is one segment and one fork")
  func oneFork() throws {
    let data = try madeData()
    let session = try session("mnist-cnn", on: OpenBLASBackend())
    #expect(try session.plan.segmentCount == 1)
    #expect(try session.plan.placements.allSatisfy { $0.link == 0 })
    try session.train(data, steps: 1)
    let before = session.chain.host.forkCount
    try session.train(data, steps: 10)
    #expect(session.chain.host.forkCount - before == 10)
  }

  @Test("weights do not depend on the number of workers", arguments: [1, 3, 4])
  func workers(count: Int) throws {
    let data = try madeData()
    let (a, b) = (
      try session("mnist-cnn", on: OpenBLASBackend(), workers: 2),
      try session("mnist-cnn", on: OpenBLASBackend(), workers: count)
    )
    try a.train(data, steps: 8)
    try b.train(data, steps: 8)
    #expect(try a.bytes() == b.bytes())
  }

  @Test(
    "weights are bit-identical with probes on and off over 200 steps", arguments: ["mnist-mlp", "deep-sigmoid-mlp"])
  func probesChangeNothing(name: String) throws {
    let data = try madeData()
    let (on, off) = (
      try session(name, on: OpenBLASBackend(), isWatched: true),
      try session(name, on: OpenBLASBackend(), isWatched: false)
    )
    try on.train(data, steps: 200)
    try off.train(data, steps: 200)
    #expect(try on.bytes() == off.bytes())
  }

  @Test("probes change no weight of the CNN")
  func probesChangeNothingInTheCNN() throws {
    let data = try madeData()
    let (on, off) = (
      try session("mnist-cnn", on: OpenBLASBackend(), isWatched: true),
      try session("mnist-cnn", on: OpenBLASBackend(), isWatched: false)
    )
    try on.train(data, steps: runsLongTests ? 200 : 30)
    try off.train(data, steps: runsLongTests ? 200 : 30)
    #expect(try on.bytes() == off.bytes())
  }

  @Test("with the reference behind it OpenBLAS trains the same", arguments: ["dropout: {rate: 0.3}", "elu"])
  func behind(layer: String) throws {
    let text = """
      version: 1
      model:
        layers:
          - flatten
          - dense: {units: 32, activation: relu}
          - \(layer)
          - dense: {units: 10, activation: softmax}
      data: {dataset: mnist}
      training: {optimizer: {type: adam}}
      """
    let configuration = try Configuration(text: text, file: "test.yaml")
    let data = try madeData()
    func losses(_ backends: [any ComputeBackend]) throws -> [Double] {
      let host = try HostServices(workers: 2)
      let links = try backends.map {
        BackendChain.Link(name: $0.identity.name, device: try $0.open(device: 0, options: [:], host: host))
      }
      let session = try TrainingSession(
        step: configuration.trainingStep(on: DatasetLayout(sampleShape: [28, 28, 1], targets: .classes)), batchSize: 64,
        seed: 1,
        on: BackendChain(links, host: host))
      return try session.train(data, steps: 30)
    }
    let (a, b) = (try losses([ReferenceBackend()]), try losses([OpenBLASBackend(), ReferenceBackend()]))
    for (x, y) in zip(a, b) { #expect(abs(x - y) <= 1e-3 * abs(x)) }
    #expect(b[29] < b[0])
  }
}
