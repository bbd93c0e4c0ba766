/// A key of a configuration: the property that it sets, the values that it may have, and what it means.
package struct Setting<Owner: Sendable>: Sendable {
  package typealias Path<Value> = WritableKeyPath<Owner, Value> & Sendable

  package enum Presence: Sendable {
    case required
    /// Its default is written out in a resolved configuration.
    case written
    /// A resolved configuration says it only where it is given.
    case whereGiven
  }

  /// What it takes, and the property that holds it.
  package enum Property: Sendable {
    case integer(any Path<Int>, ClosedRange<Int>)
    case number(any Path<Double>, NumberRange)
    case bool(any Path<Bool>)
    case text(any Path<String>)
    case choice(Choice)
    /// One number for both axes of an image, or a list of two.
    case pair(any Path<(height: Int, width: Int)>)
    /// The same; without it something else decides.
    case optionalPair(any Path<(height: Int, width: Int)?>, ClosedRange<Int>)
    /// A whole number; without it something else decides.
    case optionalInteger(any Path<Int?>, ClosedRange<Int>)
    /// `valid`, `same`, or `[top, bottom, left, right]`.
    case padding(any Path<Padding>)
    /// One number for all edges of an image, `[height, width]`, `[top, bottom, left, right]`, or
    /// `[[top, bottom], [left, right]]`.
    case edges(any Path<ImageEdges>)
    /// A number, or the word `activation`.
    case gain(any Path<Gain>)
    /// One whole number for both inputs, or a list of two.
    case twoIntegers(any Path<(first: Int, second: Int)>, ClosedRange<Int>)
    /// One whole number, or a list of them.
    case oneOrMoreIntegers(any Path<[Int]>, ClosedRange<Int>)
    case integers(any Path<[Int]>, ClosedRange<Int>)
    case numbers(any Path<[Double]>, NumberRange)
    /// A list of words, or one word.
    case texts(any Path<[String]>)
    case activation(any Path<ActivationFunction>)
    case initializer(any Path<Initializer>)
    case regularizer(any Path<Regularizer?>)
    /// A number, or one of these rules.
    case schedule(any Path<Schedule>, [any ConfigurableRule.Type])
    /// A list of layers, which only a layer has.
    case layers(any Path<[GraphNode]>)
    /// One layer, which only a layer has, and what its path adds to that of the layer around it.
    case layer(any Path<any Layer>, component: String)
    /// The same; without it something else decides.
    case optionalLayer(any Path<(any Layer)?>, component: String)
  }

  /// One of a few words.
  package struct Choice: Sendable {
    package let path: AnyKeyPath & Sendable
    package let words: [String]
    package let word: @Sendable (Owner) -> String
    package let set: @Sendable (inout Owner, String) -> Void
  }

  package let word: String
  package let property: Property
  package let presence: Presence
  /// One line.
  package let help: String

  private init(_ word: String, _ property: Property, _ presence: Presence, _ help: String) {
    (self.word, self.property, self.presence, self.help) = (word, property, presence, help)
  }

  package static func integer(
    _ word: String, _ path: any Path<Int>, in range: ClosedRange<Int>, _ presence: Presence = .written, help: String
  ) -> Setting {
    Setting(word, .integer(path, range), presence, help)
  }

  package static func number(
    _ word: String, _ path: any Path<Double>, in range: NumberRange = .nonNegative, _ presence: Presence = .written,
    help: String
  ) -> Setting {
    Setting(word, .number(path, range), presence, help)
  }

  package static func bool(
    _ word: String, _ path: any Path<Bool>, _ presence: Presence = .written, help: String
  ) -> Setting {
    Setting(word, .bool(path), presence, help)
  }

  package static func text(
    _ word: String, _ path: any Path<String>, _ presence: Presence = .written, help: String
  ) -> Setting {
    Setting(word, .text(path), presence, help)
  }

  /// One of the words of an enumeration.
  package static func choice<Value: CaseIterable & RawRepresentable<String> & Sendable>(
    _ word: String, _ path: any Path<Value>, _ presence: Presence = .written, help: String
  ) -> Setting {
    let choice = Choice(
      path: path, words: Value.allCases.map(\.rawValue), word: { $0[keyPath: path].rawValue },
      set: { owner, word in owner[keyPath: path] = Value(rawValue: word) ?? owner[keyPath: path] })
    return Setting(word, .choice(choice), presence, help)
  }

  package static func pair(
    _ word: String, _ path: any Path<(height: Int, width: Int)>, _ presence: Presence = .written, help: String
  ) -> Setting {
    Setting(word, .pair(path), presence, help)
  }

  package static func pair(
    _ word: String, _ path: any Path<(height: Int, width: Int)?>, in range: ClosedRange<Int> = .extents, help: String
  ) -> Setting {
    Setting(word, .optionalPair(path, range), .whereGiven, help)
  }

  package static func integer(
    _ word: String, _ path: any Path<Int?>, in range: ClosedRange<Int>, help: String
  ) -> Setting {
    Setting(word, .optionalInteger(path, range), .whereGiven, help)
  }

  package static func padding(_ word: String, _ path: any Path<Padding>) -> Setting {
    Setting(
      word, .padding(path), .written,
      "same: so that only strides shrink the image; valid: none; or [top, bottom, left, right]")
  }

  package static func edges(_ word: String, _ path: any Path<ImageEdges>, help: String) -> Setting {
    Setting(word, .edges(path), .written, help)
  }

  package static func gain(_ word: String, _ path: any Path<Gain>, help: String) -> Setting {
    Setting(word, .gain(path), .written, help)
  }

  package static func twoIntegers(
    _ word: String, _ path: any Path<(first: Int, second: Int)>, in range: ClosedRange<Int>,
    _ presence: Presence = .written, help: String
  ) -> Setting {
    Setting(word, .twoIntegers(path, range), presence, help)
  }

  package static func oneOrMoreIntegers(
    _ word: String, _ path: any Path<[Int]>, in range: ClosedRange<Int>, _ presence: Presence = .written, help: String
  ) -> Setting {
    Setting(word, .oneOrMoreIntegers(path, range), presence, help)
  }

  package static func integers(
    _ word: String, _ path: any Path<[Int]>, in range: ClosedRange<Int>, _ presence: Presence = .written, help: String
  ) -> Setting {
    Setting(word, .integers(path, range), presence, help)
  }

  package static func numbers(
    _ word: String, _ path: any Path<[Double]>, in range: NumberRange, _ presence: Presence = .written, help: String
  ) -> Setting {
    Setting(word, .numbers(path, range), presence, help)
  }

  package static func texts(
    _ word: String, _ path: any Path<[String]>, _ presence: Presence = .written, help: String
  ) -> Setting {
    Setting(word, .texts(path), presence, help)
  }

  package static func activation(
    _ word: String, _ path: any Path<ActivationFunction>, _ presence: Presence = .written, help: String
  ) -> Setting {
    Setting(word, .activation(path), presence, help)
  }

  package static func initializer(
    _ word: String, _ path: any Path<Initializer>, _ presence: Presence = .written, help: String
  ) -> Setting {
    Setting(word, .initializer(path), presence, help)
  }

  /// Nil is the only default.
  package static func regularizer(_ word: String, _ path: any Path<Regularizer?>, help: String) -> Setting {
    Setting(word, .regularizer(path), .whereGiven, help)
  }

  package static func schedule(
    _ word: String, _ path: any Path<Schedule>, of rules: [any ConfigurableRule.Type], help: String
  ) -> Setting {
    Setting(word, .schedule(path, rules), .written, help)
  }

  package static func layers(
    _ word: String, _ path: any Path<[GraphNode]>, _ presence: Presence = .written, help: String = GraphNode.listHelp
  ) -> Setting {
    Setting(word, .layers(path), presence, help)
  }

  package static func layer(
    _ word: String, _ path: any Path<any Layer>, component: String, help: String
  ) -> Setting {
    Setting(word, .layer(path, component: component), .required, help)
  }

  package static func layer(
    _ word: String, _ path: any Path<(any Layer)?>, component: String, help: String
  ) -> Setting {
    Setting(word, .optionalLayer(path, component: component), .whereGiven, help)
  }

  /// The property that it sets.
  package var path: AnyKeyPath {
    switch property {
    case .integer(let path, _): path
    case .number(let path, _): path
    case .bool(let path): path
    case .text(let path): path
    case .choice(let choice): choice.path
    case .pair(let path): path
    case .optionalPair(let path, _): path
    case .optionalInteger(let path, _): path
    case .padding(let path): path
    case .edges(let path): path
    case .gain(let path): path
    case .twoIntegers(let path, _): path
    case .oneOrMoreIntegers(let path, _): path
    case .integers(let path, _): path
    case .numbers(let path, _): path
    case .texts(let path): path
    case .activation(let path): path
    case .initializer(let path): path
    case .regularizer(let path): path
    case .schedule(let path, _): path
    case .layers(let path): path
    case .layer(let path, _): path
    case .optionalLayer(let path, _): path
    }
  }
}

extension ClosedRange<Int> {
  /// Extents of one axis: more is a slip of the pen.
  package static var extents: ClosedRange<Int> { 1...1 << 20 }
  /// Axes of a tensor; negative ones count from the end.
  package static var axes: ClosedRange<Int> { -8...8 }
  package static var positive: ClosedRange<Int> { 1...Int.max }
  /// Cells at an edge.
  package static var edges: ClosedRange<Int> { 0...1 << 20 }
}
