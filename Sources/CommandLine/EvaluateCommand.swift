import ArgumentParser
import Switchback

struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate", abstract: "Loss and accuracy of a run's newest weights on its test set.",
    discussion: """
      Examples:

        switchback evaluate runs/latest
        switchback evaluate runs/latest --confusion
        switchback evaluate runs/latest --backend reference --json
        switchback evaluate runs/latest --raw                (not the averaged weights of ema_momentum)
      """)

  @OptionGroup var options: RunOptions

  @Flag(help: "One JSON object on standard output.")
  var json = false

  @Flag(help: "Also precision and recall of each class, and who was taken for whom.")
  var confusion = false

  private struct Result: Encodable {
    var testLoss: Double
    var testAccuracy: Double?
    var testTop5Accuracy: Double?
    /// Which weights: `raw`, or `averaged` where the run keeps their average.
    var weights: ModelWeights
    var evaluation: EvaluationRecord?
  }

  func run() throws {
    try reportingErrors {
      let run = try options.restored()
      let test = try run.test()
      let result = try run.session.evaluate(test, weights: run.weights)
      let record = EvaluationRecord(result, classNames: test.classNames)
      let top = result.classes?.topAccuracy(5)
      if json {
        Terminal.write(
          Terminal.json(
            Result(
              testLoss: result.loss, testAccuracy: result.accuracy, testTop5Accuracy: top, weights: run.weights,
              evaluation: confusion ? record : nil)))
        return
      }
      Terminal.write(
        (result.accuracy == nil
          ? "test " : "test \(percent(result.accuracy))\(top.map { "  top 5 \(percent($0))" } ?? "")  ")
          + "loss \((result.loss * 10000).rounded() / 10000)")
      if confusion { try showConfusion(record) }
    }
  }

  private func showConfusion(_ record: EvaluationRecord) throws {
    guard let classes = record.classes else { throw fail("--confusion needs targets that are classes", ExitCode(64)) }
    let count = classes.classCount
    var table = TextTable(["class", "precision", "recall", "most often taken for"], rightAligned: [0, 1, 2])
    for index in 0..<count {
      let mistakes = (0..<count).filter { $0 != index }
        .map { (class: $0, samples: classes.confusion[index * count + $0]) }.filter { $0.samples > 0 }
        .sorted { $0.samples > $1.samples }.prefix(3)
      table.add([
        record.classNames[index], percent(classes.precision(index)), percent(classes.recall(index)),
        mistakes.map { "\(record.classNames[$0.class]) (\($0.samples))" }.joined(separator: ", "),
      ])
    }
    Terminal.write("\n" + table.text)
  }

  private func percent(_ share: Double?) -> String { share.map { "\(($0 * 10000).rounded() / 100) %" } ?? "–" }
}
