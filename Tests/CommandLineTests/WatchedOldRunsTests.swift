import Foundation
import TestFiles
import Testing

/// Runs that an earlier program watched: their positions hold the plan of a step with the probes of that day
/// (`Tests/OldRuns/make.sh`).
@Suite struct WatchedOldRunsTests {
  private let folder = root + "/Tests/OldRuns"

  private func copy(_ kind: String) throws -> String {
    let run = try temporaryFolder("old") + "/run"
    try FileManager.default.copyItem(atPath: "\(folder)/\(kind)/run", toPath: run)
    return run
  }

  private func resumed(_ kind: String, _ arguments: String...) throws -> (run: String, outcome: Outcome) {
    let run = try copy(kind)
    return (run, try switchback(["train", "--resume", run, "--epochs", "4", "--offline"] + arguments))
  }

  /// The first device of a run, without how much memory it has.
  private func device(_ run: String) throws -> Substring? {
    let devices = try #require(try jsonObject(run + "/environment.json")["devices"] as? [String])
    return devices.first?.firstRange(of: ", kernels for").map { devices[0][..<$0.lowerBound] }
  }

  @Test(
    "a watched run of before resumes to the weights that its own program gave it",
    arguments: ["watched", "watched-layers", "watched-opencl"], [[], ["--set", "monitor.enabled=false"]])
  func resumes(kind: String, settings: [String]) throws {
    if kind == "watched-opencl" {
      try skipWithout("opencl")
      // A plan is of its device and driver.
      let (elsewhere, outcome) = try resumed(kind, "--other-bits")
      #expect(outcome.status == 0, "\(outcome.error)")
      if try device(elsewhere) != device("\(folder)/\(kind)/run") {
        try Test.cancel("opencl: the run was made on another device, and none but that goes on to the same bits")
      }
    }
    let run = try copy(kind)
    let outcome = try switchback(["train", "--resume", run, "--epochs", "4", "--offline"] + settings)
    #expect(outcome.status == 0, "\(outcome.error)")
    try expectWhatItsProgramReached(run, "\(folder)/\(kind)")
    // From here on it says the plan without probes.
    #expect(!outcome.error.contains("with other last bits"), "\(outcome.error)")
    let again = try switchback("train", "--resume", run, "--epochs", "5", "--offline")
    #expect(again.status == 0 && !again.error.contains("with other last bits"), "\(again.error)")
  }

  @Test("of another step its plan is another", arguments: ["watched", "watched-layers"])
  func others(kind: String) throws {
    for setting in ["training.optimizer.beta_1=0.8", "training.seed=2"] {
      let (run, outcome) = try resumed(kind, "--set", setting)
      #expect(outcome.status != 0, "\(kind), \(setting)")
      #expect(try weights(run) == tensors(newest(folder + "/\(kind)/run")), "\(kind), \(setting)")
    }
  }

  private func newest(_ run: String) throws -> String {
    let names = try FileManager.default.contentsOfDirectory(atPath: run + "/checkpoints")
    return run + "/checkpoints/" + (try #require(names.max()))
  }
}
