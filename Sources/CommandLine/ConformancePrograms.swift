import Switchback
import SwitchbackConformance

/// Training steps that between them have every kind of layer, as programs with numbers.
enum ConformancePrograms {
  static func all(isQuick: Bool) throws -> [(name: String, replay: ReplayFile)] {
    try steps(isQuick: isQuick).map { name, step, batch in
      (name, withoutZeros(try replay(step, step.build(batchSize: batch), batch: batch)))
    }
  }

  /// States that begin as zeros, biases and slots, hide whoever forgets them: small positive numbers instead.
  private static func withoutZeros(_ replay: ReplayFile) -> ReplayFile {
    var replay = replay
    for value in replay.program.values where value.role == .state && value.type.elementType.isFloatingPoint {
      guard let numbers = replay.values[value.name], numbers.allSatisfy({ $0 == 0 }) else { continue }
      replay.values[value.name] = numbers.indices.map { Double(Float(0.01 + 0.005 * Double($0 % 7))) }
    }
    return replay
  }

  /// Fifty steps of each, on samples that show their class.
  static func runs() throws -> [TrainingRun] {
    try steps(isQuick: false).map { name, step, _ in
      let (batch, count) = (8, 50)
      let training = try step.build(batchSize: batch)
      let samples = ShownSamples(for: step, batchSize: batch, batchCount: count)
      return TrainingRun(
        name: "50 steps: \(name)", start: try replay(step, training, batch: batch), stepCount: count
      ) { executor in
        let feed = try StepFeed(executor, training.stepValues)
        return { try feed.fill(samples, samples.batch($0), at: StepPosition(update: $0, seed: 1)) }
      }
    }
  }

  /// Networks whose neighbouring operations backends make one kernel of, in every program that a run has of them, and the
  /// training steps with every kind of layer. Batches and channels leave a rest whatever the block is.
  static func segments(isQuick: Bool) throws -> [SegmentProgram] {
    func convolutions(_ filters: Int, _ activation: ActivationFunction) -> [any Layer] {
      [
        Conv2D(filters, kernelSize: 3, activation: activation), MaxPooling2D(2),
        Conv2D(filters + 16, kernelSize: 3, padding: .same, activation: activation), Flatten(),
      ]
    }
    let networks: [(String, Shape, [any Layer])] = [
      ("convolution, bias, relu, pooling; 17 and 33 filters", [9, 9, 3], convolutions(17, .relu)),
      ("products, bias, relu; 40 and 96 units", [150], [Dense(40, activation: .relu), Dense(96, activation: .relu)]),
      ("convolution, bias, tanh, pooling; 40 and 56 filters", [8, 7, 5], convolutions(40, .tanh)),
      (
        "products, bias, sigmoid; 17 and 300 units", [600],
        [Dense(17, activation: .sigmoid), Dense(300, activation: .sigmoid)]
      ),
    ]
    var programs: [SegmentProgram] = []
    for (name, shape, layers) in networks.prefix(isQuick ? 2 : networks.count) {
      let step = step(shape, SGD(learningRate: 0.1, momentum: 0.9), layers)
      for batch in isQuick ? [61] : [1, 61, 64] {
        let training = try step.build(batchSize: batch)
        let numbers = withoutZeros(try replay(step, training, batch: batch))
        /// A program of the same network, with as many of the numbers as it has.
        func add(_ words: String, _ program: Program, _ more: [String: [Double]] = [:]) {
          let names = Set(program.values.map(\.name))
          let values = numbers.values.merging(more) { $1 }.filter { names.contains($0.key) }
          // Of a network's training all values are looked at, one at a time.
          let tapCount = isQuick ? (programs.isEmpty ? 1 : 0) : words == "training" && batch == 61 ? .max : 10
          programs.append(
            SegmentProgram("\(name), \(words), batch \(batch)", ReplayFile(program, values), tapCount: tapCount))
        }
        add("training", training.program)
        add("inference", try step.inference(batchSize: batch).program)
        guard !isQuick || programs.count < 3 else { continue }
        add("evaluation", try step.evaluation(batchSize: batch).program)
        add("training with probes", try step.build(batchSize: batch, probe: probe).program)
        var accumulatingStep = step
        accumulatingStep.accumulationSteps = 2
        let accumulating = try accumulatingStep.build(batchSize: batch)
        let more = withoutZeros(try replay(accumulatingStep, accumulating, batch: batch)).values
        if let accumulation = accumulating.accumulation { add("accumulation", accumulation, more) }
        add("training after accumulation", accumulating.program, more)
      }
    }
    return try programs
      + all(isQuick: isQuick).map { SegmentProgram($0.name, $0.replay, tapCount: isQuick ? 0 : 10) }
  }

  /// Looks at what the monitor looks at.
  private static func probe(_ builder: inout ProgramBuilder, _ trace: TrainingTrace) throws(ProgramError) {
    let seen =
      trace.gates.flatMap { [$0.output, $0.preActivationGradient].compactMap { $0 } }
      + trace.parameters.flatMap { [$0.gradient, $0.update] }
    for (index, value) in seen.enumerated() {
      builder.output("probe/\(index)", try builder.append(Statistics(), value))
    }
  }

  private static func steps(isQuick: Bool) -> [(String, TrainingStep, Int)] {
    var steps: [(String, TrainingStep, Int)] = [
      (
        "perceptron, SGD",
        step([6, 6, 1], SGD(learningRate: 0.1, momentum: 0.9), [Flatten(), Dense(9, activation: .tanh)]), 5
      ),
      (
        "convolutions, RMSprop",
        step(
          [10, 10, 1], RMSprop(learningRate: 0.01),
          [
            Conv2D(4, kernelSize: 3, activation: .relu), MaxPooling2D(2), Conv2D(5, kernelSize: 3, activation: .relu),
            Flatten(),
          ]), 4
      ),
    ]
    if !isQuick {
      steps += [
        (
          "strides, dilation, groups, dropout, Adam",
          step(
            [11, 9, 2], Adam(learningRate: 0.01),
            [
              Conv2D(4, kernelSize: 3, strides: 2, padding: .same, groups: 2, activation: .swish), Dropout(0.3),
              Conv2D(4, kernelSize: 2, dilationRate: 2, activation: .elu()), AveragePooling2D(2), Flatten(),
            ]), 7
        ),
        (
          "rectifiers, global pooling, AdamW",
          step(
            [8, 8, 3], AdamW(learningRate: 0.01),
            [Conv2D(6, kernelSize: 1), PReLU(), Conv2D(3, kernelSize: 5), LeakyReLU(), GlobalAveragePooling2D()]), 3
        ),
        (
          "residual, batch normalization, SGD",
          step(
            [7, 5, 3], SGD(learningRate: 0.1, momentum: 0.9),
            [
              Conv2D(5, kernelSize: 3, padding: .same, useBias: false), BatchNormalization(momentum: 0.9),
              Activation(.relu),
              Residual(activation: .relu) {
                Conv2D(5, kernelSize: 3, padding: .same, useBias: false)
                BatchNormalization(momentum: 0.9)
              },
              GlobalAveragePooling2D(),
            ]), 6
        ),
        (
          "group, instance, layer and RMS normalization, SGD",
          step(
            [6, 5, 3], SGD(learningRate: 0.1, momentum: 0.9),
            [
              Conv2D(6, kernelSize: 3, useBias: false), GroupNormalization(groups: 3), Activation(.relu),
              Conv2D(5, kernelSize: 2), GroupNormalization(groups: -1), LayerNormalization(), Flatten(),
              Dense(9, activation: .tanh), RMSNormalization(),
            ]), 5
        ),
        (
          "recurrent layers, Adam",
          step(
            [6, 4], Adam(learningRate: 0.01),
            [
              Bidirectional(LSTM(3, returnSequences: true)),
              GRU(5, recurrentDropout: 0.3, returnSequences: true, goBackwards: true), SimpleRNN(7, dropout: 0.2),
            ]), 5
        ),
        ("perceptron of bytes, SGD", bytes, 5),
        (
          "one sample, Adagrad",
          step([5], Adagrad(learningRate: 0.1), [Dense(7, activation: .gelu()), Dense(3, activation: .softplus)]), 1
        ),
      ]
    }
    return steps
  }

  private static func step(_ shape: Shape, _ optimizer: any Optimizer, _ layers: [any Layer]) -> TrainingStep {
    TrainingStep(
      model: Sequential(layers + [Dense(4, activation: .softmax)]), sampleShape: shape, loss: CategoricalCrossentropy(),
      optimizer: optimizer, clipping: .globalNorm(1))
  }

  /// A step whose program scales what it reads, as of pictures.
  private static var bytes: TrainingStep {
    TrainingStep(
      model: Sequential([Flatten(), Dense(9, activation: .tanh), Dense(4, activation: .softmax)]),
      inputs: [ModelInput(Field("images", .uint8, [6, 6, 1], scale: 1 / 64))],
      objectives: [Objective(loss: CategoricalCrossentropy())], optimizer: SGD(learningRate: 0.1, momentum: 0.9),
      clipping: .globalNorm(1))
  }

  /// The step's program with its initial weights, random samples and what the first step is given.
  private static func replay(_ step: TrainingStep, _ training: TrainingProgram, batch: Int) throws -> ReplayFile {
    let samples = ShownSamples(for: step, batchSize: batch)
    var values = try samples.numbers(samples.batch(0), asStored: true)
    values.merge(training.stepValues.numbers(at: StepPosition(update: 0, seed: 1))) { $1 }
    for state in training.states { values[state.name] = state.values(seed: 1).map(Double.init) }
    return ReplayFile(training.program, values)
  }
}

/// Random samples of four classes in turn, whose class brightens a quarter of them much, all of them a little. Batches
/// follow one another.
private struct ShownSamples: Dataset {
  let count: Int
  let fields: [Field]
  let classNames = ["0", "1", "2", "3"]
  private let batchSize: Int

  init(for step: TrainingStep, batchSize: Int, batchCount: Int = 1) {
    (count, self.batchSize) = (batchSize * batchCount, batchSize)
    let input = step.inputs[0]
    let elementType: Field.ElementType = input.scale == nil ? .float32 : .uint8
    fields = [
      Field(input.name, elementType, input.type.shape.extents, scale: input.scale), Field(Field.labels, .int32),
    ]
  }

  func batch(_ index: Int) -> ArraySlice<Int32> {
    (0..<Int32(batchSize)).map { Int32(index * batchSize) + $0 }[...]
  }

  func read(_ index: Int, row: Int, into batch: BatchMemory) {
    let philox = Philox(seed: 3)
    let (update, sample) = index.quotientAndRemainder(dividingBy: batchSize)
    let (count, bytes) = (fields[0].elementCount, batch[0, row])
    for place in 0..<count {
      let element = sample * count + place
      let bits = philox.bits(block: element / 4, stream: 0, step: Int64(update))
      let shown = (4 * place / count == sample % 4 ? 2 : 0) + 0.5 * Double(sample % 4)
      let number = Float(0.5 * Philox.uniform(bits[element % 4]) + shown)
      if let scale = fields[0].scale {
        bytes[place] = UInt8(min(number / scale, 255))
      } else {
        bytes.storeBytes(of: number, toByteOffset: 4 * place, as: Float.self)
      }
    }
    batch[1, row].storeBytes(of: Int32(sample % 4), as: Int32.self)
  }
}
