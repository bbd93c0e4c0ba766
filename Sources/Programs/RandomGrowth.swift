/// What an operation has to do with the programs that conformance puts together at random.
public enum RandomProgramPart: Sendable {
  /// It is drawn like the others: appends calls on values that are there, and gives their result, whose numbers stay
  /// within ±1, so that forty operations on one another neither overflow nor die out. Nil, before anything is drawn,
  /// where it does not fit.
  case drawn(@Sendable (inout RandomGrowth) throws(ProgramError) -> Value?)
  /// It is not, for this reason.
  case absent(reason: String)
}

/// A random program while it grows, as an operation sees it that is drawn next.
public struct RandomGrowth: Sendable {
  public var builder: ProgramBuilder
  /// The value that was drawn to go on from.
  public internal(set) var x: Value
  /// How many operations were drawn before.
  public internal(set) var step = 0
  /// What there is to read.
  package var all: [Value]
  /// Numbers that every backend has alike, to which comparisons keep: a rounding must not choose a branch.
  package var exact: [Value]
  /// A table f32[4, 6] and i32 labels of its rows.
  public let (table, labels): (Value, Value)
  /// Of random numbers: i64[2].
  public let key: Value
  package var state: UInt64

  package init(
    _ builder: ProgramBuilder, exact: [Value], table: Value, labels: Value, key: Value, state: UInt64
  ) {
    (self.builder, self.exact, all, x) = (builder, exact, exact, exact[0])
    (self.table, self.labels, self.key, self.state) = (table, labels, key, state)
  }

  /// A whole number from 0 up to, not including, `bound`.
  public mutating func next(_ bound: Int) -> Int { Self.next(&state, bound) }

  package static func next(_ state: inout UInt64, _ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % bound
  }

  public mutating func pick<Element>(_ elements: [Element]) -> Element { elements[next(elements.count)] }

  /// A value whose shape goes together with that of `value`.
  public mutating func partner(of value: Value) -> Value { partner(of: value, among: all) }

  /// A value that every backend has alike, and one whose shape goes together with it.
  public mutating func exactPair() -> (Value, Value) {
    let first = pick(exact)
    return (first, partner(of: first, among: exact))
  }

  /// Says that every backend has the numbers of this result alike.
  public mutating func keepExact(_ value: Value) { exact.append(value) }

  private mutating func partner(of value: Value, among candidates: [Value]) -> Value {
    pick(candidates.filter { value.shape.broadcast(with: $0.shape) != nil })
  }

  /// tanh of it.
  public mutating func bounded(_ value: Value) throws(ProgramError) -> Value {
    try builder.append(Unary(.tanh), value)
  }

  /// The result of drawing `operation` next; nil where it does not fit, or is never drawn.
  package mutating func draw(_ operation: any TensorOperation.Type, from x: Value, step: Int) throws(ProgramError)
    -> Value?
  {
    guard case .drawn(let grow) = operation.randomProgramPart else { return nil }
    (self.x, self.step) = (x, step)
    return try grow(&self)
  }
}
