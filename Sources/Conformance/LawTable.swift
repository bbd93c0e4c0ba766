import SwitchbackPrograms

/// What each operation of a catalogue means: its law, its attributes, and what comes of NaN, infinities, ties and kinks.
struct LawTable {
  let lines: [String]

  init(_ catalog: OperationCatalog) {
    var lines = [
      "", "## Laws", "",
      "For all operations: " + SpecialValueLaw.common + " PyTorch has the same law where none of this says otherwise.",
      "`conformance` asks each operation with the numbers of the last column (`Conformance/SpecialValues.swift`).", "",
      "The host gives every attribute listed, in the form listed, and no other: none has a default. One that is missing or",
      "unknown means: decline. A boolean is the member `integer`, 0 or 1; an element type is a text such as `f32`.", "",
    ]
    let rows = catalog.entries.map { entry in
      let special = entry.specialValues
      return [
        entry.name, entry.law, Self.attributes(entry), special.nan, special.choice.isEmpty ? "–" : special.choice,
        Self.words(special.reach),
      ]
    }
    lines += Self.table(["operation", "law", "attributes", "NaN and infinities", "ties and kinks", "asked with"], rows)
    lines += ["", "## Composite operations", ""]
    lines += [
      "Where no backend of a chain before the reference takes one of these whole, the first is asked for all of the simpler",
      "operations, which then stand in its place; else the reference computes it.", "",
    ]
    lines += Self.table(
      ["operation", "simpler operations"],
      catalog.entries.filter { $0 is any CompositeOperation.Type }.map { [$0.name, Self.parts($0)] })
    lines += ["", "## Functions of `unary` and `unary/backward`", ""]
    lines += [
      "dx is dy times the last column, which is written in terms of the first operand of `unary/backward`:", "",
    ]
    lines += Self.table(
      ["function", "y", "bound of y", "first operand", "dx/dy", "bound of dx"],
      UnaryFunction.allCases.map { function in
        let operand =
          switch function.gradientOperand {
          case .input: "x"
          case .output: "y"
          case .none: "–"
          }
        let (bound, slopeBound) = function.bounds
        return [
          function.rawValue, function.law, bound.words, operand, function.derivative ?? "0, never built",
          function.derivative == nil ? "–" : slopeBound.words,
        ]
      })
    lines += ["", "## Functions of `binary`", ""]
    lines += Self.table(
      ["function", "y", "bound of y"],
      BinaryFunction.allCases.map { function in
        let type = TensorType.float32([1])
        return [function.rawValue, function.law, Binary(function).errorBound(for: [type, type]).words]
      })
    self.lines = lines
  }

  private static func table(_ head: [String], _ rows: [[String]]) -> [String] {
    ([head, head.map { _ in "---" }] + rows).map { cells in
      "| " + cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |"
    }
  }

  /// `reshape, reduce, subtract`: of any sample, each once.
  private static func parts(_ entry: any TensorOperation.Type) -> String {
    var names: [String] = []
    var reasons: [String] = []
    for sample in entry.samples {
      guard let program = try? sample.program(), let decomposed = try? program.decomposing([0]) else { continue }
      if let reason = decomposed.reasons[0], !reasons.contains(reason) { reasons.append(reason) }
      guard decomposed.reasons.isEmpty else { continue }
      for call in decomposed.program.calls where !names.contains(call.name) { names.append(call.name) }
    }
    return ([names.joined(separator: ", ")] + reasons.map { "none: " + $0 }).filter { !$0.isEmpty }
      .joined(separator: "; ")
  }

  private static func words(_ reach: SpecialValueLaw.Reach) -> String {
    switch reach {
    case .everywhere: "NaN, infinities, denormals, the largest numbers"
    case .sums: "NaN, infinities, denormals"
    case .kinks: "NaN, kinks"
    case .nan: "NaN"
    case .spread: "NaN, which may spread"
    case .none: "–"
    }
  }

  /// `alpha: real, function: text`, as the samples have them.
  private static func attributes(_ entry: any TensorOperation.Type) -> String {
    let samples = entry.samples.map(\.operation.attributes)
    guard let first = samples.first, !first.isEmpty else { return "–" }
    return first.enumerated().map { index, attribute in
      let texts = samples.compactMap { attributes -> String? in
        guard case .string(let text) = attributes[index].value else { return nil }
        return text
      }
      let places = (entry as? any ImageOperation.Type)?.places[attribute.name].map { " " + $0 } ?? ""
      return "\(attribute.name): \(form(attribute.value, texts))\(places)"
    }.joined(separator: ", ")
  }

  private static func form(_ value: AttributeValue, _ texts: [String]) -> String {
    switch value {
    case .bool: return "boolean"
    case .int: return "integer"
    case .double: return "real"
    case .ints: return "integers"
    case .doubles: return "reals"
    case .string:
      if texts.allSatisfy({ ElementType(rawValue: $0) != nil }) { return "element type" }
      var words: [String] = []
      for text in texts where !words.contains(text) { words.append(text) }
      return words.count > 8 ? "text (below)" : "text (" + words.joined(separator: ", ") + ")"
    }
  }
}
