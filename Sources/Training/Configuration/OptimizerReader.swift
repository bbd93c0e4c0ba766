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
    let decay = section.number("weight_decay", type == "adamw" ? 0.004 : 0, in: .factor)
    let optimizer: any Optimizer =
      switch type {
      case "sgd":
        SGD(
          learningRate: rate, momentum: section.number("momentum", 0, in: .kept),
          nesterov: section.bool("nesterov", false), weightDecay: decay)
      case "adagrad":
        Adagrad(
          learningRate: rate, initialAccumulatorValue: section.number("initial_accumulator_value", 0.1, in: .factor),
          epsilon: section.number("epsilon", 1e-7, in: .epsilon), weightDecay: decay)
      case "adam":
        Adam(
          learningRate: rate, beta1: section.number("beta_1", 0.9, in: .kept),
          beta2: section.number("beta_2", 0.999, in: .kept), epsilon: section.number("epsilon", 1e-7, in: .epsilon),
          weightDecay: decay)
      case "adamw":
        AdamW(
          learningRate: rate, weightDecay: decay, beta1: section.number("beta_1", 0.9, in: .kept),
          beta2: section.number("beta_2", 0.999, in: .kept), epsilon: section.number("epsilon", 1e-7, in: .epsilon))
      default:
        RMSprop(
          learningRate: rate, rho: section.number("rho", 0.9, in: .kept),
          momentum: section.number("momentum", 0, in: .kept), epsilon: section.number("epsilon", 1e-7, in: .epsilon),
          centered: section.bool("centered", false), weightDecay: decay)
      }
    checkDecay(of: optimizer, section)
    return Result(
      optimizer: optimizer, clipping: clipping(section),
      accumulationSteps: section.int("gradient_accumulation_steps", 1, in: 1...4096),
      averageMomentum: section.optionalNumber("ema_momentum", in: .kept))
  }

  /// A schedule is looked at from far, since its highest rate is not said; `TrainingSession` looks at each update.
  private static func checkDecay(of optimizer: any Optimizer, _ section: SectionReader) {
    let updates = [0] + (0..<40).flatMap { [1 << $0, 3 << $0] }
    let rate = updates.map { optimizer.learningRate($0) }.max() ?? 0
    guard rate * optimizer.weightDecay > 1 else { return }
    section.problems.add(
      "\(section.path).weight_decay times the learning rate is \(rate * optimizer.weightDecay), above 1: it would take "
        + "more than the whole weight away at each update", at: section.node)
  }

  private static func clipping(_ section: SectionReader) -> GradientClipping? {
    let given: [GradientClipping] = [
      section.optionalNumber("clipvalue", in: .positive).map { .value($0) },
      section.optionalNumber("clipnorm", in: .positive).map { .norm($0) },
      section.optionalNumber("global_clipnorm", in: .positive).map { .globalNorm($0) },
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
      "learning_rate", fallback, in: .learningRate, number: { .constant($0) }, section: { schedule($0, after: nil) })
  }

  /// `first` is what warms up: a warm-up after a warm-up would be none.
  private static func schedule(_ section: SectionReader, after first: String?) -> Schedule {
    let types = ["constant", "cosine", "exponential", "step", "one_cycle"] + (first == nil ? ["linear_warmup"] : [])
    func initial() -> Double { section.number("initial_learning_rate", nil, in: .learningRate) }
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
        maximumLearningRate: section.number("maximum_learning_rate", nil, in: .learningRate),
        totalSteps: section.int("total_steps", nil, in: 1...Int.max),
        warmupFraction: section.number("warmup_fraction", 0.3, in: 0...1),
        divisor: section.number("divisor", 25, in: 1e-9...Double.infinity),
        finalDivisor: section.number("final_divisor", 1e4, in: 1e-9...Double.infinity))
    case "linear_warmup":
      return .linearWarmup(
        steps: section.int("steps", nil, in: 1...Int.max), from: section.number("from", 0, in: .learningRate),
        then: section.numberOrSection(
          "then", 0.001, in: .learningRate, number: { .constant($0) }, section: { schedule($0, after: "linear_warmup") }
        ))
    default: return .constant(section.number("learning_rate", nil, in: .learningRate))
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
