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
    let type = section.choice("type", "rmsprop", names.map { ($0, $0) })
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
    let isNested = section.isGiven("learning_rate") && section.isMapping("learning_rate")
    guard isNested else { return .constant(section.number("learning_rate", fallback, in: 0...1e9)) }
    return section.section("learning_rate") { schedule in
      let types = ["cosine", "exponential", "step", "one_cycle", "linear_warmup"]
      switch schedule.choice("type", nil, types.map { ($0, $0) }) {
      case "exponential":
        return .exponential(
          initialLearningRate: schedule.number("initial_learning_rate", nil),
          decaySteps: schedule.int("decay_steps", nil, in: 1...Int.max),
          decayRate: schedule.number("decay_rate", nil), staircase: schedule.bool("staircase", false))
      case "step":
        return .step(
          initialLearningRate: schedule.number("initial_learning_rate", nil),
          factor: schedule.number("factor", 0.1), every: schedule.int("every", nil, in: 1...Int.max))
      case "one_cycle":
        return .oneCycle(
          maximumLearningRate: schedule.number("maximum_learning_rate", nil),
          totalSteps: schedule.int("total_steps", nil, in: 1...Int.max))
      case "linear_warmup":
        return .linearWarmup(
          steps: schedule.int("steps", nil, in: 1...Int.max), from: schedule.number("from", 0),
          then: .constant(schedule.number("learning_rate", nil)))
      default:
        return .cosine(
          initialLearningRate: schedule.number("initial_learning_rate", nil),
          decaySteps: schedule.int("decay_steps", nil, in: 1...Int.max), alpha: schedule.number("alpha", 0))
      }
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
    switch section.choice("type", "categorical_crossentropy", names.map { ($0, $0) }) {
    case "sparse_categorical_crossentropy": SparseCategoricalCrossentropy()
    case "binary_crossentropy": BinaryCrossentropy(labelSmoothing: section.number("label_smoothing", 0, in: 0...1))
    case "mean_squared_error": MeanSquaredError()
    case "mean_absolute_error": MeanAbsoluteError()
    case "huber": Huber(delta: section.number("delta", 1))
    default: CategoricalCrossentropy(labelSmoothing: section.number("label_smoothing", 0, in: 0...1))
    }
  }
}
