import SwitchbackPrograms

/// Layers one after another, the simplest graph; itself a layer.
///
/// Layer i has the path `layers.<i>.<kind>`, or its name; a Sequential inside another one puts its own path before.
public struct Sequential: UnaryLayer {
  public var layers: [any Layer]
  public var name: String?
  public var kind: String { "sequential" }

  public init(_ layers: [any Layer], name: String? = nil) {
    self.layers = layers
    self.name = name
  }

  public init(name: String? = nil, @LayerBuilder _ layers: () -> [any Layer]) {
    self.init(layers(), name: name)
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.call(layers.map { GraphNode($0) }, [input])[0]
  }
}

/// Collects the layers written in the braces of `Sequential { … }`; `if`, `for` and arrays of layers work.
@resultBuilder
public enum LayerBuilder {
  public static func buildExpression(_ layer: any Layer) -> [any Layer] { [layer] }
  public static func buildExpression(_ layers: [any Layer]) -> [any Layer] { layers }
  public static func buildBlock(_ parts: [any Layer]...) -> [any Layer] { parts.flatMap { $0 } }
  public static func buildOptional(_ part: [any Layer]?) -> [any Layer] { part ?? [] }
  public static func buildEither(first: [any Layer]) -> [any Layer] { first }
  public static func buildEither(second: [any Layer]) -> [any Layer] { second }
  public static func buildArray(_ parts: [[any Layer]]) -> [any Layer] { parts.flatMap { $0 } }
}
