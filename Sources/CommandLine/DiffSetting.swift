import Switchback
import SwitchbackConformance

/// One way to run the compared step: a batch, and so many workers.
struct DiffSetting {
  let subject: DiffSubject
  let batchSize: Int
  let chains: [BackendChain]
  let reference: BackendChain
  var host: HostServices { reference.host }

  /// An operation that is wrong, on whom, and the step that it was found in.
  struct Finding {
    var suspect: BackendChain.Link
    var fault: CallFault
    var step: ReplayFile
  }

  /// What one of the suspects did when it was asked operation by operation.
  struct Asked {
    var name: String
    var step: Int
    var lockstep: Lockstep
  }

  struct Verdict {
    var suspects: [BackendChain.Link] = []
    var asked: [Asked] = []
    var findings: [Finding] = []
    var rows: [StepComparison.Row] = []
    /// The first and the last step's numbers.
    var steps: [ReplayFile] = []

    var agreement: StepAgreement { StepAgreement(rows) }
    var agrees: Bool { findings.isEmpty && agreement.agrees }
    /// `41 operations of openblas and 20 of fft`: those asked in the first step.
    var checkedWords: String {
      let words = asked.filter { $0.step == 1 }.enumerated().map { place, asked in
        "\(asked.lockstep.checkedCount)\(place == 0 ? " operations" : "") of \(asked.name)"
      }
      return words.isEmpty ? "no operations" : words.joined(separator: " and ")
    }
    /// How many operations were asked of all, in the first step.
    var checkedCount: Int { asked.reduce(0) { $0 + ($1.step == 1 ? $1.lockstep.checkedCount : 0) } }
  }

  init(_ subject: DiffSubject, batchSize: Int, host: HostServices, replaying routings: [Routing?] = [nil, nil]) throws {
    (self.subject, self.batchSize) = (subject, batchSize)
    chains = try subject.chains(on: host, replaying: routings)
    reference = try subject.reference(on: host)
  }

  /// The rounding of so many steps is measured: Float64 on the reference is slow.
  static let roundingSteps = 3

  /// Judges every operation by itself and the step as training runs it, `steps` times. `asked` hears of each suspect, and
  /// `stepped` of each step, when it is done.
  func judge(
    steps: Int, asked: (Asked) -> Void = { _ in }, stepped: (StepComparison.Row) -> Void = { _ in }
  ) throws -> Verdict {
    var verdict = Verdict()
    let order = try subject.order(batchSize: batchSize)
    let comparison = try comparison(on: chains)
    func operands(_ index: Int) throws -> ReplayFile {
      let (program, values) = try comparison.operands(subject.train, order.batch(index % order.batchCount))
      return ReplayFile(program, values)
    }
    func ask(_ number: Int, _ step: ReplayFile) throws {
      for suspect in verdict.suspects {
        let lockstep = try Lockstep(
          step.program, step.values, on: BackendChain([suspect], host: host), reference: reference)
        let made = Asked(name: suspect.request.name, step: number, lockstep: lockstep)
        verdict.asked.append(made)
        verdict.findings += lockstep.faults.map { Finding(suspect: suspect, fault: $0, step: step) }
        asked(made)
      }
    }
    verdict.steps = [try operands(0)]
    verdict.suspects = try subject.suspects(chains, comparison.program)
    // Before whole steps: of an operation that crashes alone, the name is known.
    try ask(1, verdict.steps[0])
    for index in 0..<steps {
      if index > 0, index == steps - 1 { verdict.steps.append(try operands(index)) }
      let row = try comparison.advance(
        subject.train, order.batch(index % order.batchCount),
        roundingOn: index < Self.roundingSteps ? reference : nil)
      verdict.rows.append(row)
      stepped(row)
    }
    // In the first step biases and slots are zero, which hides whoever forgets them.
    if verdict.findings.isEmpty, !verdict.agreement.agrees, steps > 1 { try ask(steps, verdict.steps[1]) }
    return verdict
  }

  func comparison(on chains: [BackendChain], isFresh: Bool = false) throws -> StepComparison {
    try StepComparison(
      subject.step, batchSize: batchSize, seed: subject.configuration.training.seed, on: chains[0], and: chains[1],
      isFresh: isFresh)
  }
}
