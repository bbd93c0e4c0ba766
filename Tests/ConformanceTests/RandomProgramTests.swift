import SwitchbackConformance
import SwitchbackExecution
import SwitchbackOpenBLAS
import SwitchbackPrograms
import SwitchbackReference
import Testing

@Suite(.enabled(if: isOpenBLASHere(), "libopenblas.so.0 is not on this machine")) struct RandomProgramTests {
  /// The schedule of a segment (stages, slots, chunks, memory) is tested here more than its kernels.
  @Test("random programs give on OpenBLAS what they give on the reference, with any number of workers")
  func agree() throws {
    let reference = try chain(ReferenceBackend())
    let openBLAS = try (1...3).map { try chain(OpenBLASBackend(), workers: $0) }
    let catalog = try operations(of: openBLAS[0].links[0].device)
    for seed in 1...300 {
      let random = try RandomProgram(seed: seed, catalog: catalog)
      let (program, values) = (random.program, random.values)
      let truth = try ProgramEvaluation(program, values, on: reference).outputs
      let found = try openBLAS.map { try ProgramEvaluation(program, values, on: $0) }
      #expect(found[0].plan.segmentCount == 1)
      for output in program.outputs {
        let (a, b) = (found[0].outputs[output.name]!, truth[output.name]!)
        // What cancels to exactly 0 on one need not on the other.
        let zeros = output.name.hasPrefix("s") ? Statistics.Field.zeros.rawValue : nil
        let isClose =
          a.count == b.count
          && a.indices.allSatisfy { $0 == zeros || abs(a[$0] - b[$0]) <= 1e-3 * max(1, abs(b[$0])) }
        #expect(isClose, "seed \(seed), \(output.name): \(program)")
        for other in found.dropFirst() {
          #expect(other.outputs[output.name]!.map(\.bitPattern) == a.map(\.bitPattern), "seed \(seed), \(output.name)")
        }
      }
    }
  }
}
