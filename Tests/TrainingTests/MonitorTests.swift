import Foundation
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
  @Test("eight sigmoid layers get vanishingGradient before the hundredth step, naming the first layers and the gates")
  func vanishing() throws {
    let (findings, _, _) = try run("deep-sigmoid-mlp", steps: 99)
    let finding = try #require(findings.first { $0.rule == "vanishingGradient" })
    #expect(finding.step < 100)
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
    let found = try #require(findings.first { $0.rule == "vanishingGradient" })
    #expect(found.message.contains("switched off, and an update did that") && found.cause == "update", "\(found)")
    #expect(stop == nil)
  }

  /// Ten classes of four numbers, or other images.
  private func findings(_ layers: String, _ values: (Int) -> Float, steps: Int = 30) throws -> [Finding] {
    let images = (0..<320 * 16).map(values)
    let data = try ArrayDataset(
      images, shape: [4, 4, 1], labels: (0..<320).map { Int32($0 % 10) }, classNames: (0...9).map { "\($0)" })
    let loop = try makeLoop(
      """
      version: 1
      model: {layers: [flatten, \(layers)]}
      data: {dataset: mnist}
      training: {epochs: 9, steps: \(steps), batch_size: 32, optimizer: {type: sgd, learning_rate: 0.1}}
      backend: {name: reference}
      monitor: {probe_interval: 1}
      """, data: DatasetParts(train: data, test: data.subset(0..<64)))
    var found: [Finding] = []
    let watcher = EventHandler(watching: { if case .finding(let finding) = $0 { found.append(finding) } })
    do { _ = try loop.run(callbacks: [watcher]) } catch is TrainingLoop.Stop {}
    return found
  }

  @Test(
    "where nothing arrives the culprit is named: inputs, weights, biases",
    arguments: [
      (
        "{dense: {units: 8, activation: relu}}, {dense: {units: 10, activation: softmax}}", 0.0, "zeroInputs",
        "every input is 0"
      ),
      (
        "{dense: {units: 8, activation: tanh, kernel_initializer: zeros}}, {dense: {units: 10, activation: softmax, "
          + "kernel_initializer: zeros}}", 0.5, "zeroWeights", "the weights of layers.2.dense are all 0"
      ),
      (
        "{dense: {units: 8, activation: relu, bias_initializer: {type: constant, value: -100}}}, {dense: {units: 10, "
          + "activation: softmax}}", 0.5, "negativeBiases", "the biases of layers.1.dense begin below 0"
      ),
      (
        "{dense: {units: 8, activation: relu, kernel_initializer: {type: constant, value: -1}}}, {dense: {units: 10, "
          + "activation: softmax}}", 0.5, "closedAtStart", "no update has moved its weights"
      ),
    ])
  func noGradient(layers: String, value: Double, cause: String, words: String) throws {
    let found = try findings(layers) { value == 0 ? 0 : Float(value) + Float($0 % 7) / 20 }
    let finding = try #require(found.first { $0.rule == "vanishingGradient" })
    #expect(finding.cause == cause && finding.message.contains(words), "\(finding)")
    #expect(finding.message.hasPrefix("No gradient at all arrives at layers.1.dense: "))
    #expect(!finding.message.contains("Lower training.optimizer.learning_rate"))
    #expect(finding.evidence["noGradient"] == 1 && finding.evidence["decades"]! > 40)
  }

  @Test("a NaN in the data is said of the field and its samples, once, though it comes back in every epoch")
  func badSamples() throws {
    // Samples 3, 100 and 101 of ten batches.
    let layers = "{dense: {units: 8, activation: relu}}, {dense: {units: 10, activation: softmax}}"
    let found = try findings(layers, { [50, 1601, 1620].contains($0) ? .nan : Float($0 % 7) / 10 }, steps: 80)
    #expect(found.count == 1, "\(found)")
    let finding = try #require(found.first { $0.rule == "nonFinite" })
    #expect(finding.subject == "images" && finding.cause == "input" && (finding.evidence["nans"] ?? 0) >= 1)
    #expect(finding.message.contains("numbers that are infinite or NaN") && finding.message.contains("in images"))
    #expect(finding.message.contains("last good step") && !finding.message.contains("Lower training"))
  }

  @Test("a regularizer that overflows is named, and so is its layer")
  func regularizer() throws {
    let layers =
      "{dense: {units: 8, activation: relu, kernel_initializer: {type: constant, value: 1e17}, kernel_regularizer: {l2: 1e9}}}, "
      + "{dense: {units: 10, activation: softmax}}"
    let found = try findings(layers, { Float($0 % 7) / 10 }, steps: 3)
    let finding = try #require(found.first { $0.rule == "nonFinite" })
    #expect(finding.cause == "regularizer" && finding.layers.first == "layers.1.dense", "\(finding)")
    #expect(finding.message.contains("Lower the factor of its regularizer"))
  }

  @Test("a watched update is compared with the weights that it found")
  func oldWeights() throws {
    let session = try session(
      "mnist-mlp", on: ReferenceBackend(), ["training.optimizer={type: sgd, learning_rate: 0.5}"])
    let data = try madeData(count: 64)
    let name = "layers.1.dense/kernel"
    func weights() throws -> [Float] { try session.states.withBytes(of: name) { Array($0.bindMemory(to: Float.self)) } }
    let before = try weights()
    let rows = try session.probeRows(of: session.train(data, Array(0..<64)[...]), step: 1)
    let change = zip(try weights(), before).reduce(0.0) { $0 + pow(Double($1.0 - $1.1), 2) }.squareRoot()
    let size = before.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    let found = try #require(rows.updateRatios.first { $0.parameter == name })
    #expect(found.layer == "layers.1.dense" && abs(found.ratio / (change / size) - 1) < 1e-4)
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
