import SwitchbackNeuralNetworks
import SwitchbackPrograms

/// The networks and helpers that several tests share.
enum Networks {
  /// The seed's CNN: 93,322 weights.
  static let seed = Sequential {
    Conv2D(32, kernelSize: 3, activation: .relu)
    MaxPooling2D(2)
    Conv2D(64, kernelSize: 3, activation: .relu)
    MaxPooling2D(2)
    Conv2D(64, kernelSize: 3, activation: .relu)
    Flatten()
    Dense(64, activation: .relu)
    Dense(10, activation: .softmax)
  }

  static let seedStep = TrainingStep(
    model: seed, sampleShape: [28, 28, 1], loss: CategoricalCrossentropy(), optimizer: RMSprop())

  /// A model of one hidden layer on four features.
  static func small(
    _ last: Dense = Dense(3, activation: .softmax), loss: any Loss = CategoricalCrossentropy(),
    optimizer: any Optimizer = SGD(), targets: Targets? = nil
  ) -> TrainingStep {
    TrainingStep(
      model: Sequential([Dense(5, activation: .tanh), last]), sampleShape: [4], loss: loss, optimizer: optimizer,
      targets: targets)
  }

  /// The shape that `layers` make of a batch of inputs.
  static func outputShape(_ input: Shape, _ layers: any Layer...) throws(ProgramError) -> Shape {
    let sample = Shape(Array(input.extents.dropFirst()))
    let program = try InferenceProgram.build(
      Sequential(layers), sampleShape: sample, batchSize: input[0]
    ).program
    return program.values[program.output(named: "predictions")!].type.shape
  }

  /// The message for a model that cannot be traced; empty if it can.
  static func message(_ sample: Shape, _ layers: any Layer...) -> String {
    do throws(ProgramError) {
      _ = try InferenceProgram.build(Sequential(layers), sampleShape: sample, batchSize: 64)
      return ""
    } catch {
      return error.description
    }
  }
}

extension Program {
  /// How often each operation is called.
  var counts: [String: Int] { calls.reduce(into: [:]) { $0[$1.operation.name, default: 0] += 1 } }

  func names(_ role: Role) -> [String] { values(role).map { values[$0].name } }
}

/// What `body` throws as text; empty if it throws nothing.
func errorText(_ body: () throws -> Void) -> String {
  do {
    try body()
    return ""
  } catch {
    return "\(error)"
  }
}
