import Foundation
public import SwitchbackPrograms

/// A program with numbers for its operands, as a text that `switchback conformance --program` runs again:
/// the program's text, then a line `value NAME NUMBER NUMBER …` for each operand.
public struct ReplayFile: Hashable, Sendable, CustomStringConvertible {
  public var program: Program
  /// Inputs, step values and states by name.
  public var values: [String: [Double]]

  public init(_ program: Program, _ values: [String: [Double]]) { (self.program, self.values) = (program, values) }

  /// Of all its values, temporaries too.
  var elementCount: Int { program.values.reduce(0) { $0 + $1.type.shape.elementCount } }

  /// Operands without a line get random numbers. Numbers beyond an operand's type are an error, as is a program whose
  /// values do not fit into this machine.
  public init(text: String, catalog: OperationCatalog = .standard) throws(ProgramError) {
    var (lines, values): ([Substring], [String: [Double]]) = ([], [:])
    var places: [String: Int] = [:]
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      guard line.hasPrefix("value ") else {
        lines.append(line)
        continue
      }
      // The line stays, empty, so that errors count lines as the file does.
      lines.append("")
      let words = line.split(separator: " ").dropFirst()
      let numbers = words.dropFirst().compactMap { Double($0) }
      guard let name = words.first, numbers.count == words.count - 1 else {
        throw ProgramError("line \(index + 1): a value is a name and numbers")
      }
      (values[String(name)], places[String(name)]) = (numbers, index + 1)
    }
    program = try Program(text: lines.joined(separator: "\n"), catalog: catalog)
    try Self.checkMemory(of: program)
    for (name, numbers) in values {
      let line = "line \(places[name] ?? 0): "
      guard let id = program.value(named: name) else {
        throw ProgramError(line + "the program has no operand called \(name)")
      }
      let type = program.values[id].type
      guard type.shape.elementCount == numbers.count else {
        throw ProgramError(line + "\(name) is \(type), but \(numbers.count) numbers are given")
      }
      if let number = numbers.first(where: { !type.elementType.holds($0) }) {
        throw ProgramError(line + "\(name) is \(type), and \(number) is no \(type.elementType.rawValue)")
      }
    }
    self.values = values
    for id in program.values.indices where program.values[id].role != .temporary {
      let value = program.values[id]
      guard self.values[value.name] == nil else { continue }
      let uniform = SampleValues.uniform(value.type.shape.elementCount, seed: 1, stream: id)
      // Of states some are sums of squares, which are never negative.
      let least = value.role == .state ? 0.5 : -2
      self.values[value.name] = uniform.map { number in
        value.type.elementType.isFloatingPoint ? Double(Float(least + (2 - least) * number)) : 0
      }
    }
  }

  private static func checkMemory(of program: Program) throws(ProgramError) {
    var types = program.values.map(\.type)
    for call in program.calls where call.outputs.contains(nil) {
      let results = try call.operation.outputTypes(for: call.inputs.map { program.values[$0].type })
      types += zip(results, call.outputs).filter { $0.1 == nil }.map(\.0)
    }
    // Each value on the backend, and twice as wide for the reference.
    let needed = 3 * types.reduce(0) { $0 + Double($1.shape.elementCount) * Double($1.elementType.byteCount) }
    guard needed < Double(ProcessInfo.processInfo.physicalMemory) else {
      throw ProgramError("its values need \(Int(needed / 1e9)) GB; this machine has less")
    }
  }

  public var description: String {
    program.description
      + values.sorted { $0.key < $1.key }.map { name, numbers in
        "value \(name) " + numbers.map { "\($0)" }.joined(separator: " ") + "\n"
      }.joined()
  }
}
