import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

@Suite(.enabled(if: Image.readsCompressedFiles, "built without ImageFiles")) struct PredictTests {
  /// A run on the sample of the real MNIST, good enough to know most digits.
  private func run() throws -> String {
    let runs = temporary()
    let outcome = try switchback(
      "train", "configs/mnist-mlp.yaml", "--backend", "reference", "--data", sampleFolder, "--epochs", "12", "--runs",
      runs)
    try #require(outcome.status == 0, "\(outcome.error)")
    return runs + "/latest"
  }

  @Test("a folder of images gives a table, a file its top five, and both what the samples themselves give")
  func files() throws {
    let (run, folder) = (try run(), try temporaryFolder("pictures, with a comma"))
    try writeImages(to: folder, train: false, count: 40)
    let table = try switchback("predict", run, folder)
    #expect(table.status == 0, "\(table.error)")
    let lines = table.output.split(separator: "\n").map(String.init)
    #expect(
      lines[0]
        == "file,class,probability,class_2,probability_2,class_3,probability_3,class_4,probability_4,class_5,probability_5"
    )
    #expect(lines.count == 41)
    // FOLDER/CLASS/NUMBER.png: the folder says the truth.
    let right = lines.dropFirst().filter { line in
      let (path, found) = (line.split(separator: "\"")[0], line.split(separator: "\"")[1])
      return path.split(separator: "/").dropLast().last.map(String.init)
        == found.split(separator: ",").first.map(String.init)
    }
    #expect(right.count >= 25, "\(right.count)")
    let file = try #require(lines[1].split(separator: "\"").first.map(String.init))
    let one = try switchback("predict", run, file, "--json")
    let object = try #require(try JSONSerialization.jsonObject(with: Data(one.output.utf8)) as? [String: Any])
    let classes = try #require(object["classes"] as? [[String: Any]])
    #expect(classes.count == 5)
    let first = try #require(classes[0]["probability"] as? Double)
    #expect(lines[1].contains(String(format: "%.6f", first)))
    #expect(try switchback("predict", run, file).output.split(separator: "\n").count == 5)
    #expect(try switchback("predict", run, file, "--invert", "--json").output != one.output)
    let output = folder + "/table.csv"
    #expect(try switchback("predict", run, folder, "--output", output).status == 0)
    #expect(try String(contentsOfFile: output, encoding: .utf8) == table.output)
  }

  @Test("bad input: a broken picture among good ones, a folder without any, nothing, too much")
  func badInput() throws {
    let (run, folder) = (try run(), try temporaryFolder())
    try writeImages(to: folder, train: false, count: 3)
    try write("no picture".utf8, to: folder + "/broken.png")
    let outcome = try switchback("predict", run, folder)
    #expect(outcome.status == 65)
    #expect(outcome.error.contains("broken.png"))
    #expect(outcome.output.split(separator: "\n").count == 4)
    #expect(try switchback("predict", run, try temporaryFolder()).status == 66)
    #expect(try switchback("predict", run, "/nowhere.png").status == 66)
    #expect(try switchback("predict", run).status == 64)
    #expect(try switchback("predict", run, folder, "--index", "3").status == 64)
    #expect(try switchback("predict", run, "--index", "128", "--data", sampleFolder).status == 64)
    #expect(
      try switchback("predict", run, "--index", "5", "--data", sampleFolder, "--json").output.contains("\"classes\":[{")
    )
  }
}
