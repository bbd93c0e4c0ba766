import Foundation
import SwitchbackABI
import SwitchbackBackendKit
import SwitchbackExecution
import SwitchbackPrograms
import SwitchbackReference
import TestFiles
import Testing

private func open(_ library: String) throws -> any ComputeDevice {
  try LoadedBackend(file: library).open(device: 0, options: [:], host: try HostServices(workers: 1))
}

private let template = "Backends/Template/template_backend.c"

@Suite struct PluginTests {
  @Test("a plugin of one C file runs its two operations in a training step, and the rest falls back visibly")
  func fallback() throws {
    let host = try HostServices(workers: 1)
    let plugin = try LoadedBackend(file: try compilePlugin(template))
    let chain = BackendChain(
      [
        .init(name: "template", device: try plugin.open(device: 0, options: [:], host: host)),
        .init(name: "reference", device: try ReferenceBackend().open(device: 0, options: [:], host: host)),
      ], host: host)
    var builder = ProgramBuilder(name: "step")
    let (x, w) = (builder.input("x", .float32([2, 3])), builder.state("w", .float32([3, 2])))
    let product = try builder.append(MatrixMultiplication(), x, w)
    let gate = try builder.append(Unary(.relu), product)
    let loss = try builder.append(Reduce(.sum, axes: [0, 1]), gate)
    let gradient = try builder.gradients(of: loss, for: [w])[w.id]!
    let rate = builder.step("learningRate", .float32([]))
    let allow = try builder.append(AllFinite(), gradient)
    _ = try builder.append(SGDUpdate(), [w, gradient, rate, allow])
    builder.output("loss", loss)
    let states = StateStore()
    let executor = try ProgramExecutor(builder.build(), on: chain, states: states)
    let counts = Dictionary(grouping: executor.plan.placements, by: \.link).mapValues(\.count)
    #expect(counts[0] == 2)
    #expect(executor.plan.summary.contains("2 on template"))
    try states.withMutableBytes(of: "w") { bytes in
      for (e, value) in [1, -1, 2, 0, 0, 1].enumerated() {
        bytes.storeBytes(of: Float(value), toByteOffset: 4 * e, as: Float.self)
      }
    }
    try executor.withInput("x") { bytes in
      for e in 0..<6 { bytes.storeBytes(of: Float(e), toByteOffset: 4 * e, as: Float.self) }
    }
    try executor.withInput("learningRate") { $0.storeBytes(of: 0.5, as: Float.self) }
    try executor.run()
    // x·w = [[2, 2], [11, 2]]; all pass the gate; dw = Σ rows of x in each column = [3, 5, 7].
    #expect(try executor.withOutput("loss") { $0.load(as: Float.self) } == 17)
    let weights = try states.withBytes(of: "w") { bytes in
      (0..<6).map { bytes.load(fromByteOffset: 4 * $0, as: Float.self) }
    }
    #expect(weights == [-0.5, -2.5, -0.5, -2.5, -3.5, -2.5])
  }

  @Test("a backend that accepts what it cannot know is refused")
  func acceptsUnknown() throws {
    let library = try compilePlugin(template, replacing: [("return \"not implemented by the template\";", "return 0;")])
    let error = #expect(throws: BackendError.self) { try open(library) }
    #expect(error?.message.contains("an operation that does not exist") == true)
    let careless = try compilePlugin(
      template, replacing: [("if (!sb_attributes_known(operation, known, 2) || !function)", "if (!function)")])
    let second = #expect(throws: BackendError.self) { try open(careless) }
    #expect(second?.message.contains("that does not exist") == true)
  }

  @Test(
    "a table that cannot be trusted is refused with words",
    arguments: [
      (".struct_size = sizeof(sb_backend)", ".struct_size = 8", "size of 8"),
      (".major = SB_MAJOR", ".major = 7", "version 7"),
      (".run = run, ", "", "seven required functions"),
      (".name = \"template\"", ".name = 0", "name"),
      ("return &table;", "return 0;", "does not work with version"),
    ])
  func badTable(old: String, new: String, words: String) throws {
    let library = try compilePlugin(template, replacing: [(old, new)])
    let error = #expect(throws: BackendError.self) { try LoadedBackend(file: library) }
    #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
  }

  @Test("a table cut after its required functions loads: what it lacks reads as null")
  func shortTable() throws {
    let library = try compilePlugin(
      template,
      replacing: [
        (".struct_size = sizeof(sb_backend)", ".struct_size = offsetof(sb_backend, wait)"),
        ("#include <stdlib.h>", "#include <stddef.h>\n#include <stdlib.h>"),
      ])
    #expect(throws: Never.self) { try open(library) }
  }

  @Test("a file that is no library, and one that is no backend, are said to be so")
  func noBackend() throws {
    #expect(throws: BackendError.self) { try LoadedBackend(file: root + "/Package.swift") }
    let library = try compilePlugin(template, replacing: [("const sb_backend *SB_ENTRY(", "const sb_backend *other(")])
    let error = #expect(throws: BackendError.self) { try LoadedBackend(file: library) }
    #expect(error?.message.contains(SB_ENTRY_NAME) == true)
  }

  @Test("a device list without an end, and a verdict that means nothing, do not hang or mislead the host")
  func endless() throws {
    let library = try compilePlugin(template, replacing: [("if (index > 0) return SB_END;", "")])
    #expect(try LoadedBackend(file: library).devices().count == 64)
    let odd = try compilePlugin(template, replacing: [("why ? SB_DECLINE : SB_ACCEPT", "why ? SB_DECLINE : 77")])
    let error = #expect(throws: BackendError.self) {
      let device = try open(odd)
      _ = try device.query(Segment(try OperationSample(Unary(.relu), [.float32([2])]).program()))
    }
    #expect(error?.message.contains("77") == true)
  }

  @Test("a Swift backend behind the C contract gives the bits that it gives without")
  func exported() throws {
    let host = try HostServices(workers: 2)
    let direct = try ReferenceBackend().open(device: 0, options: [:], host: host)
    let behind = try LoadedBackend(table: exportBackend(ReferenceBackend())).open(device: 0, options: [:], host: host)
    #expect(behind.info == direct.info)
    for sample in OperationCatalog.standard.entries.flatMap({ $0.samples }) {
      let program = try sample.program()
      #expect(try behind.query(Segment(program)) == direct.query(Segment(program)))
      #expect(try behind.compile(Segment(program)).report.groupNames == [program.calls[0].operation.name])
    }
  }

  @Test("an unknown name is an error that lists the known ones")
  func unknownName() throws {
    let error = #expect(throws: BackendError.self) {
      try BackendRegistry(linked: [ReferenceBackend()], folders: []).backend(named: "cuda")
    }
    #expect(error?.message.contains("reference") == true)
  }
}
