import Foundation
import SwitchbackInterchange
import SwitchbackMonitoring

/// The findings of a checkpoint's step that it knows. What else a log has of that step came behind the checkpoint, from the
/// validation at the end of an epoch, or of a run that ended there: a run that goes on comes by it again, or does not.
struct RememberedFindings {
  /// Nil in positions without a monitor's memory.
  private var known: [Finding]?
  private let step: Int

  init(_ position: Checkpoint.Position) {
    step = position.batches
    known = position.monitor?.findings.filter { [step] in $0.step == step }
  }

  /// Whether a log keeps a line; each finding is one line's. What is no finding is somebody's own.
  mutating func takes(_ line: Data) -> Bool {
    guard let known, let finding = try? JSONText.decoder.decode(Finding.self, from: line), finding.step == step else {
      return true
    }
    let place = known.firstIndex {
      $0.rule == finding.rule && $0.layers == finding.layers && $0.subject == finding.subject
    }
    guard let place else { return false }
    self.known?.remove(at: place)
    return true
  }
}
