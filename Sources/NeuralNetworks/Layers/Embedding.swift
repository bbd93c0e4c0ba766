import SwitchbackPrograms

/// A row of the table `embeddings` `[inputDimension, outputDimension]` for each number: i32 `[N]` or `[N, T]` gives
/// `[N, outputDimension]` or `[N, T, outputDimension]`. A number outside 0 ..< inputDimension is an error of the step
/// that meets it.
///
/// With `maskZero` the number 0 is padding: steps of `[N, T]` that have it are masked, besides those that are already.
public struct Embedding: UnaryLayer {
  public var inputDimension: Int
  public var outputDimension: Int
  public var embeddingsInitializer: Initializer
  public var embeddingsRegularizer: Regularizer?
  public var maskZero: Bool
  public var name: String?
  public var kind: String { "embedding" }
  public var masking: Masking { .consumed }

  public init(
    _ inputDimension: Int, _ outputDimension: Int,
    embeddingsInitializer: Initializer = .randomUniform(minimum: -0.05, maximum: 0.05),
    embeddingsRegularizer: Regularizer? = nil, maskZero: Bool = false, name: String? = nil
  ) {
    (self.inputDimension, self.outputDimension) = (inputDimension, outputDimension)
    (self.embeddingsInitializer, self.embeddingsRegularizer) = (embeddingsInitializer, embeddingsRegularizer)
    (self.maskZero, self.name) = (maskZero, name)
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.require(inputDimension > 0, "input_dim must be positive, not \(inputDimension)")
    try context.require(outputDimension > 0, "output_dim must be positive, not \(outputDimension)")
    guard input.type.elementType == .int32 else {
      throw context.mismatch(input, takes: "whole numbers (i32)", hint: "such as a field of tokens")
    }
    let table = try context.parameter(
      "embeddings", [inputDimension, outputDimension], initializer: embeddingsInitializer,
      regularizer: embeddingsRegularizer)
    let rows = try context.append(Gather(axis: 0), table, input)
    context.recordActivation("linear", rows, rows)
    try context.setMask(mask(of: input, in: &context), of: rows)
    return rows
  }

  private func mask(of tokens: Value, in context: inout LayerContext) throws(ProgramError) -> Value? {
    let known = context.mask(of: tokens)
    guard maskZero else { return known }
    guard tokens.shape.rank == 2 else {
      throw context.mismatch(tokens, takes: "sequences [N, T] with mask_zero", hint: "a mask is of steps")
    }
    let isWord = try context.append(Binary(.greater), tokens, context.builder.scalar(0, .int32))
    guard let known else { return isWord }
    return try context.builder.both(known, isWord)
  }
}

extension Embedding: ConfigurableLayer {
  package static let settings = Settings<Embedding>(
    "embedding", of: Embedding(1, 1), help: "A row of a table of weights for each whole number of the input",
    keys: [
      .integer("input_dim", \.inputDimension, in: 1...1 << 30, .required, help: "How many rows: numbers are below it"),
      .integer("output_dim", \.outputDimension, in: .extents, .required, help: "How many numbers a row has"),
      .initializer("embeddings_initializer", \.embeddingsInitializer, help: "How the table starts"),
      .regularizer("embeddings_regularizer", \.embeddingsRegularizer, help: "What the table's size adds to the loss"),
      .bool("mask_zero", \.maskZero, .whereGiven, help: "Whether 0 is padding: its steps are masked"),
    ])
}
