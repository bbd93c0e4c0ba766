import Foundation
import SwitchbackInterchange
import TestFiles
import Testing

/// What an object in a JSON file says.
func jsonObject(_ path: String) throws -> [String: Any] {
  try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path))) as? [String: Any])
}

/// The newest checkpoint of a run, as Float32 by name.
func weights(_ run: String) throws -> [String: [Float]] {
  let folder = run + "/checkpoints"
  let newest = try #require(
    try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix("step-") }.max())
  return try tensors(folder + "/" + newest)
}

func tensors(_ path: String) throws -> [String: [Float]] {
  let file = try Safetensors(decoding: Data(contentsOf: URL(fileURLWithPath: path)))
  return Dictionary(
    uniqueKeysWithValues: file.tensors.map { tensor in
      (tensor.name, tensor.bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) })
    })
}

/// A resumed run has the weights and the steps that its own program came to, which `earlier` holds.
func expectWhatItsProgramReached(_ run: String, _ earlier: String) throws {
  let (ours, theirs) = (try weights(run), try tensors(earlier + "/resumed.safetensors"))
  #expect(ours.keys.sorted() == theirs.keys.sorted())
  for (name, values) in theirs {
    let apart = zip(values, ours[name] ?? []).map { abs($0 - $1) / max(1, abs($0)) }.max() ?? 0
    // Exponentials of another C library may round otherwise; numbers that are normalized now do so in Float64.
    #expect(apart < 2e-5, "\(earlier), \(name): \(apart)")
  }
  let (summary, before) = (try jsonObject(run + "/summary.json"), try jsonObject(earlier + "/resumed.json"))
  #expect(summary["steps"] as? Int == before["steps"] as? Int)
}

/// Runs that the program of an earlier day began (`Tests/OldRuns/make.sh`).
@Suite struct OldRunsTests {
  private static let kinds = ["classes", "table", "regression", "averaged", "accumulated", "images", "mnist"]
  private let folder = root + "/Tests/OldRuns"

  private func copy(_ kind: String) throws -> String {
    let run = try temporaryFolder("old") + "/run"
    try FileManager.default.copyItem(atPath: "\(folder)/\(kind)/run", toPath: run)
    return run
  }

  @Test("an earlier run resumes to the weights that its own program gave it", arguments: kinds)
  func resumes(kind: String) throws {
    let run = try copy(kind)
    let outcome = try switchback("train", "--resume", run, "--epochs", "4", "--offline")
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(outcome.error.contains("is of an earlier program"), "\(outcome.error)")
    try expectWhatItsProgramReached(run, "\(folder)/\(kind)")
    // It has a record now, which says how its parts were chosen.
    let record = try jsonObject(run + "/data.json")
    #expect(record["split"] as? String == "tail")
    let again = try switchback("train", "--resume", run, "--epochs", "5", "--offline")
    #expect(again.status == 0, "\(again.error)")
    #expect(try jsonObject(run + "/data.json")["split"] as? String == "tail")
  }

  @Test("an earlier run evaluates to what its own program found, and predicts", arguments: kinds)
  func evaluates(kind: String) throws {
    let run = try copy(kind)
    // With moving averages the averaged weights are tested now.
    let raw = kind == "averaged" ? ["--raw"] : []
    let outcome = try switchback(["evaluate", run, "--json"] + raw)
    #expect(outcome.status == 0, "\(outcome.error)")
    let result = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    let before = try jsonObject(run + "/summary.json")
    let (loss, expected) = (try #require(result["testLoss"] as? Double), try #require(before["testLoss"] as? Double))
    #expect(abs(loss - expected) < 1e-5 * max(1, expected), "\(kind): \(loss), not \(expected)")
    #expect(result["testAccuracy"] as? Double == before["testAccuracy"] as? Double)
    let prediction = try switchback("predict", run, "--index", "0", "--json")
    #expect(prediction.status == 0, "\(prediction.error)")
  }

  @Test("of an earlier run without the names of its classes nothing is guessed: they are asked for")
  func classes() throws {
    let run = try copy("classes")
    try FileManager.default.removeItem(atPath: run + "/evaluation.json")
    for arguments in [["evaluate", run], ["train", "--resume", run, "--epochs", "4", "--offline"]] {
      let refused = try switchback(arguments)
      #expect(refused.status == 65 && refused.error.contains("--classes A,B,…"), "\(refused.error)")
    }
    let accuracy = try #require(try jsonObject(run + "/summary.json")["testAccuracy"] as? Double)
    let told = try switchback("evaluate", run, "--classes", "blue,green,red", "--json")
    #expect(told.output.contains("\"testAccuracy\":\(accuracy)"), "\(told.output)\(told.error)")
    // Once it goes on, its folder holds the names, also when it is killed before its first new checkpoint.
    let resumed = try copy("classes")
    #expect(try switchback("train", "--resume", resumed, "--epochs", "3", "--offline").status == 0)
    for name in ["evaluation.json", "summary.json"] {
      try FileManager.default.removeItem(atPath: resumed + "/" + name)
    }
    let checkpoints = resumed + "/checkpoints"
    for name in try FileManager.default.contentsOfDirectory(atPath: checkpoints) {
      if name != "step-000000014.safetensors" { try FileManager.default.removeItem(atPath: checkpoints + "/" + name) }
    }
    let kept = try switchback("evaluate", resumed, "--json")
    #expect(kept.output.contains("\"testAccuracy\":\(accuracy)"), "\(kept.output)\(kept.error)")
    let superfluous = try switchback("evaluate", resumed, "--classes", "a,b,c")
    #expect(superfluous.status == 65 && superfluous.error.contains("keeps its own class names"))
    // Another order is another meaning.
    let wrong = try switchback("evaluate", run, "--classes", "red,green,blue", "--json")
    #expect(wrong.status == 0 && !wrong.output.contains("\"testAccuracy\":\(accuracy)"), "\(wrong.output)")
  }

  @Test("of other data an earlier run leaves out a class that it does not know, as it does of its own")
  func moreClasses() throws {
    let run = try copy("table")
    let rows = try String(contentsOfFile: "\(folder)/data/classes.csv", encoding: .utf8)
    let more = (0..<9).map { "0.\($0),1.5,2.5,violet\n" }.joined()
    let path = try write((rows + more).utf8, to: temporaryFolder() + "/more.csv")
    let outcome = try switchback("evaluate", run, "--data", path, "--json")
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(
      outcome.error.contains("the network knows no class violet: 9 samples are left out"), "\(outcome.error)")
  }
}
