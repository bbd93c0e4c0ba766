import Foundation
import SwitchbackDatasets
import SwitchbackMonitoring
import SwitchbackPrograms
import SwitchbackTraining
import Testing

/// Sixteen numbers a sample: noise up to a half, and 1 more at every fourth place from that of its class on.
private func numbers(_ sample: Int, of label: Int, scale: Float = 1, pattern: Float = 1) -> [Float] {
  (0..<16).map { place in
    let noise = Float((sample * 7919 + place * 104_729 + sample * place * 31) % 1000) / 2000
    return scale * (noise + (place % 4 == label ? pattern : 0))
  }
}

/// Without relation to anything.
private func drawn(_ sample: Int) -> Int { Int(Philox(seed: 9).bits(block: sample, stream: 0, step: 0)[0] & 3) }

private func data(
  _ count: Int, classes: Int = 4, scale: Float = 1, pattern: Float = 1, shown: (Int) -> Int = { $0 % 4 },
  label: (Int) -> Int = { $0 % 4 }
) throws -> ArrayDataset {
  try ArrayDataset(
    (0..<count).flatMap { numbers($0, of: shown($0), scale: scale, pattern: pattern) }, shape: [4, 4, 1],
    labels: (0..<count).map { Int32(label($0)) }, classNames: (0..<classes).map { "class \($0)" })
}

private let relu = "{dense: {units: 16, activation: relu}}, {dense: {units: 4, activation: softmax}}"

/// What a run of small batches finds.
private func findings(
  _ layers: String, _ train: ArrayDataset, test: ArrayDataset? = nil, steps: Int,
  optimizer: String = "{type: sgd, learning_rate: 0.1}", interval: Int = 10
) throws -> [Finding] {
  let loop = try makeLoop(
    """
    version: 1
    model: {layers: [\(layers)]}
    data: {dataset: mnist}
    training: {epochs: 200, steps: \(steps), batch_size: 32, optimizer: \(optimizer)}
    backend: {name: reference}
    monitor: {probe_interval: \(interval)}
    """, data: DatasetParts(train: train, test: test ?? train.subset(0..<64)))
  var found: [Finding] = []
  do {
    _ = try loop.run(callbacks: [
      EventHandler(watching: { if case .finding(let finding) = $0 { found.append(finding) } })
    ])
  } catch is TrainingLoop.Stop {}
  return found
}

extension [Finding] {
  fileprivate func cause(of rule: String) -> [String] { filter { $0.rule == rule }.map { $0.cause ?? "" } }
}

@Suite("Rules in runs") struct RuleRunTests {
  @Test("a network that learns four patterns has no finding")
  func healthy() throws {
    for (layers, optimizer) in [
      (relu, "{type: sgd, learning_rate: 0.1}"), (relu, "{type: adam, learning_rate: 0.03}"),
      (
        "{dense: {units: 16, activation: tanh}}, {dense: {units: 4, activation: softmax}}",
        "{type: sgd, learning_rate: 0.1}"
      ),
    ] {
      let found = try findings("flatten, " + layers, data(640), test: data(640), steps: 240, optimizer: optimizer)
      #expect(found.isEmpty, "\(found)")
    }
  }

  @Test("labels without relation to the inputs are named; half of them are enough to learn from")
  func labels() throws {
    let found = try findings("flatten, " + relu, data(6400, label: drawn), steps: 430)
    #expect(found.cause(of: "lossAtChance") == ["labels"] && found.count == 1, "\(found)")
    let half = try findings("flatten, " + relu, data(6400, label: { $0 % 2 == 0 ? drawn($0) : $0 % 4 }), steps: 430)
    #expect(half.isEmpty, "\(half)")
  }

  @Test("inputs up to 255 and of a ten-thousandth are named, unless the network scales them itself")
  func inputs() throws {
    func causes(_ first: String, _ scale: Float) throws -> [String] {
      try findings(first + "flatten, " + relu, data(320, scale: scale), steps: 6).cause(of: "inputScale")
    }
    #expect(try causes("", 170) == ["large"] && causes("", 1e-4) == ["small"] && causes("", 1) == [])
    #expect(try causes("batch_normalization, ", 170) == [])
    #expect(try causes("{rescaling: {scale: 0.005}}, ", 170) == [])
    #expect(try causes("{rescaling: {scale: 255}}, ", 1) == ["large"])
  }

  @Test("one class alone, and a rare one that is not found, are named; a rare one that is learnt is not")
  func classes() throws {
    let constant = try findings("flatten, " + relu, data(640, label: { _ in 1 }), test: data(640), steps: 120)
    #expect(constant.cause(of: "classImbalance") == ["constant"], "\(constant)")
    let lost = try data(1280, label: { $0 % 50 == 0 ? 1 : 0 })
    #expect(try findings("flatten, " + relu, lost, test: lost, steps: 120).cause(of: "classImbalance") == ["imbalance"])
    func rare(_ sample: Int) -> Int { sample % 31 == 0 ? 1 : 0 }
    let learnt = try data(992, shown: rare, label: rare)
    let found = try findings(
      "flatten, " + relu, learnt, test: learnt, steps: 124, optimizer: "{type: sgd, learning_rate: 0.5}")
    #expect(found.isEmpty, "\(found)")
  }

  @Test("a class whose samples are told to be another is never an answer")
  func neverPredicted() throws {
    let found = try findings("flatten, " + relu, data(640, label: { min($0 % 4, 2) }), test: data(640), steps: 120)
    #expect(found.cause(of: "neverPredicted") == ["neverPredicted"], "\(found)")
    #expect(found.first { $0.rule == "neverPredicted" }?.subject == "class 3")
  }

  @Test("samples that are learnt by heart are named, and one finding is all")
  func overfitting() throws {
    let wide = "flatten, {dense: {units: 64, activation: relu}}, {dense: {units: 4, activation: softmax}}"
    let found = try findings(
      wide, data(64, pattern: 0, label: drawn), test: data(320, pattern: 0, label: { drawn($0 + 1000) }), steps: 160,
      optimizer: "{type: adam, learning_rate: 0.03}")
    #expect(found.cause(of: "overfitting") == ["overfitting"], "\(found)")
  }

  @Test("statistics that keep what they began with are named, and are no overfitting; those that follow are not named")
  func runningStatistics() throws {
    func found(_ momentum: Double) throws -> [Finding] {
      let layers =
        "flatten, {dense: {units: 16, kernel_initializer: {type: random_normal, stddev: 8}}}, {batch_normalization: "
        + "{momentum: \(momentum)}}, relu, {dense: {units: 4, activation: softmax}}"
      return try findings(layers, data(640), test: data(320), steps: 120)
    }
    let stale = try found(0.9999)
    #expect(stale.cause(of: "staleStatistics") == ["momentum"] && stale.cause(of: "overfitting").isEmpty, "\(stale)")
    #expect(stale.first { $0.rule == "staleStatistics" }?.layers == ["layers.2.batchNormalization"], "\(stale)")
    #expect(try found(0.9).isEmpty)
  }

  @Test("clipping to next to nothing is named; a limit that a raised rate makes good is not")
  func clipped() throws {
    func causes(_ optimizer: String) throws -> [String] {
      try findings("flatten, " + relu, data(640), test: data(640), steps: 125, optimizer: optimizer, interval: 1)
        .cause(of: "alwaysClipped")
    }
    #expect(try causes("{type: sgd, learning_rate: 0.1, global_clipnorm: 0.0001}") == ["clipping"])
    #expect(try causes("{type: sgd, learning_rate: 10, global_clipnorm: 0.01}") == [])
  }

  @Test("a regularizer that leaves nothing of the weights is named; a usual one is not")
  func regularizer() throws {
    func causes(_ factor: String) throws -> [String] {
      let layers =
        "flatten, {dense: {units: 16, activation: relu, kernel_regularizer: {l2: \(factor)}}}, "
        + "{dense: {units: 4, activation: softmax, kernel_regularizer: {l2: \(factor)}}}"
      return try findings(layers, data(640), steps: 80).cause(of: "shrinkingWeights")
    }
    #expect(try causes("3") == ["regularizer"] && causes("0.0001") == [])
  }

  @Test("a rate of 30 is named, where the labels leave something to learn")
  func largeUpdates() throws {
    let tanh = "flatten, {dense: {units: 16, activation: tanh}}, {dense: {units: 4, activation: softmax}}"
    let found = try findings(tanh, data(640, label: drawn), steps: 70, optimizer: "{type: sgd, learning_rate: 30}")
    #expect(found.cause(of: "largeUpdates").first == "rate", "\(found)")
  }

  @Test("tanh behind weights that are far too large is saturated from the start")
  func saturated() throws {
    let layers = """
      flatten, {dense: {units: 64, activation: tanh, kernel_initializer: {type: random_normal, stddev: 10}}}, \
      {dense: {units: 4, activation: softmax}}
      """
    #expect(try findings(layers, data(640), steps: 100).cause(of: "saturation") == ["weights"])
  }

  @Test("units that all begin the same are named, unless the layer behind tells them apart")
  func symmetric() throws {
    func found(_ last: String) throws -> [Finding] {
      let constant = "kernel_initializer: {type: constant, value: 0.1}"
      return try findings(
        "flatten, {dense: {units: 8, activation: tanh, \(constant)}}, "
          + "{dense: {units: 4, activation: softmax\(last.isEmpty ? "" : ", " + constant)}}", data(640), steps: 6)
    }
    let same = try found("constant")
    #expect(same.cause(of: "symmetricUnits") == ["sameWeights"], "\(same)")
    #expect(same.first { $0.rule == "symmetricUnits" }?.layers == ["layers.1.dense"])
    #expect(try found("").cause(of: "symmetricUnits") == [])
  }
}
