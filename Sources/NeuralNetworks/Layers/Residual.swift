import SwitchbackPrograms

/// y = activation(layers(x) + shortcut(x)): He et al., *Deep Residual Learning* (2015), §3.2.
///
/// Without shortcut layers x itself is added, and the shapes must agree. Paths: `residual.layers.<i>.<kind>` and
/// `residual.shortcut.<i>.<kind>`.
///
/// With stochastic depth p (Huang et al., *Deep Networks with Stochastic Depth*, 2016, §3) training leaves the layers of each
/// sample out with probability p, and scales those of the others by 1 / (1 − p), as inverted dropout does, so that inference is
/// unchanged. The paper draws once for a batch and scales in inference by 1 − p instead; the expectation is the same. Its linear
/// rule gives block l of L the p of the last block times l / L.
public struct Residual: UnaryLayer {
  public var nodes: [GraphNode]
  public var shortcut: [GraphNode]
  public var activation: ActivationFunction
  /// The probability with which training leaves a sample's layers out.
  public var stochasticDepth: Double
  public var name: String?
  public var kind: String { "residual" }
  public var masking: Masking { .consumed }

  public init(
    _ nodes: [GraphNode], shortcut: [GraphNode] = [], activation: ActivationFunction = .linear,
    stochasticDepth: Double = 0, name: String? = nil
  ) {
    (self.nodes, self.shortcut, self.activation) = (nodes, shortcut, activation)
    (self.stochasticDepth, self.name) = (stochasticDepth, name)
  }

  public init(
    activation: ActivationFunction = .linear, stochasticDepth: Double = 0, name: String? = nil,
    @GraphBuilder _ nodes: () -> [GraphNode], @GraphBuilder shortcut: () -> [GraphNode] = { [] }
  ) {
    self.init(
      nodes(), shortcut: shortcut(), activation: activation, stochasticDepth: stochasticDepth, name: name)
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.require(
      NumberRange.kept.contains(stochasticDepth), "stochastic_depth must lie in 0 ..< 1, not be \(stochasticDepth)")
    let branch = try context.call(nodes, [input])[0]
    let carried = try shortcut.isEmpty ? input : context.call(shortcut, [input], component: "shortcut")[0]
    guard branch.shape == carried.shape else {
      throw ProgramError(
        "adds \(branch.shape) from \(context.source(of: branch)) and \(carried.shape) from "
          + "\(context.source(of: carried)): the shapes must agree"
          + (shortcut.isEmpty ? "; give it a shortcut, such as a convolution of kernel size 1" : ""),
        path: context.path)
    }
    // Behind the check of shapes, and with one number for each sample.
    let kept = try context.drop(branch, stochasticDepth, together: Array(branch.shape.extents.indices.dropFirst()))
    let sum = try context.append(Binary(.add), kept, carried)
    context.recordPassage(.join, to: sum)
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
      .number(
        "stochastic_depth", \.stochasticDepth, in: .kept, .whereGiven,
        help: "The probability with which training leaves a sample's layers out, and adds the shortcut alone"),
    ])
}
