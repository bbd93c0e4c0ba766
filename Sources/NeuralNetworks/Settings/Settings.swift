/// What configurations can say of a type: the one table that its defaults, its reader, the resolved configuration, the
/// schema and `switchback config keys` go by.
package struct Settings<Owner: Sendable>: Sendable {
  /// The word for the type in configurations: `conv2d`.
  package let word: String
  /// What it is, in one line.
  package let help: String
  /// Made by the initializer's own defaults, which thereby are the keys' defaults. What is required has any value.
  package let prototype: Owner
  /// In the order of a resolved configuration.
  package let keys: [Setting<Owner>]
  /// What is wrong with values that are each in their range; nil where nothing is.
  package let fault: @Sendable (Owner) -> String?

  package init(
    _ word: String, of prototype: Owner, help: String, keys: [Setting<Owner>] = [],
    fault: @escaping @Sendable (Owner) -> String? = { _ in nil }
  ) {
    (self.word, self.prototype, self.help, self.keys, self.fault) = (word, prototype, help, keys, fault)
  }

  /// The numbers that have a range, by their names in Swift: `beta_1` is `beta1`.
  func numbers(of owner: Owner) -> [BoundedNumber] {
    keys.compactMap { key in
      guard case .number(let path, let range) = key.property else { return nil }
      let parts = key.word.split(separator: "_")
      let name = parts[0] + parts.dropFirst().map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
      return BoundedNumber(String(name), owner[keyPath: path], range)
    }
  }
}

/// A type that configurations know by a word.
package protocol Configurable: Sendable {
  static var settings: Settings<Self> { get }
}

extension Configurable {
  package static var word: String { settings.word }
  package static var help: String { settings.help }
}

/// Settings that several types share as one property. The table of each of these types has keys for all of them.
package protocol CommonSettings: Sendable {}

/// A layer that configurations know by a word. Besides its keys each takes `name`, `inputs` and `trainable`.
package protocol ConfigurableLayer: Layer, Configurable {
  var name: String? { get set }
}

/// An optimizer that configurations know by a word.
package protocol ConfigurableOptimizer: Optimizer, Configurable {}

/// A loss that configurations know by a word.
package protocol ConfigurableLoss: Loss, Configurable {}

/// A rule of learning rates that configurations know by a word.
package protocol ConfigurableRule: ScheduleRule, Configurable {}
