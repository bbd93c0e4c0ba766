import SwitchbackDatasets
import SwitchbackOpenCL
import SwitchbackTraining
import Testing

extension OpenCLTests {
  /// Whole steps, with those who look at what is between.
  @Suite struct ProbedStepTests {
    @Test("weights have the same bits with probes and without, and a probe costs its own two launches alone")
    func probes() throws {
      let data = try dataset()
      let order = BatchOrder(count: data.count, batchSize: 32, isShuffled: false)
      var launches: [Int] = []
      let weights = try [nil, 1, 3].map { (interval: Int?) in
        let session = try TrainingSession(
          step: convolutionalStep(), batchSize: 32, seed: 1, on: try chain(OpenCLBackend()), probeInterval: interval)
        let counts = try (0..<7).map { step in
          let before = try #require(session.chain.counts).launches
          _ = try session.train(data, order.batch(step % 4))
          return try #require(session.chain.counts).launches - before
        }
        // The counts are the process's: what others launch meanwhile is in some of them.
        launches.append(try #require(counts.min()))
        let states = session.states
        return try states.states.keys.sorted().map { name in try states.withBytes(of: name) { Array($0) } }
      }
      #expect(weights[1] == weights[0] && weights[2] == weights[0])
      // Before and after the convolution's gate, behind the pooling and before the loss; gradient, change and weight of
      // each parameter.
      let probes = 4 + 3 * 4
      #expect(launches[1] - launches[0] == 2 * probes, "\(launches)")
      #expect(launches[2] == launches[0])
    }

    @Test("weights have the same bits with every value tapped, and the step is fused as without")
    func taps() throws {
      let program = try convolutionalStep().build(batchSize: 8).program
      let temporaries = Set(program.values(.temporary))
      let runs = try [[], temporaries].map { try FusedRun(program, taps: $0, runs: 3) }
      let chains = runs.map { run in run.groups.filter { $0.contains("+") }.sorted() }
      #expect(chains[0] == chains[1])
      #expect(chains[0] == ["conv2d + add + relu", "matmul + add", "maxPool2d/backward + relu/backward"])
      for state in program.values(.state) { #expect(try runs[0].bits(of: state) == runs[1].bits(of: state)) }
    }
  }
}
