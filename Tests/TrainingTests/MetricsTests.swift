import Foundation
import SwitchbackMonitoring
import SwitchbackTraining
import TestFiles
import Testing

@Suite struct MetricsTests {
  private func metrics(_ rows: [[Float]], _ labels: [Int32], classes: Int) -> ConfusionMatrix {
    var metrics = ConfusionMatrix(classCount: classes)
    metrics.add(MetricBatch(rows.flatMap { $0 }, .classes(labels, count: classes), count: labels.count))
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

  /// Random scores and labels of many samples, and the confusion matrix counted by hand.
  private func random(classes: Int, samples: Int) -> (metrics: ConfusionMatrix, matrix: [Int]) {
    var metrics = ConfusionMatrix(classCount: classes)
    var matrix = [Int](repeating: 0, count: classes * classes)
    var state: UInt64 = 9
    func next(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(bound))
    }
    for _ in 0..<samples {
      let (label, predicted) = (next(classes), next(classes))
      var scores = [Float](repeating: 0, count: classes)
      scores[predicted] = 1
      metrics.add(MetricBatch(scores, .classes([Int32(label)], count: classes), count: 1))
      matrix[label * classes + predicted] += 1
    }
    return (metrics, matrix)
  }

  @Test(
    "cells, shares and mistakes are those of the whole matrix, and survive evaluation.json", arguments: [2, 7, 64, 65])
  func sparse(classes: Int) throws {
    let (metrics, matrix) = random(classes: classes, samples: 400)
    #expect(metrics.confusion == matrix)
    #expect(metrics.sampleCount == 400)
    #expect(metrics.cells.count == matrix.count { $0 > 0 })
    for truth in 0..<classes {
      let row = Array(matrix[truth * classes..<(truth + 1) * classes])
      let column = (0..<classes).map { matrix[$0 * classes + truth] }
      let (found, predicted) = (row.reduce(0, +), column.reduce(0, +))
      #expect(metrics.recall(truth) == (found == 0 ? nil : Double(row[truth]) / Double(found)))
      #expect(metrics.precision(truth) == (predicted == 0 ? nil : Double(row[truth]) / Double(predicted)))
      let others = row.indices.filter { $0 != truth && row[$0] > 0 }.sorted { (-row[$0], $0) < (-row[$1], $1) }
      #expect(metrics.mistakes[truth].map(\.predicted) == others)
      #expect(metrics.mistakes[truth].map(\.samples) == others.map { row[$0] })
    }
    let data = try JSONEncoder().encode(metrics)
    #expect(try JSONDecoder().decode(ConfusionMatrix.self, from: data) == metrics)
    // One rule: whole up to 64 classes, cells above.
    let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    #expect((object["confusion"] as? [Int]) == (classes <= 64 ? matrix : nil))
    #expect((object["cells"] as? [[Int]])?.count == (classes <= 64 ? nil : metrics.cells.count))
  }

  @Test("8,000 classes take memory and file by their samples, not by the square of the classes")
  func manyClasses() throws {
    let classes = 8000
    var metrics = ConfusionMatrix(classCount: classes)
    var scores = [Float](repeating: 0, count: 10 * classes)
    for batch in 0..<200 {
      let predicted = (0..<10).map { (batch * 10 + $0) * 4 % classes }
      for (row, column) in predicted.enumerated() { scores[row * classes + column] = 1 }
      // Every other sample is of the next class.
      let labels = predicted.enumerated().map { Int32($1 + $0 % 2) }
      metrics.add(MetricBatch(scores, .classes(labels, count: classes), count: labels.count))
      for (row, column) in predicted.enumerated() { scores[row * classes + column] = 0 }
    }
    #expect(metrics.sampleCount == 2000)
    #expect(metrics.cells.count == 2000)
    #expect(metrics.topAccuracy(1) == 0.5)
    #expect(metrics.mistakes.count { !$0.isEmpty } == 1000)
    #expect((0..<classes).count { metrics.recall($0) == 1 } == 1000)
    #expect((0..<classes).count { metrics.precision($0) == 0 } == 1000)
    let data = try JSONEncoder().encode(metrics)
    #expect(data.count < 100_000, "\(data.count) bytes")
    #expect(try JSONDecoder().decode(ConfusionMatrix.self, from: data) == metrics)
  }

  @Test("evaluation.json of a run before 2026-11-28, whose matrix is whole, is read; with more than 64 classes too")
  func earlier() throws {
    let file = root + "/Tests/TrainingTests/Golden/evaluation-before-sparse.json"
    let record = try JSONDecoder().decode(
      EvaluationRecord.self, from: try Data(contentsOf: URL(fileURLWithPath: file)))
    let classes = try #require(record.classes)
    #expect(classes.classCount == 10 && classes.sampleCount == 128)
    let right = (0..<10).reduce(0) { $0 + classes.samples(of: $1, takenFor: $1) }
    #expect(Double(right) / 128 == record.accuracy)
    #expect(classes.topAccuracy(1) == record.accuracy)
    let (many, matrix) = random(classes: 70, samples: 50)
    let text = "{\"classCount\":70,\"confusion\":\(matrix),\"rightWithin\":\(many.rightWithin)}"
    #expect(try JSONDecoder().decode(ConfusionMatrix.self, from: Data(text.utf8)) == many)
  }

  @Test(
    "numbers of classes and cells that cannot be are errors",
    arguments: [
      "{\"classCount\":2,\"confusion\":[1,2,3],\"rightWithin\":[3,6]}",
      "{\"classCount\":2,\"confusion\":[1,2,3,-1],\"rightWithin\":[3,6]}",
      "{\"classCount\":70,\"cells\":[[0,70,1]],\"rightWithin\":[1]}",
      "{\"classCount\":70,\"cells\":[[-1,0,1]],\"rightWithin\":[1]}",
      "{\"classCount\":70,\"cells\":[[0,1]],\"rightWithin\":[1]}",
      "{\"classCount\":70,\"cells\":[[0,1,0]],\"rightWithin\":[1]}",
      "{\"classCount\":4611686018427387904,\"cells\":[],\"rightWithin\":[]}",
      "{\"classCount\":3037000500,\"confusion\":[],\"rightWithin\":[]}",
      "{\"classCount\":-1,\"cells\":[],\"rightWithin\":[]}", "{\"classCount\":70,\"rightWithin\":[]}",
    ])
  func hostile(text: String) {
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode(ConfusionMatrix.self, from: Data(text.utf8))
    }
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

  @Test("each output has its charts and its confusions; what is not known of one is left out")
  func outputs() throws {
    let epoch = { (n: Int, accuracy: String) in
      "{\"epoch\":\(n),\"epochs\":2,\"loss\":1,\"metrics\":{\"digit/loss\":0.5},\"samplesPerSecond\":1,\"seconds\":1,"
        + "\"step\":\(n),\"validationLoss\":1,\"validationMetrics\":{\"digit/accuracy\":\(accuracy),\"<b>/loss\":2}}"
    }
    let folder = try run([
      "config.yaml": "name: two", "metrics.jsonl": [epoch(1, "0.5"), epoch(2, "\"nan\"")].joined(separator: "\n"),
      "evaluation.json":
        "{\"classNames\":[],\"loss\":1,\"outputs\":[{\"classNames\":[\"even\",\"odd\"],\"classes\":{\"classCount\":2,"
        + "\"confusion\":[7,0,1,2],\"rightWithin\":[9,10]},\"loss\":1,\"metrics\":{\"accuracy\":0.9},\"name\":\"digit\"},"
        + "{\"classNames\":[],\"loss\":1,\"metrics\":{},\"name\":\"ink\"}]}",
    ])
    let html = try RunReport(folder: folder).html
    for title in ["digit/loss by epoch", "digit/accuracy by epoch", "&lt;b&gt;/loss by epoch"] {
      #expect(html.contains(title), "\(title)")
    }
    #expect(!html.contains(">accuracy by epoch"))
    #expect(html.contains("Test set, digit: who was taken for whom") && html.contains("<th>odd</th>"))
    #expect(!html.contains("Test set, ink") && !html.contains("<b>/loss"))
  }

  @Test("a folder that no run wrote is refused")
  func noRun() throws {
    #expect(throws: NotARunFolder.self) { try RunReport(folder: try run(["x": ""])) }
  }
}
