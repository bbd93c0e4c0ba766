import Foundation
import Switchback

/// Shows a run: a live line on a terminal, a line an epoch elsewhere, JSON Lines for programs.
final class Display {
  private let isJSON: Bool
  private let isLive: Bool
  private var lastDrawn = ContinuousClock.now
  private var hasLine = false

  init(isJSON: Bool) {
    self.isJSON = isJSON
    isLive = !isJSON && Terminal.Stream.standardError.isInteractive
  }

  func show(_ event: TrainingEvent) {
    switch event {
    case .started(let lines): say(lines)
    case .message(let text): say([text])
    case .step(let step):
      if isJSON {
        Terminal.write(Terminal.json(step))
      } else if isLive {
        draw(step)
      }
    case .epoch(let epoch):
      if isJSON {
        Terminal.write(Terminal.json(epoch))
      } else {
        say([
          "epoch \(epoch.epoch)/\(epoch.epochs)  \(Int(epoch.samplesPerSecond)) samples/s  "
            + "loss \(decimals(epoch.loss, 4))"
            + (epoch.accuracy.map { "  accuracy \(percent($0))" } ?? "")
            + (epoch.validationAccuracy.map { "  validation \(percent($0))" }
              ?? "  validation loss \(decimals(epoch.validationLoss, 4))")
        ])
      }
    case .finding(let finding):
      if isJSON {
        Terminal.write(Terminal.json(finding))
      } else {
        say([
          "✗ step \(finding.step) \(finding.rule): \(finding.layers.joined(separator: ", "))", "  \(finding.message)",
        ])
      }
    case .tested: break
    case .finished(let summary):
      if isJSON {
        Terminal.write(Terminal.json(summary))
      } else {
        clear()
        Terminal.write(
          "test \(summary.testAccuracy.map(percent) ?? "loss \(decimals(summary.testLoss, 4))") in \(decimals(summary.seconds, 1)) s "
            + "(\(Int(summary.samplesPerSecond)) samples/s on \(summary.backend))")
        say([
          "\(decimals(summary.forksPerStep, summary.forksPerStep.rounded() == summary.forksPerStep ? 0 : 1)) "
            + "fork\(summary.forksPerStep == 1 ? "" : "s") a step · peak \(summary.peakBytes / 1_000_000) MB"
        ])
      }
    }
  }

  func end(_ folder: String) {
    clear()
    if !isJSON { Terminal.write("run: \(folder)\nreport: \(folder)/report.html", to: .standardError) }
  }

  private func say(_ lines: [String]) {
    clear()
    for line in lines { Terminal.write(line, to: .standardError) }
  }

  private func draw(_ step: StepReport) {
    let now = ContinuousClock.now
    guard now - lastDrawn > .milliseconds(100) || step.stepInEpoch == step.stepsInEpoch else { return }
    lastDrawn = now
    let filled = 20 * step.stepInEpoch / max(step.stepsInEpoch, 1)
    let bar = String(repeating: "━", count: filled) + String(repeating: "─", count: 20 - filled)
    let line =
      "epoch \(step.epoch)  \(bar)  \(step.stepInEpoch)/\(step.stepsInEpoch)  \(Int(step.samplesPerSecond)) samples/s  "
      + "loss \(decimals(step.loss, 3))" + (step.accuracy.map { "  accuracy \(percent($0))" } ?? "")
    Terminal.write("\r\u{1B}[K" + line.prefix(Terminal.width - 1), to: .standardError, terminator: "")
    hasLine = true
  }

  private func clear() {
    if hasLine { Terminal.write("\r\u{1B}[K", to: .standardError, terminator: "") }
    hasLine = false
  }

  /// Fixed decimals, but powers of ten where the digits before the point would be noise.
  private func decimals(_ value: Double, _ count: Int) -> String {
    String(format: abs(value) < 1e6 ? "%.\(count)f" : "%.3e", value)
  }
  private func percent(_ share: Double) -> String { decimals(share * 100, 2) + " %" }
}
