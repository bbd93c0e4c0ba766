import SwitchbackNeuralNetworks
import Yams

/// Reads the keys of one mapping. What is read is all that may stand there: `finish()` refuses the rest, the resolved
/// values, defaults included, are what `config show` prints, and what each key takes is what `config schema` prints.
final class SectionReader {
  let path: String
  let node: Node?
  let problems: ProblemList
  private(set) var resolved: [(Node, Node)] = []
  private var recordsDefaults = true
  private var known: [String] = []
  /// What was said of keys that are missing.
  private var lacks: [String: String] = [:]
  private var entries: [(key: Node, value: Node)] = []
  /// What was declared, while describing.
  private(set) var schema = ObjectSchema()

  /// `node` is nil where the section is absent: every key then has its default.
  init(_ node: Node?, path: String, _ problems: ProblemList) {
    (self.path, self.node, self.problems) = (path, node, problems)
    guard let node, node.null == nil else { return }
    guard let mapping = node.mapping else {
      problems.add(
        path.isEmpty
          ? problems.noConfiguration(Self.word(for: node))
          : "\(path) must hold keys and values, not \(Self.word(for: node))", at: node)
      return
    }
    for (key, value) in mapping {
      if entries.contains(where: { $0.key.string == key.string }) {
        problems.add("\(full(key.string ?? "")) is given twice", at: key)
      }
      entries.append((key, value))
    }
  }

  /// Where each key that is given stands.
  var places: [String: ConfigurationError.Place] {
    Dictionary(entries.map { ($0.key.string ?? "", problems.place(of: $0.value)) }) { first, _ in first }
  }

  /// The keys that are given, in their order.
  var keys: [String] { entries.compactMap(\.key.string) }

  /// Keys besides take anything: while describing. `word` stands for them.
  func allowOthers(_ word: String, help: String) { schema.allowOthers(word, SchemaPart(json: [:]), help: help) }

  func full(_ key: String) -> String { path.isEmpty ? key : path + "." + key }

  /// The value of a key; reading it declares it.
  func take(_ key: String) -> Node? {
    known.append(key)
    guard let value = entries.first(where: { $0.key.string == key })?.value, value.null == nil else { return nil }
    return value
  }

  /// `key: null`, or a key with nothing behind it, is an absent one.
  func isGiven(_ key: String) -> Bool { entries.contains { $0.key.string == key && $0.value.null == nil } }
  private func isMapping(_ key: String) -> Bool { entries.contains { $0.key.string == key && $0.value.mapping != nil } }

  func describe(
    _ key: String, isRequired: Bool = false, help: String, _ description: @autoclosure () -> SchemaPart
  ) {
    guard problems.isDescribing else { return }
    var part = description()
    part.help = help
    schema.add(key, part, isRequired: isRequired)
  }

  func record(_ key: String, _ value: Node) {
    if recordsDefaults || isGiven(key) { resolved.append((Node(key), value)) }
  }

  /// Reads keys that are recorded only where they are given.
  func withoutDefaults<T>(_ read: () -> T) -> T {
    recordsDefaults = false
    defer { recordsDefaults = true }
    return read()
  }

  // MARK: Scalars

  func int(
    _ key: String, _ fallback: Int?, in range: ClosedRange<Int> = 0...Int.max, help: String
  ) -> Int {
    describe(key, isRequired: fallback == nil, help: help, .integer(range, fallback))
    let node = take(key)
    let value = node.flatMap { $0.int } ?? fallback ?? range.lowerBound
    if let node, node.int == nil || !range.contains(value) {
      problems.add("\(full(key)) must be \(Self.words(for: range)), not \(Self.word(for: node))", at: node)
      return fallback ?? range.lowerBound
    }
    if node == nil, fallback == nil { missing(key) }
    record(key, Node("\(value)", Tag(.int)))
    return value
  }

  func optionalInt(_ key: String, in range: ClosedRange<Int> = 1...Int.max, help: String) -> Int? {
    guard isGiven(key) else {
      describe(key, help: help, .integer(range, nil))
      known.append(key)
      return nil
    }
    return int(key, nil, in: range, help: help)
  }

  /// A number, or the word that says there is none, which is the default.
  func int(
    _ key: String, or word: String, in range: ClosedRange<Int> = 1...Int.max, help: String
  ) -> Int? {
    describe(key, help: help, .any([.integer(range, nil), .choice([word], word)]))
    guard let node = take(key), node.string != word else {
      record(key, Node(word))
      return nil
    }
    guard let value = node.int, range.contains(value) else {
      problems.add("\(full(key)) must be \(Self.words(for: range)) or \(word), not \(Self.word(for: node))", at: node)
      return nil
    }
    record(key, Node("\(value)", Tag(.int)))
    return value
  }

  func number(_ key: String, _ fallback: Double?, in range: ClosedRange<Double>, help: String) -> Double {
    number(key, fallback, in: NumberRange(range), help: help)
  }

  func number(
    _ key: String, _ fallback: Double?, in range: NumberRange = .nonNegative, help: String
  ) -> Double {
    describe(key, isRequired: fallback == nil, help: help, .number(range, fallback))
    let node = take(key)
    let value = node.flatMap { $0.float } ?? fallback ?? range.lowerBound
    if let node, node.float == nil || !range.contains(value) {
      // Infinity, NaN and 1e39 are in no range.
      let kind = node.float.map { !Float($0).isFinite } == true ? "a finite number" : "a number"
      problems.add("\(full(key)) must be \(kind)\(range.words), not \(Self.word(for: node))", at: node)
      return fallback ?? range.lowerBound
    }
    if node == nil, fallback == nil { missing(key) }
    record(key, Node("\(value)", Tag(.float)))
    return value
  }

  func optionalNumber(_ key: String, in range: NumberRange = .nonNegative, help: String) -> Double? {
    guard isGiven(key) else {
      describe(key, help: help, .number(range, nil))
      known.append(key)
      return nil
    }
    return number(key, nil, in: range, help: help)
  }

  /// A number, or the word that stands for that of the layer's activation.
  func gain(_ key: String, _ fallback: Gain, help: String) -> Gain {
    let number: Double? = if case .number(let value) = fallback { value } else { nil }
    let word = "activation"
    describe(key, help: help, .any([.number(.any, number), .choice([word], number == nil ? word : nil)]))
    guard let node = take(key) else {
      record(key, number.map { Node("\($0)", Tag(.float)) } ?? Node(word))
      return fallback
    }
    if node.string == word {
      record(key, node)
      return .activation
    }
    guard let value = node.float, NumberRange.any.contains(value) else {
      problems.add("\(full(key)) must be a finite number or \(word), not \(Self.word(for: node))", at: node)
      return fallback
    }
    record(key, Node("\(value)", Tag(.float)))
    return .number(value)
  }

  func bool(_ key: String, _ fallback: Bool, help: String) -> Bool {
    describe(key, help: help, .bool(fallback))
    let node = take(key)
    if let node, node.bool == nil {
      problems.add("\(full(key)) must be true or false, not \(Self.word(for: node))", at: node)
    }
    let value = node?.bool ?? fallback
    record(key, Node("\(value)", Tag(.bool)))
    return value
  }

  func text(_ key: String, _ fallback: String?, help: String) -> String {
    describe(key, isRequired: fallback == nil, help: help, .text(fallback))
    return plainText(key, fallback)
  }

  /// A part of a file's name.
  func fileName(_ key: String, _ fallback: String, help: String) -> String {
    var part = SchemaPart.text(fallback)
    part.fallbackWords = "the file's name"
    describe(key, help: help, part)
    let value = plainText(key, fallback)
    let isOne =
      !value.isEmpty && !value.hasPrefix(".") && value.utf8.count <= 200
      && value.unicodeScalars.allSatisfy { $0 != "/" && $0.value >= 0x20 && $0.value != 0x7f }
    if !isOne {
      problems.add(
        "\(full(key)) becomes a folder's name: at most 200 bytes without / and without a dot in front, not \"\(value)\"",
        at: entries.first { $0.key.string == key }?.value ?? node)
    }
    return value
  }

  /// Where files are.
  func path(_ key: String, _ fallback: String, help: String) -> String {
    let value = text(key, fallback, help: help)
    if value.isEmpty || value.utf8.contains(0) {
      problems.add("\(full(key)) must name a folder", at: entries.first { $0.key.string == key }?.value ?? node)
    }
    return value
  }

  private func plainText(_ key: String, _ fallback: String?) -> String {
    let node = take(key)
    if let node, node.scalar == nil {
      problems.add("\(full(key)) must be a word, not \(Self.word(for: node))", at: node)
    }
    if node == nil, fallback == nil { missing(key) }
    let value = node?.scalar?.string ?? fallback ?? ""
    record(key, Node(value))
    return value
  }

  func optionalText(_ key: String, help: String) -> String? {
    guard isGiven(key) else {
      describe(key, help: help, .text(nil))
      known.append(key)
      return nil
    }
    return text(key, nil, help: help)
  }

  /// A word that YAML may read as a number.
  func optionalWord(_ key: String, help: String) -> String? {
    describe(key, help: help, .any([.text(nil), .integer(0...Int.max, nil)]))
    guard isGiven(key) else {
      known.append(key)
      return nil
    }
    let value = plainText(key, nil)
    resolved[resolved.count - 1].1 = Int(value).map { Node("\($0)", Tag(.int)) } ?? Node(value)
    return value
  }

  /// Sections of words for somebody else to read, `{fft: {force: true}}`, under those of `keys` that are given.
  func options(_ keys: [String]) -> [(key: String, values: [String: String])] {
    if problems.isDescribing {
      schema.allowOthers("BACKEND", .words, help: "Options of a backend, as switchback backends lists them")
    }
    let free = Set(keys).subtracting(known)
    known += free
    return entries.compactMap { key, _ in
      guard let key = key.string, free.contains(key) else { return nil }
      let values = section(key, help: "") { reader in
        reader.entries.compactMap { entry -> (String, String)? in
          guard let name = entry.key.string, let value = reader.take(name) else { return nil }
          guard let scalar = value.scalar else {
            problems.add("\(reader.full(name)) must be a word, not \(Self.word(for: value))", at: value)
            return nil
          }
          reader.record(name, value)
          return (name, scalar.string)
        }
      }
      return (key, Dictionary(values) { $1 })
    }
  }

  /// One of a few words; the error names the nearest. `isSelector` where the word decides which other keys there are.
  /// `meanings` has a line for each word where they need one.
  func choice<T>(
    _ key: String, _ fallback: String?, isSelector: Bool = false, _ choices: [(String, T)],
    meanings: [String] = [], help: String
  ) -> T {
    describe(
      key, isRequired: fallback == nil, help: help, .choice(choices.map(\.0), fallback, meanings: meanings))
    if isSelector { schema.selector = (key, choices.map(\.0)) }
    let node = isGiven(key) ? entries.first { $0.key.string == key }?.value : nil
    let word = plainText(key, fallback)
    if let found = choices.first(where: { $0.0 == word }) { return found.1 }
    if node != nil || fallback != nil {
      problems.add(
        "\(full(key)) cannot be \(word)\(Suggestion.words(for: word, among: choices.map(\.0)))", at: node ?? self.node)
    }
    return choices.first { $0.0 == fallback }?.1 ?? choices[0].1
  }

  // MARK: Sections

  /// Reads a nested mapping with `read`; a bare word is short for `{<shorthand>: word}`.
  func section<T>(
    _ key: String, shorthand: String? = nil, help: String, _ read: (SectionReader) -> T
  ) -> T {
    if problems.isDescribing {
      let (value, nested) = Self.describing(path: full(key), problems, read)
      let words = nested.selector.map { SchemaPart.choice($0.words, nil) } ?? .text(nil)
      var part = shorthand == nil ? SchemaPart.object(nested) : .any([words, .object(nested)])
      part.shorthand = shorthand
      part.nested = nested
      describe(key, isRequired: shorthand == nil && !nested.required.isEmpty, help: help, part)
      return value
    }
    var node = take(key)
    if let shorthand, let given = node, let scalar = given.scalar {
      node = .mapping(.init([(Node(shorthand), Node.scalar(scalar))], .implicit, .any, scalar.mark))
    }
    let reader = SectionReader(node, path: full(key), problems)
    let value = read(reader)
    reader.finish()
    // A word that needs nothing beside it stays a word.
    if let shorthand, reader.resolved.count == 1, reader.resolved[0].0.string == shorthand {
      record(key, reader.resolved[0].1)
    } else {
      record(key, Node(reader.resolved))
    }
    return value
  }

  /// A nested mapping that may be absent.
  func optionalSection<T>(_ key: String, help: String, _ read: (SectionReader) -> T) -> T? {
    if problems.isDescribing {
      let nested = Self.describing(path: full(key), problems, read).schema
      var part = SchemaPart.object(nested)
      part.nested = nested
      describe(key, help: help, part)
      return nil
    }
    guard isGiven(key) else {
      known.append(key)
      return nil
    }
    return section(key, help: help, read)
  }

  /// A number, or a nested mapping.
  func numberOrSection<T>(
    _ key: String, _ fallback: Double, in range: NumberRange = .nonNegative, help: String,
    number make: (Double) -> T, section read: (SectionReader) -> T
  ) -> T {
    if problems.isDescribing {
      let nested = Self.describing(path: full(key), problems, read).schema
      var part = SchemaPart.any([.number(range, fallback), .object(nested)])
      part.nested = nested
      describe(key, help: help, part)
      return make(fallback)
    }
    return isMapping(key)
      ? section(key, help: help, read) : make(number(key, fallback, in: range, help: help))
  }

  /// What `read` declares: with its defaults, and with every word of its selector.
  static func describing<T>(
    path: String, _ problems: ProblemList, _ read: (SectionReader) -> T
  ) -> (value: T, schema: ObjectSchema) {
    let reader = SectionReader(nil, path: path, problems)
    let value = read(reader)
    var schema = reader.schema
    guard let selector = schema.selector else { return (value, schema) }
    for word in selector.words {
      let other = SectionReader(Node([(Node(selector.key), Node(word))]), path: path, problems)
      _ = read(other)
      schema.merge(other.schema)
      schema.variants.append((word, other.schema))
    }
    return (value, schema)
  }

  /// A key that must be given is not. Where another key is a misspelling of it, `finish` says only that.
  func missing(_ key: String, _ message: String? = nil) {
    let message = message ?? "\(full(key)) is missing"
    problems.add(message, at: node)
    lacks[key] = message
  }

  /// What stands here is not judged, since what would read it is not known.
  func allowRest() { known += keys }

  /// Refuses every key that nobody read; `elsewhere` says where one goes that is no misspelling of a key here, and under
  /// which one of these.
  func finish(elsewhere: (String) -> (words: String, under: String?)? = { _ in nil }) {
    for (key, _) in entries {
      let word = key.string ?? ""
      guard !known.contains(word) else { continue }
      if let place = Suggestion.misplaced[full(word)] {
        problems.add("\(full(word)) is not a key here: it is \(place)", at: key)
        continue
      }
      let meant = Suggestion.foreign[word]?.word ?? Suggestion.nearest(to: word, among: Set(known).sorted())
      let place = meant == nil ? elsewhere(word) : nil
      if let lack = meant.flatMap({ lacks[$0] }) { problems.withdraw(lack, at: node) }
      if let place {
        // What goes under another key says that this one is missing.
        if let lack = place.under.flatMap({ lacks[$0] }) { problems.withdraw(lack, at: node) }
        problems.add("\(full(word)) is not a key here: \(place.words)", at: key)
      } else if let ours = Suggestion.foreign[word], ours.word.hasPrefix("nothing: ") {
        problems.add("\(full(word)) is not a key here; leave it out, \(ours.word.dropFirst(9))", at: key)
      } else if let ours = Suggestion.foreign[word] {
        problems.add("\(full(word)) is not a key here: it is called \(ours.word) (\(ours.origin)'s \(word))", at: key)
      } else {
        problems.add("\(full(word)) is not a key here\(Suggestion.words(for: word, among: known))", at: key)
      }
    }
  }

  static func word(for node: Node) -> String {
    switch node {
    case .scalar(let scalar):
      scalar.string.isEmpty
        ? "nothing" : "\"\(excerpt(scalar.string))\"\(isQuotedNumber(scalar) ? ": the quotes make it text" : "")"
    case .mapping: "a mapping"
    case .sequence: "a list"
    case .alias: "an alias"
    }
  }

  private static func isQuotedNumber(_ scalar: Node.Scalar) -> Bool {
    [.singleQuoted, .doubleQuoted].contains(scalar.style)
      && (Double(scalar.string) != nil || ["true", "false"].contains(scalar.string))
  }

  /// The beginning of what may be a whole file, on one line.
  static func excerpt(_ text: String) -> String {
    let most = 60
    let line = String(text.prefix(most).map { $0.isNewline ? " " : $0 })
    return line + (text.dropFirst(most).isEmpty ? "" : "…")
  }

  static func words(for range: ClosedRange<Int>) -> String {
    if range.lowerBound == range.upperBound { return "\(range.lowerBound)" }
    if range.upperBound == .max {
      return range.lowerBound == 1 ? "a positive whole number" : "a whole number of at least \(range.lowerBound)"
    }
    return "a whole number from \(range.lowerBound) to \(range.upperBound)"
  }
}
