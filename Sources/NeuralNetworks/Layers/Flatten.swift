import SwitchbackPrograms

/// All axes but the batch become one: `[N, …]` to `[N, features]`.
public struct Flatten: UnaryLayer {
  public var name: String?
  public var kind: String { "flatten" }

  public init(name: String? = nil) { self.name = name }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    guard input.shape.rank >= 1 else { throw context.mismatch(input, takes: "a batch [N, …]") }
    let features = input.shape.extents.dropFirst().reduce(1, *)
    let shape: Shape = [input.shape[0], features]
    return shape == input.shape ? input : try context.append(Reshape(shape: shape.extents), input)
  }
}

extension Flatten: ConfigurableLayer {
  package static let settings = Settings<Flatten>(
    "flatten", of: Flatten(), help: "All axes but the batch become one")
}
