import SwitchbackBackendKit
import SwitchbackNeuralNetworks
import SwitchbackOpenBLAS
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import Testing

/// Networks and settings that together use every layer, activation, optimizer and way of clipping that ships.
private let steps: [(name: String, step: TrainingStep)] = {
  func step(
    loss: any Loss = CategoricalCrossentropy(), optimizer: any Optimizer = RMSprop(),
    clipping: GradientClipping? = nil, accumulationSteps: Int = 1, averageMomentum: Double? = nil,
    classWeights: [Double] = [], _ layers: [any Layer]
  ) -> TrainingStep {
    TrainingStep(
      model: Sequential(layers), sampleShape: [28, 28, 1], loss: loss, optimizer: optimizer,
      classWeights: classWeights, clipping: clipping, accumulationSteps: accumulationSteps,
      averageMomentum: averageMomentum)
  }
  func perceptron(_ activation: ActivationFunction, _ last: ActivationFunction = .softmax) -> [any Layer] {
    [Rescaling(2, offset: -1), Flatten(), Dense(24, activation: activation), Dense(10, activation: last)]
  }
  var steps: [(name: String, step: TrainingStep)] = [
    (
      "dropout, depthwise convolution, average pooling",
      step([
        Conv2D(8, kernelSize: 3, strides: 2, activation: .relu), Dropout(0.2),
        Conv2D(8, kernelSize: 3, padding: .same, groups: 8, activation: .relu), AveragePooling2D(2), Flatten(),
        Dropout(0.3), Dense(10, activation: .softmax),
      ])
    ),
    (
      "groups, wide depthwise, global pooling, a padded pooling",
      step(
        optimizer: Adam(),
        [
          Conv2D(6, kernelSize: 3, strides: 2, padding: .same, activation: .swish),
          Conv2D(12, kernelSize: 3, groups: 6, activation: .elu()), Conv2D(8, kernelSize: 1, groups: 4),
          AveragePooling2D(3, strides: 2, padding: .same), Conv2D(8, kernelSize: 3, dilationRate: 2, groups: 2),
          GlobalAveragePooling2D(), Dense(10, activation: .softmax),
        ])
    ),
    (
      "leaky and parametric rectifiers, regularizers",
      step(
        optimizer: AdamW(),
        [
          Conv2D(4, kernelSize: 3, strides: 2, kernelRegularizer: Regularizer(l1: 1e-4, l2: 1e-3)), LeakyReLU(),
          MaxPooling2D(2), PReLU(), Conv2D(4, kernelSize: 3), PReLU(sharedAxes: [1, 2]),
          GlobalAveragePooling2D(keepDimensions: true), Flatten(), Dense(10, activation: .softmax),
        ])
    ),
    (
      "images made smaller and larger, separable and transposed convolutions, edges, dropped channels",
      step(
        optimizer: Adam(),
        [
          ZeroPadding2D(ImageEdges(top: 2, right: 1)), SeparableConv2D(6, kernelSize: 3, strides: 3, activation: .relu),
          SpatialDropout2D(0.2), DepthwiseConv2D(kernelSize: 3, padding: .same, depthMultiplier: 2, activation: .relu),
          MaxPooling2D(2, padding: .explicit(ImageEdges(top: 1, left: 1))),
          Conv2DTranspose(5, kernelSize: 3, strides: 2, padding: .same, activation: .relu),
          UpSampling2D(interpolation: .bilinear), Cropping2D(ImageEdges(top: 3, bottom: 4, left: 5)),
          GlobalMaxPooling2D(),
          Dense(10, activation: .softmax),
        ])
    ),
    (
      "rows of images as sequences, noise",
      step(
        optimizer: Adam(),
        [
          Reshaping([28, -1]), GaussianNoise(0.1), Conv1D(8, kernelSize: 3, padding: .causal, activation: .relu),
          MaxPooling1D(), SpatialDropout1D(0.2), SeparableConv1D(6, kernelSize: 3, activation: .tanh), UpSampling1D(),
          Conv1DTranspose(4, kernelSize: 2, strides: 2, activation: .relu), AveragePooling1D(2), ZeroPadding1D(),
          Cropping1D((2, 0)), Permute([2, 1]), GaussianDropout(0.1), GlobalAveragePooling1D(), RepeatVector(2),
          GlobalMaxPooling1D(), Dense(10, activation: .softmax),
        ])
    ),
    (
      "residual blocks with stochastic depth",
      step([
        Conv2D(8, kernelSize: 3, strides: 3, useBias: false), BatchNormalization(), Activation(.relu),
        Residual(activation: .relu, stochasticDepth: 0.2) {
          Conv2D(8, kernelSize: 3, padding: .same, useBias: false)
          BatchNormalization(gammaInitializer: .zeros)
        },
        GlobalAveragePooling2D(), Dense(10, activation: .softmax),
      ])
    ),
    (
      "clipping by value",
      step(optimizer: SGD(momentum: 0.9, nesterov: true), clipping: .value(0.01), perceptron(.tanh))
    ),
    ("clipping by norm", step(optimizer: Adagrad(), clipping: .norm(0.1), perceptron(.tanh))),
    (
      "clipping by the global norm, accumulation, averages, class weights",
      step(
        clipping: .globalNorm(0.1), accumulationSteps: 2, averageMomentum: 0.99,
        classWeights: (0..<10).map { 1 + Double($0) / 10 }, perceptron(.relu))
    ),
    ("binary cross-entropy", step(loss: BinaryCrossentropy(labelSmoothing: 0.1), perceptron(.relu, .sigmoid))),
    ("sparse cross-entropy", step(loss: SparseCategoricalCrossentropy(), perceptron(.relu))),
    (
      "sparse cross-entropy of logits",
      step(loss: SparseCategoricalCrossentropy(fromLogits: true), perceptron(.relu, .linear))
    ),
  ]
  for function in ActivationFunction.all { steps.append((function.word, step(perceptron(function)))) }
  return steps
}()

private func session(_ step: TrainingStep, on backend: any ComputeBackend, workers: Int = 2) throws -> TrainingSession {
  try TrainingSession(step: step, batchSize: 64, seed: 1, on: try chain(backend, workers: workers), probeInterval: 1)
}

@Suite(.enabled(if: hasOpenBLAS, "libopenblas.so.0 is not on this machine")) struct OneForkTests {
  @Test(
    "a training step of every layer is one segment and one fork, and its losses are the reference's",
    arguments: steps.indices)
  func oneFork(index: Int) throws {
    let (name, step) = steps[index]
    let data = try madeData()
    let openBLAS = try session(step, on: OpenBLASBackend())
    #expect(try openBLAS.plan.segmentCount == 1, "\(name)")
    #expect(try openBLAS.plan.placements.allSatisfy { $0.link == 0 }, "\(name)")
    var losses = try openBLAS.train(data, steps: 1)
    let before = openBLAS.chain.host.forkCount
    losses += try openBLAS.train(data, steps: 5)
    #expect(openBLAS.chain.host.forkCount - before == 5, "\(name)")
    let reference = try session(step, on: ReferenceBackend())
    let truth = try reference.train(data, steps: 1) + reference.train(data, steps: 5)
    for (a, b) in zip(losses, truth) { #expect(abs(a - b) <= 1e-3 * abs(b), "\(name): \(losses) and \(truth)") }
    _ = try openBLAS.evaluate(data.subset(0..<100))
  }

  @Test("weights do not depend on the number of workers", arguments: [0, 1, 2], [1, 3, 4])
  func workers(index: Int, count: Int) throws {
    let data = try madeData()
    let (a, b) = (
      try session(steps[index].step, on: OpenBLASBackend(), workers: 2),
      try session(steps[index].step, on: OpenBLASBackend(), workers: count)
    )
    try a.train(data, steps: 6)
    try b.train(data, steps: 6)
    #expect(try a.bytes() == b.bytes(), "\(steps[index].name)")
  }
}
