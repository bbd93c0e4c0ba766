import SwitchbackPrograms

/// y = x + embeddings[0 ..< T]: a learned row for each place in a sequence. x and y are `[N, T, C]`, embeddings
/// `[sequenceLength, C]`; a sequence of more steps than rows is an error.
///
/// Keras's layer gives the rows alone; this one adds them, so that it stands in a list of layers.
public struct PositionEmbedding: UnaryLayer {
  /// How many places have a row.
  public var sequenceLength: Int
  public var initializer: Initializer
  public var name: String?
  public var kind: String { "positionEmbedding" }
  public var masking: Masking { .passed }

  public init(_ sequenceLength: Int, initializer: Initializer = .glorotUniform, name: String? = nil) {
    (self.sequenceLength, self.initializer, self.name) = (sequenceLength, initializer, name)
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.require("sequence_length", isExtent: sequenceLength)
    try context.requireSequences(input)
    let (steps, features) = (input.shape[1], input.shape[2])
    guard steps <= sequenceLength else {
      throw context.mismatch(
        input, takes: "sequences of at most \(sequenceLength) steps, as sequence_length says",
        hint: "later places have no row")
    }
    var rows = try context.parameter("embeddings", [sequenceLength, features], initializer: initializer)
    if steps < sequenceLength {
      rows = try context.append(Slice(starts: [0, 0], sizes: [steps, features]), rows)
    }
    let sum = try context.append(Binary(.add), input, rows)
    context.recordActivation("linear", sum, sum)
    return sum
  }
}

extension PositionEmbedding: ConfigurableLayer {
  package static let settings = Settings<PositionEmbedding>(
    "position_embedding", of: PositionEmbedding(512),
    help: "Adds to each step of sequences [N, T, C] a learned row of its place",
    keys: [
      .integer(
        "sequence_length", \.sequenceLength, in: .extents, .required, help: "How many places have a row: T or more"),
      .initializer("initializer", \.initializer, help: "How the rows start"),
    ])
}
