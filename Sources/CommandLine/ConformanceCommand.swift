import ArgumentParser
import Foundation
import Switchback
import SwitchbackConformance

struct ConformanceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "conformance",
    abstract: "Proves a backend: every operation, training steps and random programs against the Float64 reference.",
    discussion: """
      Examples:

        switchback conformance --backend openblas --quick
        switchback conformance --backend ./libSwitchbackyours.so
        switchback conformance --backend openblas --filter conv2d --json
        switchback conformance --backend openblas --program failure-1.program   (a case that failed, again)

      Ends with 0 where all that the backend takes is right, with 1 otherwise.
      """)

  @Option(help: "The backend: a name or the path of a library.")
  var backend: String

  @Option(name: .customLong("option"), help: "An option of the backend, such as force=true; repeatable.")
  var options: [String] = []

  @Option(help: "Only families whose name contains this, such as conv2d or random.")
  var filter = ""

  @Option(help: "Of the random numbers.")
  var seed = 1

  @Flag(help: "A part that takes seconds.")
  var quick = false

  @Option(help: "A program's text, with numbers or without: runs it alone.")
  var program: String?

  @Option(help: "Workers; 0: one a core.")
  var threads = 0

  @Flag(help: "One JSON object on standard output.")
  var json = false

  @Option(help: "Writes a JUnit file, for CI systems.")
  var junit: String?

  @Option(help: "The folder for the programs of failed cases.")
  var failures = "."

  private struct Result: Encodable {
    struct Failure: Encodable {
      var name: String
      var message: String
      var replay: String?
    }
    var backend: String
    var seed: Int
    var families: [ConformanceReport.Row]
    var failures: [Failure]
  }

  func run() throws {
    try reportingErrors {
      let host = try makeHost(threads: threads)
      let candidate = try BackendChain(
        [backend], registry: makeRegistry(), options: [backend: try backendOptions()], host: host)
      let reference = try BackendChain(["reference"], registry: makeRegistry(), host: host)
      var suite = ConformanceSuite(candidate, reference: reference)
      (suite.seed, suite.isQuick, suite.filter) = (Int64(seed), quick, filter)
      if let program {
        try check(program, suite)
        return
      }
      suite.programs = try ConformancePrograms.all(isQuick: quick)
      let report = suite.run { made in
        if case .failed(let message, _) = made.verdict, !json {
          Terminal.write("✗ \(made.family) \(made.name)\n  \(message)", to: .standardError)
        }
      }
      let files = try writeFailures(report)
      if let junit { try write(report.junit, to: junit) }
      if json {
        let failed = zip(report.failures, files).map { Result.Failure(name: $0.name, message: $0.message, replay: $1) }
        Terminal.write(
          Terminal.json(Result(backend: report.backend, seed: seed, families: report.rows, failures: failed)))
      } else {
        show(report, files)
      }
      if !report.hasPassed { throw ExitStatus.failure }
    }
  }

  /// Those given, and what makes a backend take all that it can.
  private func backendOptions() throws -> [String: String] {
    var result = optionsThatTakeAll[backend] ?? [:]
    for option in options {
      let parts = option.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else { throw fail("--option takes key=value, not \(option)", ExitCode(64)) }
      result[parts[0]] = parts[1]
    }
    return result
  }

  private func show(_ report: ConformanceReport, _ files: [String?]) {
    var table = TextTable(
      ["family", "passed", "declined", "failed", "worst error / bound"], rightAligned: [1, 2, 3, 4])
    for row in report.rows {
      table.add([
        row.family, "\(row.passed)", "\(row.declined)", "\(row.failed)",
        row.passed > 0 ? String(format: "%.3f", row.worst) : "–",
      ])
    }
    Terminal.write(table.text)
    let rows = report.rows
    let sums = (
      rows.reduce(0) { $0 + $1.passed }, rows.reduce(0) { $0 + $1.declined }, rows.reduce(0) { $0 + $1.failed }
    )
    Terminal.write("\n\(report.backend): \(sums.0) passed, \(sums.1) declined, \(sums.2) failed")
    for case let file? in files {
      Terminal.write("again: switchback conformance --backend \(backend) --program \(file)")
    }
    if sums.0 == 0 { Terminal.write("nothing was taken, so nothing is proved", to: .standardError) }
  }

  private func check(_ file: String, _ suite: ConformanceSuite) throws {
    guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
      throw fail("there is no program \(file)", ExitStatus.missingFile)
    }
    let replay: ReplayFile
    do {
      replay = try ReplayFile(text: text)
    } catch {
      throw fail("\(file): \(error.message)", ExitStatus.badData)
    }
    switch try suite.lockstep(replay) {
    case .passed(let worst): Terminal.write("passed; the worst error is \(worst) of its bound")
    case .declined(let reason): Terminal.write("declined: \(reason)")
    case .notAsked: Terminal.write("there is nothing to ask")
    case .failed(let message, _):
      Terminal.write(message)
      throw ExitStatus.failure
    }
  }

  /// The files of the failures, in their order; nil where one has no program.
  private func writeFailures(_ report: ConformanceReport) throws -> [String?] {
    try report.failures.enumerated().map { index, failure in
      guard let replay = failure.replay else { return nil }
      let file = "\(failures)/failure-\(index + 1).program"
      try write("\(replay)", to: file)
      return file
    }
  }

  private func write(_ text: String, to file: String) throws {
    do {
      try Data(text.utf8).write(to: URL(fileURLWithPath: file), options: .atomic)
    } catch {
      throw fail("\(file) cannot be written: \(error.localizedDescription)", ExitStatus.cannotWrite)
    }
  }
}

/// Options with which a backend takes what would be faster elsewhere too: whoever checks it wants to see that.
let optionsThatTakeAll = ["fft": ["force": "true"]]

/// Training steps that between them have every kind of layer, as programs with numbers.
enum ConformancePrograms {
  static func all(isQuick: Bool) throws -> [(name: String, replay: ReplayFile)] {
    var steps: [(String, TrainingStep, Int)] = [
      (
        "perceptron, SGD",
        step([6, 6, 1], SGD(learningRate: 0.1, momentum: 0.9), [Flatten(), Dense(9, activation: .tanh)]), 5
      ),
      (
        "convolutions, RMSprop",
        step(
          [10, 10, 1], RMSprop(),
          [
            Conv2D(4, kernelSize: 3, activation: .relu), MaxPooling2D(2), Conv2D(5, kernelSize: 3, activation: .relu),
            Flatten(),
          ]), 4
      ),
    ]
    if !isQuick {
      steps += [
        (
          "strides, dilation, groups, dropout, Adam",
          step(
            [11, 9, 2], Adam(),
            [
              Conv2D(4, kernelSize: 3, strides: 2, padding: .same, groups: 2, activation: .swish), Dropout(0.3),
              Conv2D(4, kernelSize: 2, dilationRate: 2, activation: .elu()), AveragePooling2D(2), Flatten(),
            ]), 7
        ),
        (
          "rectifiers, global pooling, AdamW",
          step(
            [8, 8, 3], AdamW(),
            [Conv2D(6, kernelSize: 1), PReLU(), Conv2D(3, kernelSize: 5), LeakyReLU(), GlobalAveragePooling2D()]), 3
        ),
        (
          "one sample, Adagrad",
          step([5], Adagrad(), [Dense(7, activation: .gelu()), Dense(3, activation: .softplus)]), 1
        ),
      ]
    }
    return try steps.map { name, step, batch in (name, try replay(step, batch: batch)) }
  }

  private static func step(_ shape: Shape, _ optimizer: any Optimizer, _ layers: [any Layer]) -> TrainingStep {
    TrainingStep(
      model: Sequential(layers + [Dense(4, activation: .softmax)]), sampleShape: shape, loss: CategoricalCrossentropy(),
      optimizer: optimizer, clipping: .globalNorm(1))
  }

  /// The step's program with its initial weights, random samples and what the first step is given.
  private static func replay(_ step: TrainingStep, batch: Int) throws -> ReplayFile {
    let training = try step.build(batchSize: batch)
    var values: [String: [Double]] = [:]
    for state in training.states { values[state.name] = state.values(seed: 1).map(Double.init) }
    let philox = Philox(seed: 3)
    let count = batch * step.sampleShape.elementCount
    values[step.inputName] = (0..<count).map {
      Double(Float(Philox.uniform(philox.bits(block: $0 / 4, stream: 0, step: 0)[$0 % 4])))
    }
    values["labels"] = (0..<batch).map { Double($0 % 4) }
    let position = StepPosition(update: 0, seed: 1)
    for name in training.stepValues.names {
      switch training.stepValues(name, at: position) {
      case .scalar(let number)?: values[name] = [Double(Float(number))]
      case .key(let seed, let counter)?: values[name] = [Double(seed), Double(counter)]
      case nil: break
      }
    }
    return ReplayFile(training.program, values)
  }
}
