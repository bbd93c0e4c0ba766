import ArgumentParser
import Switchback

struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate", abstract: "Loss and accuracy of a run's newest weights on its test set.",
    discussion: """
      Examples:

        switchback evaluate runs/latest
        switchback evaluate runs/latest --backend reference --json
      """)

  @OptionGroup var options: RunOptions

  @Flag(help: "One JSON object on standard output.")
  var json = false

  private struct Result: Encodable {
    var testLoss: Double
    var testAccuracy: Double?
  }

  func run() throws {
    try reportingErrors {
      let (loop, test) = try options.restored()
      let result = try loop.session.evaluate(test)
      Terminal.write(
        json
          ? Terminal.json(Result(testLoss: result.loss, testAccuracy: result.accuracy))
          : "test " + (result.accuracy.map { "\(($0 * 10000).rounded() / 100) %  " } ?? "")
            + "loss \((result.loss * 10000).rounded() / 10000)")
    }
  }
}
