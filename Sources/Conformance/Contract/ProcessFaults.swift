import SwitchbackABI
import SwitchbackAllocationWatch
import SwitchbackBackendKit
import SwitchbackExecution
import SwitchbackPrograms
import SwitchbackWorkerPool

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

// What a backend does to its process, and what it must answer alike again and again.

extension ContractCase {
  static let processFaults: [ContractCase] = [
    .check("the same question gets the same answer") { environment in
      let device = try environment.backend.open(
        device: environment.device, options: environment.options, host: try environment.host())
      // Drivers compile for a while.
      let mostCompiled = environment.isQuick ? 3 : Int.max
      for entry in OperationCatalog.standard.entries {
        for (index, sample) in entry.samples.enumerated() {
          let segment = Segment(try sample.program())
          environment.say("\(entry.name) \(index)")
          let first = try device.query(segment)
          // After other questions and after compiling, too.
          if index < mostCompiled, first[0].isAccepted { _ = try device.compile(segment) }
          guard try device.query(segment) == first else {
            throw ContractFault("\(entry.name) \(index) gets another answer the second time")
          }
        }
      }
    },

    .check("what is accepted compiles by itself") { environment in
      let device = try environment.backend.open(
        device: environment.device, options: environment.options, host: try environment.host())
      for subject in try environment.subjects() {
        environment.say(subject.label)
        do throws(BackendError) {
          _ = try device.compile(subject.segment)
        } catch {
          throw ContractFault("\(subject.label) is accepted, but does not compile: \(error.message)")
        }
      }
    },

    .check("a value that somebody looks at changes no other bits") { environment in
      let chain = try environment.chainWithReference()
      guard chain.links[0].device.info.isTapStable else {
        throw ContractDeclined("not verified: the device does not claim SB_TAP_STABLE")
      }
      for (label, replay) in try environment.wholePrograms() {
        let temporaries = replay.program.calls.flatMap { $0.outputs.compactMap { $0 } }.filter {
          replay.program.values[$0].role == .temporary
        }
        environment.say(label)
        let expected = try bits(replay, chain, taps: [])
        // All at once, then each by itself.
        let single = environment.isQuick ? temporaries.prefix(5) : temporaries[...]
        for taps in [Set(temporaries)] + single.map({ Set([$0]) }) {
          guard try bits(replay, chain, taps: taps) == expected else {
            let subject = try environment.smallest(replay) { part in
              let made = Set(part.program.calls.flatMap { $0.outputs.compactMap { $0 } })
              let taps = taps.intersection(made)
              return try !taps.isEmpty && bits(part, chain, taps: taps) != bits(part, chain, taps: [])
            }
            throw ContractFault(
              "\(subject) computed with other bits when \(taps.count) of the values are looked at (\(label))")
          }
        }
      }
    },

    ContractCase("the same fingerprint means the same bits in every process", needsTwoProcesses: true) { environment in
      let chain = try environment.chain(try environment.host())
      var notes: [String] = []
      for (label, replay) in try environment.cases() {
        environment.say(label)
        let states = StateStore()
        let executor = try ProgramExecutor(replay.program, on: chain, states: states)
        try executor.fill(replay.values)
        try executor.run()
        let fingerprint = executor.plan.reports.map { String($0.fingerprint, radix: 16) }.joined(separator: ",")
        notes.append("\(label) \(fingerprint) \(String(hash(try bits(replay, chain, taps: [])), radix: 16))")
      }
      return notes
    },

    .check("memory does not grow with devices opened and closed") { environment in
      let host = try environment.host(workers: 1)
      let count = environment.isQuick ? 100 : 1000
      try expectNoGrowth(environment, "opened and closed", count: count) {
        _ = try RawDevice(environment, host: host)
      }
    },

    .check("memory does not grow with segments compiled and released") { environment in
      let device = try RawDevice(environment, host: try environment.host(workers: 1))
      let subjects = try environment.subjects(onePerOperation: true)
      let count = environment.isQuick ? 20 : 200
      try expectNoGrowth(environment, "compiled and released", count: count) {
        for subject in subjects { _ = try RawExecutable(subject.segment, on: device) }
      }
    },

    .check("memory does not grow with runs") { environment in
      let device = try RawDevice(environment, host: try environment.host(workers: 1))
      for (index, subject) in try environment.subjects(onePerOperation: true).enumerated() {
        // A run on a device with memory of its own waits for it; what every run leaves behind is seen in the first.
        let counts = device.hasPrivateMemory && index > 0 ? (quick: 500, all: 2000) : (quick: 4000, all: 10_000)
        let executable = try RawExecutable(subject.segment, on: device)
        executable.fill(subject.operands)
        try executable.run()
        let first = executable.results()
        try expectNoGrowth(environment, subject.label, count: environment.isQuick ? counts.quick : counts.all) {
          try executable.run()
        }
        // Runs have replaced states, so their contents have another generation.
        executable.fill(subject.operands)
        try executable.run(generations: subject.segment.values.map { _ in 2 })
        try expectSame(executable.results(), first, subject, "after thousands of runs")
      }
    },

    .check("a run allocates nothing") { environment in
      let host = try environment.host()
      let device = try RawDevice(environment, host: host)
      guard !environment.isLinkedIn else {
        throw ContractDeclined("it is no library, but a Swift type of this program")
      }
      guard !device.hasPrivateMemory else { throw ContractDeclined("not verified: drivers of devices may") }
      guard switchback_watch_allocations() != 0 else {
        throw ContractDeclined("not verified: calls of malloc cannot be counted in this process")
      }
      let isSwift = switchback_needs_library(
        unsafeBitCast(device.table.run, to: UnsafeRawPointer?.self), "libswiftCore.")
      for subject in try environment.subjects() {
        environment.say(subject.label)
        let executable = try RawExecutable(subject.segment, on: device)
        executable.fill(subject.operands)
        // Libraries set themselves up at their first call. Scratch memory is the host's: each worker's grows to what is
        // asked for when that worker first takes such an item.
        var byteCount = 0
        for _ in 0..<5 {
          let (forkCount, scratch) = (host.forkCount, host.scratchByteCount)
          try executable.run()
          let boxes = isSwift != 0 ? swiftBoxByteCount * (host.forkCount - forkCount) : 0
          byteCount = max(Int(executable.allocatedByteCount) - boxes - (host.scratchByteCount - scratch), 0)
          if byteCount == 0 { break }
        }
        guard byteCount == 0 else {
          throw ContractFault("\(subject.label) asks for \(byteCount) bytes of memory in a run (malloc or its kin)")
        }
      }
    },

    .check("leaves float mode, signal mask and locale as they were, and starts no threads") { environment in
      let before = ProcessState()
      let subjects = try environment.subjects()
      let host = try environment.host()
      let chain = try environment.chain(host)
      for subject in subjects {
        environment.say(subject.label)
        _ = try ProgramEvaluation(subject.program, subject.values, on: chain)
      }
      // The host sets the mode back after every call, so the library is called without it.
      let device = try RawDevice(environment, host: host)
      for subject in subjects {
        environment.say(subject.label)
        let executable = try RawExecutable(subject.segment, on: device)
        executable.fill(subject.operands)
        try executable.run()
        guard sb_float_mode() == before.floatMode else {
          throw ContractFault("the floating-point mode is another one after \(subject.label)")
        }
      }
      let after = ProcessState()
      if let fault = before.difference(after) { throw ContractFault(fault) }
      if let worker = host.workerWithOtherFloatMode {
        throw ContractFault("the floating-point mode is another one on worker \(worker)")
      }
      // Drivers of devices have threads of their own; on the host's processor the pool is the only one.
      guard !chain.links[0].device.info.hasPrivateMemory, let threads = after.threads else { return }
      guard threads <= environment.workers else {
        throw ContractFault("\(threads - environment.workers) threads are running that the host did not start")
      }
    },
  ]

  /// Swift's runtime may box the closures that a backend forks, with what they capture.
  private static let swiftBoxByteCount = 128

  private static func bits(_ replay: ReplayFile, _ chain: BackendChain, taps: Set<Int>) throws -> [[UInt8]] {
    let states = StateStore()
    let executor = try ProgramExecutor(replay.program, on: chain, states: states, taps: taps)
    try executor.fill(replay.values)
    try executor.run()
    var bits: [[UInt8]] = []
    for output in replay.program.outputs { bits.append(try executor.withValue(output.value) { Array($0) }) }
    for name in states.states.keys.sorted() { bits.append(try states.withBytes(of: name) { Array($0) }) }
    return bits
  }

  private static func hash(_ bits: [[UInt8]]) -> UInt64 {
    var fingerprint = Fingerprint()
    for value in bits { fingerprint.mix(bytes: value) }
    return fingerprint.value
  }

  /// Memory may settle in the first part of the work, and once more by what allocators do beside it; not grow in every
  /// part.
  private static func expectNoGrowth(
    _ environment: ContractEnvironment, _ label: String, count: Int, _ work: () throws -> Void
  ) throws {
    environment.say("\(label), \(2 * count) times")
    let openFiles = openFileCount()
    /// Libraries open a few when they set themselves up.
    func checkFiles(after times: Int) throws {
      guard let openFiles, let now = openFileCount(), now > openFiles + 16 else { return }
      throw ContractFault("\(label): \(now - openFiles) more files are open after \(times) times")
    }
    for turn in 1...count {
      try work()
      // Before there are too many for one more to be opened.
      if turn == 100 || turn == count { try checkFiles(after: turn) }
    }
    guard var before = privateBytes() else { throw ContractDeclined("this system does not tell a process's memory") }
    var grown = 0
    for _ in 0..<2 {
      for _ in 0..<count { try work() }
      let after = privateBytes() ?? before
      (grown, before) = (after - before, after)
      if grown <= 128 << 10 { return }
    }
    throw ContractFault("\(label): \(grown >> 10) KiB more memory after \(count) times")
  }

  /// Nil where the system does not tell.
  private static func openFileCount() -> Int? {
    guard let directory = opendir("/proc/self/fd") else { return nil }
    defer { closedir(directory) }
    var count = 0
    while readdir(directory) != nil { count += 1 }
    return count
  }

  /// Anonymous memory that this process holds, exactly (`statm` lags behind by up to a megabyte).
  private static func privateBytes() -> Int? {
    // What was freed before would hide what is taken now. Only glibc has it, and Swift's module of glibc does not.
    typealias Trim = @convention(c) (Int) -> CInt
    if let trim = dlsym(nil, "malloc_trim") { _ = unsafeBitCast(trim, to: Trim.self)(0) }
    guard let file = fopen("/proc/self/smaps_rollup", "r") else { return nil }
    defer { fclose(file) }
    var text = [CChar](repeating: 0, count: 4096)
    let count = fread(&text, 1, text.count - 1, file)
    let lines = String(decoding: text[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self).split(separator: "\n")
    let line = lines.first { $0.hasPrefix("Anonymous:") }
    return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 << 10 }
  }
}

/// What calls into a library must leave alone.
private struct ProcessState {
  var floatMode = sb_float_mode()
  var signals: [Int32] = []
  var locale = setlocale(LC_ALL, nil).map { String(cString: $0) } ?? ""
  var threads: Int?

  init() {
    var mask = sigset_t()
    sigprocmask(SIG_BLOCK, nil, &mask)
    signals = (1..<32).filter { sigismember(&mask, $0) == 1 }
    guard let directory = opendir("/proc/self/task") else { return }
    var count = 0
    while readdir(directory) != nil { count += 1 }
    closedir(directory)
    threads = count - 2
  }

  func difference(_ after: ProcessState) -> String? {
    if after.floatMode != floatMode { return "the floating-point mode is another one" }
    if after.signals != signals { return "the mask of blocked signals is another one" }
    if after.locale != locale { return "the locale is \(after.locale), no longer \(locale)" }
    return nil
  }
}
