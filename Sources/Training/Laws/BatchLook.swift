import Foundation
import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackInference
import SwitchbackMonitoring

/// Holds the batch of a probed step against its samples: one row is read again, all are compared with each other.
struct BatchLook {
  private var batches: [(step: Int, samples: ArraySlice<Int32>)] = []
  private var memory: BatchMemory?
  /// How many samples in a row had equal bits.
  private var equal = 0
  private var turn = 0
  /// Whether reading a sample again gives the same bits: not of data that draws random numbers of its own.
  private var readsAlike = true

  /// So many times what differs is read again before the batch is blamed.
  private static let readings = 16

  /// Forgets steps that were not finished.
  mutating func forget() { batches = [] }

  /// Once a probed step was handed over.
  mutating func begin(_ samples: ArraySlice<Int32>, step: Int) { batches.append((step, samples)) }

  /// What its step read, before another one is finished.
  mutating func batch(
    _ result: TrainingSession.StepResult, step: Int, of dataset: any Dataset
  ) throws -> SampledBatch? {
    batches.removeAll { $0.step < step }
    guard let batch = batches.first, batch.step == step, !batch.samples.isEmpty else { return nil }
    batches.removeFirst()
    let executor = result.executor.executor
    let count = batch.samples.count
    let inputs = fields(of: dataset, read: executor, count)
    guard !inputs.isEmpty else { return nil }
    let areEqual = try inputs.allSatisfy { input, _ in
      try executor.withValue(of: input) { bytes in
        let width = bytes.count / count
        return (1..<count).allSatisfy { bytes.isEqual($0 * width, to: bytes, at: 0, width) }
      }
    }
    let row = turn % count
    turn += 1
    // Of rows that are all alike one may well be its sample.
    var wrong: Int?
    if readsAlike {
      wrong = try (areEqual && count > 1 ? [row, (row + 1) % count] : [row]).first { row in
        try !isSample(row, batch.samples, inputs, executor, dataset)
      }
    }
    let before = equal
    equal = areEqual ? min(equal + count, 1 << 20) : 0
    return SampledBatch(
      step: step, samples: count, areEqual: areEqual, equalBefore: before, row: wrong ?? row,
      isItsSample: readsAlike ? wrong == nil : nil)
  }

  private typealias Input = (input: InputHandle, field: Int)

  /// The inputs that are fields as they are. Pictures that an old program reads as numbers have other bits.
  private func fields(of dataset: any Dataset, read executor: ProgramExecutor, _ count: Int) -> [Input] {
    let fields = dataset.fields
    return executor.inputs.compactMap { input in
      guard let field = fields.firstIndex(where: { $0.name == input.name }),
        input.type.byteCount == count * fields[field].byteCount
      else { return nil }
      return (input, field)
    }
  }

  private mutating func isSample(
    _ row: Int, _ samples: ArraySlice<Int32>, _ inputs: [Input], _ executor: ProgramExecutor, _ dataset: any Dataset
  ) throws -> Bool {
    let memory = try self.memory ?? BatchMemory(dataset.fields, rows: 1)
    self.memory = memory
    let index = Int(samples[samples.startIndex + row])
    // What cannot be read any more ends no run here: a step that wants it says so.
    guard (try? dataset.read(index, row: 0, into: memory)) != nil else { return true }
    for (input, field) in inputs {
      let own = UnsafeRawBufferPointer(memory[field, 0])
      let isEqual = try executor.withValue(of: input) { $0.isEqual(row * own.count, to: own, at: 0, own.count) }
      guard !isEqual else { continue }
      let once = [UInt8](own)
      for _ in 0..<Self.readings {
        guard (try? dataset.read(index, row: 0, into: memory)) != nil else { return true }
        guard once.withUnsafeBytes({ $0.isEqual(0, to: own, at: 0, own.count) }) else {
          readsAlike = false
          return true
        }
      }
      return false
    }
    return true
  }
}

extension UnsafeRawBufferPointer {
  /// Whether `width` bytes from `offset` on are those of another buffer.
  fileprivate func isEqual(_ offset: Int, to other: UnsafeRawBufferPointer, at start: Int, _ width: Int) -> Bool {
    guard width > 0, let mine = baseAddress, let its = other.baseAddress else { return true }
    return memcmp(mine + offset, its + start, width) == 0
  }
}
