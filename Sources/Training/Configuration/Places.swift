/// Where the keys of a section stand, for whoever finds later that they do not fit the data.
struct Places: Hashable, Sendable {
  /// Of the section: `training.objectives.0`.
  let path: String
  private let section: ConfigurationError.Place
  private let keys: [String: ConfigurationError.Place]

  init(_ section: SectionReader, path: String) {
    self.path = path
    self.section = section.problems.place(of: section.node)
    keys = section.places
  }

  /// That of a key, or of the section where the key is not given.
  subscript(_ key: String) -> ConfigurationError.Place { keys[key] ?? section }
}
