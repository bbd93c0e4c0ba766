import Foundation
import SwitchbackReference
import SwitchbackTraining
import Testing

/// What of a run's plan lies in its positions: by it a run is gone on with, or refused.
@Suite struct PlanFingerprintTests {
  @Test("positions, records of runs and saved sessions say the plan of the step without probes, watched or not")
  func withoutProbes() throws {
    let watched = try interrupted(makeLoop(), after: 3)
    let unwatched = try interrupted(makeLoop(smallRun, ["monitor.enabled=false"]), after: 3)
    #expect(watched.position.plan == unwatched.position.plan)
    let session = try makeLoop().session
    // The step that is shown and measured has its probes.
    #expect(try session.plan.fingerprint != watched.position.plan)
    #expect(try RunEnvironment(of: session).plan == watched.position.plan)
    let path = temporaryRun()
    try session.save(to: path)
    defer { try? FileManager.default.removeItem(atPath: path) }
    let saved = try Checkpoint(decoding: Data(contentsOf: URL(fileURLWithPath: path)))
    #expect(saved.position.plan == watched.position.plan)
  }

  @Test("another network, batch size or number of accumulated batches is another plan, watched or not")
  func others() throws {
    let start = try interrupted(makeLoop(), after: 3)
    for change in ["training.batch_size=32", "training.optimizer.gradient_accumulation_steps=2"] {
      for monitor in ["true", "false"] {
        let other = try makeLoop(smallRun, [change, "monitor.enabled=\(monitor)"])
        #expect(throws: (any Error).self, "\(change), \(monitor)") { try other.check(start) }
        #expect(try other.givesOtherBits(start))
      }
    }
    #expect(try !makeLoop(smallRun, ["monitor.enabled=false"]).givesOtherBits(start))
  }
}
