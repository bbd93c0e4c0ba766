import SwitchbackBackendKit
import SwitchbackDatasets
import SwitchbackMonitoring
import SwitchbackReference
import SwitchbackTraining
import TestFiles
import Testing

/// Runs a configuration on the reference; its findings, its summary where it ends, and the loop.
private func run(
  _ name: String, _ overrides: [String] = [], steps: Int = 200
) throws -> (findings: [Finding], loop: TrainingLoop, stop: TrainingLoop.Stop?) {
  let data: any Dataset =
    hasMNIST
    ? try NamedDataset.named("mnist").load(given: mnistFolder).train.subset(0..<12800) : try madeData(count: 12800)
  let configuration = try configuration(
    name, ["backend.name=reference", "training.steps=\(steps)", "training.epochs=4"] + overrides)
  let loop = try TrainingLoop(
    configuration, data: DatasetParts(train: data, test: data.subset(0..<64)),
    registry: BackendRegistry(linked: [ReferenceBackend()]), host: try HostServices(workers: 2))
  var findings: [Finding] = []
  do {
    _ = try loop.run(callbacks: [
      EventHandler(watching: { if case .finding(let finding) = $0 { findings.append(finding) } })
    ])
    return (findings, loop, nil)
  } catch let stop as TrainingLoop.Stop {
    return (findings, loop, stop)
  }
}

@Suite struct MonitorTests {
  @Test("eight sigmoid layers get vanishingGradient within 200 steps, naming the first layers and the gates")
  func vanishing() throws {
    let (findings, _, _) = try run("deep-sigmoid-mlp")
    let finding = try #require(findings.first { $0.rule == "vanishingGradient" })
    #expect(finding.step <= 200)
    #expect(finding.layers.first == "layers.1.dense")
    #expect(!finding.layers.contains("layers.8.dense"))
    #expect(finding.evidence["gateDecades"]! < -3)
    #expect(finding.message.contains("Activation gates"))
  }

  @Test("healthy networks get no finding", arguments: ["deep-relu-he", "mnist-mlp"])
  func healthy(name: String) throws { #expect(try run(name).findings.isEmpty) }

  @Test("the CNN gets no finding")
  func healthyCNN() throws {
    let (findings, _, _) = try run("mnist-cnn", ["training.batch_size=16", "monitor.probe_interval=1"], steps: 40)
    #expect(findings.isEmpty)
  }

  /// With a rate of 1e3 the networks of `mnist-mlp` and `mnist-cnn` die instead: their losses stay finite, with PyTorch
  /// as here, since the loss of logits is finite for any of them.
  @Test(
    "a rate that overflows gets nonFinite with operation and layer, and the last good weights survive",
    arguments: [("deep-relu-he", "1e3"), ("mnist-cnn", "1e9")])
  func nonFinite(name: String, rate: String) throws {
    let (findings, loop, stop) = try run(
      name, ["training.optimizer={type: sgd, learning_rate: \(rate)}"], steps: 30)
    let finding = try #require(findings.first { $0.rule == "nonFinite" })
    #expect(finding.message.contains("made the first value"))
    #expect(finding.layers.first?.hasPrefix("layers.") == true || finding.layers.first == "loss")
    for name in loop.session.states.states.keys {
      let isFinite = try loop.session.states.withBytes(of: name) {
        $0.bindMemory(to: Float.self).allSatisfy(\.isFinite)
      }
      #expect(isFinite, "\(name)")
    }
    if case .neverFinite(isBackendToBlame: false)? = stop {} else { Issue.record("the run should have been given up") }
  }

  @Test("a rate that kills every unit of a layer is found, though the loss stays finite")
  func deadUnits() throws {
    let (findings, _, stop) = try run("mnist-mlp", ["training.optimizer.learning_rate=1e3"])
    #expect(findings.contains { $0.rule == "vanishingGradient" && $0.message.contains("switched off") })
    #expect(stop == nil)
  }

  @Test("action: stop ends the run with the finding")
  func stops() throws {
    let (_, loop, stop) = try run("deep-sigmoid-mlp", ["monitor.action=stop"])
    guard case .finding(let finding)? = stop else {
      Issue.record("the run did not stop")
      return
    }
    #expect(finding.rule == "vanishingGradient")
    #expect(loop.session.batches == finding.step)
  }
}
