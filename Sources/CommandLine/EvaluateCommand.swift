import ArgumentParser
import Switchback
import SwitchbackCrashNote

struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Measures loss and accuracy of a run's newest weights, on its test set or on other data.",
    discussion: flowing(
      """
      Classes are matched by the names that the run keeps, and columns are normalized as in its training. How the data
      differs from the run's is said. Of other data (--data) all samples are taken, unless --part names a part.
      Examples:

        switchback evaluate runs/latest
        switchback evaluate runs/latest --confusion
        switchback evaluate runs/latest --part validation
        switchback evaluate runs/latest --data new-images/
        switchback evaluate runs/latest --backend reference --json
        # not the averaged weights of ema_momentum:
        switchback evaluate runs/latest --raw
      """))

  @OptionGroup var options: RunOptions

  @Flag(help: "One JSON object on standard output.")
  var json = false

  enum Part: String, CaseIterable, ExpressibleByArgument { case train, validation, test, all }

  @Option(help: "Which samples: \(Part.allCases.map(\.rawValue).joined(separator: ", ")).")
  var part: Part?

  @Flag(help: "Also precision and recall of each class, and who was taken for whom.")
  var confusion = false

  private struct Result: Encodable {
    var testLoss: Double
    var testAccuracy: Double?
    var testTop5Accuracy: Double?
    /// Of several outputs each loss and metric, by columns: `digit/accuracy`; of one its metrics besides the accuracy.
    var testMetrics: [String: Double]?
    var part: String
    var samples: Int
    /// Which weights: `raw`, or `averaged` where the run keeps their average.
    var weights: ModelWeights
    var evaluation: EvaluationRecord?
  }

  func run() throws {
    switchback_report_crashes()
    try reportingErrors {
      let run = try options.restored()
      let (session, weights) = try run.session()
      let data = try run.open()
      try session.checkTokens(of: data.record)
      let part = part ?? (run.isNew(data.record) ? .all : .test)
      guard let test = part == .all ? data.all : data[DatasetRecord.Part.Name(rawValue: part.rawValue) ?? .test],
        test.count > 0
      else {
        throw fail(
          part == .all
            ? "no sample of the data is of a class that the network knows"
            : "the data has no \(part.rawValue) part; --part all takes every sample", ExitStatus.badData)
      }
      let result = try session.evaluate(test, weights: weights)
      let record = EvaluationRecord(result)
      let top = result.classes?.topAccuracy(5)
      if json {
        Terminal.write(
          Terminal.json(
            Result(
              testLoss: result.loss, testAccuracy: result.accuracy, testTop5Accuracy: top, testMetrics: result.numbers,
              part: part.rawValue, samples: test.count, weights: weights,
              evaluation: confusion ? record : nil)))
        return
      }
      let name = part == .all ? "all" : part.rawValue
      Terminal.write(
        name
          + (result.accuracy == nil
            ? " " : " \(percent(result.accuracy))\(top.map { "  top 5 \(percent($0))" } ?? "")  ")
          + "loss \(result.loss.lossText)  "
          + "(\(test.count) samples, \(part == .all ? "all of the data" : "the \(name) part"))")
      showColumns(of: result)
      if confusion { try showConfusion(record) }
    }
  }

  /// A row for each output, or one where there are metrics besides the accuracy.
  private func showColumns(of result: Evaluation) {
    guard !result.columns.isEmpty else { return }
    var names: [String] = []
    for metric in result.outputs.flatMap(\.metrics) where !names.contains(metric.name) { names.append(metric.name) }
    let hasNames = result.outputs.count > 1
    var table = TextTable(
      (hasNames ? ["output"] : []) + ["loss"] + names, rightAligned: Set((hasNames ? 1 : 0)...names.count + 1))
    for output in result.outputs {
      let metrics = names.map { name in output.metrics.first { $0.name == name }?.value }
      table.add((hasNames ? [output.name] : []) + ([output.loss] + metrics).map(number))
    }
    Terminal.write("\n" + table.text)
  }

  private func number(_ value: Double?) -> String { value.map(\.lossText) ?? "–" }

  private func showConfusion(_ record: EvaluationRecord) throws {
    let several = (record.outputs ?? []).compactMap { output in
      output.classes.map { (name: output.name, classes: $0, names: output.classNames) }
    }
    let all = record.classes.map { [(name: "", classes: $0, names: record.classNames)] } ?? several
    guard !all.isEmpty else { throw fail("--confusion needs targets that are classes", ExitCode(64)) }
    for (output, classes, names) in all {
      var table = TextTable(["class", "precision", "recall", "most often taken for"], rightAligned: [0, 1, 2])
      for (index, mistakes) in classes.mistakes.enumerated() {
        table.add([
          names[index], percent(classes.precision(index)), percent(classes.recall(index)),
          mistakes.prefix(3).map { "\(names[$0.predicted]) (\($0.samples))" }.joined(separator: ", "),
        ])
      }
      Terminal.write("\n" + (output.isEmpty ? "" : output + "\n") + table.text)
    }
  }

  private func percent(_ share: Double?) -> String { share.map { "\(($0 * 10000).rounded() / 100) %" } ?? "–" }
}
