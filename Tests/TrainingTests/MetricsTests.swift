import Foundation
import SwitchbackMonitoring
import SwitchbackTraining
import Testing

@Suite struct MetricsTests {
  private func metrics(_ rows: [[Float]], _ labels: [Int32], classes: Int) -> ClassificationMetrics {
    var metrics = ClassificationMetrics(classCount: classes)
    rows.flatMap { $0 }.withUnsafeBufferPointer { predictions in
      labels.withUnsafeBufferPointer { metrics.add(predictions: predictions, labels: $0) }
    }
    return metrics
  }

  @Test("confusion, precision, recall and top k of six samples, by hand")
  func byHand() {
    let metrics = metrics(
      [
        [0.7, 0.2, 0.1, 0, 0, 0], [0.1, 0.6, 0.3, 0, 0, 0], [0.4, 0.3, 0.2, 0.1, 0, 0], [0, 0, 0.1, 0.2, 0.3, 0.4],
        [0.3, 0.2, 0.2, 0.1, 0.1, 0.1], [0, 0, 0, 0, 0, 1],
      ], [0, 2, 1, 0, 0, 5], classes: 6)
    #expect(metrics.sampleCount == 6)
    #expect((0..<6).map { metrics.confusion[$0] } == [2, 0, 0, 0, 0, 1])
    #expect(metrics.topAccuracy(1) == 3.0 / 6)
    #expect(metrics.topAccuracy(2) == 5.0 / 6)
    // The fourth sample's class 0 ties with class 1 for the fifth place, and the lower class comes first.
    #expect(metrics.topAccuracy(5) == 1)
    #expect(metrics.topAccuracy(6) == nil)
    #expect(metrics.recall(0) == 2.0 / 3)
    #expect(metrics.precision(0) == 2.0 / 3)
    #expect(metrics.precision(4) == nil)
    #expect(metrics.recall(3) == nil)
  }

  @Test("equal predictions count as the lowest class, as argmax has it")
  func ties() {
    let metrics = metrics([[0.5, 0.5], [0.5, 0.5]], [0, 1], classes: 2)
    #expect(metrics.confusion == [1, 0, 1, 0])
    #expect(metrics.topAccuracy(1) == 0.5)
  }

  @Test("one output above a half is class 1; an empty batch adds nothing")
  func singleOutput() {
    var metrics = metrics([[0.9], [0.2], [0.6]], [1, 0, 0], classes: 2)
    #expect(metrics.confusion == [1, 1, 0, 1])
    metrics = self.metrics([], [], classes: 2)
    #expect(metrics.sampleCount == 0)
  }
}

@Suite struct ReportTests {
  /// A run folder with hostile names and numbers.
  private func run(_ files: [String: String]) throws -> String {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("run-<b>-" + UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    for (name, text) in files {
      try text.write(to: folder.appendingPathComponent(name), atomically: true, encoding: .utf8)
    }
    return folder.path
  }

  @Test("a run whose loss was infinite, whose names are markup, and which has not ended, has a page")
  func hostile() throws {
    let step = { (n: Int, loss: String) in
      "{\"accuracy\":0.5,\"epoch\":1,\"learningRate\":0.1,\"loss\":\(loss),\"samplesPerSecond\":1,\"step\":\(n),"
        + "\"stepInEpoch\":\(n),\"stepsInEpoch\":3,\"stepsLeft\":1}"
    }
    let folder = try run([
      "config.yaml": "name: <script>alert(1)</script>",
      "metrics.jsonl": [step(1, "2.5"), step(2, "\"inf\""), step(3, "\"nan\""), "torn line"].joined(separator: "\n"),
      "findings.jsonl":
        "{\"rule\":\"nonFinite\",\"severity\":\"error\",\"step\":2,\"layers\":[\"<i>\"],\"evidence\":{},\"message\":\"a < b\"}",
      "gradients.jsonl":
        "{\"step\":1,\"loss\":1,\"probes\":[{\"path\":\"layers.0\",\"kind\":\"deltaAfterGate\",\"l2\":\"nan\"}]}",
    ])
    let html = try RunReport(folder: folder).html
    #expect(!html.contains("<script") && !html.contains("<i>") && !html.contains("<b>-"))
    #expect(html.contains("a &lt; b") && html.contains("has not ended") && html.contains("loss by step"))
    #expect(html.contains("nonFinite"))
  }

  @Test("a folder that no run wrote is refused")
  func noRun() throws {
    #expect(throws: NotARunFolder.self) { try RunReport(folder: try run(["x": ""])) }
  }
}
