import SwitchbackNeuralNetworks

/// `training.optimizer` and its learning rate, by Keras's words and defaults.
enum OptimizerReader {
  static let names = ["sgd", "rmsprop", "adagrad", "adam", "adamw"]

  struct Result {
    var optimizer: any Optimizer
    var clipping: GradientClipping?
    var accumulationSteps: Int
    var averageMomentum: Double?
  }

  static func optimizer(_ section: SectionReader) -> Result {
    let type = section.choice("type", "rmsprop", isSelector: true, names.map { ($0, $0) })
    let rate = learningRate(section, type == "sgd" ? 0.01 : 0.001)
    let decay = section.number("weight_decay", type == "adamw" ? 0.004 : 0)
    let optimizer: any Optimizer =
      switch type {
      case "sgd":
        SGD(
          learningRate: rate, momentum: section.number("momentum", 0, in: 0...1),
          nesterov: section.bool("nesterov", false), weightDecay: decay)
      case "adagrad":
        Adagrad(
          learningRate: rate, initialAccumulatorValue: section.number("initial_accumulator_value", 0.1),
          epsilon: section.number("epsilon", 1e-7), weightDecay: decay)
      case "adam":
        Adam(
          learningRate: rate, beta1: section.number("beta_1", 0.9, in: 0...1),
          beta2: section.number("beta_2", 0.999, in: 0...1), epsilon: section.number("epsilon", 1e-7),
          weightDecay: decay)
      case "adamw":
        AdamW(
          learningRate: rate, weightDecay: decay, beta1: section.number("beta_1", 0.9, in: 0...1),
          beta2: section.number("beta_2", 0.999, in: 0...1), epsilon: section.number("epsilon", 1e-7))
      default:
        RMSprop(
          learningRate: rate, rho: section.number("rho", 0.9, in: 0...1),
          momentum: section.number("momentum", 0, in: 0...1), epsilon: section.number("epsilon", 1e-7),
          centered: section.bool("centered", false), weightDecay: decay)
      }
    return Result(
      optimizer: optimizer, clipping: clipping(section),
      accumulationSteps: section.int("gradient_accumulation_steps", 1, in: 1...4096),
      averageMomentum: section.optionalNumber("ema_momentum", in: 0...0.999_999_9))
  }

  private static func clipping(_ section: SectionReader) -> GradientClipping? {
    let given: [GradientClipping] = [
      section.optionalNumber("clipvalue").map { .value($0) }, section.optionalNumber("clipnorm").map { .norm($0) },
      section.optionalNumber("global_clipnorm").map { .globalNorm($0) },
    ].compactMap { $0 }
    if given.count > 1 {
      section.problems.add(
        "\(section.path): clipvalue, clipnorm and global_clipnorm exclude each other", at: section.node)
    }
    return given.first
  }

  /// A number, or a schedule: `{type: cosine, initial_learning_rate: 0.1, decay_steps: 1000}`.
  private static func learningRate(_ section: SectionReader, _ fallback: Double) -> Schedule {
    section.numberOrSection(
      "learning_rate", fallback, in: 0...1e9, number: { .constant($0) }, section: { schedule($0, after: nil) })
  }

  /// `first` is what warms up: a warm-up after a warm-up would be none.
  private static func schedule(_ section: SectionReader, after first: String?) -> Schedule {
    let types = ["constant", "cosine", "exponential", "step", "one_cycle"] + (first == nil ? ["linear_warmup"] : [])
    func initial() -> Double { section.number("initial_learning_rate", nil) }
    switch section.choice("type", nil, isSelector: true, types.map { ($0, $0) }) {
    case "cosine":
      return .cosine(
        initialLearningRate: initial(), decaySteps: section.int("decay_steps", nil, in: 1...Int.max),
        alpha: section.number("alpha", 0))
    case "exponential":
      return .exponential(
        initialLearningRate: initial(), decaySteps: section.int("decay_steps", nil, in: 1...Int.max),
        decayRate: section.number("decay_rate", nil), staircase: section.bool("staircase", false))
    case "step":
      return .step(
        initialLearningRate: initial(), factor: section.number("factor", 0.1),
        every: section.int("every", nil, in: 1...Int.max))
    case "one_cycle":
      return .oneCycle(
        maximumLearningRate: section.number("maximum_learning_rate", nil),
        totalSteps: section.int("total_steps", nil, in: 1...Int.max),
        warmupFraction: section.number("warmup_fraction", 0.3, in: 0...1),
        divisor: section.number("divisor", 25, in: 1e-9...Double.infinity),
        finalDivisor: section.number("final_divisor", 1e4, in: 1e-9...Double.infinity))
    case "linear_warmup":
      return .linearWarmup(
        steps: section.int("steps", nil, in: 1...Int.max), from: section.number("from", 0),
        then: section.numberOrSection(
          "then", 0.001, number: { .constant($0) }, section: { schedule($0, after: "linear_warmup") }))
    default: return .constant(section.number("learning_rate", nil))
    }
  }
}

/// `training.loss`.
enum LossReader {
  static let names = [
    "categorical_crossentropy", "sparse_categorical_crossentropy", "binary_crossentropy", "mean_squared_error",
    "mean_absolute_error", "huber",
  ]

  static func loss(_ section: SectionReader) -> any Loss {
    func fromLogits() -> Bool { section.bool("from_logits", false) }
    func smoothing() -> Double { section.number("label_smoothing", 0, in: 0...1) }
    switch section.choice("type", "categorical_crossentropy", isSelector: true, names.map { ($0, $0) }) {
    case "sparse_categorical_crossentropy": return SparseCategoricalCrossentropy(fromLogits: fromLogits())
    case "binary_crossentropy": return BinaryCrossentropy(fromLogits: fromLogits(), labelSmoothing: smoothing())
    case "mean_squared_error": return MeanSquaredError()
    case "mean_absolute_error": return MeanAbsoluteError()
    case "huber": return Huber(delta: section.number("delta", 1, in: 1e-9...Double.infinity))
    default: return CategoricalCrossentropy(fromLogits: fromLogits(), labelSmoothing: smoothing())
    }
  }
}
