import Foundation
import SwitchbackConformance

/// Says on standard error where a long proof stands: a line that changes on a terminal, a line for each family that took
/// its time elsewhere.
struct ConformanceProgress {
  private var family = ""
  private var count = 0
  private var (start, last) = (Date(), Date())
  private let isInteractive = Terminal.Stream.standardError.isInteractive

  /// Of the families that are done in an instant nothing is said.
  private static let leastSeconds = 2.0

  mutating func hear(_ made: ConformanceReport.Case) {
    if made.family != family {
      finish()
      (family, count, start, last) = (made.family, 0, Date(timeIntervalSinceNow: -made.seconds), Date())
    }
    count += 1
    if isInteractive {
      Terminal.draw("\(family): case \(count)")
    } else if Date().timeIntervalSince(last) > 15 {
      last = Date()
      say("so far")
    }
  }

  mutating func finish() {
    if isInteractive { Terminal.draw("") }
    guard !family.isEmpty, Date().timeIntervalSince(start) >= Self.leastSeconds, !isInteractive else { return }
    say("done")
  }

  private func say(_ words: String) {
    let seconds = Int(Date().timeIntervalSince(start).rounded())
    Terminal.write("\(family): \(count) case\(count == 1 ? "" : "s") \(words), \(seconds) s", to: .standardError)
  }
}
