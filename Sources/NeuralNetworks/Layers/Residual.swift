import SwitchbackPrograms

/// y = activation(layers(x) + shortcut(x)): He et al., *Deep Residual Learning* (2015), §3.2.
///
/// Without shortcut layers x itself is added, and the shapes must agree. Paths: `residual.layers.<i>.<kind>` and
/// `residual.shortcut.<i>.<kind>`.
public struct Residual: UnaryLayer {
  public var nodes: [GraphNode]
  public var shortcut: [GraphNode]
  public var activation: ActivationFunction
  public var name: String?
  public var kind: String { "residual" }
  public var masking: Masking { .consumed }

  public init(
    _ nodes: [GraphNode], shortcut: [GraphNode] = [], activation: ActivationFunction = .linear, name: String? = nil
  ) {
    (self.nodes, self.shortcut, self.activation, self.name) = (nodes, shortcut, activation, name)
  }

  public init(
    activation: ActivationFunction = .linear, name: String? = nil, @GraphBuilder _ nodes: () -> [GraphNode],
    @GraphBuilder shortcut: () -> [GraphNode] = { [] }
  ) {
    self.init(nodes(), shortcut: shortcut(), activation: activation, name: name)
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    let branch = try context.call(nodes, [input])[0]
    let carried = try shortcut.isEmpty ? input : context.call(shortcut, [input], component: "shortcut")[0]
    guard branch.shape == carried.shape else {
      throw ProgramError(
        "adds \(branch.shape) from \(context.source(of: branch)) and \(carried.shape) from "
          + "\(context.source(of: carried)): the shapes must agree"
          + (shortcut.isEmpty ? "; give it a shortcut, such as a convolution of kernel size 1" : ""),
        path: context.path)
    }
    let sum = try context.append(Binary(.add), branch, carried)
    let result = activation == .linear ? sum : try context.activate(sum, activation)
    try context.setMask(context.jointMask(of: [branch, carried]), of: result)
    return result
  }
}

extension Residual: ConfigurableLayer {
  package static let settings = Settings<Residual>(
    "residual", of: Residual([]), help: "The sum of what its layers and its shortcut make of the input",
    keys: [
      .layers("layers", \.nodes, .required),
      .layers("shortcut", \.shortcut, help: "What the input passes through; without: it is added as it is"),
      .activation("activation", \.activation, help: "What the sum passes through"),
    ])
}
