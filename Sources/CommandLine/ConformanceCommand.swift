import ArgumentParser
import Foundation
import Switchback
import SwitchbackConformance
import SwitchbackCrashNote
import SwitchbackPrograms

struct ConformanceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "conformance",
    abstract: "Proves a backend against the Float64 reference, and by every rule of the contract.",
    discussion: flowing(
      """
      Examples:

        switchback conformance --backend openblas --quick
        switchback conformance --backend ./libSwitchbackyours.so
        switchback conformance --backend openblas --filter conv2d --json
        # a case that failed, again:
        switchback conformance --backend openblas \\
          --program conformance-failures/openblas-1/1.program

      Ends with 0 where all that the backend takes is right, with 1 otherwise.
      """))

  @Option(help: "The backend: a name or the path of a library.", completion: .list(backendWords))
  var backend: String

  @Option(name: .customLong("option"), help: "An option of the backend, such as force=true; repeatable.")
  var options: [String] = []

  @Option(
    name: .customLong("filter"),
    help: """
      Only cases whose family and name contain this, such as conv2d, random, 'contract reads', or the title of what was \
      found wrong, such as 'unary relu'; repeatable.
      """)
  var filters: [String] = []

  @Option(help: "Leaves out cases whose family and name contain this; repeatable.")
  var skip: [String] = []

  @Option(help: "The seed of the random numbers.")
  var seed = 1

  @Flag(help: "A part of the cases: about a minute, on OpenCL up to two.")
  var quick = false

  @Option(help: "Runs only this program, a text with or without numbers.", completion: .file())
  var program: String?

  @Option(help: "Workers; 0: one a core.")
  var threads = 0

  @Option(help: "Seconds that one case may take.")
  var limit = ConformanceLine.usualLimit

  @Flag(help: "One JSON object on standard output.")
  var json = false

  @Option(help: "Writes a JUnit file, for CI systems.", completion: .file())
  var junit: String?

  @Option(
    help: "The folder in which the programs that show what is wrong get a new folder, named after the backend.",
    completion: .directory)
  var failures = "conformance-failures"

  /// Of the child, which runs the cases and tells its parent what it is about to try.
  @Flag(help: .hidden)
  var runsCases = false

  private struct Result: Encodable {
    struct Failure: Encodable {
      var name: String
      var message: String
      /// Failures of one cause share it, and the file that shows it.
      var cause: String
      var replay: String?
    }
    var backend: String
    var seed: Int
    var families: [ConformanceReport.Row]
    var failures: [Failure]
  }

  func validate() throws {
    try checkLimit(limit)
    guard (0...1024).contains(threads) else {
      throw ValidationError("--threads takes 0 (one a core) to 1024, not \(threads)")
    }
  }

  func run() throws {
    try reportingErrors { try runsCases ? runCases() : superviseCases() }
  }

  /// What the file says when every case was tried: a backend that calls `exit(0)` has passed nothing.
  private static let finished = "finished"

  /// Runs the cases in a child: a kernel that crashes or hangs is a failure with a name, not the end of the report.
  private func superviseCases() throws {
    // What cannot be loaded is an error of its own.
    let runner = ContractRunner(
      backend: backend, options: options, threads: threads, isQuick: quick, limit: Double(limit))
    if case .failed(let message) = try runner.run(.loading) { throw fail(message, ExitStatus.noBackend) }
    let progress = try UnnamedFile()
    try progress.checkRoom()
    let child = try ChildProcess(
      CommandLine.arguments.dropFirst() + ["--runs-cases"], sharingOutputWhile: progress,
      changesWithin: Double(limit))
    let name = progress.text
    let fault: String
    switch child.ending {
    case .exited(let status) where name == Self.finished:
      if status != 0 { throw ExitCode(status) }
      return
    // A mistake in the options, say.
    case .exited(let status) where status != 0 && name.isEmpty: throw ExitCode(status)
    case .exited(let status): fault = "it ended the process (status \(status))"
    case .signal, .timedOut: fault = child.ending.fault ?? ""
    }
    if json {
      Terminal.write(
        Terminal.json(
          Result(
            backend: backend, seed: seed, families: [],
            failures: [.init(name: name, message: fault, cause: name, replay: nil)])
        ))
    }
    throw fail("\(backend): \(fault): \(name)\n  again: \(again(name))", ExitStatus.failure)
  }

  /// What asks this backend again: the case called `name`, or the program that was given.
  private func again(_ name: String) -> String { program.map(line.again(program:)) ?? line.again(case: name) }

  private var line: ConformanceLine {
    ConformanceLine(backend: backend, options: options, threads: threads, seed: seed, isQuick: quick, limit: limit)
  }

  private func runCases() throws {
    Terminal.keepOutputFromLibraries()
    let candidate = try chain(on: try makeHost(threads: threads))
    let reference = try BackendChain.reference(makeRegistry(), host: candidate.host)
    var suite = ConformanceSuite(candidate, reference: reference)
    (suite.seed, suite.isQuick, suite.filters, suite.skipped) = (Int64(seed), quick, filters, skip)
    let tell = ChildProgress().tell
    defer { tell(Self.finished) }
    switchback_report_crashes()
    var subject: UnsafeMutablePointer<CChar>?
    suite.willTry = { family, name in
      let words = "\(family) \(name)"
      tell(words)
      let before = subject
      subject = strdup("the backend \(backend) was at work on \(words). Again: \(again(words))")
      switchback_crash_subject(subject)
      free(before)
    }
    var chains: [Int: BackendChain] = [:]
    suite.chainWithWorkers = { count in
      if let known = chains[count] { return known }
      // More than there are cores for, too: what is asked is right, not quick.
      let made = try chain(on: try HostServices(workers: count))
      chains[count] = made
      return made
    }
    if let program {
      suite.willTry("the program", program)
      try check(program, suite)
      return
    }
    suite.programs = try ConformancePrograms.all(isQuick: quick)
    suite.segmentPrograms = try ConformancePrograms.segments(isQuick: quick) + ChainPrograms.all(isQuick: quick)
    suite.trainingRuns = quick ? [] : try ConformancePrograms.runs()
    let runner = ContractRunner(
      backend: backend, options: options, threads: threads, isQuick: quick, limit: Double(limit))
    suite.furtherCases = ContractCase.all.map { contract in
      FurtherCase("contract", contract.name) { try runner.verdict(contract) }
    }
    var told: Set<String> = []
    var progress = ConformanceProgress()
    let report = suite.run { made in
      if !json { progress.hear(made) }
      guard case .failed(let message, _) = made.verdict, !json, told.insert(made.cause ?? "").inserted else { return }
      Terminal.say(["✗ \(made.family) \(made.name)", "  \(message)"])
    }
    if !json { progress.finish() }
    guard !report.cases.isEmpty else {
      let names = OperationCatalog.standard.entries.map { $0.name }
      let nearest = filters.lazy.compactMap { NearestWord.of($0, among: names) }.first
      throw fail(
        "no case is left: nothing has \"\(filters.joined(separator: "\" or \""))\" in its family and name, or --skip takes all that has"
          + NearestWord.hint(nearest), ExitCode(64))
    }
    // What was found is shown whatever else can be written.
    var (files, unwritten) = (report.causes.map { _ in String?.none }, [FileError]())
    do throws(FileError) { try writeFailures(report, &files) } catch { unwritten.append(error) }
    if json {
      let failures = report.failures
      let failed = zip(report.causes, files).flatMap { cause, file in
        cause.failures.map {
          Result.Failure(name: failures[$0].name, message: failures[$0].message, cause: cause.name, replay: file)
        }
      }
      Terminal.write(
        Terminal.json(Result(backend: report.backend, seed: seed, families: report.rows, failures: failed)))
    } else {
      show(report, files)
    }
    if let junit {
      do throws(FileError) { try AtomicFile.write(report.junit, to: Terminal.path(junit)) } catch {
        unwritten.append(error)
      }
    }
    let statuses = unwritten.map { fail("\($0)", status(of: $0)) }
    if !report.hasPassed { throw ExitStatus.failure }
    if let first = statuses.first { throw first }
  }

  private func chain(on host: HostServices) throws -> BackendChain {
    try BackendChain(
      [backend], registry: makeRegistry(), options: [backend: try backendOptions(options, of: backend)], host: host)
  }

  private func show(_ report: ConformanceReport, _ files: [String?]) {
    var table = TextTable(
      ["family", "passed", "declined", "failed", "worst that passed / bound", "seconds"],
      rightAligned: [1, 2, 3, 4, 5])
    for row in report.rows {
      table.add([
        row.family, "\(row.passed)", "\(row.declined)", "\(row.failed)",
        row.passed > 0 ? String(format: "%.3f", row.worst) : "–", String(format: "%.1f", row.seconds),
      ])
    }
    Terminal.write(table.text)
    let rows = report.rows
    let sums = (
      rows.reduce(0) { $0 + $1.passed }, rows.reduce(0) { $0 + $1.declined }, rows.reduce(0) { $0 + $1.failed }
    )
    Terminal.write("\n\(report.backend): \(sums.0) passed, \(sums.1) declined, \(sums.2) failed")
    let slowest = report.cases.sorted { $0.seconds > $1.seconds }.prefix(3).filter { $0.seconds >= 5 }
    for made in slowest {
      Terminal.write("  \(String(format: "%.0f", made.seconds)) s of them: \(made.family) \(made.name)")
    }
    // What an operation does by itself it does in segments too.
    let causes = report.causes
    let alone = causes.filter(\.isOfOneOperation)
    func plainCause(of other: ConformanceReport.Cause) -> ConformanceReport.Cause? {
      other.isOfOneOperation ? nil : alone.first { !Set($0.operations).isDisjoint(with: other.operations) }
    }
    for (cause, file) in zip(causes, files) where plainCause(of: cause) == nil {
      let others = causes.filter { plainCause(of: $0)?.name == cause.name }
      let segments = cause.isOfOneOperation ? others.reduce(cause.programCount) { $0 + $1.failures.count } : 0
      let count = cause.failures.count - (cause.isOfOneOperation ? cause.programCount : 0)
      Terminal.write("✗ \(cause.name): \(count) case\(count == 1 ? "" : "s")")
      let first = report.failures[cause.failures[0]].name
      Terminal.write("  again: \(file.map(line.again(program:)) ?? line.again(case: first))")
      if segments > 0 { Terminal.write("  also in \(segments) segment\(segments == 1 ? "" : "s")") }
    }
    if sums.0 + sums.2 == 0 { Terminal.write("nothing was taken, so nothing is proved", to: .standardError) }
  }

  /// Operation by operation, as a segment, then twice; and what of it could not be judged.
  private func judge(_ replay: ReplayFile, _ suite: ConformanceSuite) throws -> (ConformanceReport.Verdict, String) {
    let verdict = try suite.lockstep(replay)
    guard case .passed = verdict else { return (verdict, "") }
    var unjudged = ""
    // What is right operation by operation may be wrong when nobody looks at what is between.
    switch try suite.segments(replay) {
    case .failed(let message, let smallest): return (.failed(message, replay: smallest), "")
    case .declined(let reason): unjudged = "; in one segment \(reason)"
    case .passed, .notAsked: break
    }
    let repeated = try suite.twice(replay)
    if case .failed = repeated { return (repeated, "") }
    return (verdict, unjudged)
  }

  private func check(_ file: String, _ suite: ConformanceSuite) throws {
    let text = try TextFile.read(file)
    let replay: ReplayFile
    do {
      replay = try ReplayFile(text: text)
    } catch {
      throw fail("\(file): \(error.message)", ExitStatus.badData)
    }
    // What workers race for shows in some runs.
    let deadline = ContinuousClock.now + .seconds(5)
    var (verdict, unjudged) = try judge(replay, suite)
    for _ in 1..<10 {
      guard case .passed = verdict, ContinuousClock.now < deadline else { break }
      (verdict, unjudged) = try judge(replay, suite)
    }
    let (taken, count) = (try suite.takenCount(of: replay.program), replay.program.calls.count)
    let share = taken < count ? "; \(taken) of \(count) operations on \(backend)" : ""
    switch verdict {
    case .passed(let worst): Terminal.write("passed; the worst error is \(worst) of its bound\(unjudged)\(share)")
    case .declined(let reason): Terminal.write("declined: \(reason)")
    case .notAsked: Terminal.write("there is nothing to ask")
    case .failed(let message, _):
      Terminal.write(message)
      throw ExitStatus.failure
    }
  }

  /// Writes the files of the causes, in their order, in a folder that this run makes; nil stays where one has no program.
  private func writeFailures(_ report: ConformanceReport, _ files: inout [String?]) throws(FileError) {
    let causes = report.causes
    guard causes.contains(where: { $0.replay != nil }) else { return }
    try Folder.make(failures)
    var number = 1
    func folder() -> String { "\(failures)/\(report.backend.filter { $0.isLetter || $0.isNumber })-\(number)" }
    while try !Folder.makeNew(folder()) { number += 1 }
    for (index, cause) in causes.enumerated() {
      guard let replay = cause.replay else { continue }
      let file = "\(folder())/\(index + 1).program"
      try AtomicFile.write("\(replay)", to: file)
      files[index] = file
    }
  }
}

/// Seconds that a child may take.
func checkLimit(_ limit: Int) throws {
  guard (1...1_000_000).contains(limit) else { throw ValidationError("--limit takes seconds from 1 on, not \(limit)") }
}

/// Options with which a backend takes what would be faster elsewhere too: whoever checks it wants to see that.
let optionsThatTakeAll = ["fft": ["force": "true"]]

/// Those given as key=value, and what makes a backend take all that it can.
func backendOptions(_ given: [String], of backend: String) throws -> [String: String] {
  var result = optionsThatTakeAll[backend] ?? [:]
  for option in given {
    let parts = option.split(separator: "=", maxSplits: 1).map(String.init)
    guard parts.count == 2 else { throw fail("--option takes key=value, not \(option)", ExitCode(64)) }
    result[parts[0]] = parts[1]
  }
  return result
}
