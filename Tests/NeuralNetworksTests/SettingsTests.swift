import SwitchbackNeuralNetworks
import Testing

/// A type of whose properties one has no key.
private struct Forgetful: Configurable {
  var kept = 1
  var forgotten = 2
  static let settings = Settings<Forgetful>(
    "forgetful", of: Forgetful(), help: "Forgets one",
    keys: [.integer("kept", \.kept, in: .extents, help: "Is there")])
}

/// Stored properties that no key sets, and keys whose help is not one line.
private func faults<Described: Configurable>(of type: Described.Type) -> [String] {
  let settings = type.settings
  // `\Conv2D.filters`
  let set = Set(settings.keys.map { String(reflecting: $0.path).split(separator: ".").last.map(String.init) ?? "" })
  let stored = storedProperties(of: settings.prototype).filter { $0 != "name" }
  return stored.filter { !set.contains($0) }.map { "\(settings.word): no key sets \($0)" } + faults(in: settings)
}

/// What a value stores, with what stands in settings that its type shares with others.
private func storedProperties(of value: Any) -> [String] {
  Mirror(reflecting: value).children.flatMap { child in
    child.value is any CommonSettings ? storedProperties(of: child.value) : [child.label].compactMap { $0 }
  }
}

private func faults<Owner>(in settings: Settings<Owner>) -> [String] {
  func isLine(_ text: String) -> Bool {
    !text.isEmpty && !text.contains("\n") && text.count <= 100 && !text.hasSuffix(".")
  }
  var faults = isLine(settings.help) ? [] : ["\(settings.word) has no line of help"]
  faults += settings.keys.filter { !isLine($0.help) }.map { "\(settings.word).\($0.word) has no line of help" }
  if settings.fault(settings.prototype) != nil { faults.append("\(settings.word)'s prototype has a fault") }
  if Set(settings.keys.map(\.word)).count < settings.keys.count { faults.append("\(settings.word) has a key twice") }
  for key in settings.keys where key.presence != .required {
    switch key.property {
    case .activation(let path):
      let value = settings.prototype[keyPath: path]
      if !ActivationFunction.kinds.contains(where: { $0.prototype == value }) {
        faults.append("\(settings.word).\(key.word): \(value) is nobody's prototype")
      }
    case .initializer(let path):
      let value = settings.prototype[keyPath: path]
      if !Initializer.kinds.contains(where: { $0.prototype == value }) {
        faults.append("\(settings.word).\(key.word): \(value) is nobody's prototype")
      }
    case .schedule(let path, _):
      if settings.prototype[keyPath: path].constantRate == nil {
        faults.append("\(settings.word).\(key.word) is no constant rate")
      }
    case .regularizer(let path):
      if settings.prototype[keyPath: path] != nil { faults.append("\(settings.word).\(key.word) has a default") }
    default: break
    }
  }
  return faults
}

/// Two types' settings, of which the table of one forgets one.
private struct Shared: CommonSettings {
  var kept = 1
  var forgotten = 2
}

private struct Sharing: Configurable {
  var common = Shared()
  static let settings = Settings<Sharing>(
    "sharing", of: Sharing(), help: "Forgets one of those that it shares",
    keys: [.integer("kept", \.common.kept, in: .extents, help: "Is there")])
}

@Suite("Settings of layers, optimizers, losses and schedules")
struct SettingsTests {
  private static let types: [any Configurable.Type] =
    LayerCatalog.layers + configurableOptimizers + configurableLosses + Schedule.rules + [Regularizer.self, LSUV.self]

  @Test("every stored property has a key, and every key a line of help")
  func complete() {
    #expect(Self.types.count >= 37)
    for type in Self.types { #expect(faults(of: type) == []) }
    for kind in ActivationFunction.kinds { #expect(faults(in: kind) == []) }
    for kind in Initializer.kinds { #expect(faults(in: kind) == []) }
  }

  @Test("a property that was forgotten is found")
  func forgotten() {
    #expect(faults(of: Forgetful.self) == ["forgetful: no key sets forgotten"])
    #expect(faults(of: Sharing.self) == ["sharing: no key sets forgotten"])
  }

  @Test("a key sets its property, and nothing else")
  func sets() throws {
    var layer = Conv2D.settings.prototype
    for key in Conv2D.settings.keys {
      switch key.property {
      case .pair(let path): layer[keyPath: path] = (key.word.count, 2)
      case .padding(let path):
        #expect(layer[keyPath: path] == .valid)
        layer[keyPath: path] = .same
      default: break
      }
    }
    #expect(layer.kernelSize == (11, 2) && layer.strides == (7, 2) && layer.dilationRate == (13, 2))
    #expect(layer.padding == .same && layer.filters == 1 && layer.useBias)
    var sequences = Conv1D.settings.prototype
    for case .choice(let choice) in Conv1D.settings.keys.map(\.property) {
      #expect(choice.word(sequences) == "valid" && choice.words == ["valid", "same", "causal"])
      choice.set(&sequences, "causal")
      choice.set(&sequences, "neither")
    }
    #expect(sequences.padding == .causal)
  }

  @Test("numbers of activation functions and initializers are reached by their keys")
  func payloads() throws {
    func set<Value>(_ kinds: [Settings<Value>], _ word: String, _ numbers: [Double]) throws -> Value {
      let settings = try #require(kinds.first { $0.word == word })
      var value = settings.prototype
      #expect(settings.keys.count == numbers.count)
      for (key, number) in zip(settings.keys, numbers) {
        switch key.property {
        case .number(let path, _):
          value[keyPath: path] = number
          #expect(value[keyPath: path] == number)
        case .gain(let path):
          value[keyPath: path] = .number(number)
          #expect(value[keyPath: path] == .number(number))
        default: throw ExpectedNumber()
        }
      }
      return value
    }
    #expect(try set(ActivationFunction.kinds, "leaky_relu", [0.5]) == .leakyRelu(negativeSlope: 0.5))
    #expect(try set(ActivationFunction.kinds, "elu", [2]) == .elu(alpha: 2))
    #expect(try set(Initializer.kinds, "constant", [3]) == .constant(3))
    #expect(try set(Initializer.kinds, "orthogonal", [2]) == .orthogonal(gain: 2))
    #expect(try set(Initializer.kinds, "delta_orthogonal", [2]) == .deltaOrthogonal(gain: 2))
    #expect(try set(Initializer.kinds, "identity", [2]) == .identity(gain: 2))
    #expect(try set(Initializer.kinds, "random_uniform", [-1, 2]) == .randomUniform(minimum: -1, maximum: 2))
    #expect(try set(Initializer.kinds, "random_normal", [1, 2]) == .randomNormal(mean: 1, standardDeviation: 2))
    #expect(try set(Initializer.kinds, "truncated_normal", [1, 2]) == .truncatedNormal(mean: 1, standardDeviation: 2))
    // The layer's slope is Keras's for layers, the function's that for functions.
    #expect(LeakyReLU.settings.prototype.negativeSlope == 0.3)
  }

  private struct ExpectedNumber: Error {}

  @Test("a variance's scale, its divisor and what is drawn are reached by their keys")
  func varianceScaling() throws {
    let settings = try #require(Initializer.kinds.first { $0.word == "variance_scaling" })
    var value = settings.prototype
    #expect(value == .varianceScaling(scale: 1, mode: .fanIn, distribution: .truncatedNormal))
    for key in settings.keys {
      switch key.property {
      case .gain(let path): value[keyPath: path] = .activation
      case .choice(let choice): choice.set(&value, key.word == "mode" ? "fan_avg" : "uniform")
      default: throw ExpectedNumber()
      }
    }
    #expect(value == .varianceScaling(scale: .activation, mode: .fanAverage, distribution: .uniform))
    #expect(settings.fault(.varianceScaling(scale: 0)) != nil && settings.fault(.varianceScaling(scale: -1)) != nil)
    #expect(settings.fault(value) == nil)
  }

  @Test("windows of pooling stand side by side, whatever their size, unless strides are said")
  func strides() {
    var pooling = MaxPooling2D.settings.prototype
    pooling.poolSize = (3, 4)
    #expect(pooling.strides == (3, 4))
    pooling.strides = (1, 2)
    pooling.poolSize = (5, 5)
    #expect(pooling.strides == (1, 2))
    #expect(AveragePooling2D(3, strides: 2).strides == (2, 2))
    var steps = MaxPooling1D()
    steps.poolSize = 5
    #expect(steps.strides == 5 && MaxPooling1D(3, strides: 2).strides == 2 && AveragePooling1D(3).strides == 3)
  }

  @Test("an optimizer's numbers have the ranges of its keys, by their names in Swift")
  func numbers() {
    let numbers = Adam(beta1: 0.5, epsilon: 1e-3).numbers
    #expect(numbers.map(\.name) == ["weightDecay", "beta1", "beta2", "epsilon"])
    #expect(numbers.map(\.value) == [0, 0.5, 0.999, 1e-3])
    #expect(numbers.map(\.range) == [.factor, .kept, .kept, .epsilon])
    #expect(Adagrad().numbers.map(\.name) == ["weightDecay", "initialAccumulatorValue", "epsilon"])
  }
}
