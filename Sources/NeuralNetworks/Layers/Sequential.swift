import SwitchbackPrograms

/// Layers one after another, the simplest graph; itself a layer.
///
/// Layer i has the path `layers.<i>.<kind>`, or its name; a Sequential inside another one puts its own path before.
public struct Sequential: UnaryLayer {
  public var layers: [any Layer]
  public var name: String?
  public var kind: String { "sequential" }
  public var masking: Masking { .consumed }

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
public typealias LayerBuilder = ListBuilder<any Layer>

/// Collects what is written in braces; `if`, `for` and arrays work.
@resultBuilder
public enum ListBuilder<Element> {
  public static func buildExpression(_ element: Element) -> [Element] { [element] }
  public static func buildExpression(_ elements: [Element]) -> [Element] { elements }
  public static func buildBlock(_ parts: [Element]...) -> [Element] { parts.flatMap { $0 } }
  public static func buildOptional(_ part: [Element]?) -> [Element] { part ?? [] }
  public static func buildEither(first: [Element]) -> [Element] { first }
  public static func buildEither(second: [Element]) -> [Element] { second }
  public static func buildArray(_ parts: [[Element]]) -> [Element] { parts.flatMap { $0 } }
}
