import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackExecution
import SwitchbackPrograms
import SwitchbackReference
import Testing

private let names = OperationCatalog.standard.entries.map { $0.name }
private func entry(_ name: String) -> any TensorOperation.Type {
  OperationCatalog.standard.entries.first { $0.name == name }!
}

/// Twice x, which came later than the draws of random programs: nobody's list has it.
private struct Doubling: TensorOperation, ReferenceKernel {
  static let name = "double"
  static let law = "y = 2x"
  static let specialValues = SpecialValueLaw(.everywhere, nan: "NaN stays NaN")
  static let samples = [OperationSample(Doubling(), [.float32([37])], [.range(-1, 1)])]
  static let furtherSamples = [OperationSample(Doubling(), [.float32([5])], [.range(-1, 1)])]
  static let randomProgramPart = RandomProgramPart.drawn { growth throws(ProgramError) in
    try growth.bounded(growth.builder.append(Doubling(), growth.x))
  }
  static func questions(on sample: OperationSample) -> [SampleQuestion] {
    [.kinks([77]), .wide([.range(-9, 9)]), .ties(sample), .background]
  }

  func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] { inputs }
  func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    .stops(reason: "nobody asks")
  }
  func cost(for inputs: [TensorType]) -> Cost { Cost(flops: 0, bytes: 0) }
  func errorBound(for inputs: [TensorType]) -> ErrorBound { .exact }

  func run(_ operands: ReferenceOperands) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    if result.type.elementType == .float64 {
      for e in 0..<result.count {
        result.elements(Double.self)[e] = 2 * operands.inputs[0].elements(Double.self)[e]
      }
    } else {
      for e in 0..<result.count { result.elements(Float.self)[e] = 2 * operands.inputs[0].elements(Float.self)[e] }
    }
  }
}

@Suite struct StatementsTests {
  private static let catalog = OperationCatalog.standard.adding([Doubling.self])

  @Test("what is asked of an operation beside its samples fits it", arguments: names)
  func fits(name: String) throws {
    let entry = entry(name)
    for sample in entry.askedSamples(areQuick: false) {
      #expect(throws: Never.self) { try sample.program() }
      for question in entry.questions(on: sample) {
        switch question {
        case .numbers(let word, let domains):
          #expect(!word.isEmpty && domains.count == sample.inputs.count, "\(name): \(domains)")
        case .kinks(let kinks):
          // A law that is asked with NaN alone has no room for them.
          #expect([.everywhere, .sums, .kinks].contains(entry.specialValues.reach))
          let numbers = SpecialValues.feeds(sample).flatMap { $0.flatMap { $0 } }
          if sample.inputs[0].shape.elementCount >= 20 { #expect(kinks.allSatisfy(numbers.contains)) }
        case .background: #expect(!sample.inputs.isEmpty)
        case .oneBadNumber: #expect(try sample.program().values.last?.type == TensorType(.bool, []))
        }
      }
    }
  }

  @Test("a quick run leaves out what takes its time, and nothing else")
  func quick() {
    for entry in OperationCatalog.standard.entries {
      let (all, quick) = (entry.askedSamples(areQuick: false), entry.askedSamples(areQuick: true))
      #expect(quick.count >= entry.samples.count && quick.count <= all.count)
    }
    #expect(Convolution2D.askedSamples(areQuick: true).count < Convolution2D.askedSamples(areQuick: false).count)
  }

  @Test("a random program has the operations that say they are drawn; the others say why not")
  func drawn() throws {
    var found: Set<String> = []
    for seed in 1...60 {
      found.formUnion(try RandomProgram(seed: seed).program.calls.map(\.operation.name))
    }
    for entry in OperationCatalog.standard.entries {
      switch entry.randomProgramPart {
      case .drawn: #expect(found.contains(entry.name), "\(entry.name) is never drawn")
      case .absent(let reason): #expect(!reason.isEmpty)
      }
    }
  }

  @Test(
    "an operation that comes later is drawn too, and a seed keeps the program that it had", arguments: [1, 7, 1003])
  func later(seed: Int) throws {
    let (before, after) = (try RandomProgram(seed: seed), try RandomProgram(seed: seed, catalog: Self.catalog))
    #expect(after.values == before.values)
    let added = after.program.calls.filter { $0.operation is Doubling }
    #expect(added.count == 2)
    // Each is followed by what keeps its numbers small.
    #expect(after.program.calls.count == before.program.calls.count + 4)
    let reference = try chain(ReferenceBackend())
    let (old, new) = (
      try ProgramEvaluation(before.program, before.values, on: reference).outputs,
      try ProgramEvaluation(after.program, after.values, on: reference).outputs
    )
    #expect(new.count == old.count + 2)
    for (name, numbers) in old { #expect(new[name] == numbers, "\(name)") }
  }

  @Test("whatever an operation states is asked, under its name")
  func asked() throws {
    let reference = try chain(ReferenceBackend())
    var suite = ConformanceSuite(reference, reference: reference)
    (suite.catalog, suite.isQuick) = (Self.catalog, true)
    suite.filters = ["double ", "argmax 1:", "allFinite 0:", "conv2d 0:"]
    let cases = suite.run().cases
    func words(_ family: String, _ sample: Int) -> [String] {
      let start = "\(sample): "
      return cases.filter { $0.family == family && $0.name.hasPrefix(start) }.map(\.name)
    }
    for sample in 0...1 {
      let base = "\(sample): f32[\(sample == 0 ? 37 : 5)]"
      #expect(
        words("double", sample)
          == [base] + ["special values", "twice", "wide", "ties", "background"].map { "\(base), \($0)" })
    }
    #expect(words("argmax", 1).contains { $0.hasSuffix(", ties") })
    #expect(words("allFinite", 0).contains { $0.hasSuffix(", one bad number") })
    #expect(words("conv2d", 0).contains { $0.hasSuffix(", background") })
    for done in cases {
      if case .failed(let fault, _) = done.verdict { Issue.record("\(done.family) \(done.name): \(fault)") }
    }
  }
}
