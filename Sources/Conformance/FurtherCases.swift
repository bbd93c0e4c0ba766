import Foundation

/// A case that needs nothing of the suite, such as a rule of the contract that is tried in a process of its own.
public struct FurtherCase: Sendable {
  public var family: String
  public var name: String
  public var run: @Sendable () throws -> ConformanceReport.Verdict

  public init(_ family: String, _ name: String, run: @escaping @Sendable () throws -> ConformanceReport.Verdict) {
    (self.family, self.name, self.run) = (family, name, run)
  }
}

/// Further cases, tried in their order on a thread beside the suite's own, and on that one too once it waits for them:
/// mostly they wait for a process, as the suite waits for one compiler.
final class FurtherCases: @unchecked Sendable {
  private let cases: [FurtherCase]
  /// Guards what follows, and tells of each answer.
  private let condition = NSCondition()
  private var begunCount = 0
  private var answers: [Int: ConformanceReport.Case] = [:]

  init(_ cases: [FurtherCase]) {
    self.cases = cases
    guard !cases.isEmpty else { return }
    let thread = Thread { while let index = self.begin() { self.answer(index) } }
    thread.stackSize = 8 << 20
    thread.start()
  }

  /// What came of a case. Until that is known the caller tries those that nobody has begun. `willTry` hears of each, and of
  /// the case itself again and again while it is waited for: whoever ends what makes no progress leaves its end to the
  /// case's own time limit.
  func result(of index: Int, willTry: (FurtherCase) -> Void) -> ConformanceReport.Case {
    while true {
      if let known = condition.withLock({ answers[index] }) { return known }
      if let next = begin() {
        willTry(cases[next])
        answer(next)
      } else {
        willTry(cases[index])
        condition.withLock {
          if answers[index] == nil { _ = condition.wait(until: Date(timeIntervalSinceNow: 0.5)) }
        }
      }
    }
  }

  private func begin() -> Int? {
    condition.withLock {
      guard begunCount < cases.count else { return nil }
      begunCount += 1
      return begunCount - 1
    }
  }

  private func answer(_ index: Int) {
    let asked = cases[index]
    let made = ConformanceReport.Case(asked.family, asked.name, asking: asked.run)
    condition.withLock {
      answers[index] = made
      condition.broadcast()
    }
  }
}
