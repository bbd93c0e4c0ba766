import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackExecution
import SwitchbackOpenBLAS
import SwitchbackPrograms
import SwitchbackReference
import Testing

func chain(_ backend: any ComputeBackend, workers: Int = 2) throws -> BackendChain {
  let host = try HostServices(workers: workers)
  return BackendChain(
    [.init(name: backend.identity.name, device: try backend.open(device: 0, options: [:], host: host))], host: host)
}

/// The operations that a device takes a sample of: an operation is added before kernels of it, and `OPERATIONS.md` says
/// who has none.
func operations(of device: any ComputeDevice) throws -> OperationCatalog {
  OperationCatalog(
    try OperationCatalog.standard.entries.filter {
      try $0.samples.contains { try device.query(Segment(try $0.program()))[0].isAccepted }
    })
}

func isOpenBLASHere() -> Bool { (try? OpenBLASBackend().devices()) != nil }

/// Every entry of the catalogue, by name.
private let names = OperationCatalog.standard.entries.map { $0.name }
private func entry(_ name: String) -> any TensorOperation.Type {
  OperationCatalog.standard.entries.first { $0.name == name }!
}

@Suite struct CatalogTests {
  @Test("an entry has a law, at least three samples, and a reference kernel", arguments: names)
  func complete(name: String) throws {
    let entry = entry(name)
    #expect(!entry.law.isEmpty)
    #expect(entry.samples.count >= 3)
    let reference = try chain(ReferenceBackend())
    for sample in entry.samples {
      let verdict = try reference.links[0].device.query(Segment(try sample.program()))[0]
      #expect(verdict.isAccepted, "\(name): \(verdict)")
    }
  }

  @Test(
    "a program that no machine could hold, or that says a thing twice, is refused with its line",
    arguments: [
      ("input %0 x f32[4294967296,4294967296]", "line 1: no machine holds"),
      ("input %0 x f32[0,4294967296,4294967296]", "line 1: no machine holds"),
      ("input %0 x f32[4]\ninput %0 z f32[4]", "line 2: %0 is declared twice"),
      ("input %0 x f32[4]\nstate %1 x f32[4]", "line 2: x is declared twice"),
      ("input %0 x f32[4]\n%0: f32[2,2] = reshape(%0) {shape: [2, 2]}", "line 2: %0 is declared twice"),
      ("input %0 x f32[4]\noutput y %0\noutput y %0", "line 3: there are two outputs called y"),
      ("input %0 x f32[4]\n_ = reshape(%0) {shape: [2147483648, 2147483648, 4]}", "line 2: no machine holds"),
      ("input %0 x i32[4]\n_ = oneHot(%0) {classes: 9223372036854775807, elementType: \"f32\"}", "beyond 2³¹"),
      (
        "input %0 x f32[1,9,9,1]\nstate %1 w f32[2147483648,1,1,1]\n"
          + "_ = conv2d(%0, %1) {strides: [1, 1], padding: [0, 0, 0, 0], dilations: [2147483648, 1], groups: 1}",
        "line 3: strides, dilations"
      ),
      ("input %0 x f32[4]\n%0 = reshape(%0) {shape: [4]}", "line 2: %0 is declared twice"),
      (
        "input %0 x f32[4]\n%1: f32[4] = reshape(%0) {shape: [4]}\n%1 = reshape(%0) {shape: [4]}",
        "line 3: %1 is declared twice"
      ),
      (
        "input %0 x f32[4]\n_ = reshape(%0) {shape: [-2147483648, -2147483648, -2147483648]}",
        "line 2: no machine holds"
      ),
      ("_ = fill() {shape: [-4], value: 0.0, elementType: \"f32\"}", "line 1: no machine holds f32[-4]"),
      ("input %0 x f32[1,1,1099511627776,1]", "line 1: no machine holds"),
      ("_ = fill() {shape: [4], value: 1e30, elementType: \"i32\"}", "line 1: 1e+30 is no i32"),
      ("input %0 x i64[1]\n_ = pad(%0) {low: [1], high: [0], value: -1e30}", "line 2: -1e+30 is no i64"),
    ])
  func refused(text: String, words: String) {
    let error = #expect(throws: ProgramError.self) { _ = try Program(text: text) }
    #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
  }

  @Test("the text form of every sample parses back to the same program", arguments: names)
  func text(name: String) throws {
    for sample in entry(name).samples {
      let program = try sample.program()
      #expect(try Program(text: program.description) == program)
    }
  }

  @Test("an attribute that does not exist, or is missing, is refused", arguments: names)
  func attributes(name: String) throws {
    let operation = entry(name).samples[0].operation
    var attributes = Dictionary(uniqueKeysWithValues: operation.attributes.map { ($0.name, $0.value) })
    #expect(throws: Never.self) { try OperationCatalog.standard.operation(named: name, attributes: attributes) }
    attributes["noSuchAttribute"] = .int(1)
    #expect(throws: ProgramError.self) { try OperationCatalog.standard.operation(named: name, attributes: attributes) }
  }

  @Test("the gradient of every sample agrees with finite differences, or its absence has a reason", arguments: names)
  func gradients(name: String) throws {
    let reference = try chain(ReferenceBackend(), workers: 1)
    for sample in entry(name).samples where sample.inputs.reduce(0, { $0 + $1.shape.elementCount }) <= 700 {
      let check = try GradientCheck(sample, on: reference)
      if let worst = check.worst {
        #expect(worst <= 1e-6, "\(name) \(sample.operation) \(sample.inputs)")
      } else {
        #expect(check.reason?.isEmpty == false)
      }
    }
  }

  @Test("the reference in Float32 lies within the bound of the reference in Float64", arguments: names)
  func reference32(name: String) throws {
    let reference = try chain(ReferenceBackend())
    for sample in entry(name).samples {
      let comparison = try BackendComparison(sample, on: reference, reference: reference)
      #expect(comparison.verdict == .passed, "\(name) \(sample.operation) \(sample.inputs): \(comparison.worst)")
    }
  }

  @Test(
    "OpenBLAS lies within the bound of the Float64 reference",
    .enabled(if: isOpenBLASHere(), "libopenblas.so.0 is not on this machine"), arguments: names)
  func openBLAS(name: String) throws {
    let (reference, openBLAS) = (try chain(ReferenceBackend()), try chain(OpenBLASBackend()))
    for sample in entry(name).samples {
      let comparison = try BackendComparison(sample, on: openBLAS, reference: reference)
      if case .failed(let fault) = comparison.verdict {
        Issue.record("\(name) \(sample.operation) \(sample.inputs): \(fault)")
      }
    }
  }

  @Test("the bits do not depend on the number of workers", arguments: [1, 3])
  func workers(count: Int) throws {
    for backend in [ReferenceBackend(), OpenBLASBackend()] as [any ComputeBackend] where (try? backend.devices()) != nil
    {
      let (one, other) = (try chain(backend, workers: 2), try chain(backend, workers: count))
      for sample in OperationCatalog.standard.entries.flatMap({ $0.samples }) {
        let program = try sample.program()
        guard try one.links[0].device.query(Segment(program))[0].isAccepted else { continue }
        let operands = SampleValues(sample).operands
        let values = Dictionary(uniqueKeysWithValues: operands.enumerated().map { ("x\($0)", $1) })
        let first = try ProgramEvaluation(program, values, on: one).outputs
        let second = try ProgramEvaluation(program, values, on: other).outputs
        for (name, numbers) in first {
          #expect(numbers.map(\.bitPattern) == second[name]!.map(\.bitPattern), "\(sample.operation) \(sample.inputs)")
        }
      }
    }
  }
}
