import Foundation
import SwitchbackInterchange
import SwitchbackMonitoring
import SwitchbackTraining
import TestFiles
import Testing

/// Two gradients: of one the elements 0.5, 0.6 and 4 and a zero, of the other none that counts exponents.
private func look(_ step: Int) -> ProbeRows {
  var counted = TensorStatistics(count: 4, l2: 4.1, absMax: 4, zeros: 1)
  counted.exponents = [Double](repeating: 0, count: 64)
  counted.exponents[39] = 2
  counted.exponents[42] = 1
  return ProbeRows(
    step: step, loss: 1,
    rows: [
      (Probe(kind: .deltaAfterGate, path: "layers.1.dense", gate: 0), TensorStatistics(count: 4, l2: 0.25)),
      (Probe(kind: .parameterGradient, path: "layers.1.dense/kernel", rank: 2), counted),
      (Probe(kind: .parameterGradient, path: "layers.1.dense/bias"), TensorStatistics(count: 4, l2: 2)),
    ])
}

private let finding = Finding(
  rule: "explodingGradient", severity: .error, step: 2, layers: ["layers.1.dense"], evidence: [:], message: "It grows.")

@Suite("Event files of TensorBoard") struct EventFileTests {
  private let path = temporaryRun() + "/events/" + EventFile.name

  /// Steps 1 and 2 with a look and a finding.
  private func write() throws {
    let sink = EventFile(path) { 1 }
    try sink.begin(after: 0)
    for step in 1...2 {
      try sink.write(["loss": 0.5 / Double(step), "accuracy": 0.25], step: step)
      try sink.write(look(step))
    }
    try sink.write(finding)
  }

  @Test("its first records are those that TensorFlow's own reader was shown")
  func knownBytes() throws {
    var time = 0.0
    let sink = EventFile(path) {
      defer { time += 1 }
      return time
    }
    try sink.begin(after: 0)
    try sink.write(["loss": 0.5], step: 7)
    let hex = try RegularFile.read(path).map { String(format: "%02x", $0) }.joined()
    #expect(
      hex == "1800000000000000a37f4b220900000000000000001a0d627261696e2e4576656e743a32eedf28a3"
        + "300000000000000095f5d05f09000000000000f03f10072a230a210a046c6f73734a0d0a090a077363616c61727320"
        + "01420a080112002a040000003ff2c82d37")
  }

  @Test("numbers, histograms over decades and findings are read back")
  func readBack() throws {
    try write()
    let events = try EventReader(path)
    #expect(events.version == "brain.Event:2")
    #expect(events.scalars["loss"] == [1: 0.5, 2: 0.25] && events.scalars["accuracy"] == [1: 0.25, 2: 0.25])
    #expect(events.scalars["delta_norm/layers.1.dense"] == [1: 0.25, 2: 0.25])
    #expect(events.scalars["gradient_norm/layers.1.dense/bias"]?[1] == 2)
    let bins = try #require(events.histograms["gradient_log10/layers.1.dense/kernel"]?[2])
    #expect(bins.count == 4 && bins.map { $0[2] } == [2, 0, 0, 1])
    #expect(abs(bins[0][0] - log10(0.5)) < 1e-12 && bins[0][1] == 0 && abs(bins[3][1] - log10(8)) < 1e-12)
    #expect(events.histograms["gradient_log10/layers.1.dense/bias"] == nil)
    let text = events.texts["findings/explodingGradient"]?[2]
    #expect(text == "**error** (layers.1.dense): It grows.")
    #expect(events.plugins["loss"] == "scalars" && events.plugins["findings/explodingGradient"] == "text")
    #expect(events.plugins["gradient_log10/layers.1.dense/kernel"] == "histograms")
  }

  @Test("a run that goes on cuts off later steps, and a torn record")
  func goesOn() throws {
    try write()
    let whole = try RegularFile.read(path)
    for torn in [0, 1, 3, 12, 40] {
      try whole.dropLast(torn).write(to: URL(fileURLWithPath: path))
      let sink = EventFile(path) { 2 }
      try sink.begin(after: 1)
      try sink.write(["loss": 7], step: 2)
      let events = try EventReader(path)
      #expect(events.scalars["loss"] == [1: 0.5, 2: 7], "\(torn)")
      #expect(events.texts.isEmpty)
    }
  }

  @Test("what is no event file is refused, and left as it is; where no folder can be made the file is named")
  func hostile() throws {
    try Folder.make(URL(fileURLWithPath: path).deletingLastPathComponent().path)
    let text = Data("no events at all, though long enough for a head".utf8)
    try text.write(to: URL(fileURLWithPath: path))
    #expect(errorText { try EventFile(path).begin(after: 0) }.contains("is no event file"))
    #expect(try RegularFile.read(path) == text)
    #expect(errorText { try EventFile("/dev/null/\(EventFile.name)").begin(after: 0) }.contains("cannot be made"))
  }

  @Test(
    "TensorBoard's own reader finds the same",
    .enabled(
      if: tensorBoardPython != nil,
      "no Python with TensorBoard: python3 -m venv .venv-tensorboard && .venv-tensorboard/bin/pip install tensorboard"))
  func realReader() throws {
    try write()
    let sink = EventFile(path) { 2 }
    try sink.begin(after: 1)
    try sink.write(["loss": 7], step: 2)
    try sink.write(look(2))
    try sink.write(finding)
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: try #require(tensorBoardPython))
    process.arguments = [root + "/Tests/TrainingTests/Golden/events.py", path]
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(text.contains("loss [[1, 0.5], [2, 7.0]]\n"), "\(text)")
    #expect(text.contains("delta_norm/layers.1.dense [[1, 0.25], [2, 0.25]]\n"), "\(text)")
    #expect(text.contains("findings/explodingGradient [[2, \"**error** (layers.1.dense): It grows.\"]]\n"), "\(text)")
    #expect(
      text.contains(
        "gradient_log10/layers.1.dense/kernel [[1, [[-0.301, 0.0, 2.0], [0.0, 0.301, 0.0], [0.301, 0.602, 0.0], "
          + "[0.602, 0.903, 1.0]]], [2, ["), "\(text)")
  }
}

/// A Python that has TensorBoard: `$SWITCHBACK_PYTHON`, or one of an environment beside the sources.
private let tensorBoardPython: String? = {
  let candidates =
    [ProcessInfo.processInfo.environment["SWITCHBACK_PYTHON"]]
    + [".venv-tensorboard", ".venv-bench"].map { root + "/\($0)/bin/python" }
  return candidates.compactMap { $0 }.first { python in
    guard FileManager.default.isExecutableFile(atPath: python) else { return false }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: python)
    process.arguments = ["-c", "import importlib.util as u, sys; sys.exit(u.find_spec('tensorboard') is None)"]
    process.standardError = FileHandle.nullDevice
    try? process.run()
    process.waitUntilExit()
    return process.terminationStatus == 0
  }
}()
