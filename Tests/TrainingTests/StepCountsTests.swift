import SwitchbackAllocationCount
import SwitchbackBackendKit
import SwitchbackDatasets
import SwitchbackOpenBLAS
import SwitchbackTraining
import Testing

/// What a step costs besides arithmetic. Times are never asserted; these counts are.
private struct StepCounts {
  var forks: Int
  /// By the calling thread and by every worker.
  var allocations: [Int]
  /// Inputs and outputs that were found by their names.
  var nameSearches: Int

  /// Of `steps` steps after `warmUp` others.
  init(_ session: TrainingSession, warmUp: Int = 12, steps: Int) throws {
    // The loop holds its data so; boxing it anew at each step would count.
    let data: any Dataset = try madeData()
    try session.train(data, steps: warmUp)
    let order = BatchOrder(count: data.count, batchSize: 64, isShuffled: false)
    let batches = (0..<order.batchCount).map { order.batch($0) }
    let host = session.chain.host
    // Three counts: two without a step between them say what counting itself allocates.
    let counts = (0..<3).map { _ in UnsafeMutableBufferPointer<Int>.allocate(capacity: host.workers) }
    defer { for count in counts { count.deallocate() } }
    Self.count(host, into: counts[0])
    Self.count(host, into: counts[1])
    let forks = host.forkCount
    let searches = session.nameSearchCount
    for index in 0..<steps { _ = try session.train(data, batches[index % batches.count]) }
    nameSearches = session.nameSearchCount - searches
    self.forks = host.forkCount - forks
    Self.count(host, into: counts[2])
    allocations = (0..<host.workers).map { counts[2][$0] - 2 * counts[1][$0] + counts[0][$0] }
  }

  private static func count(_ host: HostServices, into counts: UnsafeMutableBufferPointer<Int>) {
    nonisolated(unsafe) let counts = counts
    host.parallel(host.workers) { item, _ in counts[item] = Int(allocation_count()) }
  }
}

/// Batch normalization with its statistics, and a shortcut.
private let residual = """
  model.layers=[{conv2d: {filters: 4, kernel_size: 3, strides: 4}}, batch_normalization,
  {residual: {layers: [{conv2d: {filters: 4, kernel_size: 3, padding: same}}, batch_normalization], activation: relu}},
  flatten, {dense: {units: 10, activation: softmax}}]
  """

/// Normalizations by each sample's statistics, along lines and along channels.
private let normalized = """
  model.layers=[{conv2d: {filters: 8, kernel_size: 3, strides: 4}}, {group_normalization: {groups: 4}}, relu,
  layer_normalization, flatten, {dense: {units: 20}}, rms_normalization, {dense: {units: 10, activation: softmax}}]
  """

@Suite(.enabled(if: hasOpenBLAS, "libopenblas.so.0 is not on this machine")) struct StepCountsTests {
  @Test(
    "a step forks once, allocates nothing and searches no name: with probes and without, linked in and through the contract",
    arguments: ["mnist-cnn", "mnist-mlp", "residual", "normalized"], [false, true])
  func stepCounts(name: String, isWatched: Bool) throws {
    let backends: [(String, any ComputeBackend)] = [
      ("linked in", OpenBLASBackend()),
      ("through the contract", try LoadedBackend(table: exportBackend(OpenBLASBackend()))),
    ]
    for (how, backend) in backends {
      let layers = ["residual": residual, "normalized": normalized][name]
      let session = try session(
        layers == nil ? name : "mnist-mlp", on: backend, isWatched: isWatched, layers.map { [$0] } ?? [])
      let counts = try StepCounts(session, steps: 20)
      print(
        "\(name)\(isWatched ? " with probes" : ""), \(how): \(Double(counts.forks) / 20) forks and "
          + "\(Double(counts.allocations.reduce(0, +)) / 20) allocations a step")
      #expect(counts.forks == 20)
      #expect(counts.nameSearches == 0)
      if allocation_count_works() != 0 { #expect(counts.allocations.allSatisfy { $0 == 0 }, "\(counts.allocations)") }
    }
  }

  @Test("the profile names every operation once and adds up to the time of the steps")
  func profile() throws {
    let configuration = try configuration("mnist-cnn")
    let session = try TrainingSession(
      step: configuration.trainingStep(on: DatasetLayout(sampleShape: [28, 28, 1], targets: .classes)), batchSize: 64,
      seed: 1,
      on: try chain(OpenBLASBackend()), probeInterval: nil, isProfiled: true)
    let clock = ContinuousClock()
    let data = try madeData()
    try session.train(data, steps: 1)
    let taken = try clock.measure { try session.train(data, steps: 20) }
    let profile = try #require(try session.profile)
    #expect(profile.rows.flatMap(\.labels).sorted() == (try session.plan.program.calls.map(\.label).sorted()))
    #expect(profile.rows.allSatisfy { $0.runs == 21 && $0.microseconds >= 0 })
    let total = profile.rows.reduce(0) { $0 + $1.microseconds } / 21 * 20
    // A share of the wall time, whatever the machine's speed.
    #expect(total > 0 && total < 2e6 * Double(taken.components.seconds) + Double(taken.components.attoseconds) * 2e-12)
  }

  @Test("allocations are counted", .enabled(if: allocation_count_works() != 0, "this C library cannot be counted"))
  func counterWorks() {
    let before = allocation_count()
    let block = UnsafeMutableRawPointer.allocate(byteCount: 100, alignment: 1)
    block.deallocate()
    #expect(allocation_count() > before)
  }
}
