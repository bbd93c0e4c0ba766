import Foundation
import SwitchbackAllocationCount
import SwitchbackInterchange
import SwitchbackMonitoring
import SwitchbackTraining
import Testing

/// The recorder after the updates 1 to `last`, of which every tenth was looked at.
private func recorder(to last: Int) -> FlightRecorder {
  var recorder = FlightRecorder()
  for step in 1...last {
    recorder.record(
      step: step, loss: 1 / Double(step), learningRate: 0.1, isApplied: step != 33,
      step % 10 == 0
        ? seen(step, update: 1e-3 * Double(step), gradient: 3) { $0.clipping = .globalNorm(1.5) } : nil)
  }
  return recorder
}

@Suite struct FlightRecorderTests {
  @Test("it has the last 32 updates, each with the last look before it")
  func lastOnes() throws {
    #expect(recorder(to: 5).entries.map(\.step) == Array(1...5) && recorder(to: 5).entries[4].look == nil)
    let entries = recorder(to: 45).entries
    #expect(entries.map(\.step) == Array(14...45) && entries.filter { !$0.isApplied }.map(\.step) == [33])
    #expect(entries.map { $0.look?.step } == (14...45).map { $0 / 10 * 10 })
    let look = try #require(entries.last?.look)
    #expect(
      look.gradientNorm == 3 && look.clip == 0.5 && look.smallestRatio == 1e-3 * 40 && look.largestRatio == 1e-3 * 40)
  }

  @Test(
    "a further update allocates nothing",
    .enabled(if: allocation_count_works() != 0, "this C library cannot be counted"))
  func allocations() {
    var flight = recorder(to: 40)
    let before = Int(allocation_count())
    for step in 41...1000 { flight.record(step: step, loss: 1, learningRate: 0.1, isApplied: true) }
    let allocations = Int(allocation_count()) - before
    #expect(allocations == 0)
    #expect(flight.entries.first?.step == 969)
  }

  @Test("it comes back from a checkpoint's text, cut to its size, with numbers that JSON has no words for")
  func coded() throws {
    var flight = recorder(to: 45)
    let again = try JSONText.decoder.decode(FlightRecorder.self, from: Data(JSONText.line(flight).utf8))
    #expect(again == flight)
    flight.record(step: 46, loss: .infinity, learningRate: 0.1, isApplied: false)
    var further = again
    further.record(step: 46, loss: .infinity, learningRate: 0.1, isApplied: false)
    #expect(further == flight && further.entries.last?.look?.step == 40)
    let many =
      "["
      + (1...100).map { #"{"step":\#($0),"loss":"inf","learningRate":0,"isApplied":true}"# }
      .joined(separator: ",") + "]"
    let cut = try JSONText.decoder.decode(FlightRecorder.self, from: Data(many.utf8))
    #expect(cut.entries.map(\.step) == Array(69...100))
  }

  @Test("a finding names its recording, which lies in the run's folder, whether the run was interrupted or not")
  func recorded() throws {
    let runs = temporaryRun()
    func loop() throws -> TrainingLoop {
      try makeLoop(
        smallRun, ["training.runs=\"\(runs)\"", "training.epochs=1", "monitor.check_share=0"], data: madeParts(),
        rules: [At(steps: [9])])
    }
    func recording(_ run: RunFolder) throws -> FlightRecording {
      let text = try RegularFile.read(run.path + "/flight-at-9.json")
      return try JSONText.decoder.decode(FlightRecording.self, from: text)
    }
    let whole = try loop()
    let recorder = try RunRecorder(whole)
    let summary = try whole.run(callbacks: [recorder])
    #expect(summary.findings.map(\.recording) == ["flight-at-9.json"])
    let flight = try recording(recorder.folder)
    #expect(flight.rule == "at" && flight.updates.map(\.step) == Array(1...9))
    #expect(flight.updates.allSatisfy { $0.look?.step == $0.step && $0.look?.gradientNorm ?? 0 > 0 })

    let checkpoint = try interrupted(loop(), after: 6)
    let rest = try loop()
    let second = try RunRecorder(rest)
    _ = try rest.run(from: checkpoint, callbacks: [second])
    #expect(try recording(second.folder).updates == flight.updates)
  }

  @Test("of two findings of one rule in one step the second has a name of its own")
  func names() {
    let flight = recorder(to: 3)
    var finding = Finding(rule: "at", severity: .error, step: 3, layers: [], evidence: [:], message: "")
    let first = flight.recording(of: &finding, known: [])
    #expect(first.name == "flight-at-3.json" && finding.recording == first.name && first.updates.count == 3)
    #expect(flight.recording(of: &finding, known: [finding]).name == "flight-at-3-2.json")
  }
}
