import Foundation
import SwitchbackExecution
import SwitchbackPrograms

/// A program to run as training runs it.
public struct SegmentProgram: Sendable {
  public var name: String
  public var replay: ReplayFile
  /// How many of the values between are looked at, one at a time, in a run for each.
  public var tapCount: Int

  public init(_ name: String, _ replay: ReplayFile, tapCount: Int) {
    (self.name, self.replay, self.tapCount) = (name, replay, tapCount)
  }
}

/// What is asked of it.
private struct SegmentQuestion {
  /// ` while somebody looks at one value`
  var when: String
  /// What is wrong of this program, or of a part of it; nil where nothing is.
  var ask: (SegmentRun) throws -> String?
  /// Whether rounding has a part in the answer: a gate that only rounding opens is no fault with other numbers too.
  var isOfRounding = true
  /// Whether memory of its own for each result heals it; nil where that is not asked.
  var isHealedByOwnMemory: ((SegmentRun) throws -> Bool)?
}

extension ConformanceSuite {
  /// The program as it is trained, on the candidate with the reference behind it. What is wrong is made as small as it
  /// can be, so that it has a name. Where an output or a state cannot be judged, the verdict says which one.
  public func segments(_ replay: ReplayFile, tapCount: Int = .max) throws -> ConformanceReport.Verdict {
    let chain = candidateWithReference
    let plan = try ExecutionPlan(replay.program, chain: chain, taps: [])
    guard plan.placements.contains(where: { $0.link == 0 }) else { return .declined("nothing of it is taken") }
    var (replay, whole) = (replay, try SegmentRun(replay, reference: reference))
    if !whole.unjudged.isEmpty {
      let other = try SegmentRun(replay.scaled, reference: reference)
      if other.unjudged.count < whole.unjudged.count { (replay, whole) = (replay.scaled, other) }
    }
    var confirming: SegmentRun?
    for question in try questions(of: replay.program, tapCount, on: chain) {
      guard let first = try question.ask(whole) else { continue }
      if question.isOfRounding {
        let other = try confirming ?? SegmentRun(replay.scaled, reference: reference)
        confirming = other
        guard try question.ask(other) != nil else { continue }
      }
      let smallest = try replay.shrunk(on: reference) {
        try question.ask(SegmentRun($0, reference: reference)) != nil
      }
      let run = try SegmentRun(smallest, reference: reference)
      var words = try question.ask(run) ?? first
      if try question.isHealedByOwnMemory?(run) == true {
        words +=
          ". It is right where each result has memory of its own: state the operations of a kernel as one group "
          + "(group_of)"
      }
      return .failed(
        "\(smallest.subject) wrong on \(candidate.links[0].name)\(question.when): \(words)", replay: smallest)
    }
    guard whole.unjudged.isEmpty else {
      return .declined(
        "not judged: Float32 rounding alone is as large as the result: \(whole.unjudged.joined(separator: ", "))")
    }
    return .passed(worst: 0)
  }

  /// How many operations of a program the candidate takes.
  public func takenCount(of program: Program) throws -> Int {
    try ExecutionPlan(program, chain: candidateWithReference, taps: []).placements.count { $0.link == 0 }
  }

  var candidateWithReference: BackendChain {
    BackendChain(candidate.links + reference.links, host: candidate.host)
  }

  /// In the order in which they are asked: a name that an earlier one finds says more.
  private func questions(
    of program: Program, _ tapCount: Int, on chain: BackendChain
  ) throws -> [SegmentQuestion] {
    func words(_ fault: SegmentRun.Fault?, _ run: SegmentRun) -> String? {
      guard let fault else { return nil }
      let subject = run.program.described(fault.name)
      return fault.error.isFinite
        ? "\(subject) differs by \(fault.error.percent) (relative L2); rounding explains \(fault.limit.percent)"
        : "\(subject) has or lacks NaN or an infinity, or changes where nothing should"
    }
    var questions = [
      SegmentQuestion(
        when: " in one segment without taps", ask: { words(try $0.fault(on: chain), $0) },
        isHealedByOwnMemory: { try $0.fault(on: chain, sharesMemory: false) == nil })
    ]
    for tap in taps(of: program, tapCount) {
      questions.append(
        SegmentQuestion(when: " while somebody looks at one value") { run in
          guard run.program.calls.contains(where: { $0.outputs.contains(tap) }) else { return nil }
          return words(try run.fault(on: chain, [tap]), run)
        })
    }
    for names in changes(of: program) {
      let what = names.count == 1 ? "\(names[0]) has" : "\(names.count) operands have"
      questions.append(
        SegmentQuestion(when: " after \(what) got other contents: contents kept across runs") { run in
          // What a smaller program is given in place of a result changes with it.
          let cut = run.program.values.map(\.name).filter { $0.hasPrefix("cut") }
          return words(try run.stale(on: chain, changing: names + cut), run)
        })
    }
    questions.append(try bitsQuestion(on: chain))
    return questions
  }

  /// Bits do not depend on how many workers there are; a device with memory of its own has none of the host's.
  private func bitsQuestion(on chain: BackendChain) throws -> SegmentQuestion {
    guard let chainWithWorkers, !chain.links[0].device.info.hasPrivateMemory else {
      return SegmentQuestion(
        when: " in five runs from the same numbers",
        ask: { run in
          try run.difference(amongRuns: 5, on: chain).map {
            "\(run.program.described($1)) has other bits in run \($0 + 1) than in the first"
          }
        }, isOfRounding: false)
    }
    let counts = [1, 2, 3, 5, 7]
    let chains = try counts.map { count in
      let candidate = try chainWithWorkers(count)
      return BackendChain(candidate.links + reference.links, host: candidate.host)
    }
    return SegmentQuestion(
      when: "",
      ask: { run in
        guard let (place, name) = try run.difference(between: chains) else { return nil }
        let subject = run.program.described(name)
        // Workers that race differ from run to run as well.
        guard try run.difference(amongRuns: 5, on: chains[place]) == nil else {
          return "its bits change from run to run: \(subject) on \(counts[place]) workers"
        }
        return "its bits depend on the number of workers: \(subject) differs between 1 and \(counts[place])"
      }, isOfRounding: false)
  }

  private func taps(of program: Program, _ count: Int) -> [Int] {
    let made = program.calls.flatMap { $0.outputs.compactMap { $0 } }.filter { program.values[$0].role == .temporary }
    guard made.count > count else { return made }
    // Whatever the seed is, negative or too large to add to.
    let shift = Int(UInt64(bitPattern: seed) % UInt64(made.count))
    return (0..<count).map { made[($0 * made.count / count + shift) % made.count] }
  }

  /// Operands whose contents change between two runs, by role: the states, then the inputs.
  private func changes(of program: Program) -> [[String]] {
    [Program.Role.state, .input, .step].compactMap { role in
      let names = program.values(role).filter { program.values[$0].type.elementType.isFloatingPoint }
        .map { program.values[$0].name }
      return names.isEmpty ? nil : names
    }
  }
}

extension ReplayFile {
  /// The operations, as the subject of a sentence about what they are together: `matmul, unary relu together are`.
  var subject: String {
    let labels = program.calls.map(\.label)
    let words = labels.count > 6 ? labels.prefix(3) + ["…"] + labels.suffix(2) : labels[...]
    return labels.count == 1 ? "\(words.joined()) is" : "\(words.joined(separator: ", ")) together are"
  }

  /// The same with slightly other inputs.
  fileprivate var scaled: ReplayFile {
    var replay = self
    for id in program.values(.input) where program.values[id].type.elementType.isFloatingPoint {
      let name = program.values[id].name
      replay.values[name] = values[name]?.map { Double(Float($0 * 1.0078)) }
    }
    return replay
  }
}

extension Program {
  /// `result z (of matmul %9)`: an output or a state by name, with the operation that makes it; other names stay.
  fileprivate func described(_ name: String) -> String {
    let output = outputs.first { $0.name == name }?.value
    guard let id = output ?? values(.state).first(where: { values[$0].name == name }) else { return name }
    let maker = calls.last { $0.outputs.contains(id) }.map { " (of \($0.label) %\(id))" } ?? ""
    return "\(output == nil ? "state" : "result") \(name)\(maker)"
  }
}

extension Double {
  fileprivate var percent: String { String(format: "%.3g %%", 100 * self) }
}
