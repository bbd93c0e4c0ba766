import SwitchbackABI
import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackExecution
import SwitchbackPrograms
import SwitchbackReference
import Testing

/// The reference, but `spoil` changes the first result of every run before anybody sees it. It hears the first number of
/// the segment's first value, the result, and how many runs there were before.
private struct Spoiling: ComputeBackend {
  var spoil: @Sendable (Float, UnsafeMutablePointer<Float>, Int) -> Void
  var identity: BackendIdentity { BackendIdentity(name: "spoiling", version: "1") }
  func devices() throws(BackendError) -> [DeviceInfo] { try ReferenceBackend().devices() }
  func open(
    device index: Int, options: [String: String], host: HostServices
  ) throws(BackendError) -> any ComputeDevice {
    Device(inner: try ReferenceBackend().open(device: index, options: options, host: host), spoil: spoil)
  }

  private final class Device: ComputeDevice {
    let inner: any ComputeDevice
    let spoil: @Sendable (Float, UnsafeMutablePointer<Float>, Int) -> Void
    var info: DeviceInfo { inner.info }
    init(inner: any ComputeDevice, spoil: @escaping @Sendable (Float, UnsafeMutablePointer<Float>, Int) -> Void) {
      (self.inner, self.spoil) = (inner, spoil)
    }
    func query(_ segment: Segment) throws(BackendError) -> [Verdict] { try inner.query(segment) }
    func compile(_ segment: Segment) throws(BackendError) -> any Executable {
      let result = segment.values.indices.first { segment.values[$0].role == .output }
      return Run(inner: try inner.compile(segment), result: result, spoil: spoil)
    }
  }

  private final class Run: Executable, @unchecked Sendable {
    // Unchecked: one run at a time.
    let inner: any Executable
    let result: Int?
    let spoil: @Sendable (Float, UnsafeMutablePointer<Float>, Int) -> Void
    var count = 0
    var report: CompiledReport { inner.report }
    init(
      inner: any Executable, result: Int?, spoil: @escaping @Sendable (Float, UnsafeMutablePointer<Float>, Int) -> Void
    ) {
      (self.inner, self.result, self.spoil) = (inner, result, spoil)
    }
    func run(_ arguments: borrowing RunArguments) throws(BackendError) -> UInt64 {
      let ticket = try inner.run(arguments)
      guard let result, let first = arguments.views[0].host, let place = arguments.views[result].host else {
        return ticket
      }
      spoil(first.load(as: Float.self), place.assumingMemoryBound(to: Float.self), count)
      count += 1
      return ticket
    }
  }
}

@Suite struct SegmentTests {
  private func replay() throws -> ReplayFile {
    var builder = ProgramBuilder(name: "segment")
    let (x, w) = (builder.input("x", .float32([5, 4])), builder.state("w", .float32([4, 3])))
    let product = try builder.append(Unary(.tanh), builder.append(MatrixMultiplication(), x, w))
    builder.output("y", try builder.append(Unary(.relu), product))
    return ReplayFile(
      builder.build(),
      ["x": (0..<20).map { 0.5 + Double($0) / 16 }, "w": (0..<12).map { Double($0 % 3) / 8 + 0.125 }])
  }

  private func message(
    _ spoil: @escaping @Sendable (Float, UnsafeMutablePointer<Float>, Int) -> Void
  ) throws -> String? {
    let suite = ConformanceSuite(try chain(Spoiling(spoil: spoil)), reference: try chain(ReferenceBackend()))
    guard case .failed(let message, _) = try suite.segments(try replay()) else { return nil }
    return message
  }

  @Test("what is wrong must be wrong with other numbers too")
  func confirmed() throws {
    #expect(try message { first, result, _ in if first == 0.5 { result[0] += 1 } } == nil)
    let always = try #require(try message { _, result, _ in result[0] += 1 })
    #expect(always.contains(" in one segment without taps: result "), "\(always)")
    let words = /result \S+ \(of (matmul|unary) %\d+\) differs by [\d.]+ % \(relative L2\); rounding explains [\d.]+ %/
    #expect(always.contains(words), "\(always)")
  }

  @Test("bits that change from run to run are found without other workers")
  func changingBits() throws {
    let message = try #require(try message { _, result, count in if count == 3 { result[0] = result[0].nextUp } })
    #expect(message.contains("in five runs") && message.contains("run 4 than in the first"), "\(message)")
  }

  @Test("any seed chooses values to look at", arguments: [Int64.min, -1, 0, Int64.max])
  func seeds(seed: Int64) throws {
    let reference = try chain(ReferenceBackend())
    var suite = ConformanceSuite(reference, reference: reference)
    suite.seed = seed
    guard case .passed = try suite.segments(try replay(), tapCount: 1) else {
      Issue.record("the reference is right")
      return
    }
  }

  /// (x + 1) − 1 of one number: rounding takes a part of it, 1.7e-4 of 2e-4.
  @Test("a result of which rounding takes much may be off by no more than 1e-3")
  func ceiling() throws {
    var builder = ProgramBuilder(name: "cancels")
    let (x, one) = (builder.input("x", .float32([1])), builder.state("one", .float32([1])))
    builder.output("y", try builder.append(Binary(.subtract), builder.append(Binary(.add), x, one), one))
    let replay = ReplayFile(builder.build(), ["x": [Double(Float(2e-4))], "one": [1]])
    for (factor, isWrong) in [(Float(1.0002), false), (1.002, true)] {
      let candidate = try chain(Spoiling { _, result, _ in result[0] *= factor })
      let verdict = try ConformanceSuite(candidate, reference: chain(ReferenceBackend())).segments(replay)
      if case .failed = verdict { #expect(isWrong, "\(factor)") } else { #expect(!isWrong, "\(factor)") }
    }
  }

  @Test("what overflows in Float32 alone is said to be not judged, and the rest is judged")
  func overflow() throws {
    var builder = ProgramBuilder(name: "overflows")
    let x = builder.input("x", .float32([3]))
    builder.output("y", try builder.append(Unary(.relu), x))
    builder.output("z", try builder.append(Binary(.multiply), x, x))
    let replay = ReplayFile(builder.build(), ["x": [Double(Float(1e30)), 2, 3]])
    func verdict(_ candidate: any ComputeBackend) throws -> ConformanceReport.Verdict {
      try ConformanceSuite(chain(candidate), reference: chain(ReferenceBackend())).segments(replay)
    }
    guard case .declined(let reason) = try verdict(ReferenceBackend()) else {
      Issue.record("z cannot be judged")
      return
    }
    #expect(reason.contains("not judged") && reason.hasSuffix(": z"), "\(reason)")
    guard case .failed = try verdict(Spoiling { _, result, _ in result[0] = 1 }) else {
      Issue.record("y can be judged")
      return
    }
  }

  @Test("a convolution may spread what is not a number, and may not lose it")
  func spread() throws {
    var builder = ProgramBuilder(name: "spreads")
    let (x, w) = (builder.input("x", .float32([1, 2, 2, 1])), builder.state("w", .float32([1, 1, 1, 1])))
    builder.output("y", try builder.append(Convolution2D(), x, w))
    let replay = ReplayFile(builder.build(), ["x": [.nan, 1, 2, 3], "w": [1]])
    for (place, number, isWrong) in [(1, Float.nan, false), (0, 0, true)] {
      let candidate = try chain(Spoiling { _, result, _ in result[place] = number })
      let verdict = try ConformanceSuite(candidate, reference: chain(ReferenceBackend())).segments(replay)
      if case .failed = verdict { #expect(isWrong, "\(place)") } else { #expect(!isWrong, "\(place)") }
    }
  }
}
