import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackExecution
import SwitchbackOpenBLAS
import SwitchbackPrograms
import Testing

/// A masked LSTM over sequences that are inputs, with the gradients of what was projected and of the recurrent kernel,
/// which is a state that no run replaces.
private func recurrence(samples: Int, steps: Int, units: Int) throws -> Program {
  var builder = ProgramBuilder(name: "recurrence")
  let projected = builder.input("x", .float32([samples, steps, 4 * units]))
  let mask = builder.input("mask", TensorType(.bool, [samples, steps]))
  let kernel = builder.state("kernel", .float32([units, 4 * units]))
  let first = try builder.append(Fill(value: 0.25, shape: [samples, units], elementType: .float32))
  let made = try builder.append(LSTMRecurrence(isMasked: true), [projected, kernel, first, first, mask])
  builder.output("h", made[0])
  let back = try builder.append(
    LSTMRecurrenceBackward(isMasked: true), [made[1], made[2], kernel, first, made[0], mask])
  builder.output("delta", back[0])
  let rows = samples * steps
  builder.output(
    "gradient",
    try builder.append(
      MatrixMultiplication(transposeA: true), builder.append(Reshape(shape: [rows, units]), made[0]),
      builder.append(Reshape(shape: [rows, 4 * units]), back[0])))
  return builder.build()
}

@Suite(.enabled(if: isOpenBLASHere(), "libopenblas.so.0 is not on this machine")) struct RecurrencePlanTests {
  @Test("samples go through a recurrence together, 64 of them in four chunks; its kernel is packed once for each way")
  func together() throws {
    func report(samples: Int) throws -> CompiledReport {
      let device = try chain(OpenBLASBackend()).links[0].device
      return try device.compile(Segment(recurrence(samples: samples, steps: 28, units: 64))).report
    }
    let many = try report(samples: 64)
    let own = many.groupNames.filter { $0.hasPrefix("lstm") }
    #expect(own.count == 2 && own.allSatisfy { $0.contains("kernel packed once, 4 chunks of 16 samples") }, "\(own)")
    #expect(many.keeps.count == 2 && Set(many.keeps.map(\.format)).count == 2)
    // Fewer are not cut into chunks that would read the kernel for a few rows alone.
    #expect(try !report(samples: 20).groupNames.contains { $0.hasPrefix("lstm") && $0.contains("chunks of") })
  }

  @Test(
    "a recurrence has the same bits with any number of workers, and samples those that they have in a smaller batch")
  func bits() throws {
    func values(samples: Int, workers: Int) throws -> [[Float]] {
      let program = try recurrence(samples: samples, steps: 5, units: 33)
      let states = StateStore()
      let executor = try ProgramExecutor(program, on: try chain(OpenBLASBackend(), workers: workers), states: states)
      func fill(_ bytes: UnsafeMutableRawBufferPointer, _ seed: Int) {
        for e in 0..<bytes.count / 4 {
          bytes.storeBytes(of: Float((e * 7 + seed * 13) % 23 - 11) / 32, toByteOffset: 4 * e, as: Float.self)
        }
      }
      try executor.withInput("x") { fill($0, 1) }
      try executor.withInput("mask") { bytes in
        for e in bytes.indices { bytes[e] = e % 3 == 1 ? 0 : 1 }
      }
      try states.withMutableBytes(of: "kernel") { fill($0, 2) }
      try executor.run()
      return try ["h", "delta", "gradient"].map { name in
        try executor.withOutput(name) { Array($0.bindMemory(to: Float.self)) }
      }
    }
    let one = try values(samples: 70, workers: 1)
    #expect(one[0].allSatisfy { $0.isFinite } && one[1].contains { $0 != 0 })
    for workers in [2, 5] { #expect(try values(samples: 70, workers: workers) == one) }
    let few = try values(samples: 3, workers: 1)
    for index in 0..<2 { #expect(few[index] == Array(one[index].prefix(few[index].count))) }
  }
}
