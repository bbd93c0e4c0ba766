public import SwitchbackExecution
public import SwitchbackPrograms

/// Walks everything that can be asked of a backend: whoever writes one runs this.
public struct ConformanceSuite {
  /// Hold one backend each; the reference computes in Float32 and Float64.
  let candidate: BackendChain
  let reference: BackendChain
  public var seed: Int64 = 1
  /// A part that takes less than a minute, on a device whose driver compiles each kernel up to two.
  public var isQuick = false
  /// Only cases whose family and name contain one of the first (all, where there are none), and none that contain one of
  /// the second. The title of a cause stands for the cases that it may be of: `unary relu`, `matmul + unary relu`.
  public var filters: [String] = []
  public var skipped: [String] = []
  /// Hears of each case before it is tried.
  public var willTry: (_ family: String, _ name: String) -> Void = { _, _ in }
  /// Opens the candidate on a host with so many workers; where there is none, other numbers of workers are not asked.
  public var chainWithWorkers: ((Int) throws -> BackendChain)?
  public var catalog = OperationCatalog.standard
  /// Whole programs to run in lockstep: training steps.
  public var programs: [(name: String, replay: ReplayFile)] = []
  /// Whole programs to run as training does; `ChainPrograms` has those around chains of operations.
  public var segmentPrograms: [SegmentProgram] = []
  /// What must be learned as on the reference.
  public var trainingRuns: [TrainingRun] = []
  /// Further cases of whoever can run them: those of the contract, each in a process of its own.
  public var furtherCases: [FurtherCase] = []

  public init(_ candidate: BackendChain, reference: BackendChain) {
    (self.candidate, self.reference) = (candidate, reference)
  }

  /// Runs all cases; `progress` hears of each when it is done.
  public func run(_ progress: (ConformanceReport.Case) -> Void = { _ in }) -> ConformanceReport {
    var report = ConformanceReport(backend: candidate.links[0].name, seed: seed)
    let further = furtherCases.filter { isMeant($0.family, $0.name) }
    let answers = FurtherCases(further)
    func add(_ asked: ConformanceReport.Case) {
      var made = asked
      if case .failed(_, let replay?) = made.verdict {
        made.taken = (try? taken(replay.program)) ?? []
      }
      report.cases.append(made)
      progress(made)
    }
    func check(
      _ family: String, _ name: String, titles: [String] = [], _ body: () throws -> ConformanceReport.Verdict
    ) {
      guard isMeant(family, name, titles) else { return }
      willTry(family, name)
      add(ConformanceReport.Case(family, name, asking: body))
    }
    for entry in catalog.entries {
      for (index, sample) in entry.askedSamples(areQuick: isQuick).enumerated() {
        let name = "\(index): \(Self.words(sample))"
        let title = [ConformanceReport.title(of: sample.operation)]
        for round in 0..<(isQuick ? 1 : 3) {
          check(entry.name, name, titles: title) { try operation(sample, seed: seed &+ Int64(round)) }
        }
        check(entry.name, name + ", special values", titles: title) { try special(sample) }
        check(entry.name, name + ", twice", titles: title) { try twice(sample) }
        if isDecomposed(sample) {
          check(entry.name, name + ", decomposed", titles: title) {
            try operation(sample, seed: seed, isDecomposed: true)
          }
          check(entry.name, name + ", decomposed, special values", titles: title) {
            try special(sample, isDecomposed: true)
          }
        }
        for question in entry.questions(on: sample) {
          switch question {
          case .numbers(let word, let domains):
            let other = OperationSample(sample.operation, sample.inputs, domains)
            check(entry.name, "\(name), \(word)", titles: title) { try operation(other, seed: seed) }
          case .background:
            let other = OperationSample(
              sample.operation, sample.inputs, [.background(-2, 2)] + sample.domains.dropFirst())
            check(entry.name, "\(name), background", titles: title) {
              try operation(other, seed: seed, asksZeros: true)
            }
          case .oneBadNumber: check(entry.name, name + ", one bad number", titles: title) { try oneBad(sample) }
          case .kinks: break  // Among the special values.
          }
        }
      }
    }
    func titles(_ replay: ReplayFile) -> [String] {
      replay.program.calls.map { ConformanceReport.title(of: $0.operation) }
    }
    for (name, replay) in programs {
      check("training steps", name, titles: titles(replay)) { try lockstep(replay) }
    }
    for program in segmentPrograms {
      check("segments", program.name, titles: titles(program.replay)) {
        try segments(program.replay, tapCount: program.tapCount)
      }
    }
    for index in 0..<(isQuick ? 10 : 100) {
      let number = Int(seed) &* 1000 &+ index
      check("random programs", "seed \(number)") {
        let random = try RandomProgram(seed: number, catalog: catalog)
        return try lockstep(ReplayFile(random.program, random.values))
      }
    }
    for training in trainingRuns { check("training runs", training.name) { try train(training) } }
    for index in further.indices { add(answers.result(of: index) { willTry($0.family, $0.name) }) }
    return report
  }

  /// For each operation of a program, whether the candidate takes it.
  private func taken(_ program: Program) throws -> [Bool] {
    try candidate.links[0].device.query(.init(program)).map(\.isAccepted)
  }

  /// Whether the filters leave a case.
  private func isMeant(_ family: String, _ name: String, _ titles: [String] = []) -> Bool {
    func isIn(_ filters: [String]) -> Bool { filters.contains { Self.isMeant($0, family, name, titles) } }
    return (filters.isEmpty || isIn(filters)) && !isIn(skipped)
  }

  /// Whether a filter is a part of a case's name, or the title of a cause that the case may be of.
  private static func isMeant(_ filter: String, _ family: String, _ name: String, _ titles: [String]) -> Bool {
    guard !"\(family) \(name)".contains(filter) else { return true }
    let (operations, question) = ConformanceReport.parts(ofTitle: filter)
    guard name.hasSuffix(question) else { return false }
    // Of a whole program a single operation says little.
    return (titles.count == 1 || operations.count > 1) && operations.allSatisfy(titles.contains)
  }

  private static func words(_ sample: OperationSample) -> String {
    (sample.inputs.map(\.description) + sample.attributeWords).joined(separator: ", ")
  }

  /// Whether simpler operations may stand in place of a sample's call: where the candidate does not take it whole. The
  /// reference answers for what all decompositions mean.
  private func isDecomposed(_ sample: OperationSample) -> Bool {
    guard sample.operation is any CompositeOperation, let program = try? sample.program() else { return false }
    let isReference = candidate.links[0].name == reference.links[0].name
    return isReference || (try? taken(program)) == [false]
  }

  private func operation(
    _ sample: OperationSample, seed: Int64, asksZeros: Bool = false, isDecomposed: Bool = false
  ) throws -> ConformanceReport.Verdict {
    let comparison = try BackendComparison(
      sample, on: candidate, reference: reference, seed: seed, asksZeros: asksZeros, isDecomposed: isDecomposed)
    switch comparison.verdict {
    case .passed: return .passed(worst: comparison.worst)
    case .declined(let reason): return .declined(reason)
    case .failed(let fault):
      let operands = SampleValues(sample, seed: seed).operands
      let values = Dictionary(uniqueKeysWithValues: operands.enumerated().map { ("x\($0)", $1) })
      let program = isDecomposed ? try sample.decomposedProgram() : nil
      return .failed(fault, replay: ReplayFile(try program ?? sample.program(), values))
    }
  }

  private func special(_ sample: OperationSample, isDecomposed: Bool = false) throws -> ConformanceReport.Verdict {
    let special = try SpecialValues(sample, on: candidate, reference: reference, isDecomposed: isDecomposed)
    return special.fault.map { .failed($0, replay: special.replay) }
      ?? (special.wasAsked ? .passed(worst: 0) : .notAsked)
  }

  /// An infinity or NaN is found wherever it is, alone; of a long operand at its ends, beside each power of two and at
  /// places in between.
  private func oneBad(_ sample: OperationSample) throws -> ConformanceReport.Verdict {
    let program = try sample.program()
    guard try taken(program)[0] else { return .notAsked }
    let operands = SampleValues(sample, seed: seed).operands
    for (operand, numbers) in operands.enumerated() {
      let places = numbers.indices.filter { element in
        let (fromStart, fromEnd) = (
          element & (element + 1) == 0 || element & (element - 1) == 0, numbers.count - element
        )
        return numbers.count <= 64 || fromStart || fromEnd <= 3 || element % 4099 == 17
      }
      for element in places {
        var values = Dictionary(uniqueKeysWithValues: operands.enumerated().map { ("x\($0)", $1) })
        values["x\(operand)"]![element] = element % 2 == 0 ? .nan : .infinity
        guard try ProgramEvaluation(program, values, on: candidate).outputs["y0"] == [0] else {
          return .failed("it misses element \(element) of operand \(operand)", replay: ReplayFile(program, values))
        }
      }
    }
    return .passed(worst: 0)
  }

  private func twice(_ sample: OperationSample) throws -> ConformanceReport.Verdict {
    let operands = SampleValues(sample, seed: seed).operands
    let values = Dictionary(uniqueKeysWithValues: operands.enumerated().map { ("x\($0)", $1) })
    return try twice(ReplayFile(try sample.program(), values))
  }

  /// The same numbers give the same bits, also where the executable has had others before. Not asked of programs of which
  /// the backend takes only a part.
  public func twice(_ replay: ReplayFile) throws -> ConformanceReport.Verdict {
    guard try taken(replay.program).allSatisfy({ $0 }) else { return .notAsked }
    let first = try ProgramEvaluation(replay.program, replay.values, on: candidate).outputs
    let second = try ProgramEvaluation(replay.program, replay.values, on: candidate, isRepeated: true).outputs
    for (name, numbers) in first.sorted(by: { $0.key < $1.key }) {
      // One NaN is as good as another.
      let isSame = zip(numbers, second[name] ?? []).allSatisfy {
        $0.bitPattern == $1.bitPattern || $0.isNaN && $1.isNaN
      }
      if !isSame { return .failed("\(name) has other bits the second time", replay: replay) }
    }
    return .passed(worst: 0)
  }

  /// A program operation by operation, then as a segment against its own split form.
  public func lockstep(_ replay: ReplayFile) throws -> ConformanceReport.Verdict {
    func result(_ replay: ReplayFile) throws -> Lockstep {
      try Lockstep(replay.program, replay.values, on: candidate, reference: reference)
    }
    let found = try result(replay)
    guard let fault = found.faults.first else {
      guard found.checkedCount > 0 else { return .declined(found.declined.first?.reason ?? "nothing of it is taken") }
      return .passed(worst: found.worst)
    }
    // An operation that is wrong alone is its own smallest case.
    guard fault.form == .fused else { return .failed("\(fault)", replay: fault.replay) }
    let smallest = try replay.shrunk(on: reference) { try result($0).faults.contains { $0.form == .fused } }
    return .failed("\(fault)", replay: smallest)
  }
}
