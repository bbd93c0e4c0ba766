import SwitchbackNeuralNetworks
import SwitchbackPrograms
import Testing

@Suite("Normalization layers")
struct NormalizationTests {
  private func parameters(_ sample: Shape, _ layer: any Layer) throws -> [String: Shape] {
    let network = try InferenceProgram.build(Sequential([layer]), sampleShape: sample, batchSize: 2)
    let names = network.parameters.map { String($0.name.split(separator: "/").last ?? "") }
    return Dictionary(uniqueKeysWithValues: zip(names, network.parameters.map(\.type.shape)))
  }

  @Test("they keep the shape, and their weights have that of the axes")
  func shapes() throws {
    #expect(try Networks.outputShape([2, 5, 7], LayerNormalization()) == [2, 5, 7])
    #expect(try Networks.outputShape([2, 4, 3, 6], GroupNormalization(groups: 3)) == [2, 4, 3, 6])
    #expect(try Networks.outputShape([2, 6, 3, 5], GroupNormalization(groups: 3, axis: 1)) == [2, 6, 3, 5])
    #expect(try Networks.outputShape([2, 5, 7], RMSNormalization(axis: [1])) == [2, 5, 7])
    #expect(try parameters([5, 7], LayerNormalization()) == ["gamma": [7], "beta": [7]])
    #expect(try parameters([5, 7], LayerNormalization(axis: [-1, 1], center: false)) == ["gamma": [5, 7]])
    #expect(try parameters([5, 7], LayerNormalization(axis: [1], scale: false)) == ["beta": [5]])
    #expect(try parameters([4, 3, 6], GroupNormalization(groups: -1)) == ["gamma": [6], "beta": [6]])
    #expect(try parameters([6, 3, 5], GroupNormalization(groups: 2, axis: 1)) == ["gamma": [6], "beta": [6]])
    #expect(try parameters([5, 7], RMSNormalization()) == ["scale": [7]])
    #expect(try parameters([5, 7], RMSNormalization(scale: false)) == [:])
  }

  @Test("each is one operation, and axes that are last need no transposition")
  func operations() throws {
    func calls(_ sample: Shape, _ layer: any Layer) throws -> [any TensorOperation] {
      try InferenceProgram.build(Sequential([layer]), sampleShape: sample, batchSize: 2).program.calls.map(\.operation)
    }
    let last = try calls([4, 3, 6], LayerNormalization(axis: [2, 3]))
    #expect(last.first as? Normalize == Normalize(axis: 2, epsilon: 1e-3))
    #expect(!last.contains { $0 is Transpose })
    let instance = try calls([4, 3, 6], GroupNormalization(groups: -1))
    #expect(instance.first as? Normalize == Normalize(axis: 1, groups: 6, epsilon: 1e-3))
    let root = try calls([7], RMSNormalization(scale: false))
    #expect(root.first as? Normalize == Normalize(axis: 1, epsilon: 1e-6, centered: false))
    #expect(try calls([6, 3], GroupNormalization(groups: 2, axis: 1)).count { $0 is Transpose } == 2)
  }

  @Test("defaults are Keras's")
  func defaults() {
    let (layer, group, root) = (LayerNormalization(), GroupNormalization(), RMSNormalization())
    #expect(layer.axis == [-1] && layer.epsilon == 1e-3 && layer.center && layer.scale)
    #expect(group.groups == 32 && group.axis == -1 && group.epsilon == 1e-3 && group.center && group.scale)
    #expect(root.axis == [-1] && root.epsilon == 1e-6 && root.scale)
  }

  @Test("what makes no sense is said with the layer's path")
  func wrong() {
    func says(_ words: String, _ sample: Shape, _ layer: any Layer) {
      let message = Networks.message(sample, layer)
      #expect(message.contains(words) && message.contains("layers.0."), "\(message)")
    }
    says("3 groups do not divide the 8 channels along axis -1", [4, 4, 8], GroupNormalization(groups: 3))
    says("32 groups do not divide the 8 channels", [4, 4, 8], GroupNormalization())
    says("groups must be positive", [8], GroupNormalization(groups: 0))
    says("groups must be positive", [8], GroupNormalization(groups: -2))
    for axis in [0, -2] {
      says("axis 0 is the batch", [8], GroupNormalization(groups: 2, axis: axis))
      says("axis 0 is the batch", [8], LayerNormalization(axis: [axis]))
      says("axis 0 is the batch", [8], RMSNormalization(axis: [1, axis]))
    }
    says("there is no axis 2", [8], LayerNormalization(axis: [2]))
    says("names axis -1 of [64,4,8] twice", [4, 8], LayerNormalization(axis: [2, -1]))
    says("names no axis", [8], LayerNormalization(axis: []))
    says("epsilon must be a number", [8], LayerNormalization(epsilon: 0))
    says("epsilon must be a number", [8], GroupNormalization(groups: 2, epsilon: -.infinity))
    says("epsilon must be a number", [8], RMSNormalization(epsilon: .nan))
  }

  @Test("weights and running statistics start as they are told, and have their penalties")
  func initializers() throws {
    let penalty = Regularizer.l2(0.5)
    func parameters(_ layer: any Layer) throws -> [String: Parameter] {
      let step = TrainingStep(
        model: Sequential([layer, Flatten(), Dense(3, activation: .softmax)]), sampleShape: [5, 8],
        loss: CategoricalCrossentropy(), optimizer: SGD())
      let own = try step.build(batchSize: 2).parameters.filter { $0.name.hasPrefix("layers.0") }
      return Dictionary(uniqueKeysWithValues: own.map { (String($0.name.split(separator: "/").last ?? ""), $0) })
    }
    for layer: any Layer in [
      BatchNormalization(
        betaInitializer: .constant(2), gammaInitializer: .zeros, betaRegularizer: penalty, gammaRegularizer: penalty),
      LayerNormalization(
        betaInitializer: .constant(2), gammaInitializer: .zeros, betaRegularizer: penalty, gammaRegularizer: penalty),
      GroupNormalization(
        groups: 2, betaInitializer: .constant(2), gammaInitializer: .zeros, betaRegularizer: penalty,
        gammaRegularizer: penalty),
      RMSNormalization(gammaInitializer: .zeros, gammaRegularizer: penalty),
    ] {
      let found = try parameters(layer)
      let gamma = try #require(found["gamma"] ?? found["scale"])
      #expect(gamma.initializer == .zeros && gamma.regularizer == penalty, "\(layer.kind)")
      if let beta = found["beta"] { #expect(beta.initializer == .constant(2) && beta.regularizer == penalty) }
    }
    let moving = try parameters(
      BatchNormalization(movingMeanInitializer: .constant(3), movingVarianceInitializer: .constant(4)))
    #expect(moving["movingMean"]?.initializer == .constant(3))
    #expect(moving["movingVariance"]?.initializer == .constant(4))
    #expect(moving["gamma"]?.initializer == .ones && moving["beta"]?.initializer == .zeros)
    #expect(moving["gamma"]?.regularizer == nil)
  }
}
