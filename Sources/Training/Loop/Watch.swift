import SwitchbackNeuralNetworks

/// The number of the validation by which a run calls its best weights, stops early and lowers the learning rate.
public struct Watch: Hashable, Sendable {
  /// `loss`, `accuracy`, `digit/accuracy`.
  public let column: String
  /// Whether it should rise.
  public let isMaximized: Bool

  /// The validation loss; of several outputs their sum, by their weights.
  public static let total = Watch(column: "loss", isMaximized: false)
  var isTotal: Bool { self == .total }

  func number(of evaluation: Evaluation) -> Double? { evaluation[column] }
  func isBetter(_ number: Double, than best: Double) -> Bool { isMaximized ? number > best : number < best }

  /// In messages: `lowest validation loss`, `lower loss`.
  var best: String { "\(isMaximized ? "highest" : "lowest") validation \(column)" }
  var gain: String { "a \(isMaximized ? "higher" : "lower") \(column)" }
  var stagnation: String { "the validation \(column) no longer \(isMaximized ? "rises" : "falls")" }
}

extension Configuration {
  /// What `training.watch` names; an error where no column is called so.
  func watch(in step: TrainingStep) throws(ConfigurationError) -> Watch {
    guard let word = training.watch, word != "total" else { return .total }
    let columns = step.validationColumns(metrics)
    if let found = ([.total] + columns).first(where: { $0.column == word }) { return found }
    let words = ["total"] + columns.map(\.column)
    throw ConfigurationError(problems: [
      .init(
        training.places["watch"],
        "\(training.places.path).watch: there is no column \(word)\(Suggestion.words(for: word, among: words))")
    ])
  }
}
