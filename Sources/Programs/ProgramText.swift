/// The stable text form of a program, one line a value from outside, a call or an output:
///
///     program mnist-linear
///     input %0 images f32[64,784]
///     state %1 layers.0.dense/kernel f32[784,10]
///     %2: f32[64,10] = matmul(%0, %1) {transposeA: false, transposeB: false} @layers.0.dense
///     _ = rmspropUpdate(...)
///     output logits %2
extension Program: CustomStringConvertible {
  public var description: String {
    var lines = ["program \(name)"]
    for (id, value) in values.enumerated() where value.role != .temporary {
      lines.append("\(value.role.rawValue) %\(id) \(value.name) \(value.type)")
    }
    lines += calls.map(text)
    lines += outputs.map { "output \($0.name) %\($0.value)" }
    return lines.joined(separator: "\n") + "\n"
  }

  /// One call as text.
  package func text(_ call: Call) -> String {
    let results = call.outputs.map { id in
      guard let id else { return "_" }
      return values[id].role == .temporary ? "%\(id): \(values[id].type)" : "%\(id)"
    }
    var line = results.joined(separator: ", ") + " = " + call.operation.name
    line += "(" + call.inputs.map { "%\($0)" }.joined(separator: ", ") + ")"
    let attributes = call.operation.attributes
    if !attributes.isEmpty {
      line += " {" + attributes.map { "\($0.name): \($0.value)" }.joined(separator: ", ") + "}"
    }
    return call.path.isEmpty ? line : line + " @" + call.path
  }
}

extension AttributeValue: CustomStringConvertible {
  public var description: String {
    switch self {
    case .bool(let value): "\(value)"
    case .int(let value): "\(value)"
    case .double(let value): "\(value)"
    case .string(let value): "\"\(value)\""
    case .ints(let values): "[" + values.map(String.init).joined(separator: ", ") + "]"
    case .doubles(let values): "[" + values.map { "\($0)" }.joined(separator: ", ") + "]"
    }
  }
}

extension AttributeValue {
  /// Sums and products of two such numbers, and of one and an extent, do not overflow.
  fileprivate var isSensible: Bool {
    let range = -(1 << 31)...1 << 31
    return switch self {
    case .int(let value): range.contains(value)
    case .ints(let values): values.allSatisfy(range.contains)
    case .bool, .double, .string, .doubles: true
    }
  }
}

extension Program {
  /// Reads the text form back; an error names the line.
  public init(text: String, catalog: OperationCatalog = .standard) throws(ProgramError) {
    var program = Program(name: "", values: [], calls: [], outputs: [])
    var declared: [Int: ValueInfo] = [:]
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      do {
        try program.read(line, into: &declared, catalog)
      } catch {
        throw ProgramError("line \(index + 1): \(error.message)")
      }
    }
    // Numbers may have gaps: a pass dropped the call that made the value. Nothing touches such a value.
    let count = (declared.keys.max() ?? -1) + 1
    guard count <= 1 << 24 else { throw ProgramError("%\(count - 1) is no sensible number of a value") }
    program.values = (0..<count).map { declared[$0] ?? ValueInfo(type: .float32([]), role: .temporary, name: "") }
    self = program
  }

  private mutating func read(
    _ line: Substring, into declared: inout [Int: ValueInfo], _ catalog: OperationCatalog
  ) throws(ProgramError) {
    var scanner = TextScanner(line)
    guard !scanner.isAtEnd else { return }
    if scanner.take("program ") {
      name = String(scanner.rest)
    } else if scanner.take("output ") {
      let name = try scanner.word()
      let id = try scanner.value()
      guard declared[id] != nil else { throw ProgramError("%\(id) is not known") }
      guard output(named: name) == nil else { throw ProgramError("there are two outputs called \(name)") }
      outputs.append(Output(name: name, value: id))
    } else if let role = [Role.input, .state, .step].first(where: { scanner.take($0.rawValue + " ") }) {
      let id = try scanner.value()
      let name = try scanner.word()
      try expectNew(id, declared)
      guard !declared.values.contains(where: { $0.name == name && $0.role != .temporary }) else {
        throw ProgramError("\(name) is declared twice")
      }
      declared[id] = ValueInfo(type: try scanner.type(), role: role, name: name)
    } else {
      try readCall(&scanner, into: &declared, catalog)
    }
  }

  private func expectNew(_ id: Int, _ declared: [Int: ValueInfo]) throws(ProgramError) {
    guard declared[id] == nil else { throw ProgramError("%\(id) is declared twice") }
  }

  private mutating func readCall(
    _ scanner: inout TextScanner, into declared: inout [Int: ValueInfo], _ catalog: OperationCatalog
  ) throws(ProgramError) {
    var results: [Int?] = []
    repeat {
      if scanner.take("_") {
        results.append(nil)
        continue
      }
      let id = try scanner.value()
      results.append(id)
      if scanner.take(":") {
        try expectNew(id, declared)
        declared[id] = ValueInfo(type: try scanner.type(), role: .temporary, name: "")
      } else if let value = declared[id], value.role != .state {
        // Only states are written again.
        throw ProgramError("%\(id) is declared twice")
      }
    } while scanner.take(",")
    try scanner.expect("=")
    let operation = try scanner.word(until: "(")
    try scanner.expect("(")
    var inputs: [Int] = []
    while !scanner.take(")") {
      inputs.append(try scanner.value())
      _ = scanner.take(",")
    }
    var attributes: [String: AttributeValue] = [:]
    if scanner.take("{") {
      while !scanner.take("}") {
        let name = try scanner.word(until: ":")
        try scanner.expect(":")
        let value = try scanner.attribute()
        guard value.isSensible else { throw ProgramError("\(name) is beyond 2³¹") }
        attributes[name] = value
        _ = scanner.take(",")
      }
    }
    let path = scanner.take("@") ? String(scanner.rest) : ""
    for id in inputs + results.compactMap({ $0 }) where declared[id] == nil {
      throw ProgramError("%\(id) is not known")
    }
    let call = Call(
      operation: try catalog.operation(named: operation, attributes: attributes), inputs: inputs, outputs: results,
      path: path)
    let types = try call.operation.outputTypes(for: inputs.map { declared[$0]!.type })
    if let type = types.first(where: { !$0.shape.isAddressable }) { throw ProgramError("no machine holds \(type)") }
    guard types.count == results.count,
      zip(types, results).allSatisfy({ type, id in id.map { declared[$0]!.type == type } ?? true })
    else { throw ProgramError("\(operation) gives \(types.map(\.description).joined(separator: ", "))") }
    calls.append(call)
  }
}

/// Reads words, numbers and types from one line.
private struct TextScanner {
  private(set) var rest: Substring

  init(_ line: Substring) {
    rest = line
    skipSpaces()
  }

  var isAtEnd: Bool { rest.isEmpty }

  private mutating func skipSpaces() { rest = rest.drop { $0 == " " } }

  mutating func take(_ text: String) -> Bool {
    guard rest.hasPrefix(text) else { return false }
    rest = rest.dropFirst(text.count)
    skipSpaces()
    return true
  }

  mutating func expect(_ text: String) throws(ProgramError) {
    guard take(text) else { throw ProgramError("expected \(text) before \"\(rest)\"") }
  }

  mutating func word(until end: Character = " ") throws(ProgramError) -> String {
    let word = rest.prefix { $0 != end && $0 != " " }
    guard !word.isEmpty else { throw ProgramError("expected a word before \"\(rest)\"") }
    rest = rest.dropFirst(word.count)
    skipSpaces()
    return String(word)
  }

  mutating func value() throws(ProgramError) -> Int {
    try expect("%")
    let digits = rest.prefix { $0.isNumber }
    guard let id = Int(digits), id < 1 << 24 else { throw ProgramError("expected a number before \"\(rest)\"") }
    rest = rest.dropFirst(digits.count)
    skipSpaces()
    return id
  }

  mutating func type() throws(ProgramError) -> TensorType {
    let name = try word(until: "[")
    guard let elementType = ElementType(rawValue: name) else { throw ProgramError("there is no type \(name)") }
    guard case .ints(let extents) = try attribute() else { throw ProgramError("expected a shape after \(name)") }
    guard extents.allSatisfy({ $0 >= 0 }) else { throw ProgramError("an extent is negative") }
    let type = TensorType(elementType, Shape(extents))
    guard type.shape.isAddressable else { throw ProgramError("no machine holds \(type)") }
    return type
  }

  mutating func attribute() throws(ProgramError) -> AttributeValue {
    if take("true") { return .bool(true) }
    if take("false") { return .bool(false) }
    if take("\"") {
      let text = rest.prefix { $0 != "\"" }
      rest = rest.dropFirst(text.count)
      try expect("\"")
      return .string(String(text))
    }
    if take("[") {
      var items: [AttributeValue] = []
      while !take("]") {
        items.append(try number())
        _ = take(",")
      }
      let ints = items.compactMap { if case .int(let value) = $0 { value } else { nil } }
      if ints.count == items.count { return .ints(ints) }
      return .doubles(
        items.map {
          switch $0 {
          case .int(let value): Double(value)
          case .double(let value): value
          default: .nan
          }
        })
    }
    return try number()
  }

  private mutating func number() throws(ProgramError) -> AttributeValue {
    let text = rest.prefix { !" ,]}".contains($0) }
    rest = rest.dropFirst(text.count)
    skipSpaces()
    if let value = Int(text) { return .int(value) }
    if let value = Double(text) { return .double(value) }
    throw ProgramError("expected a number, found \"\(text)\"")
  }
}
