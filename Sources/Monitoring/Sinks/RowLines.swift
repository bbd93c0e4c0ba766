import Foundation
import SwitchbackInterchange

/// JSON Lines: a line a look, with all its probes.
public final class RowLines: MonitorSink {
  private let path: String
  private var file: LineFile?

  public init(_ path: String) { self.path = path }

  public func begin(after step: Int) throws {
    // A line that says no step, torn or somebody's own, is nobody's to drop.
    file = try LineFile(path) { line in LineFile.number("step", in: line).map { $0 <= step } ?? true }
  }

  public func write(_ rows: ProbeRows) throws { try file?.append(rows.json) }
}
