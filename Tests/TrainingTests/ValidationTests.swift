import Foundation
import SwitchbackDatasets
import SwitchbackInterchange
import SwitchbackTraining
import Synchronization
import Testing

private let text = """
  version: 1
  model:
    layers:
      - flatten
      - dense: {units: 10, activation: softmax}
  data: {dataset: mnist}
  training: {epochs: 5, batch_size: 64, optimizer: {type: sgd, learning_rate: 0.1}}
  backend: {name: reference}
  """

/// Which samples were asked for, in order.
private final class Reads: Sendable {
  private let indices = Mutex<[Int]>([])
  func add(_ index: Int) { indices.withLock { $0.append(index) } }
  var all: [Int] { indices.withLock { $0 } }
}

private struct Watched: Dataset {
  let base: any Dataset
  let reads: Reads
  var count: Int { base.count }
  var fields: [Field] { base.fields }
  var classNames: [String] { base.classNames }

  func read(_ index: Int, row: Int, into batch: BatchMemory) throws(DatasetError) {
    reads.add(index)
    try base.read(index, row: row, into: batch)
  }
}

/// What a run of ten batches an epoch said, and what it read of its 64 test samples.
private final class Record: TrainingCallback {
  let reads = Reads()
  var losses: [Double?] = []
  var rates: [Double] = []
  var messages: [String] = []
  var last: Checkpoint?
  var summary: RunSummary?

  init(_ overrides: [String], from start: Checkpoint? = nil) throws {
    let test = Watched(base: try madeData().subset(0..<64), reads: reads)
    let loop = try makeLoop(text, overrides, data: DatasetParts(train: madeData(), test: test))
    summary = try loop.run(from: start, callbacks: [self])
  }

  func handle(_ event: TrainingEvent, in loop: TrainingLoop) -> TrainingDecision {
    switch event {
    case .step(let report): rates.append(report.learningRate)
    case .epoch(let report): losses.append(report.validationLoss)
    case .message(let text): messages.append(text)
    case .checkpoint(let checkpoint): last = checkpoint
    default: break
    }
    return .proceed
  }
}

@Suite struct ValidationTests {
  private func weights(_ record: Record) throws -> [String: Data] {
    let checkpoint = try #require(record.last)
    return Dictionary(uniqueKeysWithValues: checkpoint.tensors.tensors.map { ($0.name, $0.bytes) })
  }

  @Test("every second epoch is validated, and the last one; the weights are those of a run that validates each")
  func every() throws {
    let (each, second) = (try Record([]), try Record(["training.validation.every=2"]))
    #expect(each.losses.allSatisfy { $0 != nil })
    #expect(second.losses.map { $0 != nil } == [false, true, false, true, true])
    #expect(second.losses[1] == each.losses[1] && second.losses[4] == each.losses[4])
    #expect(try weights(second) == weights(each))
  }

  @Test("where a run ended decides nothing about the one that goes on")
  func goingOn() throws {
    // Nothing improves by a thousand, so after its second validation each further one reduces.
    let settings = [
      "training.validation.every=2", "training.reduce_on_plateau={factor: 0.5, patience: 1, min_delta: 1000}",
    ]
    let whole = try Record(settings + ["training.epochs=9"])
    let cut = try Record(settings + ["training.epochs=5"])
    let rest = try Record(settings + ["training.epochs=9"], from: cut.last)
    #expect(cut.rates + rest.rates == whole.rates)
    #expect(Set(whole.rates).count == 4, "\(Set(whole.rates))")
    #expect(rest.last?.position.bestLoss == whole.last?.position.bestLoss)
    #expect(try weights(rest) == weights(whole))
  }

  @Test("an epoch that is not validated is never the best one")
  func best() throws {
    let record = try Record(["training.validation.every=2", "training.epochs=3"])
    #expect(record.last?.position.isBest == false && record.last?.position.bestLoss == record.losses[1])
  }

  @Test("so many samples are the same ones in each epoch, from anywhere; the test takes all")
  func samples() throws {
    let record = try Record(["training.validation.samples=20"])
    let reads = record.reads.all
    let first = reads.prefix(20)
    #expect(Set(first).count == 20 && first.contains { $0 > 40 }, "\(first)")
    for epoch in 0..<5 { #expect(reads[20 * epoch..<20 * epoch + 20].sorted() == first.sorted()) }
    #expect(reads.dropFirst(100).sorted() == Array(0..<64))
    #expect(record.messages.contains { $0.hasPrefix("epochs are validated on 20 samples of the test set") })
  }

  @Test("a run that was just validated on its whole test set does not compute that again")
  func once() throws {
    let record = try Record(["training.epochs=1"])
    #expect(record.reads.all.count == 64)
    #expect(record.summary?.testLoss == record.losses[0])
  }

  @Test(
    "what no run can follow is refused with the place",
    arguments: [
      ("{every: 0}", "training.validation.every must be a whole number from 1 to"),
      ("{samples: 0}", "training.validation.samples must be a positive whole number or all, not \"0\""),
      ("{samples: some}", "training.validation.samples must be a positive whole number or all, not \"some\""),
      ("{part: 1}", "validation.part is not a key here"),
    ])
  func refused(value: String, words: String) {
    let error = #expect(throws: ConfigurationError.self) {
      try Configuration(text: text, file: "test.yaml", overrides: ["training.validation=\(value)"])
    }
    #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
  }
}
