import Dispatch
import SwitchbackABI
import SwitchbackBackendKit
import SwitchbackExecution
import SwitchbackPrograms

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A host whose services are not those that a backend is used to.
private final class FaultyHost {
  let services: HostServices
  private let real: HostServices
  private let table: UnsafeMutablePointer<sb_host>

  init(_ real: HostServices, _ change: (inout sb_host) -> Void) {
    self.real = real
    table = .allocate(capacity: 1)
    table.initialize(to: real.table.pointee)
    change(&table.pointee)
    services = HostServices(borrowing: table)
  }

  deinit { table.deallocate() }
}

extension ContractCase {
  static let hostFaults: [ContractCase] = [
    store("a store that forgets everything is no harm") { table in
      table.recall = { _, _, _, _ in sb_status(SB_END) }
      table.remember = { _, _, _, _ in sb_status(SB_OK) }
    },
    store("a store that refuses, and no folder to write to, are no harm") { table in
      table.recall = { _, _, _, _ in sb_status(SB_INVALID) }
      table.remember = { _, _, _, _ in sb_status(SB_INVALID) }
      table.cache_folder = nil
    },
    store("a store that gives rubbish is no harm") { table in
      table.recall = { _, _, bytes, count in
        guard let bytes, let count else { return sb_status(SB_INVALID) }
        memset(bytes, 0xA5, Int(min(count.pointee, 1 << 20)))
        return sb_status(SB_OK)
      }
    },
    store("a store that gives more than there is room for is no harm") { table in
      table.recall = { _, _, _, count in
        count?.pointee = 1 << 40
        return sb_status(SB_INVALID)
      }
    },

    .check("no scratch memory is an error or no harm, never a crash") { environment in
      let host = FaultyHost(try environment.host()) { $0.scratch = { _, _, _ in nil } }
      let (faulty, good) = (try environment.chain(host.services), try environment.chain(try environment.host()))
      for subject in try environment.someSubjects() {
        environment.say(subject.label)
        let found: [String: [Double]]
        do {
          found = try ProgramEvaluation(subject.program, subject.values, on: faulty).outputs
        } catch let error as ExecutionError {
          guard !error.message.isEmpty else { throw ContractFault("\(subject.label) fails without words") }
          continue
        }
        try expectEqual(
          found, try ProgramEvaluation(subject.program, subject.values, on: good).outputs, subject.label,
          "without scratch memory")
      }
    },

    .check("writes and reads no scratch memory but what it asked for") { environment in
      let host = FaultyHost(try environment.host()) { $0.scratch = { _, _, bytes in GuardedScratch.take(Int(bytes)) } }
      let (guarded, plain) = (try environment.chain(host.services), try environment.chain(try environment.host()))
      for subject in try environment.subjects() {
        environment.say(subject.label)
        let found = try ProgramEvaluation(subject.program, subject.values, on: guarded).outputs
        let broken = GuardedScratch.brokenByteCount()
        guard broken == 0 else {
          throw ContractFault("\(subject.label) writes \(broken) bytes beside its scratch memory")
        }
        try expectEqual(
          found, try ProgramEvaluation(subject.program, subject.values, on: plain).outputs, subject.label,
          "where NaN lay in its scratch memory")
      }
    },

    .check("1, 2 and 3 workers give the same bits") { environment in
      let chains = try [1, 2, 3].map { try environment.chain(try environment.host(workers: $0)) }
      for (label, replay) in try environment.cases() {
        environment.say(label)
        func results(_ replay: ReplayFile) throws -> [[String: [UInt64]]] {
          try chains.map {
            try ProgramEvaluation(replay.program, replay.values, on: $0).outputs.mapValues { $0.map(\.bitPattern) }
          }
        }
        func otherCount(_ results: [[String: [UInt64]]]) -> Int? {
          results.firstIndex { $0 != results[0] }.map { $0 + 1 }
        }
        guard let workers = otherCount(try results(replay)) else { continue }
        let subject = try environment.smallest(replay) { try otherCount(results($0)) != nil }
        throw ContractFault("\(subject) computed with other bits by \(workers) workers than by 1 (\(label))")
      }
    },

    .check("two devices at once give the bits of one") { environment in
      let cases = try environment.cases()
      let one = try environment.chain(try environment.host())
      let expected = try cases.map { try ProgramEvaluation($0.replay.program, $0.replay.values, on: one).outputs }
      let host = try environment.host()
      let chains = try (0..<2).map { _ in try environment.chain(host) }
      environment.say("\(cases.count) cases on two devices at once")
      let rounds = environment.isQuick ? 2 : 10
      /// Runs on each device all of `replays`, begun at another one; the first with other bits, or an error.
      func fault(_ replays: [ReplayFile], _ expected: [[String: [Double]]]) -> (number: Int, words: String)? {
        nonisolated(unsafe) var faults: [(Int, String)?] = [nil, nil]
        faults.withUnsafeMutableBufferPointer { buffer in
          nonisolated(unsafe) let faults = buffer
          DispatchQueue.concurrentPerform(iterations: 2) { index in
            for turn in 0..<rounds * replays.count where faults[index] == nil {
              let number = (turn % replays.count + index * 3 + turn / replays.count) % replays.count
              let replay = replays[number]
              do {
                let found = try ProgramEvaluation(replay.program, replay.values, on: chains[index])
                try expectEqual(found.outputs, expected[number], "it", "while another device runs")
              } catch {
                faults[index] = (number, "\(error)")
              }
            }
          }
        }
        return faults.compactMap { $0 }.first
      }
      guard let (number, words) = fault(cases.map(\.replay), expected) else { return }
      // What it takes others for to go wrong stays whole.
      let subject = try environment.smallest(cases[number].replay) { part in
        fault([part], [try ProgramEvaluation(part.program, part.values, on: one).outputs]) != nil
      }
      throw ContractFault(
        "\(subject) computed with other bits beside another device: \(words) (\(cases[number].label))")
    },
  ]

  /// Everything is computed as with an ordinary store.
  private static func store(_ name: String, _ change: @escaping @Sendable (inout sb_host) -> Void) -> ContractCase {
    .check(name) { environment in
      let host = FaultyHost(try environment.host(), change)
      let good = try environment.chain(try environment.host())
      let faulty = try environment.chain(host.services)
      for subject in try environment.someSubjects() {
        environment.say(subject.label)
        // What was tuned otherwise may round otherwise, within the bound.
        let check = try CallCheck(subject.program.calls[0], of: subject.program)
        let found = try check.results(subject.operands, on: faulty)
        let expected = try check.results(subject.operands, on: good)
        let error = check.error(found, expected, subject.operands)
        guard error <= 2 else { throw ContractFault("\(subject.label) is then \(error.inBounds) off") }
      }
    }
  }

  static func expectEqual(
    _ found: [String: [Double]], _ expected: [String: [Double]], _ label: String, _ when: String
  ) throws {
    for (name, numbers) in expected where numbers.map(\.bitPattern) != found[name]?.map(\.bitPattern) {
      throw ContractFault("\(label) has other bits \(when) (in \(name))")
    }
  }
}

extension ContractEnvironment {
  /// Whole programs of which the backend takes all, the small cases of single operations else.
  func cases() throws -> [(label: String, replay: ReplayFile)] {
    let device = try backend.open(device: self.device, options: options, host: try host())
    let whole = try wholePrograms().filter { try device.query(Segment($0.replay.program)).allSatisfy(\.isAccepted) }
    return try someSubjects().map { ($0.label, ReplayFile($0.program, $0.values)) } + whole
  }

  /// The smallest part of a program that `fails`, as the subject of a sentence.
  func smallest(_ replay: ReplayFile, while fails: (ReplayFile) throws -> Bool) throws -> String {
    try replay.shrunk(on: referenceChain(), while: fails).subject
  }

  /// Training steps and random programs.
  func wholePrograms() throws -> [(label: String, replay: ReplayFile)] {
    var whole = programs.enumerated().map { ("training step \($0)", $1) }
    whole.append(("two products", try Self.products))
    for seed in 0..<(isQuick ? 4 : 20) {
      let random = try RandomProgram(seed: seed)
      whole.append(("random program \(seed)", ReplayFile(random.program, random.values)))
    }
    return whole
  }

  /// What even the smallest backend takes as one segment.
  private static var products: ReplayFile {
    get throws {
      var builder = ProgramBuilder(name: "products")
      let (x, w, v) = (
        builder.input("x", .float32([5, 4])), builder.input("w", .float32([4, 3])),
        builder.input("v", .float32([3, 2]))
      )
      let gate = try builder.append(Unary(.relu), builder.append(MatrixMultiplication(), x, w))
      builder.output("y", try builder.append(MatrixMultiplication(), gate, v))
      let numbers = [x, w, v].enumerated().map { index, value in
        SampleValues.uniform(value.shape.elementCount, seed: 1, stream: index).map { Double(Float($0 - 0.5)) }
      }
      return ReplayFile(builder.build(), ["x": numbers[0], "w": numbers[1], "v": numbers[2]])
    }
  }
}
