import Switchback
import SwitchbackTraining

extension NamedDataset {
  /// The data set of a name from the command line; the error names the nearest. `others` are words that may stand there
  /// besides.
  static func found(_ name: String, besides others: [String] = []) throws -> NamedDataset {
    let known = all.map(\.name) + others
    guard known.contains(name) else {
      throw DatasetError(
        .invalid, "there is no data set called \(name)\(Suggestion.words(for: name, among: known))")
    }
    return try named(name)
  }
}
