import ArgumentParser
import Switchback

struct PredictCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict", abstract: "Shows an image of the test set as text, and the likeliest classes.",
    discussion: "Example: switchback predict runs/latest --index 7")

  @OptionGroup var options: RunOptions

  @Option(help: "Which image of the test set.")
  var index: Int

  func run() throws {
    try reportingErrors {
      let (loop, test) = try options.restored()
      guard (0..<test.count).contains(index) else {
        throw fail("--index must lie from 0 to \(test.count - 1)", ExitCode(64))
      }
      let shape = test.sampleShape
      let (values, target) = try test.sample(index)
      if shape.count == 3, shape[2] == 1 {
        let ramp = Array(" .:-=+*#%@")
        for row in 0..<shape[0] {
          // Two characters a pixel: a cell of a terminal is about twice as high as wide.
          let line = values[row * shape[1]..<(row + 1) * shape[1]].map {
            String(repeating: ramp[Int($0 * 9)], count: 2)
          }
          Terminal.write(line.joined())
        }
      }
      let probabilities = try loop.session.predict(test, [Int32(index)])[0]
      let best = probabilities.indices.sorted { probabilities[$0] > probabilities[$1] }.prefix(5)
      for index in best {
        Terminal.write("\((probabilities[index] * 1000).rounded() / 10) %  \(test.classNames[index])")
      }
      Terminal.write("label: \(test.classNames[Int(target[0])])")
    }
  }
}
