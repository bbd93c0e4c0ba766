import SwitchbackArithmeticRoof
public import SwitchbackBackendKit

/// What the workers of a host reach at most: GFLOP/s of multiply-adds in registers, without memory (the flat part of a
/// roofline: Williams, Waterman and Patterson, 2009). Shares of it say what is left to gain on a CPU.
public struct ArithmeticRoof: Hashable, Sendable, Codable {
  /// Float32, of all workers together; a multiply-add counts two.
  public var gigaflops: Double
  /// `avx512`, `avx2`, `neon` or `baseline`: the widest that our CPU backends may use here (`SWITCHBACK_CPU_KERNELS`).
  public var instructionSet: String
  public var workers: Int

  /// So that a try takes about a millisecond: less than a core is lent to somebody else.
  private static let rounds: Int64 = 1 << 19

  /// Measures it: all workers at once, so many times, and of each worker its best. So a core that is busy with something else
  /// for a while lowers nothing.
  public static func measured(on host: HostServices, tries: Int = 20) -> ArithmeticRoof {
    var speeds = [Double](repeating: 0, count: host.workers)
    speeds.withUnsafeMutableBufferPointer { speeds in
      // Each worker touches its own.
      nonisolated(unsafe) let speeds = speeds
      for _ in 0..<max(tries, 1) {
        host.parallel(host.workers) { item, _ in
          let begin = RouteSearch.monotonicSeconds()
          let flops = switchback_roof_run(rounds)
          speeds[item] = max(speeds[item], flops / max(RouteSearch.monotonicSeconds() - begin, 1e-9))
        }
      }
    }
    return ArithmeticRoof(
      gigaflops: speeds.reduce(0, +) * 1e-9, instructionSet: String(cString: switchback_roof_instruction_set()),
      workers: host.workers)
  }

  /// `345 GFLOP/s (avx512, 2 workers)`.
  public var words: String {
    "\(Int(gigaflops.rounded())) GFLOP/s (\(instructionSet), \(workers) worker\(workers == 1 ? "" : "s"))"
  }
}
