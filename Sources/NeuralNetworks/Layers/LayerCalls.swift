import SwitchbackPrograms

/// How layers are called: by the model, by each other, again by their names, and step by step.
extension LayerContext {
  /// More layers than that are a mistake, or made to take all memory and time.
  ///
  /// Two walks have limits. Reading a configuration stops at 10,000 layers and 40 lists in each other (`LayerReader`):
  /// there the line can be named, and a `repeat` in a `repeat` is counted before it is followed. Tracing stops here,
  /// which guards networks built in Swift too. It calls each turn of a `repeat` besides the layers in it, so it makes at
  /// most two calls for a layer that was read, and goes two calls deep for a list; what `shared` runs again comes on top.
  private static let (mostCalls, deepest) = (20_000, 100)
  /// Nobody reads more.
  private static let mostFaults = 20

  /// Where a part of the layer at `outer` is; the model's own path is empty.
  static func path(of component: String, in outer: String) -> String {
    outer.isEmpty ? component : outer + "." + component
  }

  /// The path of a part of the layer being traced, which no other part has.
  private mutating func place(of component: String) throws(ProgramError) -> String {
    guard component.utf8.allSatisfy(Self.isAllowedInPath), !component.isEmpty else {
      throw ProgramError("\"\(component)\" is no layer name: use letters, digits, `.`, `_` and `-`", path: path)
    }
    let inner = Self.path(of: component, in: path)
    guard paths.insert(inner).inserted || isRepeated else {
      throw ProgramError("two layers are called \(inner); give each a name of its own", path: inner)
    }
    return inner
  }

  /// Traces `layer` under `component` appended to the current path; how a composite layer calls the layers it is made
  /// of.
  public mutating func call(
    _ layer: any Layer, at component: String, _ inputs: [Value]
  ) throws(ProgramError) -> [Value] {
    let (outer, outerWeights) = (path, weightsPath)
    let inner = try place(of: component)
    callCount += 1
    guard callCount <= Self.mostCalls, depth < Self.deepest else {
      throw ProgramError(
        "the model has more than \(Self.mostCalls) layers, or layers more than \(Self.deepest) deep in each other",
        path: inner)
    }
    depth += 1
    (builder.path, weightsPath) = (inner, Self.path(of: component, in: outerWeights))
    defer { (builder.path, weightsPath, depth) = (outer, outerWeights, depth - 1) }
    do throws(ProgramError) {
      let results = try run(layer, inputs)
      guard !results.isEmpty else { throw ProgramError("a layer answers at least one value", path: path) }
      for result in results where !inputs.contains(result) && sources[result.id] == nil { sources[result.id] = path }
      if !isRepeated { outputs.append((path, results[0])) }
      return results
    } catch {
      throw located(error, at: path, inputs)
    }
  }

  /// The same for a layer with one input and one result.
  public mutating func call(_ layer: any Layer, at component: String, _ input: Value) throws(ProgramError) -> Value {
    try call(layer, at: component, [input])[0]
  }

  /// Traces one step of what repeats itself step by step under `component`: the same calls with the same weights, which the
  /// first step declares. Gates between the steps are not recorded: they would be one for each step.
  mutating func callStep<Result>(
    at component: String, isFirst: Bool, _ step: (inout LayerContext) throws(ProgramError) -> Result
  ) throws(ProgramError) -> Result {
    let (outer, outerWeights, wasRepeated) = (path, weightsPath, isRepeated)
    let (gateCount, passageCount) = (gates.count, passages.count)
    defer {
      (builder.path, weightsPath, isRepeated) = (outer, outerWeights, wasRepeated)
      gates.removeSubrange(gateCount...)
      passages.removeSubrange(passageCount...)
    }
    // The first step of a sequence that runs within a step of another one may have been traced before.
    isRepeated = wasRepeated || !isFirst
    (builder.path, weightsPath) = (try place(of: component), Self.path(of: component, in: outerWeights))
    return try step(&self)
  }

  /// Traces the model itself, whose layers can read its inputs by name.
  mutating func callModel(
    _ model: any Layer, _ inputs: [(name: String, value: Value)]
  ) throws(ProgramError) -> [Value] {
    var scope = GraphScope()
    for (name, value) in inputs {
      guard scope.entries.updateValue(.init(results: [value], resultNames: []), forKey: name) == nil else {
        throw ProgramError("two inputs are called \(name)")
      }
      sources[value.id] = inputs.count == 1 ? "the model's input" : name
    }
    scopes = [scope]
    defer { scopes = [] }
    do throws(ProgramError) {
      return try run(model, inputs.map(\.value))
    } catch {
      throw faults.contains(error) ? faults[0] : error
    }
  }

  /// For whoever is wrong because another is: the fault that was noted last, which is not noted again.
  var followingFault: ProgramError { faults.last ?? ProgramError("a layer before is wrong", path: path) }

  /// What a node answered; nil where it is wrong.
  func known(_ values: [Value]?) throws(ProgramError) -> [Value] {
    guard let values else { throw followingFault }
    return values
  }

  /// Notes what is wrong with a node, so that the others can be looked at; throws it where that is of no use.
  mutating func note(_ fault: ProgramError) throws(ProgramError) {
    if fault != faults.last { faults.append(fault) }
    if callCount > Self.mostCalls || faults.count >= Self.mostFaults { throw fault }
  }

  /// Traces the earlier layer of that name once more, with its weights.
  mutating func callAgain(_ name: String, _ inputs: [Value]) throws(ProgramError) -> [Value] {
    let (place, entry) = try find(name, asLayer: true)
    guard let layer = entry.layer else {
      throw ProgramError("\(name) is an input, and no layer whose weights can be shared", path: path)
    }
    // What it reads by name are the values that it saw where it stands.
    let (outerWeights, hidden) = (weightsPath, scopes[(place + 1)...])
    scopes.removeSubrange((place + 1)...)
    weightsPath = entry.weightsPath
    defer {
      weightsPath = outerWeights
      scopes += hidden
    }
    return try run(layer, inputs)
  }

  /// Traces a layer whose weights stay as they are.
  mutating func callFrozen(_ layer: any Layer, _ inputs: [Value]) throws(ProgramError) -> [Value] {
    let outer = isFrozen
    defer { isFrozen = outer }
    isFrozen = true
    return try run(layer, inputs)
  }

  private static func isAllowedInPath(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
      true
    default: false
    }
  }
}
