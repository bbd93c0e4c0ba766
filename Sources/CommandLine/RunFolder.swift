import Foundation
import Switchback

/// `runs/<name>-<time>/`: the resolved configuration, metrics, findings, probe rows and the summary of a run.
final class RunFolder {
  let path: String
  private let metrics: FileHandle
  private let rows: FileHandle
  private let findings: FileHandle

  /// A new folder, or with `resuming` an old one, whose lines after `step` are dropped: they are trained again.
  init(_ configuration: Configuration, resuming: String? = nil, after step: Int? = nil) throws {
    if let resuming {
      path = resuming
      do {
        func reopen(_ name: String) throws -> FileHandle {
          let file = URL(fileURLWithPath: resuming + "/" + name)
          let text = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
          let kept = text.split(separator: "\n").filter { Self.step(of: $0).map { $0 <= step ?? 0 } ?? false }
          try Data(kept.map { $0 + "\n" }.joined().utf8).write(to: file)
          let handle = try FileHandle(forWritingTo: file)
          try handle.seekToEnd()
          return handle
        }
        (metrics, rows, findings) = (
          try reopen("metrics.jsonl"), try reopen("gradients.jsonl"), try reopen("findings.jsonl")
        )
      } catch {
        throw fail(
          "the run folder \(resuming) cannot be written: \(error.localizedDescription)", ExitStatus.cannotWrite)
      }
      return
    }
    let time = DateFormatter()
    time.locale = Locale(identifier: "en_US_POSIX")
    time.dateFormat = "yyyyMMdd-HHmmss"
    let root = configuration.training.runs
    let base = "\(root)/\(configuration.name)-\(time.string(from: Date()))"
    let files = FileManager.default
    var path = base
    var number = 2
    while files.fileExists(atPath: path) {
      path = "\(base)-\(number)"
      number += 1
    }
    self.path = path
    do {
      try files.createDirectory(atPath: path, withIntermediateDirectories: true)
      try configuration.resolvedText.write(toFile: path + "/config.yaml", atomically: true, encoding: .utf8)
      func make(_ name: String) throws -> FileHandle {
        try Data().write(to: URL(fileURLWithPath: path + "/" + name))
        return try FileHandle(forWritingTo: URL(fileURLWithPath: path + "/" + name))
      }
      (metrics, rows, findings) = (
        try make("metrics.jsonl"), try make("gradients.jsonl"), try make("findings.jsonl")
      )
      let latest = root + "/latest"
      try? files.removeItem(atPath: latest)
      try? files.createSymbolicLink(
        atPath: latest, withDestinationPath: String(path.dropFirst(root.count + 1)))
    } catch {
      throw fail("the run folder \(path) cannot be written: \(error.localizedDescription)", ExitStatus.cannotWrite)
    }
  }

  /// The number after `"step":` in a line.
  private static func step(of line: Substring) -> Int? {
    guard let key = line.range(of: "\"step\":") else { return nil }
    return Int(line[key.upperBound...].prefix { $0.isNumber })
  }

  func record(_ event: TrainingEvent) throws {
    switch event {
    case .step(let step): try append(Terminal.json(step), to: metrics)
    case .epoch(let epoch): try append(Terminal.json(epoch), to: metrics)
    case .finding(let finding): try append(Terminal.json(finding), to: findings)
    case .finished(let summary):
      try Data((Terminal.json(summary) + "\n").utf8).write(to: URL(fileURLWithPath: path + "/summary.json"))
    case .started, .message: break
    }
  }

  func record(_ probes: ProbeRows) throws { try append(probes.json, to: rows) }

  private func append(_ line: String, to file: FileHandle) throws {
    try file.write(contentsOf: Data((line + "\n").utf8))
  }
}
