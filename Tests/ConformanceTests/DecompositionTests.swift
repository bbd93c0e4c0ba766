import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackExecution
import SwitchbackOpenBLAS
import SwitchbackPrograms
import SwitchbackReference
import Testing

/// The composite operations of the catalogue, by name.
private let names = OperationCatalog.standard.entries.filter { $0 is any CompositeOperation.Type }.map { $0.name }
private func samples(_ name: String) -> [OperationSample] {
  OperationCatalog.standard.entries.first { $0.name == name }?.samples ?? []
}
private func backends() -> [any ComputeBackend] {
  [ReferenceBackend(), OpenBLASBackend()].filter { (try? $0.devices()) != nil }
}

extension SampleValues {
  /// Eighths from −0.5 to 0.75.
  fileprivate static func grid(_ count: Int) -> [Double] {
    (0..<count).map { (e: Int) -> Double in Double(e * 7 % 11) / 8 - 0.5 }
  }
}

extension OperationSample {
  fileprivate var values: [String: [Double]] {
    Dictionary(uniqueKeysWithValues: SampleValues(self).operands.enumerated().map { ("x\($0)", $1) })
  }
}

@Suite struct DecompositionTests {
  @Test("there are composite operations")
  func some() { #expect(names.contains("normalize")) }

  @Test(
    "a decomposition makes the operation's results of operations that are not composite, or has a reason",
    arguments: names)
  func forms(name: String) throws {
    for sample in samples(name) {
      let (program, decomposed) = (try sample.program(), try sample.program().decomposing([0]))
      if let reason = decomposed.reasons[0] {
        #expect(!reason.isEmpty)
        continue
      }
      #expect(!decomposed.program.calls.contains { $0.operation is any CompositeOperation })
      #expect(decomposed.program.calls.count > 1 && Set(decomposed.origins) == [0])
      // What the outside reads keeps its number.
      #expect(decomposed.program.outputs == program.outputs)
      let written = decomposed.program.calls.flatMap { $0.outputs.compactMap { $0 } }
      #expect(Set(written).isSuperset(of: program.outputs.map(\.value)) && Set(written).count == written.count)
      #expect(try Program(text: decomposed.program.description).calls.count == decomposed.program.calls.count)
    }
  }

  @Test("a decomposition lies within the operation's bound and keeps its special values", arguments: names)
  func law(name: String) throws {
    let reference = try chain(ReferenceBackend())
    for backend in backends() {
      let candidate = try chain(backend)
      for sample in samples(name) {
        let words = "\(backend.identity.name): \(sample.operation) \(sample.inputs)"
        let comparison = try BackendComparison(sample, on: candidate, reference: reference, isDecomposed: true)
        #expect(comparison.verdict == .passed, "\(words)")
        let special = try SpecialValues(sample, on: candidate, reference: reference, isDecomposed: true)
        #expect(special.wasAsked && special.fault == nil, "\(words)")
      }
    }
  }

  @Test("in Float64 a decomposition is the operation, and so are the gradients through it", arguments: names)
  func gradients(name: String) throws {
    let reference = try chain(ReferenceBackend(), workers: 1)
    for sample in samples(name) {
      let types = sample.inputs.map { $0.elementType == .float32 ? TensorType(.float64, $0.shape) : $0 }
      var builder = ProgramBuilder(name: "gradients")
      let operands = types.enumerated().map { builder.input("x\($0)", $1) }
      var whole = builder
      let result = try whole.append(sample.operation, operands)[0]
      guard let operation = sample.operation as? any CompositeOperation,
        case .results(let results) = try operation.decomposition(of: operands, in: &builder)
      else { continue }
      func outputs(_ builder: ProgramBuilder, _ result: Value) throws -> [String: [Double]] {
        var builder = builder
        builder.output("y", result)
        var values = sample.values
        let upstream = builder.input("upstream", result.type)
        values["upstream"] = SampleValues.grid(result.shape.elementCount)
        let product = try builder.append(Binary(.multiply), result, upstream)
        let loss = try builder.append(Reduce(.sum, axes: Array(0..<product.shape.rank)), product)
        if let gradients = try? builder.gradients(of: loss, for: operands) {
          for operand in operands where gradients[operand.id] != nil {
            builder.output("d\(operand.id)", gradients[operand.id]!)
          }
        }
        return try ProgramEvaluation(builder.build(), values, on: reference).outputs
      }
      let (expected, found) = (try outputs(whole, result), try outputs(builder, results[0]))
      for (name, numbers) in expected {
        let others = try #require(found[name])
        let scale = numbers.reduce(1) { max($0, abs($1)) }
        for (a, b) in zip(numbers, others) { #expect(abs(a - b) <= 1e-9 * scale, "\(name) of \(sample.operation)") }
      }
    }
  }

  @Test("a decomposition that answers an operand, one value twice or another type is an error with the layer's path")
  func wrong() throws {
    for fault in WrongComposite.Fault.allCases {
      var builder = ProgramBuilder(name: "wrong")
      builder.path = "layers.0.wrong"
      builder.output("y", try builder.append(WrongComposite(fault: fault), builder.input("x", .float32([4]))))
      let error = #expect(throws: ProgramError.self) { _ = try builder.program.decomposing([0]) }
      #expect(error?.path == "layers.0.wrong" && error?.message.contains("wrongComposite") == true)
    }
  }

  @Test("a network gives the same numbers, gradients too, where simpler operations stand in for its normalizations")
  func network() throws {
    var builder = ProgramBuilder(name: "network")
    let (x, w) = (builder.input("x", .float32([4, 3, 2])), builder.input("w", .float32([2, 6])))
    let flat = try builder.append(Reshape(shape: [12, 2]), x)
    let product = try builder.append(
      Reshape(shape: [4, 3, 6]), builder.append(MatrixMultiplication(), flat, w))
    let middle = try builder.append(Normalize(axis: 1, groups: 2, epsilon: 1e-3), [product])[0]
    let loss = try builder.append(Reduce(.sumSquares, axes: [0, 1, 2]), builder.append(Unary(.sigmoid), middle))
    let gradients = try builder.gradients(of: loss, for: [x, w])
    for (name, value) in [("middle", middle), ("loss", loss), ("dx", gradients[x.id]!), ("dw", gradients[w.id]!)] {
      builder.output(name, value)
    }
    let values = ["x": SampleValues.grid(24), "w": SampleValues.grid(12)]
    let (reference, simple) = (try chain(ReferenceBackend()), try chain(WithoutComposites()))
    let both = BackendChain(simple.links + reference.links, host: simple.host)
    let whole = try ProgramEvaluation(builder.program, values, on: reference)
    let decomposed = try ProgramEvaluation(builder.program, values, on: both)
    #expect(decomposed.plan.placements.allSatisfy { $0.link == 0 })
    #expect(decomposed.plan.composites.count == 2 && decomposed.plan.composites.allSatisfy { $0.partCount > 0 })
    #expect(Set(whole.outputs.keys) == Set(decomposed.outputs.keys))
    for (name, numbers) in whole.outputs {
      for (a, b) in zip(numbers, try #require(decomposed.outputs[name])) { #expect(abs(a - b) < 1e-5, "\(name)") }
    }
  }

  @Test("conformance asks decompositions of the reference, and of whoever does not take the operation whole")
  func suite() throws {
    for backend in [ReferenceBackend(), WithoutComposites()] as [any ComputeBackend] {
      var suite = ConformanceSuite(try chain(backend), reference: try chain(ReferenceBackend()))
      (suite.isQuick, suite.filters) = (true, ["normalize 0:"])
      let report = suite.run()
      #expect(report.failures.isEmpty)
      let asked = report.cases.filter { $0.name.contains("decomposed") }
      #expect(asked.count == 2 && asked.allSatisfy { if case .passed = $0.verdict { true } else { false } })
    }
    guard isOpenBLASHere() else { return }
    var suite = ConformanceSuite(try chain(OpenBLASBackend()), reference: try chain(ReferenceBackend()))
    (suite.isQuick, suite.filters) = (true, ["normalize 0:"])
    #expect(!suite.run().cases.contains { $0.name.contains("decomposed") })
  }
}

/// The reference without kernels of composite operations.
private struct WithoutComposites: ComputeBackend {
  var identity: BackendIdentity { BackendIdentity(name: "simple", version: "1") }
  func devices() throws(BackendError) -> [DeviceInfo] { try ReferenceBackend().devices() }
  func open(
    device index: Int, options: [String: String], host: HostServices
  ) throws(BackendError) -> any ComputeDevice {
    Device(inner: try ReferenceBackend().open(device: index, options: options, host: host))
  }

  final class Device: ComputeDevice {
    let inner: any ComputeDevice
    init(inner: any ComputeDevice) { self.inner = inner }
    var info: DeviceInfo { inner.info }
    func query(_ segment: Segment) throws(BackendError) -> [Verdict] {
      let verdicts = try inner.query(segment)
      return zip(segment.calls, verdicts).map {
        $0.operation is any CompositeOperation ? .decline("only simple operations are computed here") : $1
      }
    }
    func compile(_ segment: Segment) throws(BackendError) -> any Executable { try inner.compile(segment) }
  }
}

/// A composite operation whose decomposition is a mistake.
private struct WrongComposite: CompositeOperation {
  enum Fault: String, StringAttribute, CaseIterable { case operand, twice, type }
  static let name = "wrongComposite"
  static let law = "y = x"
  static let specialValues = SpecialValueLaw(.everywhere, nan: "every element keeps its value")
  static var samples: [OperationSample] { [] }
  static var furtherSamples: [OperationSample] { [] }
  static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  static let randomProgramPart = RandomProgramPart.absent(reason: "it is wrong")
  var fault: Fault

  func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    fault == .twice ? [inputs[0], inputs[0]] : [inputs[0]]
  }
  func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    .stops(reason: "it is wrong")
  }
  func decomposition(
    of operands: [Value], in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Decomposition {
    let copy = try builder.append(Unary(.identity), operands[0])
    switch fault {
    case .operand: return .results([operands[0]])
    case .twice: return .results([copy, copy])
    case .type: return .results([try builder.append(Cast(to: .int32), copy)])
    }
  }
  func cost(for inputs: [TensorType]) -> Cost { Cost(flops: 0, bytes: 0) }
  func errorBound(for inputs: [TensorType]) -> ErrorBound { .exact }
}
