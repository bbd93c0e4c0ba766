import SwitchbackPrograms

/// What a backend did when it was asked everything.
public struct ConformanceReport: Sendable {
  public enum Verdict: Sendable {
    /// `worst` in units of the bound.
    case passed(worst: Double)
    case declined(String)
    case failed(String, replay: ReplayFile?)
    /// There was nothing to ask: the semantics leave it open, or the backend declines it.
    case notAsked
  }

  public struct Case: Sendable {
    /// The operation, `training steps` or `random programs`.
    public var family: String
    public var name: String
    public var verdict: Verdict
    /// How long it took.
    public var seconds: Double
    /// For each operation of the program that shows a failure, whether the backend takes it; empty where nobody asked.
    var taken: [Bool] = []

    public init(family: String, name: String, verdict: Verdict, seconds: Double = 0) {
      (self.family, self.name, self.verdict, self.seconds) = (family, name, verdict, seconds)
    }

    /// Asks it, and takes the time. An error is a failure.
    init(_ family: String, _ name: String, asking body: () throws -> Verdict) {
      let clock = ContinuousClock()
      let start = clock.now
      let verdict: Verdict
      do {
        verdict = try body()
      } catch {
        verdict = .failed("\(error)", replay: nil)
      }
      self.init(family: family, name: name, verdict: verdict, seconds: (clock.now - start) / .seconds(1))
    }

    /// What failures of one kind share (`Cause`); nil where it has not failed.
    public var cause: String? {
      guard case .failed(_, let replay) = verdict else { return nil }
      let question = ConformanceReport.questions.first(where: name.hasSuffix) ?? ""
      // Of an operation that ends in an error there is no program: its samples say the same.
      if replay == nil { return isOfOneOperation ? family + question : "\(family) \(name)" }
      return operations.joined(separator: " + ") + question
    }

    /// Whether an operation was asked by itself.
    var isOfOneOperation: Bool { OperationCatalog.standard.entries.contains { $0.name == family } }

    /// Titles of what the backend does in the program that shows a failure, each once.
    var operations: [String] {
      guard case .failed(_, let replay?) = verdict else { return isOfOneOperation ? [family] : [] }
      let calls = replay.program.calls
      var own = zip(calls, taken).filter(\.1).map(\.0)
      if own.isEmpty { own = calls }
      var operations: [String] = []
      for title in own.map({ ConformanceReport.title(of: $0.operation) }) where !operations.contains(title) {
        operations.append(title)
      }
      return operations
    }
  }

  /// The cases of one family, counted.
  public struct Row: Sendable, Encodable {
    public var family: String
    public var passed = 0
    public var declined = 0
    public var failed = 0
    /// The largest error that passed, in units of the bound.
    public var worst = 0.0
    public var seconds = 0.0
  }

  public let backend: String
  public let seed: Int64
  public internal(set) var cases: [Case] = []

  init(backend: String, seed: Int64) { (self.backend, self.seed) = (backend, seed) }

  /// In the order in which the families were asked.
  public var rows: [Row] {
    var rows: [Row] = []
    for made in cases {
      let index = rows.firstIndex { $0.family == made.family } ?? rows.count
      if index == rows.count { rows.append(Row(family: made.family)) }
      rows[index].seconds += made.seconds
      switch made.verdict {
      case .passed(let worst):
        rows[index].passed += 1
        rows[index].worst = max(rows[index].worst, worst)
      case .declined: rows[index].declined += 1
      case .failed: rows[index].failed += 1
      case .notAsked: break
      }
    }
    return rows
  }

  public var failures: [(name: String, message: String, replay: ReplayFile?)] {
    cases.compactMap { made in
      guard case .failed(let message, let replay) = made.verdict else { return nil }
      return ("\(made.family) \(made.name)", message, replay)
    }
  }

  /// Failures that say the same: those of one operation (and of its function, where it has several) under one kind of
  /// question, whatever the shapes and the program around it.
  public struct Cause: Sendable {
    /// `unary relu, special values`
    public var name: String
    /// `unary relu`, of those that the backend takes.
    public var operations: [String]
    /// Whether an operation by itself shows it.
    public var isOfOneOperation: Bool
    /// How many of the failures are of whole programs.
    public var programCount = 0
    /// Places in `failures`; the first is the one that was found first.
    public var failures: [Int]
    /// The smallest of the programs that show it.
    public var replay: ReplayFile?
  }

  /// In the order in which they were found.
  public var causes: [Cause] {
    var causes: [Cause] = []
    for made in cases {
      guard let name = made.cause, case .failed(_, let replay) = made.verdict else { continue }
      let index = causes.reduce(0) { $0 + $1.failures.count }
      let place = causes.firstIndex { $0.name == name } ?? causes.count
      if place == causes.count {
        causes.append(
          Cause(name: name, operations: made.operations, isOfOneOperation: false, failures: [], replay: nil))
      }
      causes[place].failures.append(index)
      if made.isOfOneOperation { causes[place].isOfOneOperation = true } else { causes[place].programCount += 1 }
      guard let replay else { continue }
      if replay.elementCount < causes[place].replay?.elementCount ?? .max { causes[place].replay = replay }
    }
    return causes
  }

  private static let questions = [", special values", ", twice", ", ties", ", background", ", one bad number"]

  /// `unary relu`: an operation, and its function where it has several.
  static func title(of operation: any TensorOperation) -> String {
    let functions = operation.attributes.compactMap { if case .string(let word) = $0.value { word } else { nil } }
    return ([operation.name] + functions).joined(separator: " ")
  }

  /// The operations of a cause's title, and what follows them, such as `, twice`.
  static func parts(ofTitle title: String) -> (operations: [String], question: String) {
    let question = questions.first(where: title.hasSuffix) ?? ""
    var (operations, rest) = ([String](), title.dropLast(question.count))
    while let end = rest.firstRange(of: " + ") {
      operations.append(String(rest[..<end.lowerBound]))
      rest = rest[end.upperBound...]
    }
    return (operations + [String(rest)], question)
  }

  public var hasPassed: Bool {
    failures.isEmpty && cases.contains { if case .passed = $0.verdict { true } else { false } }
  }

  /// For CI systems: a test suite a family.
  public var junit: String {
    var lines = ["<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "<testsuites name=\"\(Self.escaped(backend))\">"]
    for row in rows {
      lines.append(
        "<testsuite name=\"\(Self.escaped(row.family))\" tests=\"\(row.passed + row.declined + row.failed)\" "
          + "failures=\"\(row.failed)\" skipped=\"\(row.declined)\">")
      for made in cases where made.family == row.family {
        let head =
          "<testcase classname=\"\(Self.escaped(row.family))\" "
          + "time=\"\((made.seconds * 1000).rounded() / 1000)\" name=\"\(Self.escaped(made.name))\""
        switch made.verdict {
        case .passed: lines.append(head + "/>")
        case .declined(let reason): lines.append(head + "><skipped message=\"\(Self.escaped(reason))\"/></testcase>")
        case .failed(let message, let replay):
          lines.append(
            head + "><failure message=\"\(Self.escaped(message))\">"
              + Self.escaped(replay.map { "\($0)" } ?? "") + "</failure></testcase>")
        case .notAsked: break
        }
      }
      lines.append("</testsuite>")
    }
    return (lines + ["</testsuites>", ""]).joined(separator: "\n")
  }

  private static func escaped(_ text: String) -> String {
    var result = ""
    for character in text.unicodeScalars {
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      default: result.unicodeScalars.append(character)
      }
    }
    return result
  }
}
