import SwitchbackPrograms

/// The same layers several times in a row, each time with weights of their own: `repeat.<i>.layers.<j>.<kind>`.
public struct Repeat: UnaryLayer {
  public var times: Int
  public var nodes: [GraphNode]
  public var name: String?
  public var kind: String { "repeat" }
  public var masking: Masking { .consumed }

  public init(_ times: Int, _ nodes: [GraphNode], name: String? = nil) {
    (self.times, self.nodes, self.name) = (times, nodes, name)
  }

  public init(_ times: Int, name: String? = nil, @GraphBuilder _ nodes: () -> [GraphNode]) {
    self.init(times, nodes(), name: name)
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.require(times > 0, "times must be positive, not \(times)")
    var value = input
    for index in 0..<times { value = try context.call(Block(nodes), at: "\(index)", [value])[0] }
    return value
  }
}

extension Repeat: ConfigurableLayer {
  package static let settings = Settings<Repeat>(
    "repeat", of: Repeat(1, []), help: "The same layers several times in a row, with weights of their own",
    keys: [
      .integer("times", \.times, in: 1...1000, .required, help: "How often"),
      .layers("layers", \.nodes, .required),
    ])
}

/// Layers under a path of their own.
public struct Block: UnaryLayer {
  public var nodes: [GraphNode]
  public var name: String?
  public var kind: String { "block" }
  public var masking: Masking { .consumed }

  public init(_ nodes: [GraphNode], name: String? = nil) { (self.nodes, self.name) = (nodes, name) }

  public init(name: String? = nil, @GraphBuilder _ nodes: () -> [GraphNode]) { self.init(nodes(), name: name) }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.call(nodes, [input])[0]
  }
}
