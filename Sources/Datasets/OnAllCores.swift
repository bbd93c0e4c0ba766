import Foundation

/// `body` of every number below `count`, on all cores, begun in the order of the numbers.
func onAllCores<Answer: Sendable>(_ count: Int, _ body: @Sendable (Int) -> Answer) -> [Answer] {
  let answers = Answers<Answer>(count)
  DispatchQueue.concurrentPerform(iterations: count) { answers.set($0, body($0)) }
  return answers.all
}

private final class Answers<Answer: Sendable>: @unchecked Sendable {
  // Unchecked: the lock is held for every access.
  private let lock = NSLock()
  private var answers: [Answer?]

  init(_ count: Int) { answers = [Answer?](repeating: nil, count: count) }

  func set(_ index: Int, _ answer: Answer) { lock.withLock { answers[index] = answer } }

  var all: [Answer] { lock.withLock { answers.compactMap { $0 } } }
}
