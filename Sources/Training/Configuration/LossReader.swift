import SwitchbackNeuralNetworks

/// `training.loss`.
enum LossReader {
  static func loss(_ section: SectionReader) -> any Loss {
    func read<Described: ConfigurableLoss>(_ type: Described.Type) -> any Loss { section.read(type.settings) }
    let type = section.type(
      configurableLosses, CategoricalCrossentropy.word, word: { $0.word }, help: { $0.help })
    return read(type)
  }
}
