import Foundation
import SwitchbackBackendKit
import SwitchbackInterchange
import SwitchbackMonitoring
import SwitchbackReference
import SwitchbackTraining
import TestFiles
import Testing

/// A sink of a user's own.
private final class Losses: MonitorSink {
  private(set) var begun: [Int] = []
  private(set) var losses: [Int: Double] = [:]
  private(set) var looks: [Int] = []

  func begin(after step: Int) { begun.append(step) }
  func write(_ numbers: [String: Double], step: Int) { if let loss = numbers["loss"] { losses[step] = loss } }
  func write(_ rows: ProbeRows) { looks.append(rows.step) }
}

/// One that cannot write.
private final class Full: MonitorSink {
  func write(_ numbers: [String: Double], step: Int) throws {
    if step == 3 { throw FileError("/full/losses", .write, code: ENOSPC) }
  }
}

@Suite("Sinks of a run") struct SinkRunTests {
  private let runs = temporaryRun()

  private func loop(_ overrides: [String] = [], sinks: [any MonitorSink] = []) throws -> TrainingLoop {
    try TrainingLoop(
      Configuration(
        text: smallRun, file: "test.yaml",
        overrides: [
          "name=small", "training.epochs=2", "training.runs=\"\(runs)\"",
          "monitor.sinks=[jsonl, csv, binary, tensorboard]", "monitor.check_share=0",
        ] + overrides),
      data: madeParts(count: 200), registry: BackendRegistry(linked: [ReferenceBackend()], folders: []),
      host: HostServices(workers: 2), sinks: sinks)
  }

  @Test("a user's own hears every step, and what ends it ends the run")
  func own() throws {
    let sink = Losses()
    _ = try loop(sinks: [sink]).run()
    #expect(sink.begun == [0] && sink.losses.keys.sorted() == Array(1...8) && sink.looks == Array(1...8))
    let checkpoint = try interrupted(loop(), after: 3)
    let later = Losses()
    _ = try loop(sinks: [later]).run(from: checkpoint)
    #expect(later.begun == [3] && later.losses == sink.losses.filter { $0.key > 3 })
    #expect(errorText { _ = try loop(sinks: [Full()]).run() }.contains("/full/losses cannot be written: No space left"))
  }

  @Test("weights have the same bits with every sink and with none")
  func bits() throws {
    let (all, none) = (try loop(), try loop(["monitor.sinks=[]"]))
    _ = try all.run()
    _ = try none.run()
    #expect(try all.session.bytes() == none.session.bytes())
  }

  @Test("a run that goes on has the rows of one that was never interrupted")
  func resumed() throws {
    let whole = try loop()
    let wholeRecorder = try RunRecorder(whole)
    _ = try whole.run(callbacks: [wholeRecorder])
    let run = try crashed()
    try goOn(run)
    for kind in SinkKind.allCases where kind != .tensorboard {
      let (there, here) = (wholeRecorder.folder.path + "/" + kind.path, run.path + "/" + kind.path)
      #expect(try RegularFile.read(there) == RegularFile.read(here), "\(kind)")
      #expect(try RegularFile.read(here).count > 100)
    }
    func numbers(_ run: RunFolder) throws -> [String: [Int: Double]] {
      try EventReader(run.path + "/" + SinkKind.tensorboard.path).scalars
    }
    #expect(try numbers(run) == numbers(wholeRecorder.folder))
  }

  /// At step 7, behind the last checkpoint, which is that of the first epoch. Gives the folder free.
  private func crashed() throws -> RunFolder {
    let loop = try loop()
    let recorder = try RunRecorder(loop)
    let crash = EventHandler(watching: { if case .step(let step) = $0, step.step == 7 { throw CancellationError() } })
    #expect(throws: CancellationError.self) { try loop.run(callbacks: [recorder, crash]) }
    return recorder.folder
  }

  private func goOn(_ run: RunFolder) throws {
    let lock = try FolderLock(run.path)
    let start = try #require(CheckpointStore(run: run.path).newestComplete())
    #expect(start.position.batches == 4)
    let loop = try loop()
    _ = try loop.run(from: start, callbacks: [RunRecorder(resuming: lock, loop, from: start)])
  }

  @Test("a run with a file of another version does not go on, and says which file")
  func otherVersion() throws {
    let run = try crashed()
    let path = run.path + "/" + SinkKind.binary.path
    var bytes = try RegularFile.read(path)
    bytes[bytes.startIndex + 8] = 9
    try bytes.write(to: URL(fileURLWithPath: path))
    let loop = try loop()
    let start = try #require(CheckpointStore(run: run.path).newestComplete())
    #expect(
      errorText { _ = try RunRecorder(resuming: FolderLock(run.path), loop, from: start) }.contains("version 9"))
  }

  @Test("a run goes on with a damaged file, keeps that beside, and says so")
  func damaged() throws {
    let run = try crashed()
    let path = run.path + "/" + SinkKind.binary.path
    var bytes = try RegularFile.read(path)
    let looks = try RowFileContents(path).looks
    #expect(looks.map(\.step) == Array(1...6))
    bytes[bytes.startIndex + bytes.count * 2 / 7] ^= 1
    try bytes.write(to: URL(fileURLWithPath: path))
    let loop = try loop()
    let lock = try FolderLock(run.path)
    let start = try #require(CheckpointStore(run: run.path).newestComplete())
    let recorder = try RunRecorder(resuming: lock, loop, from: start)
    #expect(recorder.warning?.contains("is damaged: ") == true, "\(recorder.warning ?? "")")
    #expect(try RegularFile.read(run.path + "/damaged-" + SinkKind.binary.path) == bytes)
    _ = try loop.run(from: start, callbacks: [recorder])
    let contents = try RowFileContents(path)
    #expect(contents.fault == nil && contents.looks.map(\.step).suffix(4) == [5, 6, 7, 8])
  }

  @Test("words that name no sink are refused, and one word is a list of one")
  func words() throws {
    func problem(_ value: String) -> [String] { problems(in: smallRun, ["monitor.sinks=\(value)"]) }
    #expect(problem("[csv, tensorbord]").first?.contains("monitor.sinks cannot have \"tensorbord\"") == true)
    #expect(problem("[csv, tensorbord]").first?.contains("tensorboard") == true)
    #expect(problem("[csv, csv]").first?.contains("twice") == true)
    #expect(problem("{a: 1}").count == 1 && problem("csv").isEmpty && problem("[]").isEmpty)
    let made = try Configuration(text: smallRun, file: "test.yaml")
    #expect(made.monitor.sinks == [.jsonl])
    let again = try Configuration(text: made.resolvedText, file: "resolved.yaml")
    #expect(again.monitor.sinks == [.jsonl])
  }
}
