import SwitchbackBackendKit
import SwitchbackDatasets
import SwitchbackMonitoring
import SwitchbackOpenBLAS
import SwitchbackReference
import SwitchbackTraining
import TestFiles
import Testing

/// What a run of a configuration finds.
private func findings(
  _ configuration: Configuration, with linked: [any ComputeBackend] = [], data: DatasetParts
) throws -> [Finding] {
  let loop = try TrainingLoop(
    configuration, data: data, registry: BackendRegistry(linked: linked + [ReferenceBackend()], folders: []),
    host: try HostServices(workers: 2))
  var found: [Finding] = []
  _ = try loop.run(callbacks: [
    EventHandler(watching: { if case .finding(let finding) = $0 { found.append(finding) } })
  ])
  return found
}

/// What is found of a layer over 100 steps of the adding problem in six steps of training, each of which is looked at.
private func alongTime(_ layer: String, _ overrides: String...) throws -> [Finding] {
  let text = """
    version: 1
    model: {layers: [\(layer), {dense: {units: 1}}]}
    data: {dataset: adding-problem, sequence_length: 100, samples: 80}
    training: {steps: 6, batch_size: 8, loss: mean_squared_error, optimizer: {type: sgd, learning_rate: 0.0001}}
    backend: reference
    monitor: {probe_interval: 1, vanishing_warm_up: 0}
    """
  let configuration = try Configuration(text: text, file: "test.yaml", overrides: overrides)
  return try findings(configuration, data: try configuration.data.source.open(configuration.data.request))
}

@Suite("The monitor on recurrent networks and attention, by configurations")
struct RecurrentMonitorTests {
  /// σ_w² = ½ in 64 units: stddev = √(½ / 64).
  private static let starved =
    "{simple_rnn: {units: 64, recurrent_initializer: {type: random_normal, stddev: 0.08838834764831845}}}"
  private static let gated = "{lstm: {units: 8}}"

  @Test("a simple recurrent layer whose weights are small at first is named with its steps, an orthogonal one is not")
  func named() throws {
    let found = try alongTime(Self.starved)
    let finding = try #require(found.first)
    #expect(found.count == 1 && finding.rule == "vanishingGradient" && finding.step == 5)
    #expect(finding.layers == ["layers.0.simpleRnn"] && finding.message.contains("between step 100 and step "))
    #expect(try alongTime("{simple_rnn: {units: 64}}") == [])
  }

  @Test(
    "what counts as forgetting is said in the configuration: in all, a step, of layers with gates, from which batch on")
  func thresholds() throws {
    #expect(try alongTime(Self.starved, "monitor.vanishing_time_decades=40") == [])
    #expect(try alongTime(Self.starved, "monitor.vanishing_step_decades=0.5") == [])
    #expect(try alongTime(Self.starved, "monitor.vanishing_warm_up=6") == [])
    #expect(try alongTime(Self.starved, "monitor.vanishing_gated_step_decades=0.5").count == 1)
    // Its forget gates lose 0.14 decades a step at most.
    let bounds = ["monitor.vanishing_time_decades=0.01", "monitor.vanishing_gated_step_decades=0.0001"]
    #expect(try alongTime(Self.gated) == [])
    #expect(try alongTime(Self.gated, bounds[0], "monitor.vanishing_step_decades=0.0001") == [])
    #expect(try alongTime(Self.gated, bounds[0], bounds[1]).map(\.layers) == [["layers.0.lstm"]])
  }

  @Test("a gradient that grows along time is named from exploding_decades on")
  func growing() throws {
    let layer =
      "{simple_rnn: {units: 8, activation: linear, recurrent_initializer: {type: orthogonal, gain: 1.03}}}"
    let rate = "training.optimizer.learning_rate=1e-7"
    // 99 times log₁₀ 1.03 is 1.27 decades.
    #expect(try alongTime(layer, rate) == [])
    let found = try alongTime(layer, rate, "monitor.exploding_decades=1").filter { $0.evidence["fromStep"] != nil }
    #expect(found.map(\.rule) == ["explodingGradient"] && found.first?.layers == ["layers.0.simpleRnn"])
  }

  @Test("the bounds have the rules' defaults, are written out, and cannot be what makes no sense")
  func keys() throws {
    func read(_ monitor: String) throws -> Configuration.Monitor {
      let text = """
        version: 1
        model: {layers: [{dense: {units: 1}}]}
        data: {dataset: mnist}
        training: {optimizer: sgd}
        monitor: \(monitor)
        """
      let made = try Configuration(text: text, file: "test.yaml")
      let again = try Configuration(text: made.resolvedText, file: "test.yaml")
      #expect("\(again.monitor)" == "\(made.monitor)")
      return made.monitor
    }
    let (usual, rule) = (try read("{}"), VanishingGradient())
    #expect(usual.vanishingTimeDecades == rule.timeDecades && usual.vanishingStepDecades == rule.decadesPerStep)
    #expect(
      usual.vanishingGatedStepDecades == rule.gatedDecadesPerStep && usual.vanishingWarmUp == rule.warmUp)
    let own = try read(
      "{vanishing_time_decades: 1.5, vanishing_step_decades: 2.5, vanishing_gated_step_decades: 3.5, vanishing_warm_up: 4}"
    )
    #expect(own.vanishingTimeDecades == 1.5 && own.vanishingStepDecades == 2.5)
    #expect(own.vanishingGatedStepDecades == 3.5 && own.vanishingWarmUp == 4)
    for (wrong, words) in [
      ("{vanishing_time_decades: -1}", "monitor.vanishing_time_decades must be a number of at least 0"),
      ("{vanishing_step_decades: x}", "monitor.vanishing_step_decades must be a number"),
      ("{vanishing_warm_up: 1.5}", "monitor.vanishing_warm_up must be a whole number of at least 0"),
    ] {
      let error = #expect(throws: ConfigurationError.self) { try read(wrong) }
      #expect(error?.problems.map(\.message).first?.contains(words) == true, "\(wrong): \(error?.problems ?? [])")
    }
  }

  @Test(
    "healthy networks that are recurrent or attend get no finding", .enabled(if: hasOpenBLAS, "it takes OpenBLAS"),
    arguments: ["lstm-rows-mnist", "transformer-rows-mnist", "gru-adding-problem"])
  func healthy(name: String) throws {
    var overrides = [
      "training.steps=120", "training.batch_size=16", "training.validation.samples=16", "monitor.probe_interval=1",
    ]
    let isMade = name.hasSuffix("problem")
    if isMade { overrides.append("data.samples=2500") }
    let configuration = try configuration(name, overrides)
    let data =
      isMade
      ? try configuration.data.source.open(configuration.data.request)
      : hasMNIST
        ? try NamedDataset.named("mnist").load(given: mnistFolder).train.subset(0..<2048).asParts
        : try madeParts(count: 2048)
    // Behind the steps of which nothing is said along time.
    #expect(configuration.monitor.vanishingWarmUp < 110)
    #expect(try findings(configuration, with: [OpenBLASBackend()], data: data) == [])
  }
}

extension Dataset {
  /// For training, and the first of it for tests.
  fileprivate var asParts: DatasetParts { DatasetParts(train: self, test: subset(0..<64)) }
}
