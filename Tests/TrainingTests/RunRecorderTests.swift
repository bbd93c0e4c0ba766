import Foundation
import SwitchbackInference
import SwitchbackInterchange
import SwitchbackReference
import SwitchbackTraining
import TestFiles
import Testing

@Suite struct RunRecorderTests {
  private let runs = temporaryRun()

  /// Two epochs of four batches.
  private func loop(_ overrides: [String] = []) throws -> TrainingLoop {
    try makeLoop(
      smallRun, ["name=small", "training.epochs=2", "training.runs=\"\(runs)\""] + overrides,
      data: madeParts(count: 200))
  }

  private func lines(_ file: RunFolder.File, of run: RunFolder) throws -> [Substring] {
    try String(contentsOfFile: run.path(of: file), encoding: .utf8).split(separator: "\n")
  }

  /// The numbers of the steps that the log says.
  private func steps(of run: RunFolder) throws -> [Int] {
    try lines(.metrics, of: run).filter { $0.contains("stepInEpoch") }.compactMap {
      $0.firstMatch(of: /"step":([0-9]+)/).flatMap { Int($0.1) }
    }
  }

  /// Runs a loop to its end, which gives the folder free.
  private func finished() throws -> (run: RunFolder, summary: RunSummary, prediction: [Float]) {
    let loop = try loop()
    let recorder = try RunRecorder(loop)
    #expect(recorder.warning == nil)
    #expect(try RunListing(of: runs).rows.map(\.state) == [.running])
    let summary = try loop.run(callbacks: [recorder])
    try recorder.folder.writeReport()
    return (recorder.folder, summary, try loop.session.predict([Float](repeating: 1, count: 784)))
  }

  private func interrupted() throws -> RunFolder {
    let loop = try loop()
    let recorder = try RunRecorder(loop)
    let interrupter = EventHandler { event in
      if case .step(let step) = event, step.step == 5 { .interrupt } else { .proceed }
    }
    do {
      _ = try loop.run(callbacks: [recorder, interrupter])
      Issue.record("the run was not interrupted")
    } catch TrainingLoop.Stop.interrupted {}
    return recorder.folder
  }

  @Test("a run that a program of one's own writes is listed, shown, and predicted with")
  func written() throws {
    let (run, summary, prediction) = try finished()
    let files = try FileManager.default.contentsOfDirectory(atPath: run.path)
    // Data that was made in a program has no record.
    let expected = RunFolder.File.allCases.filter { $0 != .data }.map(\.rawValue) + [".lock"]
    #expect(files.sorted() == expected.sorted())
    let name = try FileManager.default.destinationOfSymbolicLink(atPath: runs + "/latest")
    #expect(run.path == runs + "/" + name && name.hasPrefix("small-"))
    #expect(LatestLink.followed(runs + "/latest") == run.path)

    let row = try #require(try RunListing(of: runs).rows.first)
    #expect(row.run == name && row.state == .finished && row.backend == "reference")
    #expect(row.epochs == 2 && row.steps == 8 && row.testLoss == summary.testLoss)
    #expect(try steps(of: run) == Array(1...8))
    #expect(try lines(.epochs, of: run).count == 3)
    #expect(run.environment?.switchback == RunEnvironment.version && run.environment?.resumed == nil)
    #expect(try run.configuration(["training.steps=3"]).training.steps == 3)
    let page = try String(contentsOfFile: run.path(of: .report), encoding: .utf8)
    #expect(page.contains("<h1>\(name)</h1>") && page.contains("<svg"))

    let model = try TrainedModel(run: run.path, on: try chain(ReferenceBackend()))
    #expect(try model.predict([Float](repeating: 1, count: 784)).outputs == prediction)
  }

  @Test("it goes on in its folder, to the same weights, and its log says each step once")
  func resumed() throws {
    let whole = try loop()
    _ = try whole.run()
    let run = try interrupted()
    let row = try #require(try RunListing(of: runs).rows.first)
    #expect(row.state == .stopped && row.steps == 5)
    let lock = try FolderLock(run.path)
    #expect(throws: FolderLock.Taken.self) { try FolderLock(run.path) }
    let start = try #require(CheckpointStore(run: run.path).newestComplete())
    // A line of a step that no checkpoint holds.
    let log = try LineFile(run.path(of: .metrics), keeping: { _ in true })
    try log.append(#"{"step":6,"stepInEpoch":2}"#)
    let loop = try loop()
    let recorder = try RunRecorder(resuming: lock, loop, from: start)
    #expect(try steps(of: run) == Array(1...5))
    _ = try loop.run(from: start, callbacks: [recorder])
    #expect(try loop.session.bytes() == whole.session.bytes())
    #expect(try steps(of: run) == Array(1...8))
    #expect(try lines(.epochs, of: run).count == 3)
    #expect(run.environment?.resumed?.map(\.step) == [5])
    #expect(run.environment?.resumed?.map(\.otherBits) == [false])
  }

  @Test("a loop that cannot start leaves no folder, and a folder called latest is left alone")
  func untouched() throws {
    let loop = try loop(["training.steps=1", "training.optimizer.gradient_accumulation_steps=4"])
    #expect(throws: ConfigurationError.self) { try RunRecorder(loop) }
    #expect(!FileManager.default.fileExists(atPath: runs))
    try FileManager.default.createDirectory(atPath: runs + "/latest", withIntermediateDirectories: true)
    let recorder = try RunRecorder(try self.loop())
    #expect(recorder.warning?.contains("is left alone") == true)
    #expect(try FileManager.default.contentsOfDirectory(atPath: runs + "/latest").isEmpty)
  }

  @Test("numbers and dates that JSON has no words for come back from a run's files")
  func words() throws {
    struct Line: Codable, Equatable {
      var loss: Double
      var lowest: Double
      var time: Date
    }
    let line = Line(loss: .infinity, lowest: -.infinity, time: Date(timeIntervalSince1970: 1_790_000_000))
    let text = JSONText.line(line)
    #expect(text.contains(#""loss":"inf""#) && text.contains(#""lowest":"-inf""#) && !text.contains("\n"))
    #expect(try JSONText.decoder.decode(Line.self, from: Data(text.utf8)) == line)
  }

  @Test("a folder without config.yaml is no run")
  func noRun() throws {
    #expect(throws: NotARunFolder.self) { try RunFolder(root).configuration() }
    #expect(RunFolder(root).environment == nil && !RunFolder(root).has(.summary))
  }
}
