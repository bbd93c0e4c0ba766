import Foundation
import Switchback
import SwitchbackConformance

/// What is wrong first, in words, and a command that shows it again: it was tried here as the command would.
struct DiffCause {
  /// `layers.1.dense/matmul is wrong on …`
  var message: String
  /// A program that `conformance` finds wrong on that backend; nil where only this command shows it.
  private var conformance: (program: ReplayFile, backend: BackendChain.Link)?
  private let setting: DiffSetting

  /// Of an operation that is wrong.
  init(_ finding: DiffSetting.Finding, _ setting: DiffSetting) throws {
    self.setting = setting
    message = "\(finding.fault)"
    guard let suite = try Self.suite(finding.suspect, setting) else { return }
    // Alone or in a short chain; else inside the step's segment.
    for replay in [finding.fault.replay, finding.step.withoutUpdates, finding.step] {
      guard case .failed(_, let smallest) = try suite.lockstep(replay) else { continue }
      let program = smallest ?? replay
      if case .failed = try suite.lockstep(program) {
        conformance = (program, finding.suspect)
        return
      }
    }
  }

  /// Of a step that is wrong though its operations are right; nil where no part of it is wrong in one run, or none was found
  /// in a minute: of a deep network each question takes seconds, and some ten values of it are looked at.
  init?(_ verdict: DiffSetting.Verdict, _ setting: DiffSetting) throws {
    self.setting = setting
    let deadline = ContinuousClock.now + .seconds(60)
    // The last step first: in the first one biases and slots are zero.
    for step in verdict.steps.reversed().flatMap({ [$0.withoutUpdates, $0] }) {
      for suspect in verdict.suspects {
        guard ContinuousClock.now < deadline else { return nil }
        guard let suite = try Self.suite(suspect, setting) else { continue }
        guard case .failed(let message, let smallest) = try suite.segments(step, tapCount: 10) else { continue }
        self.message = message
        let program = smallest ?? step
        if case .failed = try suite.segments(program) { conformance = (program, suspect) }
        return
      }
    }
    return nil
  }

  /// As `conformance --program` makes it; nil where that command cannot have as many workers here.
  private static func suite(_ suspect: BackendChain.Link, _ setting: DiffSetting) throws -> ConformanceSuite? {
    guard setting.host.workers <= HostServices.usableCores else { return nil }
    var suite = ConformanceSuite(
      try setting.subject.backend(suspect, on: setting.host), reference: setting.reference)
    suite.chainWithWorkers = { try setting.subject.backend(suspect, on: HostServices(workers: $0)) }
    return suite
  }

  /// Writes the program to `file`, if the command needs one, and answers the command.
  func command(writing file: String) throws -> String {
    guard let (program, backend) = conformance else { return Self.thisCommand }
    try AtomicFile.write("\(program)", to: file)
    let workers = setting.host.workers
    return ConformanceLine(
      backend: setting.subject.word(for: backend),
      options: backend.request.options.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" },
      threads: workers == HostServices.usableCores ? 0 : workers
    ).again(program: file)
  }

  /// The command that is running, for the shell.
  static var thisCommand: String {
    (["switchback"] + CommandLine.arguments.dropFirst()).map(\.quotedForShell).joined(separator: " ")
  }
}

extension ReplayFile {
  /// The step without what replaces its states: its gradients show what is wrong, and whatever makes a program small
  /// cannot leave out a change of a state.
  fileprivate var withoutUpdates: ReplayFile {
    var (step, kept) = (self, [Program.Call]())
    var read = Set(program.outputs.map(\.value))
    for call in program.droppingDeadWork().calls.reversed() {
      let results = call.outputs.compactMap { $0 }
      let changesState = results.contains { program.values[$0].role == .state }
      guard !changesState || results.contains(where: { program.values[$0].role != .state && read.contains($0) }) else {
        continue
      }
      kept.append(call)
      read.formUnion(call.inputs)
    }
    step.program.calls = kept.reversed()
    step.program = step.program.droppingDeadWork()
    step.forgetUnusedValues()
    return step
  }
}
