import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

@Suite(.enabled(if: Image.readsCompressedFiles, "this build reads no gzip files"))
struct TwoOutputsTests {
  private let runs = temporary()

  /// A few steps of a shipped configuration on the sample's digits, as pictures and a table.
  private func train(_ name: String) throws {
    let folder = temporary()
    let exported = try switchback("data", "export", "mnist", folder, "--data", sampleFolder)
    try #require(exported.status == 0, "\(exported.error)")
    let outcome = try switchback(
      "train", "configs/\(name).yaml", "--data", folder + "/samples.csv", "--backend", "reference", "--runs", runs,
      "--steps", "4", "--set", "training.batch_size=8", "--set", "training.validation.samples=16")
    try #require(outcome.status == 0, "\(outcome.error)")
    if name == "two-outputs" {
      #expect(outcome.error.contains("  validation  digit/accuracy "), "\(outcome.error)")
      #expect(outcome.output.contains("  test  digit/accuracy "), "\(outcome.output)")
    }
  }

  private func evaluate(_ more: String...) throws -> String {
    let outcome = try switchback(["evaluate", runs + "/latest", "--backend", "reference"] + more)
    #expect(outcome.status == 0, "\(outcome.error)")
    return outcome.output
  }

  @Test("a run with two outputs tells each by its columns: in its table, in evaluate, in its page")
  func outputs() throws {
    try train("two-outputs")
    let table = try String(contentsOfFile: runs + "/latest/metrics.csv", encoding: .utf8).split(separator: "\n")
    #expect(
      table[0]
        == "epoch,step,loss,accuracy,validation_loss,validation_accuracy,seconds,samples_per_second,digit/loss,"
        + "digit/accuracy,ink/loss,validation_digit/loss,validation_digit/accuracy,validation_ink/loss,"
        + "validation_ink/mean_absolute_error,validation_ink/r2_score")
    let cells = table[1].split(separator: ",", omittingEmptySubsequences: false)
    #expect(cells.count == 16 && cells[3].isEmpty && cells[8...12].allSatisfy { Double($0)?.isFinite == true })
    let lines = try evaluate().split(separator: "\n").map(String.init)
    #expect(lines.contains { $0.hasPrefix("output") && $0.contains("mean_absolute_error") }, "\(lines)")
    #expect(lines.contains { $0.hasPrefix("digit") } && lines.contains { $0.hasPrefix("ink") }, "\(lines)")
    let json = try JSONSerialization.jsonObject(with: Data(evaluate("--json").utf8)) as? [String: Any]
    let metrics = try #require(json?["testMetrics"] as? [String: Any])
    #expect(Set(metrics.keys).isSuperset(of: ["digit/loss", "digit/accuracy", "ink/loss", "ink/mean_absolute_error"]))
    #expect(json?["testAccuracy"] == nil)
    #expect(try evaluate("--confusion").contains("\n\ndigit\nclass"))
    let listed = try switchback("runs", runs).output
    #expect(listed.contains(#/ digit [0-9]+\.[0-9]{2} %/#) && !listed.contains("ink "), "\(listed)")
    #expect(try switchback("runs", runs, "--json").output.contains("\"digit/accuracy\":"))
    let page = try String(contentsOfFile: runs + "/latest/report.html", encoding: .utf8)
    #expect(page.contains("digit/accuracy by epoch") && page.contains("Test set, digit: who was taken for whom"))
  }

  @Test("a run with two inputs has the columns of always, and its further metric")
  func inputs() throws {
    try train("two-inputs")
    let table = try String(contentsOfFile: runs + "/latest/metrics.csv", encoding: .utf8).split(separator: "\n")
    #expect(table[0].hasSuffix(",samples_per_second,validation_f1_score"))
    #expect(table[1].split(separator: ",", omittingEmptySubsequences: false).count == 9)
    let lines = try evaluate().split(separator: "\n")
    #expect(lines.contains { $0.contains("f1_score") } && lines[0].hasPrefix("test "), "\(lines)")
  }
}
