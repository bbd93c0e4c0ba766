import SwitchbackNeuralNetworks

/// Reads what a type's own table says of it.
extension SectionReader {
  /// The prototype with what is given; `lists` reads the lists of a layer that holds layers.
  func read<Owner>(_ settings: Settings<Owner>, lists: LayerReader? = nil) -> Owner {
    var owner = settings.prototype
    let before = problems.problems.count
    for key in settings.keys {
      if key.presence == .whereGiven {
        withoutDefaults { read(key, into: &owner, lists) }
      } else {
        read(key, into: &owner, lists)
      }
    }
    guard let fault = settings.fault(owner) else { return owner }
    // It may follow from what was said of a key.
    if problems.problems.count == before { problems.add("\(path): \(fault)", at: node) }
    return settings.prototype
  }

  private func read<Owner>(_ key: Setting<Owner>, into owner: inout Owner, _ lists: LayerReader?) {
    let (word, help) = (key.word, key.help)
    /// The default, which a required key has not.
    func fallback<Value>(_ path: WritableKeyPath<Owner, Value>) -> Value? {
      key.presence == .required ? nil : owner[keyPath: path]
    }
    switch key.property {
    case .integer(let path, let range): owner[keyPath: path] = int(word, fallback(path), in: range, help: help)
    case .number(let path, let range): owner[keyPath: path] = number(word, fallback(path), in: range, help: help)
    case .bool(let path): owner[keyPath: path] = bool(word, owner[keyPath: path], help: help)
    case .text(let path): owner[keyPath: path] = text(word, fallback(path), help: help)
    case .choice(let choice):
      let fallback = key.presence == .required ? nil : choice.word(owner)
      choice.set(&owner, self.choice(word, fallback, choice.words.map { ($0, $0) }, help: help))
    case .pair(let path): owner[keyPath: path] = pair(word, fallback(path), help: help)
    case .optionalPair(let path, let range): owner[keyPath: path] = optionalPair(word, in: range, help: help)
    case .optionalInteger(let path, let range): owner[keyPath: path] = optionalInt(word, in: range, help: help)
    case .padding(let path): owner[keyPath: path] = padding(word, owner[keyPath: path], help: help)
    case .edges(let path): owner[keyPath: path] = edges(word, owner[keyPath: path], help: help)
    case .gain(let path): owner[keyPath: path] = gain(word, owner[keyPath: path], help: help)
    case .twoIntegers(let path, let range):
      owner[keyPath: path] = twoIntegers(word, owner[keyPath: path], in: range, help: help)
    case .oneOrMoreIntegers(let path, let range):
      owner[keyPath: path] = oneOrMoreIntegers(word, owner[keyPath: path], in: range, help: help)
    case .integers(let path, let range): owner[keyPath: path] = integers(word, fallback(path), in: range, help: help)
    case .numbers(let path, let range): owner[keyPath: path] = numbers(word, fallback(path), in: range, help: help)
    case .texts(let path): owner[keyPath: path] = texts(word, fallback(path), help: help)
    case .activation(let path):
      owner[keyPath: path] = kind(word, of: ActivationFunction.kinds, fallback(path), help: help)
    case .initializer(let path):
      owner[keyPath: path] = kind(word, of: Initializer.kinds, fallback(path), help: help)
    case .regularizer(let path):
      owner[keyPath: path] = optionalSection(word, help: help) { $0.read(Regularizer.settings) }
    case .schedule(let path, let rules):
      owner[keyPath: path] = numberOrSection(
        word, owner[keyPath: path].constantRate ?? 0, in: .learningRate, help: help, number: { .constant($0) },
        section: { $0.schedule(rules) })
    case .layers(let path):
      let times = (owner as? Repeat)?.times ?? 1
      owner[keyPath: path] =
        lists?.nodes(self, word, isRequired: key.presence == .required, times: times, help: help) ?? []
    case .layer(let path, let component):
      owner[keyPath: path] =
        lists?.layer(self, word, as: component, isRequired: true, help: help) ?? owner[keyPath: path]
    case .optionalLayer(let path, let component):
      owner[keyPath: path] = lists?.layer(self, word, as: component, isRequired: false, help: help)
    }
  }

  /// A word, or `{type: elu, alpha: 0.5}`. The fallback is a prototype.
  func kind<Value: Equatable>(_ key: String, of kinds: [Settings<Value>], _ fallback: Value?, help: String) -> Value {
    section(key, shorthand: "type", help: help) { section in
      let word = kinds.first { $0.prototype == fallback }?.word
      return section.read(
        section.choice(
          "type", word, isSelector: true, kinds.map { ($0.word, $0) }, meanings: kinds.map(\.help),
          help: "Which one"))
    }
  }

  /// One of the types, which `type` names; without a fallback there must be one.
  func type<Value>(_ types: [Value], _ fallback: String?, word: (Value) -> String, help: (Value) -> String) -> Value {
    choice(
      "type", fallback, isSelector: true, types.map { (word($0), $0) }, meanings: types.map(help), help: "Which one")
  }

  /// `{type: cosine, initial_learning_rate: 0.1, decay_steps: 1000}`
  private func schedule(_ rules: [any ConfigurableRule.Type]) -> Schedule {
    func read<Rule: ConfigurableRule>(_ type: Rule.Type) -> Schedule { Schedule(self.read(type.settings)) }
    let rule = type(rules, nil, word: { $0.word }, help: { $0.help })
    return read(rule)
  }
}
