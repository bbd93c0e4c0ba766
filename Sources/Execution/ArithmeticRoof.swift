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

  /// So that a try takes milliseconds, which is long beside a fork.
  private static let rounds: Int64 = 1 << 21

  /// Measures it: the best of so many tries, some milliseconds each.
  public static func measured(on host: HostServices, tries: Int = 7) -> ArithmeticRoof {
    var best = 0.0
    let flops = switchback_roof_run(1) * Double(rounds) * Double(host.workers)
    for _ in 0..<max(tries, 1) {
      let begin = RouteSearch.monotonicSeconds()
      host.parallel(host.workers) { _, _ in _ = switchback_roof_run(rounds) }
      best = max(best, flops / max(RouteSearch.monotonicSeconds() - begin, 1e-9))
    }
    return ArithmeticRoof(
      gigaflops: best * 1e-9, instructionSet: String(cString: switchback_roof_instruction_set()), workers: host.workers)
  }

  /// `345 GFLOP/s (avx512, 2 workers)`.
  public var words: String {
    "\(Int(gigaflops.rounded())) GFLOP/s (\(instructionSet), \(workers) worker\(workers == 1 ? "" : "s"))"
  }
}
