import Foundation
import TestFiles
import Testing

/// What runs of the program before 2026-11-28 answer, whose checkpoints record neither columns nor classes.
@Suite struct OldRunAnswersTests {
  private func json(_ text: some StringProtocol) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(text)")
  }

  private func summary(_ kind: String) throws -> [String: Any] {
    try json(String(contentsOfFile: root + "/Tests/OldRuns/\(kind)/run/summary.json", encoding: .utf8))
  }

  @Test("an averaged run is evaluated on its average, and with --raw as it was then")
  func averaged() throws {
    let run = "Tests/OldRuns/averaged/run"
    let raw = try json(try switchback("evaluate", run, "--raw", "--json").output)
    let (loss, then) = (
      try #require(raw["testLoss"] as? Double), try #require(try summary("averaged")["testLoss"] as? Double)
    )
    // Exponentials of another C library may round otherwise.
    #expect(abs(loss - then) < 1e-5, "\(loss), not \(then)")
    let outcome = try switchback("evaluate", run, "--json")
    let average = try json(outcome.output)
    #expect(average["weights"] as? String == "averaged" && outcome.error.contains("--raw takes the others"))
    #expect(average["testLoss"] as? Double != raw["testLoss"] as? Double)
  }

  @Test("rows of a table are read as its training data was, which is opened again and said")
  func rows() throws {
    let run = "Tests/OldRuns/regression/run"
    let outcome = try switchback("predict", run, "Tests/OldRuns/data/values.csv", "--json")
    #expect(outcome.status == 0 && outcome.error.contains("does not record its columns"), "\(outcome.error)")
    let rows = try outcome.output.split(separator: "\n").map { try #require(try json($0)["values"] as? [Double]) }
    #expect(rows.count == 150)
    // Some row of the file is the first of the test set.
    let test = try json(try switchback("predict", run, "--index", "0", "--json").output)
    let values = try #require(test["values"] as? [Double])
    #expect(rows.contains { row in zip(row, values).allSatisfy { abs($0 - $1) <= 1e-4 } })
    #expect(try switchback("predict", run, "Tests/OldRuns/data/values.csv").output.hasPrefix("row,y,z\n1,"))
  }

  @Test("classes go by the names of evaluation.json")
  func classes() throws {
    let outcome = try switchback("predict", "Tests/OldRuns/table/run", "Tests/OldRuns/data/classes.csv")
    #expect(outcome.status == 0, "\(outcome.error)")
    let record = try json(
      String(contentsOfFile: root + "/Tests/OldRuns/table/run/evaluation.json", encoding: .utf8))
    let names = try #require(record["classNames"] as? [String])
    let found = outcome.output.split(separator: "\n").dropFirst().map { String($0.split(separator: ",")[1]) }
    #expect(found.count == 150 && Set(found).isSubset(of: names))
  }
}
