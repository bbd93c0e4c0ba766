/// Where the layers of a network stand in its configuration, by the paths that they have in the network.
struct LayerPlaces: Sendable {
  /// A layer of a list.
  struct Entry: Sendable {
    /// What it adds to the network's path of its list: `layers.1.repeat`, or its name.
    var component: String
    /// In the configuration: `model.layers.1.repeat`.
    var path: String
    var place: ConfigurationError.Place
    /// Of a layer in a block: ` (in the block basic, used in line 12)`.
    var uses: String
    /// Whether paths of its layers have the number of a turn behind its own.
    var isRepeated: Bool
    /// The layers of its lists.
    var inner: [Entry]
  }

  private let entries: [Entry]

  init(_ entries: [Entry]) { self.entries = entries }

  /// The last layer.
  var last: Entry? { entries.last }

  /// The layer at a path of the network, or the innermost that has the path below its own; nil where there is none.
  subscript(_ path: String) -> Entry? { Self.entry(at: path[...], in: entries) }

  private static func entry(at path: Substring, in entries: [Entry]) -> Entry? {
    // Names may hold points: the longest is meant.
    let found = entries.filter { path == $0.component || path.hasPrefix($0.component + ".") }
      .max { $0.component.count < $1.component.count }
    guard let found else { return nil }
    var rest = path.dropFirst(found.component.count + 1)
    if found.isRepeated { rest = rest.drop { $0 != "." }.dropFirst() }
    return entry(at: rest, in: found.inner) ?? found
  }
}
