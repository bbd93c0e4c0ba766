import Foundation
import Switchback

/// Shows a run: a live line on a terminal, elsewhere a line an epoch and a minute, JSON Lines for programs.
final class Display: TrainingCallback {
  private let isJSON: Bool
  private let isLive: Bool
  private var lastDrawn = ContinuousClock.now
  private let firstDrawn = ContinuousClock.now
  private var drawnSteps = 0
  /// When the evaluation under way began.
  private var firstEvaluated = ContinuousClock.now
  /// Means over the last steps: single batches jump about.
  private var loss: Double?
  private var accuracy: Double?

  init(isJSON: Bool) {
    self.isJSON = isJSON
    isLive = !isJSON && Terminal.Stream.standardError.isInteractive
  }

  func handle(_ event: TrainingEvent, in loop: TrainingLoop) -> TrainingDecision {
    show(event)
    return .proceed
  }

  private func show(_ event: TrainingEvent) {
    switch event {
    case .started(let lines): say(lines)
    case .message(let text): say([text])
    case .step(let step):
      if isJSON { Terminal.write(Terminal.json(step)) } else { draw(step) }
    case .evaluating(let progress): draw(progress)
    case .epoch(let epoch):
      if isJSON {
        Terminal.write(Terminal.json(epoch))
      } else {
        say(
          [
            "epoch \(epoch.epoch)/\(epoch.epochs)  \(epoch.samplesPerSecond.whole) samples/s  "
              + "loss \(epoch.loss.lossText)"
              + (epoch.accuracy.map { "  accuracy \(percent($0))" } ?? "")
              + (epoch.validationAccuracy.map { "  validation \(percent($0))" }
                ?? epoch.validationLoss.map { "  validation loss \($0.lossText)" } ?? "")
          ] + columns("training", epoch.metrics) + columns("validation", epoch.validationMetrics))
      }
    case .finding(let finding):
      if isJSON {
        Terminal.write(Terminal.json(finding))
      } else {
        let head = "✗ step \(finding.step) \(finding.rule)"
        let colour: Terminal.Colour = finding.severity == .error ? .red : .yellow
        say([
          Terminal.coloured(head, colour, on: .standardError)
            + (finding.layers.isEmpty ? "" : ": " + LayerPaths.words(finding.layers)),
          "  \(finding.message)",
        ])
        if let recording = finding.recording { say(["  the updates before it: \(recording) in the run's folder"]) }
      }
    case .tested, .probes, .replay, .recording, .wentBack, .checkpoint: break
    case .finished(let summary):
      if isJSON {
        Terminal.write(Terminal.json(summary))
      } else {
        clear()
        Terminal.write(
          "test \(summary.testAccuracy.map(percent) ?? "loss \(summary.testLoss.lossText)") after "
            + "\(decimals(summary.seconds, 1)) s of training (\(summary.samplesPerSecond.whole) samples/s)")
        for line in columns("test", summary.testMetrics) { Terminal.write(line) }
        say([
          "\(decimals(summary.forksPerStep, summary.forksPerStep.rounded() == summary.forksPerStep ? 0 : 1)) "
            + "fork\(summary.forksPerStep == 1 ? "" : "s") a step · "
            + "\(deviceWork(summary))peak \(summary.peakBytes / 1_000_000) MB"
        ])
      }
    }
  }

  /// A line with the numbers of several outputs, or of further metrics, by columns; none where there are none.
  private func columns(_ part: String, _ numbers: [String: Double]?) -> [String] {
    guard let numbers, !numbers.isEmpty else { return [] }
    let words = numbers.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.lossText)" }
    return ["  \(part)  " + words.joined(separator: "  ")]
  }

  /// What a device with counts did in a step.
  private func deviceWork(_ summary: RunSummary) -> String {
    guard let launches = summary.launchesPerStep, let blocking = summary.blockingCallsPerStep,
      let bytes = summary.bytesToDevicePerStep
    else { return "" }
    return "\(decimals(launches, 1)) launches, \(decimals(blocking, 1)) blocking calls and "
      + "\(decimals(bytes / 1000, 1)) kB to the device a step · "
  }

  func end(_ folder: RunFolder) {
    clear()
    if !isJSON { Terminal.write("run: \(folder.path)\nreport: \(folder.path(of: .report))", to: .standardError) }
  }

  private func say(_ lines: [String]) { Terminal.say(lines) }

  private func draw(_ step: StepReport) {
    drawnSteps += 1
    loss = smoothed(loss, step.loss)
    accuracy = step.accuracy.map { smoothed(accuracy, $0) }
    let now = ContinuousClock.now
    guard now - lastDrawn > (isLive ? .milliseconds(100) : .seconds(60)) else { return }
    lastDrawn = now
    let elapsed = now - firstDrawn
    let left = elapsed / Double(drawnSteps) * Double(step.stepsLeft)
    let line = LiveLine(
      epoch: step.epoch, done: step.stepInEpoch, of: step.stepsInEpoch, left: "\(clock(left)) left",
      numbers: LiveLine.numbers(
        loss: (loss ?? step.loss).lossText, accuracy: accuracy.map(percent),
        rate: "\(step.samplesPerSecond.whole) samples/s"))
    show(line.text(columns: isLive ? Terminal.width - 1 : .max, hasBar: isLive))
  }

  private func draw(_ progress: EvaluationProgress) {
    let now = ContinuousClock.now
    if progress.samples == 0 { firstEvaluated = now }
    guard !isJSON, progress.samples > 0, progress.samples < progress.of,
      now - lastDrawn > (isLive ? .milliseconds(100) : .seconds(60))
    else {
      return
    }
    lastDrawn = now
    let share = Double(progress.samples) / Double(max(progress.of, 1))
    let left = (now - firstEvaluated) / max(share, 1e-9) * (1 - share)
    show("\(progress.doing)  \(clock(left)) left  \(progress.samples) of \(progress.of) samples")
  }

  private func show(_ line: String) {
    if isLive { Terminal.draw(line) } else { Terminal.write(line, to: .standardError) }
  }

  private func smoothed(_ mean: Double?, _ value: Double) -> Double {
    guard let mean, mean.isFinite else { return value }
    return mean + (value - mean) / Double(min(drawnSteps, 50))
  }

  /// `1:02:03`, `4:05`
  private func clock(_ duration: Duration) -> String {
    let seconds = Int(duration.components.seconds)
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60)
    return hours > 0
      ? String(format: "%d:%02d:%02d", hours, minutes, seconds % 60) : String(format: "%d:%02d", minutes, seconds % 60)
  }

  private func clear() { if isLive { Terminal.draw("") } }

  /// Fixed decimals, but powers of ten where the digits before the point would be noise.
  private func decimals(_ value: Double, _ count: Int) -> String {
    String(format: abs(value) < 1e6 ? "%.\(count)f" : "%.3e", value)
  }

  private func percent(_ share: Double) -> String { decimals(share * 100, 2) + " %" }
}
