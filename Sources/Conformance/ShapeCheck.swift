import SwitchbackBackendKit
public import SwitchbackExecution
public import SwitchbackPrograms

/// Judges the operations of a program on several backends at the program's own shapes: nothing is timed for
/// `backend: auto` that does not compute rightly there.
///
/// Operands are what flows through the program from given inputs and weights. The truth is the reference's in Float64;
/// of convolutions too large for it, that of one or two images of the batch (`CheckedImages`).
public final class ShapeCheck {
  private let program: Program
  private let links: [BackendChain.Link]
  private let host: HostServices
  private let reference: BackendChain
  /// Ran the program once, and keeps every value that it computed.
  private let flow: ProgramExecutor
  private var verdicts: [Key: [Int: String?]] = [:]

  private struct Key: Hashable {
    var operation: AnyHashable
    var types: [TensorType]
  }

  /// `chain` runs the program once; `prepare` fills inputs, step values and states.
  public init(
    _ program: Program, on chain: BackendChain, reference: BackendChain, prepare: (ProgramExecutor) throws -> Void
  ) throws {
    self.program = program.droppingDeadWork()
    (links, host, self.reference) = (chain.links, chain.host, reference)
    var whole = self.program
    let known = Set(whole.outputs.map(\.value))
    let results = Set(whole.calls.flatMap { $0.outputs.compactMap { $0 } }).subtracting(known)
    whole.outputs += results.sorted().filter { whole.values[$0].role == .temporary }.map {
      Program.Output(name: "value \($0)", value: $0)
    }
    flow = try ProgramExecutor(whole, on: chain, states: StateStore())
    try prepare(flow)
    try flow.run()
  }

  /// Why the results of a call on a link are not within its bound; nil where they are. Equal operations on equal types
  /// are checked once.
  public func fault(_ call: Int, on link: Int) throws -> String? {
    let call = program.calls[call]
    let key = Key(operation: AnyHashable(call.operation), types: call.inputs.map { program.values[$0].type })
    if let known = verdicts[key]?[link] { return known }
    let check = try CallCheck(call, of: program)
    let found = try judge(check, link)
    verdicts[key, default: [:]][link] = .some(found)
    return found
  }

  private func judge(_ check: CallCheck, _ link: Int) throws -> String? {
    let factor: Double
    switch try links[link].device.query(Segment(check.program))[0] {
    case .decline(let reason): return "alone it is declined: \(reason)"
    case .accept(let given, _), .acceptWithPrevious(let given, _): factor = given
    }
    let operands = try check.call.inputs.map { id in
      try flow.withValue(id) { ProgramEvaluation.load($0, program.values[id].type) }
    }
    let part = CheckedImages(check, operands)
    let candidate = BackendChain([links[link]], host: host)
    let found = try check.results(part.operands, on: candidate).map(part.selected)
    let truth = try CallCheck(check.call.operation, part.referenceTypes)
      .truth(part.referenceOperands, on: reference)
    let error = check.error(found, truth, part.operands) / factor
    return error <= 1 ? nil : "\(error.inBounds) off"
  }
}
