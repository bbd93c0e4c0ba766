import SwitchbackPrograms

/// A state value of a program and how it starts.
public struct InitialState: Hashable, Sendable {
  /// The name of the state value: `layers.0.conv2d/kernel`, `optimizer/layers.0.conv2d/kernel/velocity`.
  public let name: String
  public let type: TensorType
  public let initializer: Initializer
  /// The name that random numbers are drawn for; a moving average starts as a copy of its weight by sharing it.
  public let randomName: String
  /// The shape that they are drawn for.
  private let drawnShape: Shape

  public init(name: String, type: TensorType, initializer: Initializer, randomName: String? = nil) {
    self.name = name
    self.type = type
    self.initializer = initializer
    self.randomName = randomName ?? name
    drawnShape = type.shape
  }

  /// A weight, or with another `name` what starts as a copy of it.
  init(_ parameter: Parameter, name: String? = nil) {
    self.name = name ?? parameter.name
    type = parameter.type
    initializer = parameter.initializer
    randomName = parameter.name
    drawnShape = parameter.drawnShape
  }

  /// The numbers it starts with in a run with this seed, row-major.
  public func values(seed: Int64) -> [Float] {
    initializer.values(shape: drawnShape, seed: seed, name: randomName)
  }
}

extension Parameter {
  /// The numbers it starts with in a run with this seed, row-major.
  package func firstValues(seed: Int64) -> [Float] { InitialState(self).values(seed: seed) }
}
