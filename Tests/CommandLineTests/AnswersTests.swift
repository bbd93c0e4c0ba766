import Foundation
import Switchback
import SwitchbackInterchange
import TestFiles
import Testing

/// A loss with the end of a network that it fits, and what it makes of its outputs, by hand in Float64.
private struct Answer: Sendable, CustomTestStringConvertible {
  enum Gate { case softmax, sigmoid, none }
  enum Measure { case categorical, categoricalOfShares, binary, squared, absolute, huber }

  var loss: String
  var activation = "linear"
  var outputs: Int
  /// 0: targets are numbers, as many as outputs.
  var classes: Int
  /// What the network itself ends with.
  var own = Gate.none
  /// What the loss implies behind that.
  var implied = Gate.none
  var measure: Measure
  var testDescription: String { "\(loss), \(outputs) × \(activation), \(classes) classes" }

  var areProbabilities: Bool { own != .none || implied != .none }

  static let all: [Answer] = [
    Answer(
      loss: "categorical_crossentropy", activation: "softmax", outputs: 3, classes: 3, own: .softmax,
      measure: .categorical),
    Answer(
      loss: "{type: categorical_crossentropy, from_logits: true}", outputs: 3, classes: 3, implied: .softmax,
      measure: .categorical),
    Answer(
      loss: "{type: categorical_crossentropy, from_logits: true}", outputs: 2, classes: 2, implied: .softmax,
      measure: .categorical),
    Answer(
      loss: "{type: categorical_crossentropy, from_logits: true}", activation: "softmax", outputs: 3, classes: 3,
      own: .softmax, implied: .softmax, measure: .categorical),
    Answer(
      loss: "sparse_categorical_crossentropy", activation: "softmax", outputs: 4, classes: 3, own: .softmax,
      measure: .categorical),
    Answer(
      loss: "{type: sparse_categorical_crossentropy, from_logits: true}", outputs: 3, classes: 3, implied: .softmax,
      measure: .categorical),
    Answer(
      loss: "categorical_crossentropy", activation: "softplus", outputs: 3, classes: 3, measure: .categoricalOfShares),
    Answer(
      loss: "binary_crossentropy", activation: "sigmoid", outputs: 1, classes: 2, own: .sigmoid, measure: .binary),
    Answer(
      loss: "{type: binary_crossentropy, from_logits: true}", outputs: 1, classes: 2, implied: .sigmoid,
      measure: .binary),
    Answer(
      loss: "binary_crossentropy", activation: "sigmoid", outputs: 3, classes: 3, own: .sigmoid, measure: .binary),
    Answer(
      loss: "{type: binary_crossentropy, from_logits: true}", outputs: 3, classes: 3, implied: .sigmoid,
      measure: .binary),
    Answer(
      loss: "{type: binary_crossentropy, from_logits: true}", outputs: 2, classes: 0, implied: .sigmoid,
      measure: .binary),
    Answer(loss: "mean_squared_error", outputs: 1, classes: 2, measure: .squared),
    Answer(loss: "mean_squared_error", outputs: 2, classes: 0, measure: .squared),
    Answer(loss: "mean_absolute_error", outputs: 1, classes: 0, measure: .absolute),
    Answer(loss: "{type: huber, delta: 0.5}", outputs: 2, classes: 0, measure: .huber),
  ]

  // MARK: By hand

  private static func gated(_ z: [Double], _ gate: Gate) -> [Double] {
    switch gate {
    case .none: return z
    case .sigmoid: return z.map { 1 / (1 + exp(-$0)) }
    case .softmax:
      let powers = z.map { exp($0 - z.max()!) }
      return powers.map { $0 / powers.reduce(0, +) }
    }
  }

  /// The network's answer to a row, from the weights of a checkpoint.
  func outputs(_ x: [Double], _ weights: [String: [Double]]) -> [Double] {
    func dense(_ x: [Double], _ layer: String) -> [Double] {
      let (kernel, bias) = (weights["\(layer)/kernel"]!, weights["\(layer)/bias"]!)
      return bias.indices.map { j in bias[j] + x.indices.reduce(0) { $0 + x[$1] * kernel[$1 * bias.count + j] } }
    }
    var z = dense(dense(x, "layers.0.dense").map(tanh), "layers.1.dense")
    if activation == "softplus" { z = z.map { log1p(exp($0)) } }
    return Self.gated(Self.gated(z, own), implied)
  }

  /// The loss of an answer.
  func loss(_ p: [Double], _ target: [Double]) -> Double {
    let z = classes == 0 ? target : outputs == 1 ? target : p.indices.map { Double($0) == target[0] ? 1 : 0 }
    let errors = zip(p, z).map { abs($0 - $1) }
    let count = Double(p.count)
    switch measure {
    case .categorical: return -log(p[Int(target[0])])
    case .categoricalOfShares: return -log(p[Int(target[0])] / p.reduce(0, +))
    case .binary: return -zip(p, z).reduce(0) { $0 + $1.1 * log($1.0) + (1 - $1.1) * log(1 - $1.0) } / count
    case .squared: return errors.reduce(0) { $0 + $1 * $1 } / count
    case .absolute: return errors.reduce(0, +) / count
    case .huber: return errors.reduce(0) { $0 + ($1 <= 0.5 ? $1 * $1 / 2 : 0.5 * ($1 - 0.25)) } / count
    }
  }

  /// One number a class.
  func scores(_ p: [Double]) -> [Double] { p.count == 1 ? [1 - p[0], p[0]] : p }

  func best(_ p: [Double]) -> Int { scores(p).indices.max { (scores(p)[$0], $1) < (scores(p)[$1], $0) }! }

  // MARK: A run

  static let features = ["x", "y", "z"]
  var labels: [String] { classes > 0 ? ["class"] : (0..<outputs).map { "t\($0)" } }
  var names: [String] { ["ant", "bee", "cow", "class 3"] }

  /// Sixty rows; whole targets where the loss takes them for probabilities.
  func rows() -> [(x: [Double], target: [Double])] {
    (0..<60).map { n in
      let x = (0..<3).map { Double((n * (7 + 4 * $0) + 3 * $0) % 41) / 20 - 1 }
      if classes > 0 { return (x, [Double(x[0] + x[1] > 0.4 ? 1 : x[2] > 0.5 ? classes - 1 : 0)]) }
      return (x, (0..<outputs).map { measure == .binary ? (x[$0] > 0 ? 1 : 0) : x[$0] * x[2] })
    }
  }

  func table() -> String {
    (Self.features + labels).joined(separator: ",") + "\n"
      + rows().map { row in
        (row.x.map { "\($0)" } + (classes > 0 ? [names[Int(row.target[0])]] : row.target.map { "\($0)" }))
          .joined(separator: ",") + "\n"
      }.joined()
  }

  func configuration(_ table: String) -> String {
    """
    version: 1
    model:
      layers:
        - dense: {units: 5, activation: tanh, bias_initializer: {type: random_normal, stddev: 0.3}}
        - dense: {units: \(outputs), activation: \(activation), bias_initializer: {type: random_normal, stddev: 0.3}}
    data:
      dataset: csv
      path: \(table)
      label: [\(labels.joined(separator: ", "))]
      targets: \(classes > 0 ? "classes" : "values")
      test_split: 0.4
    training: {epochs: 6, batch_size: 8, loss: \(loss), optimizer: {type: adam, learning_rate: 0.03}}
    backend: reference
    """
  }
}

/// The weights of a run's newest checkpoint, in Float64.
private func savedWeights(_ run: String) throws -> [String: [Double]] {
  let folder = run + "/checkpoints"
  let newest = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix("step-") }.max()
  let file = try Safetensors(
    decoding: Data(contentsOf: URL(fileURLWithPath: folder + "/" + (try #require(newest)))))
  return Dictionary(
    uniqueKeysWithValues: file.tensors.map { tensor in
      (tensor.name, tensor.bytes.withUnsafeBytes { $0.bindMemory(to: Float.self).map { Double($0) } })
    })
}

private func json(_ text: some StringProtocol) throws -> [String: Any] {
  try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(text)")
}

@Suite struct AnswersTests {
  private func check(_ case: Answer, _ run: String, _ file: String, on backend: String) throws {
    let answer = `case`
    let weights = try savedWeights(run)
    // Who is tested.
    let test = try Configuration(file: run + "/config.yaml").data.source.open().test
    var (loss, right) = (0.0, 0)
    var confusion = [Int](
      repeating: 0, count: max(answer.outputs, answer.classes) * max(answer.outputs, answer.classes))
    for index in 0..<test.count {
      let sample = try test.sample(index)
      let p = answer.outputs(sample.values.map(Double.init), weights)
      loss += answer.loss(p, sample.target.map(Double.init)) / Double(test.count)
      guard answer.classes > 0 else { continue }
      let truth = Int(sample.target[0])
      if answer.best(p) == truth { right += 1 }
      confusion[truth * max(answer.outputs, answer.classes) + answer.best(p)] += 1
    }
    let evaluated = try switchback(
      ["evaluate", run, "--backend", backend, "--json"] + (answer.classes > 0 ? ["--confusion"] : []))
    #expect(evaluated.status == 0, "\(evaluated.error)")
    let result = try json(evaluated.output)
    #expect(abs(try #require(result["testLoss"] as? Double) - loss) <= 2e-6 * max(1, abs(loss)), "\(backend)")
    if answer.classes > 0 {
      // JSON's numbers are read with an error in the last digit.
      let accuracy = try #require(result["testAccuracy"] as? Double)
      #expect(abs(accuracy - Double(right) / Double(test.count)) < 1e-12, "\(backend)")
      let evaluation = try #require(result["evaluation"] as? [String: Any])
      #expect((evaluation["classes"] as? [String: Any])?["confusion"] as? [Int] == confusion, "\(backend)")
    }

    let predicted = try switchback("predict", run, file, "--backend", backend, "--json")
    #expect(predicted.status == 0, "\(predicted.error)")
    #expect(predicted.error.contains("not probabilities") == (answer.classes > 0 && !answer.areProbabilities))
    let lines = predicted.output.split(separator: "\n")
    let rows = answer.rows()
    try #require(lines.count == rows.count)
    let host = try HostServices(workers: 2)
    let chain = try BackendChain(
      [backend] + (backend == "reference" ? [] : ["reference"]),
      registry: BackendRegistry(linked: [ReferenceBackend()]), host: host)
    let model = try TrainedModel(run: run, on: chain)
    #expect(model.areProbabilities == answer.areProbabilities)
    for (row, line) in zip(rows, lines) {
      let p = answer.outputs(row.x, weights)
      let found = try model.predict(row: row.x)
      for (a, b) in zip(found.outputs, p) { #expect(abs(Double(a) - b) <= 2e-6 * max(1, abs(b)), "\(backend)") }
      #expect(found.best?.index == (answer.classes > 0 ? answer.best(p) : nil))
      let said = try json(line)
      guard answer.classes > 0 else {
        let values = try #require(said["values"] as? [Double])
        for (a, b) in zip(values, p) { #expect(abs(a - b) <= 2e-6 * max(1, abs(b)), "\(backend)") }
        continue
      }
      let classes = try #require(said["classes"] as? [[String: Any]])
      #expect(classes[0]["name"] as? String == answer.names[answer.best(p)])
      #expect(classes.map { $0["name"] as? String } == found.likeliest().map(\.name))
      let scores = answer.scores(p)
      for entry in classes {
        let index = try #require(answer.names.firstIndex(of: entry["name"] as? String ?? ""))
        let number = try #require(entry[answer.areProbabilities ? "probability" : "score"] as? Double, "\(entry)")
        #expect(abs(number - scores[index]) <= 2e-6 * max(1, abs(scores[index])), "\(backend)")
      }
    }
  }

  private func train(_ answer: Answer) throws -> (run: String, file: String) {
    let (folder, runs) = (try temporaryFolder(), temporary())
    let table = try write(answer.table().utf8, to: folder + "/table.csv")
    let file = try write(answer.configuration(table).utf8, to: folder + "/answer.yaml")
    let outcome = try switchback("train", file, "--runs", runs)
    try #require(outcome.status == 0, "\(outcome.error)")
    return (runs + "/latest", table)
  }

  @Test(
    "accuracy, confusion, predict and TrainedModel are what a computation by hand from the saved weights gives",
    arguments: Answer.all)
  fileprivate func byHand(_ answer: Answer) throws {
    let (run, table) = try train(answer)
    try check(answer, run, table, on: "reference")
    // Of a network without convolutions fft takes no part: a few losses show that it falls back.
    let backends = ["openblas", "opencl"] + (answer.implied == .none ? [] : ["fft"])
    for backend in backends where isThere(backend) { try check(answer, run, table, on: backend) }
  }

  /// A missing backend leaves the rest of the test.
  private func isThere(_ backend: String) -> Bool { missingBackends[backend] == nil }
}
