import SwitchbackNeuralNetworks

/// `training.optimizer` and what applies to any of them, by Keras's words and defaults.
enum OptimizerReader {
  struct Result {
    var optimizer: any Optimizer
    var clipping: GradientClipping?
    var accumulationSteps: Int
    var averageMomentum: Double?
  }

  static func optimizer(_ section: SectionReader) -> Result {
    func read<Described: ConfigurableOptimizer>(_ type: Described.Type) -> any Optimizer { section.read(type.settings) }
    let type = section.type(configurableOptimizers, RMSprop.word, word: { $0.word }, help: { $0.help })
    let optimizer = read(type)
    checkDecay(of: optimizer, section)
    return Result(
      optimizer: optimizer, clipping: clipping(section),
      accumulationSteps: section.int(
        "gradient_accumulation_steps", 1, in: 1...4096, help: "How many batches make an update"),
      averageMomentum: section.optionalNumber(
        "ema_momentum", in: .kept, help: "Keeps a running mean of the weights, which is the run's answer"))
  }

  /// The schedule's highest rate is unknown, so it is sampled at updates 0, 1, 3, 2, 6, …; `TrainingSession` looks at each.
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
      section.optionalNumber("clipvalue", in: .positive, help: "Keeps each gradient element within ± this").map {
        .value($0)
      },
      section.optionalNumber("clipnorm", in: .positive, help: "Keeps each weight's gradient to this L2 norm").map {
        .norm($0)
      },
      section.optionalNumber("global_clipnorm", in: .positive, help: "Keeps all gradients together to this L2 norm").map
      { .globalNorm($0) },
    ].compactMap { $0 }
    if given.count > 1 {
      section.problems.add(
        "\(section.path): clipvalue, clipnorm and global_clipnorm exclude each other", at: section.node)
    }
    return given.first
  }
}
