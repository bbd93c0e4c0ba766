import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackExecution
import SwitchbackOpenBLAS
import SwitchbackPrograms
import SwitchbackReference
import Testing

/// Convolutions of one filter: forward, again on its result where `isRepeated`, and backward; the filter is replaced by its
/// gradient where `isReplaced`, and then read once more.
private func convolutions(
  batch: Int, filters: Int = 32, channels: Int = 32, isRepeated: Bool = false, isReplaced: Bool = false
) throws -> Program {
  var builder = ProgramBuilder(name: "convolutions")
  let x = builder.input("x", .float32([batch, 6, 6, channels]))
  let w = builder.state("w", .float32([3, 3, channels, filters]))
  let geometry = ConvolutionGeometry(padding: [1, 1, 1, 1])
  func forward(_ x: Value) throws -> Value { try builder.append(Convolution2D(geometry), x, w) }
  var y = try forward(x)
  if isRepeated { y = try forward(y) }
  builder.output("y", y)
  builder.output("dx", try builder.append(Convolution2DBackwardInput(geometry, inputSize: [6, 6]), y, w))
  if isReplaced {
    let dw = try builder.append(Convolution2DBackwardFilter(geometry, kernelSize: [3, 3]), x, y)
    _ = try builder.append(Assign(), [w, dw])
    builder.output("z", try forward(x))
  }
  return builder.build()
}

private func report(_ program: Program) throws -> CompiledReport {
  try chain(OpenBLASBackend()).links[0].device.compile(Segment(program)).report
}

@Suite(.enabled(if: isOpenBLASHere(), "libopenblas.so.0 is not on this machine")) struct PackingTests {
  @Test("a state's filter is kept once for each form in which a segment reads it")
  func kept() throws {
    for isRepeated in [false, true] {
      let report = try report(convolutions(batch: 8, isRepeated: isRepeated))
      #expect(report.keeps.count == 2 && Set(report.keeps.map(\.format)).count == 2)
      #expect(report.keeps.allSatisfy { $0.isLasting && $0.byteCount >= 4 * 9 * 32 * 32 })
      #expect(report.groupNames.filter { $0.contains("filter packed once") }.count == (isRepeated ? 3 : 2))
    }
  }

  @Test("a filter that its run replaces is packed once a run; one that costs less than a barrier, in each chunk")
  func replaced() throws {
    let large = try report(convolutions(batch: 8, isReplaced: true))
    #expect(large.keeps.isEmpty)
    #expect(large.groupNames.filter { $0.contains("filter packed once a run") }.count == 3, "\(large.groupNames)")
    let few = try report(convolutions(batch: 1, isReplaced: true))
    let small = try report(convolutions(batch: 8, filters: 16, channels: 4, isReplaced: true))
    for report in [few, small] { #expect(!report.groupNames.contains { $0.contains("packed") }) }
    #expect(large.workspaceByteCount > few.workspaceByteCount)
  }

  @Test(
    "a filter that was changed is packed anew, before the run or in it, and one that was not, not again",
    arguments: [false, true], [1, 8])
  func generations(isReplaced: Bool, batch: Int) throws {
    let program = try convolutions(batch: batch, isRepeated: true, isReplaced: isReplaced)
    func values(_ backend: any ComputeBackend, workers: Int) throws -> [[Float]] {
      let states = StateStore()
      let executor = try ProgramExecutor(program, on: try chain(backend, workers: workers), states: states)
      func fill(_ bytes: UnsafeMutableRawBufferPointer, _ seed: Int) {
        for (e, x) in bytes.bindMemory(to: Float.self).indices.enumerated() {
          bytes.storeBytes(of: Float((e * 7 + seed * 13) % 23 - 11) / 16, toByteOffset: 4 * x, as: Float.self)
        }
      }
      var found: [[Float]] = []
      for run in 0..<5 {
        // The second and the last run have the filter of the one before.
        if run % 3 != 1 { try states.withMutableBytes(of: "w") { fill($0, run) } }
        try executor.withInput("x") { fill($0, run / 2) }
        try executor.run()
        for output in program.outputs {
          found.append(try executor.withOutput(output.name) { Array($0.bindMemory(to: Float.self)) })
        }
      }
      return found
    }
    let truth = try values(ReferenceBackend(), workers: 1)
    let one = try values(OpenBLASBackend(), workers: 1)
    #expect(try values(OpenBLASBackend(), workers: 3) == one)
    for (found, expected) in zip(one, truth) {
      let (wrong, whole) = zip(found, expected).reduce(into: (0.0, 0.0)) { sums, pair in
        sums.0 += Double(pair.0 - pair.1) * Double(pair.0 - pair.1)
        sums.1 += Double(pair.1) * Double(pair.1)
      }
      #expect(wrong <= 1e-10 * whole)
    }
  }
}
