import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackExecution
import SwitchbackOpenBLAS
import SwitchbackPrograms
import SwitchbackReference
import Testing

private let names = OperationCatalog.standard.entries.map { $0.name }
private func entry(_ name: String) -> any TensorOperation.Type {
  OperationCatalog.standard.entries.first { $0.name == name }!
}
private func backends() -> [any ComputeBackend] {
  [ReferenceBackend(), OpenBLASBackend()].filter { (try? $0.devices()) != nil }
}

@Suite struct SpecialValuesTests {
  @Test("an operation with floating-point operands states what comes of NaN, and is asked", arguments: names)
  func isStatedAndAsked(name: String) {
    let (entry, law) = (entry(name), entry(name).specialValues)
    #expect(!law.nan.isEmpty)
    let floating = entry.samples.filter { $0.inputs.contains { $0.elementType.isFloatingPoint } }
    // Only where no operand is floating point may a law settle nothing.
    #expect((law.reach == .none) == floating.isEmpty)
    for sample in floating { #expect(!SpecialValues.feeds(sample).isEmpty, "\(name) \(sample.inputs) is not asked") }
    guard !floating.isEmpty else { return }
    let numbers = floating.flatMap { SpecialValues.feeds($0) }.flatMap { $0.flatMap { $0 } }
    #expect(numbers.contains { $0.isNaN }, "\(name) never meets a NaN")
    if law.reach == .everywhere || law.reach == .sums { #expect(numbers.contains(-.infinity)) }
    if law.reach == .kinks { #expect(numbers.contains(0) && numbers.contains(3) && numbers.contains(-3)) }
  }

  @Test("the reference and OpenBLAS keep the law of each operation", arguments: names)
  func isKept(name: String) throws {
    let reference = try chain(ReferenceBackend())
    for backend in backends() {
      let candidate = try chain(backend)
      for sample in entry(name).samples {
        let special = try SpecialValues(sample, on: candidate, reference: reference)
        #expect(special.fault == nil, "\(backend.identity.name): \(sample.operation) \(sample.inputs)")
      }
    }
  }

  @Test("no gradient of a function of the table loses a NaN of its operand", arguments: UnaryFunction.allCases)
  func gradients(function: UnaryFunction) throws {
    guard function.hasVaryingSlope else { return }
    let program = try OperationSample(UnaryBackward(function, alpha: 0.3), [.float32([37]), .float32([37])]).program()
    let operand = (0..<37).map { $0 % 5 == 2 ? Double.nan : 0.5 }
    for backend in backends() {
      let values = ["x0": operand, "x1": [Double](repeating: 2, count: 37)]
      let found = try ProgramEvaluation(program, values, on: chain(backend)).outputs["y0"] ?? []
      #expect(found.map(\.isNaN) == operand.map(\.isNaN), "\(backend.identity.name)")
    }
  }

  @Test("a function of the table makes of a NaN what its row says", arguments: UnaryFunction.allCases)
  func ofNaN(function: UnaryFunction) throws {
    let program = try OperationSample(Unary(function, alpha: 0.3), [.float32([37])]).program()
    let operand = (0..<37).map { $0 % 5 == 2 ? Double.nan : 0.5 }
    for backend in backends() {
      let found = try ProgramEvaluation(program, ["x0": operand], on: chain(backend)).outputs["y0"] ?? []
      let expected = operand.map { $0.isNaN && function.keepsNaN }
      #expect(found.map(\.isNaN) == expected, "\(backend.identity.name)")
    }
  }

  @Test("the gradient at a kink is the one that is stated")
  func kinks() throws {
    let expected: [(UnaryFunction, [Double])] = [
      (.absolute, [-2, 0, 2]), (.relu, [0, 0, 2]), (.leakyRelu, [0.5, 0.5, 2]), (.hardSigmoid, [0, 1.0 / 3, 0]),
    ]
    for (function, slopes) in expected {
      let operation = UnaryBackward(function, alpha: 0.25)
      let program = try OperationSample(operation, [.float32([3]), .float32([3])]).program()
      for backend in backends() {
        let values = ["x0": [-3.0, 0, 3], "x1": [2.0, 2, 2]]
        let found = try ProgramEvaluation(program, values, on: chain(backend)).outputs["y0"] ?? []
        #expect(
          zip(found, slopes).allSatisfy { abs($0 - $1) < 1e-6 }, "\(function) on \(backend.identity.name): \(found)")
      }
    }
  }

  @Test(
    "the gradient of a maximum and a minimum goes to the winner, of a tie to the first, beside a NaN to both",
    arguments: [BinaryFunction.maximum, .minimum])
  func extremes(function: BinaryFunction) throws {
    var builder = ProgramBuilder(name: "extremes")
    let (a, b) = (builder.input("a", .float32([5])), builder.input("b", .float32([5])))
    let y = try builder.append(Binary(function), a, b)
    let loss = try builder.append(Reduce(.sum, axes: [0]), y)
    let gradients = try builder.gradients(of: loss, for: [a, b])
    builder.output("da", try #require(gradients[a.id]))
    builder.output("db", try #require(gradients[b.id]))
    let values: [String: [Double]] = ["a": [1, 3, 2, .nan, 1], "b": [2, 1, 2, 1, .nan]]
    let found = try ProgramEvaluation(builder.build(), values, on: chain(ReferenceBackend())).outputs
    let second: [Double] = function == .maximum ? [1, 0] : [0, 1]
    #expect(found["da"] == second.map { 1 - $0 } + [1, 1, 1])
    #expect(found["db"] == second + [0, 1, 1])
  }
}
