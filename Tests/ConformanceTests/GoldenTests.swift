import Foundation
import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackExecution
import SwitchbackOpenBLAS
import SwitchbackPrograms
import SwitchbackReference
import Testing

/// A case of `Golden/*.json`: what PyTorch or a closed form says an operation gives. The scripts stand beside the files.
private struct GoldenCase: Decodable, Sendable {
  struct Operand: Decodable {
    let type: String
    let shape: [Int]
    let values: [Number]
  }

  /// A JSON number, or "nan", "inf", "-inf".
  struct Number: Decodable {
    let value: Double
    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let number = try? container.decode(Double.self) {
        value = number
      } else {
        value = try #require(Double(try container.decode(String.self)))
      }
    }
  }

  /// What JSON holds for an attribute; the operation's own samples say which kind it is.
  enum Attribute: Decodable {
    case bool(Bool), number(Double), string(String), numbers([Double])
    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let value = try? container.decode(Bool.self) {
        self = .bool(value)
      } else if let value = try? container.decode(Double.self) {
        self = .number(value)
      } else if let value = try? container.decode([Double].self) {
        self = .numbers(value)
      } else {
        self = .string(try container.decode(String.self))
      }
    }

    func value(like model: AttributeValue) throws -> AttributeValue {
      switch (self, model) {
      case (.bool(let value), .bool): .bool(value)
      case (.number(let value), .int): .int(Int(value))
      case (.number(let value), .double): .double(value)
      case (.string(let value), .string): .string(value)
      case (.numbers(let values), .ints): .ints(values.map { Int($0) })
      case (.numbers(let values), .doubles): .doubles(values)
      default: throw ProgramError("\(self) where \(model) was expected")
      }
    }
  }

  let operation: String
  let attributes: [String: Attribute]
  let inputs: [Operand]
  let outputs: [[Number]?]

  /// As a sample of the catalogue, so that it runs like one.
  func sample() throws -> OperationSample {
    let entry = try #require(OperationCatalog.standard.entries.first { $0.name == operation })
    let model = Dictionary(uniqueKeysWithValues: entry.samples[0].operation.attributes.map { ($0.name, $0.value) })
    var values: [String: AttributeValue] = [:]
    for (name, attribute) in attributes { values[name] = try attribute.value(like: try #require(model[name])) }
    return OperationSample(
      try OperationCatalog.standard.operation(named: operation, attributes: values),
      try inputs.map { TensorType(try #require(ElementType(rawValue: $0.type)), Shape($0.shape)) })
  }

  var operands: [String: [Double]] {
    Dictionary(uniqueKeysWithValues: inputs.enumerated().map { ("x\($0)", $1.values.map(\.value)) })
  }

  static let all: [GoldenCase] = {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden")
    let files = (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
    return files.filter { $0.pathExtension == "json" }.sorted { $0.path < $1.path }.flatMap { file in
      do {
        return try JSONDecoder().decode([GoldenCase].self, from: try Data(contentsOf: file))
      } catch {
        Issue.record("\(file.lastPathComponent): \(error)")
        return []
      }
    }
  }()
}

@Suite struct GoldenTests {
  private static let names = OperationCatalog.standard.entries.map { $0.name }
  private static func cases(_ name: String) -> [GoldenCase] { GoldenCase.all.filter { $0.operation == name } }

  @Test("every entry of the catalogue has at least three golden cases, not all of them empty", arguments: names)
  func complete(name: String) {
    let cases = Self.cases(name)
    #expect(cases.count >= 3, "\(name): write its cases into Tests/ConformanceTests/Golden")
    #expect(cases.filter { $0.outputs.contains { ($0?.count ?? 0) > 0 } }.count >= 3)
  }

  @Test("every function of one and of two variables, and every reduction, has golden cases")
  func rows() {
    func rows(_ name: String) -> Set<String> {
      Set(
        Self.cases(name).compactMap {
          if case .string(let row)? = $0.attributes["function"] { row } else { nil }
        })
    }
    // A row that states formulas states beside them what they must give (ElementwiseTableTests).
    let written = UnaryFunction.allCases.filter { $0.formulas == nil }
    #expect(rows("unary") == Set(written.map(\.rawValue)))
    let differentiable = written.filter { $0.gradientOperand != .none }
    #expect(rows("unary/backward") == Set(differentiable.map(\.rawValue)))
    #expect(rows("binary") == Set(BinaryFunction.allCases.map(\.rawValue)))
    #expect(rows("reduce") == Set(ReduceFunction.allCases.map(\.rawValue)))
  }

  @Test("the convolutions' cases stride, dilate, group, and pad unevenly")
  func convolutions() throws {
    for name in ["conv2d", "conv2d/backwardInput", "conv2d/backwardFilter"] {
      let attributes = try Self.cases(name).map { try $0.sample().operation.attributes }
      func contains(_ name: String, where isSo: ([Int]) -> Bool) -> Bool {
        attributes.contains {
          $0.contains {
            switch $0.value {
            case .ints(let values): $0.name == name && isSo(values)
            case .int(let value): $0.name == name && isSo([value])
            default: false
            }
          }
        }
      }
      #expect(contains("strides") { $0 != [1, 1] })
      #expect(contains("dilations") { $0 != [1, 1] })
      #expect(contains("groups") { $0 != [1] })
      #expect(contains("padding") { $0[0] != $0[1] })
    }
  }

  @Test("the reference in Float64 gives the golden values to 1e-12", arguments: names)
  func reference64(name: String) throws {
    let reference = try chain(ReferenceBackend())
    for golden in Self.cases(name) {
      let sample = try golden.sample()
      let program = try sample.program().converted(to: .float64)
      let found = try ProgramEvaluation(program, golden.operands, on: reference).outputs
      for (index, expected) in golden.outputs.enumerated() {
        guard let expected = expected?.map(\.value), let found = found["y\(index)"] else { continue }
        let largest = expected.lazy.filter(\.isFinite).map(abs).max() ?? 0
        #expect(found.count == expected.count)
        let worst = zip(found, expected).filter { $0 != $1 && !($0.isNaN && $1.isNaN) }
          .reduce(0) { max($0, abs($1.0 - $1.1)) }
        #expect(worst <= 1e-12 * max(largest, 1), "\(sample.operation) \(sample.inputs)")
      }
    }
  }

  @Test("the backends in Float32 lie within the operation's bound of the golden values", arguments: names)
  func float32(name: String) throws {
    let backends: [any ComputeBackend] = [ReferenceBackend()] + (isOpenBLASHere() ? [OpenBLASBackend()] : [])
    for backend in backends {
      let chain = try chain(backend)
      for golden in Self.cases(name) {
        let sample = try golden.sample()
        let program = try sample.program()
        guard try chain.links[0].device.query(Segment(program))[0].isAccepted else { continue }
        let found = try ProgramEvaluation(program, golden.operands, on: chain).outputs
        let bound = sample.operation.errorBound(for: sample.inputs)
        let numbers = zip(golden.inputs, sample.inputs).filter { $1.elementType.isFloatingPoint }
          .map { $0.0.values.map(\.value) }
        for (index, expected) in golden.outputs.enumerated() {
          guard let expected = expected?.map(\.value), let found = found["y\(index)"] else { continue }
          let error = BackendComparison.error(found, expected, bound, numbers)
          #expect(
            error <= 1, "\(backend.identity.name) y\(index) \(sample.operation) \(sample.inputs)\n\(found)\n\(expected)"
          )
        }
      }
    }
  }
}
