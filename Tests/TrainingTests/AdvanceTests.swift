import SwitchbackTraining
import Testing

@Suite struct AdvanceTests {
  /// What a loop says of its steps and epochs, without times.
  private final class Listener: TrainingCallback {
    var lines: [String] = []

    func handle(_ event: TrainingEvent, in loop: TrainingLoop) -> TrainingDecision {
      switch event {
      case .step(let step): lines.append("\(step.step) \(step.loss)")
      case .epoch(let epoch): lines.append("epoch \(epoch.epoch): \(epoch.loss) \(epoch.validationLoss ?? .nan)")
      default: break
      }
      return .proceed
    }
  }

  @Test("a run that is advanced piece by piece is the run that goes through", arguments: [1, 5, 13, 20, 1000])
  func pieces(steps: Int) throws {
    let (whole, inPieces) = (Listener(), Listener())
    let expected = try makeLoop().run(callbacks: [whole])
    let loop = try makeLoop()
    try loop.begin(callbacks: [inPieces])
    var advances = 0
    while !loop.isComplete {
      let before = loop.session.batches
      try loop.advance(steps: steps)
      #expect(loop.session.batches == min(before + steps, 39))
      advances += 1
    }
    #expect(advances == (39 + steps - 1) / steps)
    let summary = try loop.conclude()
    #expect(inPieces.lines == whole.lines && whole.lines.count == 42)
    #expect(summary.testLoss == expected.testLoss && summary.epochs == 3 && summary.steps == 39)
    #expect(summary.samplesPerSecond > 0)
  }
}
