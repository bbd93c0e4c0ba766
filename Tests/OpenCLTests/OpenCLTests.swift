import Foundation
import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackMonitoring
import SwitchbackNeuralNetworks
import SwitchbackOpenCL
import SwitchbackOpenCLLibrary
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import TestFiles
import Testing

private let isOpenCLHere = (try? OpenCLBackend().devices()) != nil

func chain(_ backend: any ComputeBackend, _ options: [String: String] = [:]) throws -> BackendChain {
  let host = try HostServices(workers: 2)
  return BackendChain(
    [.init(name: backend.identity.name, device: try backend.open(device: 0, options: options, host: host))], host: host)
}

func convolutionalStep() -> TrainingStep {
  TrainingStep(
    model: Sequential([
      Conv2D(8, kernelSize: 3, activation: .relu), MaxPooling2D(2), Flatten(), Dense(10, activation: .softmax),
    ]), sampleShape: [12, 12, 1], loss: CategoricalCrossentropy(), optimizer: RMSprop())
}

func dataset() throws -> ByteDataset {
  let philox = Philox(seed: 5)
  let samples = (0..<128 * 144).map { UInt8(philox.bits(block: $0, stream: 0, step: 0)[0] & 255) }
  return try ByteDataset(
    sampleShape: [12, 12, 1], classNames: (0...9).map { "\($0)" }, samples: samples,
    labels: (0..<128).map { Int32($0 % 10) })
}

/// Serialized: the library's counts and planned failures are the process's.
@Suite(.serialized, .enabled(if: isOpenCLHere, "no OpenCL device here (pocl-opencl-icd is one)")) struct OpenCLTests {
  // A CPU's class is PoCL's own, which `ConformanceTests` asks whole.
  @Test(
    "every class of device's kernels lies within the bounds of the Float64 reference",
    arguments: (runsLongTests ? ["cpu"] : []) + ["gpu", "intel", "other"])
  func conformance(deviceClass: String) throws {
    let candidate = try chain(OpenCLBackend(), ["device_class": deviceClass])
    var suite = ConformanceSuite(candidate, reference: try chain(ReferenceBackend()))
    suite.isQuick = true
    // The class changes how products, pooling, normalizations and recurrences are computed, and nothing else.
    for family in ["conv2d", "matmul", "Pool2d", "normalize", "rnn", "lstm", "gru"] {
      suite.filters = [family]
      let report = suite.run()
      #expect(report.rows.contains { $0.passed > 0 })
      for failure in report.failures { Issue.record("\(failure.name): \(failure.message)") }
    }
  }

  @Test("a recurrence has no more work-items than its compiled kernel may have, and the same bits")
  func workGroups() throws {
    func outputs(_ sample: OperationSample) throws -> [String: [Double]] {
      // Of a class whose other kernels have at most 64 work-items.
      let opened = try chain(OpenCLBackend(), ["device_class": "other"])
      let program = try sample.program()
      let values = sample.inputs.enumerated().map { index, type in
        ("x\(index)", (0..<type.shape.elementCount).map { Double($0 * 7 % 23 - 11) / 32 })
      }
      return try ProgramEvaluation(program, Dictionary(uniqueKeysWithValues: values), on: opened).outputs
    }
    let samples = [SimpleRecurrence.samples, LSTMRecurrence.samples, GRURecurrenceBackward.samples].map { $0[1] }
    let expected = try samples.map(outputs)
    ocl_limit_work_group(64)
    defer { ocl_limit_work_group(0) }
    #expect(try samples.map(outputs) == expected)
  }

  @Test("of an operation that has a kernel, every sample is taken")
  func takesAll() throws {
    let device = try chain(OpenCLBackend()).links[0].device
    var taken: Set<String> = []
    for entry in OperationCatalog.standard.entries {
      let verdicts = try entry.samples.map { try device.query(Segment(try $0.program()))[0] }
      // An operation is added before kernels of it; `OPERATIONS.md` says who has none.
      guard verdicts.contains(where: \.isAccepted) else { continue }
      taken.insert(entry.name)
      for case (let sample, .decline(let reason)) in zip(entry.samples, verdicts) {
        Issue.record("\(sample.operation) \(sample.inputs) is declined: \(reason)")
      }
    }
    #expect(taken.isSuperset(of: ["conv2d", "adamUpdate"]))
  }

  @Test("a training step is one segment, waits for nothing, and takes only its batch to the device")
  func stepCounts() throws {
    let session = try TrainingSession(
      step: convolutionalStep(), batchSize: 32, seed: 1, on: try chain(OpenCLBackend()), probeInterval: nil)
    let data = try dataset()
    let order = BatchOrder(count: data.count, batchSize: 32, isShuffled: false)
    #expect(try session.plan.segmentCount == 1)
    #expect(try session.overlaps)
    // States go there once.
    _ = try session.train(data, order.batch(0))
    let before = try #require(session.chain.counts)
    for step in 0..<10 { _ = try session.train(data, order.batch(step % 4)) }
    let counts = try #require(session.chain.counts) - before
    let program = try session.plan.program
    let memory = try HostBuffer(byteCount: 4096)
    let pages = memory.bytes
    let given = (program.values(.input) + program.values(.step)).reduce(0) {
      $0 + program.values[$1].type.byteCount
    }
    #expect(counts.blockingCalls == 0)
    // Where device and host share one memory the images are read where they are.
    let isUnified = try chain(OpenCLBackend()).links[0].device.adopt(pages) != nil
    #expect(counts.bytesIn == 10 * (isUnified ? given - 32 * 144 * 4 : given))
    #expect(given < 32 * (144 * 4 + 4) + 64)
    // The loss, the count of right answers, the flag, and a word that says that no label was out of range.
    #expect(counts.bytesOut == 10 * (4 + 4 + 1 + 4))
    #expect(counts.launches % 10 == 0 && counts.launches > 0)
    print("a step: \(counts.launches / 10) launches, \(counts.blockingCalls / 10) blocking calls")
  }

  @Test(
    "every shipped configuration of images trains on OpenCL alone, in one segment",
    arguments: [
      "mnist-cnn", "mnist-mlp", "mnist-linear", "fashion-cnn", "deep-relu-he", "deep-sigmoid-mlp", "mixed-kernels",
      "transformer-rows-mnist",
    ])
  func alone(name: String) throws {
    let configuration = try Configuration(file: "\(root)/configs/\(name).yaml", overrides: [])
    let session = try TrainingSession(
      step: configuration.trainingStep(on: DatasetLayout(sampleShape: [28, 28, 1], targets: .classes)), batchSize: 64,
      seed: 1,
      on: try chain(OpenCLBackend()), probeInterval: 10)
    #expect(try session.plan.segmentCount == 1)
  }

  @Test(
    "a recurrent layer has no launch a step of time, there and back, and waits for nothing",
    arguments: ["simple_rnn", "lstm", "gru"])
  func recurrentLaunches(word: String) throws {
    func counts(length: Int) throws -> (launches: Int, blocking: Int) {
      let text = """
        version: 1
        model: {layers: [{\(word): {units: 8}}, {dense: {units: 1}}]}
        data: {dataset: adding-problem, sequence_length: \(length)}
        training: {batch_size: 8, loss: mean_squared_error, optimizer: {type: sgd, learning_rate: 0.01}}
        """
      let data = try AddingProblem(sequenceLength: length, count: 80).open().train
      let step = try Configuration(text: text, file: "test.yaml").trainingStep(on: data.layout)
      let session = try TrainingSession(
        step: step, batchSize: 8, seed: 1, on: try chain(OpenCLBackend()), probeInterval: nil)
      // States go there once.
      _ = try session.train(data, Array(0..<8)[...])
      let before = try #require(session.chain.counts)
      _ = try session.train(data, Array(8..<16)[...])
      let found = try #require(session.chain.counts) - before
      return (found.launches, found.blockingCalls)
    }
    let (short, long) = (try counts(length: 4), try counts(length: 40))
    #expect(short.blocking == 0 && long.blocking == 0)
    // Sums over more rows may be divided once more.
    #expect(long.launches < short.launches + 36 / 2, "\(short.launches) and \(long.launches)")
  }

  @Test("fifty losses of a free-running network are the reference's to 1e-4")
  func freeRunning() throws {
    let data = try dataset()
    let order = BatchOrder(count: data.count, batchSize: 32, isShuffled: false)
    let step = TrainingStep(
      model: Sequential([Flatten(), Dense(64, activation: .relu), Dense(10, activation: .softmax)]),
      sampleShape: [12, 12, 1], loss: CategoricalCrossentropy(), optimizer: SGD(learningRate: 0.1))
    let losses = try [ReferenceBackend(), OpenCLBackend() as any ComputeBackend].map { backend in
      let session = try TrainingSession(
        step: step, batchSize: 32, seed: 1, on: try chain(backend), probeInterval: nil)
      return try (0..<50).map { try session.train(data, order.batch($0 % 4)).loss }
    }
    for (a, b) in zip(losses[0], losses[1]) { #expect(abs(a - b) <= 1e-4 * abs(a)) }
    #expect(losses[0][49] < losses[0][0])
  }

  @Test("steps that overlap give the weights of steps one by one")
  func overlap() throws {
    let data = try dataset()
    let order = BatchOrder(count: data.count, batchSize: 32, isShuffled: false)
    let weights = try [false, true].map { overlaps in
      let session = try TrainingSession(
        step: convolutionalStep(), batchSize: 32, seed: 1, on: try chain(OpenCLBackend()), probeInterval: 3)
      var underWay: TrainingSession.StartedStep?
      for step in 0..<12 {
        let started = try session.start(data, order.batch(step % 4))
        if let before = underWay { _ = try session.finish(before) }
        underWay = started
        if !overlaps {
          _ = try session.finish(started)
          underWay = nil
        }
      }
      if let underWay { _ = try session.finish(underWay) }
      return try session.states.states.keys.sorted().map { name in try session.states.withBytes(of: name) { Array($0) }
      }
    }
    #expect(weights[0] == weights[1])
  }

  /// An error at a step of one's choice.
  private struct At: Rule {
    let name = "at"
    func observe(_ rows: ProbeRows) -> Finding? {
      guard rows.step == 3 else { return nil }
      return Finding(rule: name, severity: .error, step: 3, layers: [], evidence: [:], message: "Here.")
    }
  }

  @Test("where steps overlap a proof says which step its weights are of")
  func proof() throws {
    let text = """
      version: 1
      model: {layers: [flatten, {dense: {units: 10, activation: softmax}}]}
      data: {dataset: mnist}
      training: {epochs: 2, batch_size: 32, optimizer: {type: sgd}}
      backend: {name: opencl}
      monitor: {check_share: 0}
      """
    let data = try dataset()
    let loop = try TrainingLoop(
      Configuration(text: text, file: "test.yaml"), data: DatasetParts(train: data, test: data.subset(0..<32)),
      registry: BackendRegistry(linked: [OpenCLBackend(), ReferenceBackend()], folders: []),
      host: HostServices(workers: 2), rules: [At()])
    let finding = try #require(loop.run().findings.first { $0.rule == "at" })
    #expect(finding.proof?.weightsOfStep == 4 && finding.message.contains("behind step 4"), "\(finding)")
  }

  @Test("batches that are read ahead where steps read them give the weights of batches read when they are wanted")
  func readAhead() throws {
    let data = try dataset()
    // The last batch is smaller, and every third update runs on another program.
    let order = BatchOrder(count: data.count, batchSize: 36, isShuffled: false)
    let weights = try [false, true].map { readsAhead in
      let session = try TrainingSession(
        step: convolutionalStep(), batchSize: 36, seed: 1, on: try chain(OpenCLBackend()), probeInterval: 3)
      let prefetcher = try Prefetcher(data, batchSize: 36)
      var underWay: TrainingSession.StartedStep?
      for _ in 0..<3 {
        if readsAhead { prefetcher.begin(order, at: 0, waits: try session.overlaps) }
        for batch in 0..<order.batchCount {
          let started = try session.start(readsAhead ? prefetcher : data as any Dataset, order.batch(batch))
          if let before = underWay { _ = try session.finish(before) }
          underWay = started
          guard readsAhead, batch + 1 < order.batchCount else { continue }
          let count = order.batch(batch + 1).count
          prefetcher.readAhead(into: try session.nextBatchMemory(prefetcher, count: count))
        }
      }
      if let underWay { _ = try session.finish(underWay) }
      return try session.states.states.keys.sorted().map { name in try session.states.withBytes(of: name) { Array($0) }
      }
    }
    #expect(weights[0] == weights[1])
  }

  @Test("a segment in several pools computes what one in a single pool does")
  func pools() {
    let blocks = (0..<12).map { MemoryPlan.Block(byteCount: 1000 + $0, birth: $0, death: $0 + 3) }
    let plan = MemoryPlan(blocks, alignment: 128, limit: 2500)
    #expect(plan.pools.count > 1 && plan.pools.allSatisfy { $0 <= 2500 })
    for (i, a) in blocks.enumerated() {
      #expect(plan.offsets[i] % 128 == 0)
      for (j, b) in blocks.enumerated() where j < i && plan.pool(of: i) == plan.pool(of: j) {
        let aliveTogether = a.birth <= b.death && b.birth <= a.death
        let apart =
          plan.offsets[i] + a.byteCount <= plan.offsets[j] || plan.offsets[j] + b.byteCount <= plan.offsets[i]
        #expect(!aliveTogether || apart)
      }
    }
  }

  @Test("a lost device says so, and goes on saying it")
  func deviceLost() throws {
    let session = try TrainingSession(
      step: convolutionalStep(), batchSize: 32, seed: 1, on: try chain(OpenCLBackend()), probeInterval: nil)
    let data = try dataset()
    let batch = BatchOrder(count: data.count, batchSize: 32, isShuffled: false).batch(0)
    _ = try session.train(data, batch)
    ocl_fail("clEnqueueNDRangeKernel", 7, -36)
    for _ in 0..<2 {
      let error = #expect(throws: ExecutionError.self) { _ = try session.train(data, batch) }
      #expect(error?.kind == .deviceLost)
      #expect(error?.message.contains("CL_INVALID_COMMAND_QUEUE") == true)
    }
    ocl_fail("", 0, 0)
  }

  @Test("a device without memory says what was asked for, and what to do")
  func outOfMemory() throws {
    let opened = try chain(OpenCLBackend())
    ocl_fail("clCreateBuffer", 3, -4)
    defer { ocl_fail("", 0, 0) }
    let error = #expect(throws: ExecutionError.self) {
      _ = try ProgramExecutor(try convolutionalStep().build(batchSize: 32).program, on: opened, states: StateStore())
    }
    #expect(error?.kind == .outOfMemory)
    #expect(error?.message.contains("bytes") == true && error?.message.contains("smaller batch") == true)
  }

  @Test("every OpenCL call may fail without a crash", arguments: 1...12)
  func anyCallFails(n: Int) throws {
    let functions = [
      "clBuildProgram", "clCreateKernel", "clSetKernelArg", "clCreateSubBuffer", "clEnqueueWriteBuffer",
      "clEnqueueReadBuffer", "clFlush", "clGetEventInfo", "clEnqueueFillBuffer", "clCreateBuffer", "clCreateContext",
      "clCreateCommandQueue",
    ]
    ocl_fail(functions[n - 1], 1, -5)
    defer { ocl_fail("", 0, 0) }
    #expect(throws: (any Error).self) {
      let session = try TrainingSession(
        step: convolutionalStep(), batchSize: 32, seed: 1, on: try chain(OpenCLBackend()), probeInterval: nil)
      let data = try dataset()
      _ = try session.train(data, BatchOrder(count: data.count, batchSize: 32, isShuffled: false).batch(0))
    }
  }

  @Test("an index outside its axis is named with its operation, and the device works on")
  func wrongIndex() throws {
    var builder = ProgramBuilder(name: "gather")
    let x = builder.input("x", .float32([5, 2]))
    let indices = builder.input("i", .int32([3]))
    builder.output("y", try builder.append(Gather(axis: 0), x, indices))
    let executor = try ProgramExecutor(builder.build(), on: try chain(OpenCLBackend()), states: StateStore())
    func run(_ values: [Int32]) throws -> [Float] {
      try executor.withInput("x") { bytes in
        for e in 0..<10 { bytes.storeBytes(of: Float(e), toByteOffset: 4 * e, as: Float.self) }
      }
      try executor.withInput("i") { bytes in values.withUnsafeBytes { bytes.copyMemory(from: $0) } }
      try executor.run()
      return try executor.withOutput("y") { Array($0.bindMemory(to: Float.self)) }
    }
    #expect(try run([4, 0, 2]) == [8, 9, 0, 1, 4, 5])
    let error = #expect(throws: ExecutionError.self) { _ = try run([0, 7, -1]) }
    #expect(
      error?.message.contains("gather: the index at position 1 is outside the 5 slices") == true,
      "\(String(describing: error))")
    #expect(try run([1, 1, 1]) == [2, 3, 2, 3, 2, 3])
  }

  @Test(
    "every shape of tile lies within the bounds of the Float64 reference",
    arguments: ["local", "4x8x8x16", "8x4x16x32", "3x16x128x1", "1x4x4x64"])
  func tiles(tile: String) throws {
    let candidate = try chain(OpenCLBackend(), ["tiles": "1:\(tile)"])
    var trial = DeviceTrial(candidate, reference: try chain(ReferenceBackend()))
    trial.operations = ["conv2d", "conv2d/backwardInput", "conv2d/backwardFilter", "matmul"]
    let verdict = try trial.run { _, _, _ in }
    #expect(verdict.checked > 60 && verdict.faults.isEmpty, "\(verdict)")
  }

  @Test(
    "what the store says of tuning and the backend refuses is as if it were not there; what a user says is an error")
  func spoiltTuning() throws {
    let store = FileManager.default.temporaryDirectory.appendingPathComponent("store-\(UUID().uuidString)").path
    let host = try HostServices(workers: 1, store: store)
    let registry = BackendRegistry(linked: [OpenCLBackend()], folders: [])
    let spoilt = ["tiles": "-1_000:6x16x64x1"]
    let tuned = try TunedOptions(of: OpenCLBackend(), device: 0)
    tuned.remember(spoilt, by: host)
    #expect(tuned.recalled(by: host) == spoilt)
    #expect(try BackendChain(["opencl"], registry: registry, host: host).links[0].options.isEmpty)
    #expect(throws: BackendError.self) {
      try BackendChain(["opencl"], registry: registry, options: ["opencl": spoilt], host: host)
    }
  }

  @Test("a tile belongs to the plan, and holds for the columns it is given for")
  func tilePlan() throws {
    func plan(_ options: [String: String]) throws -> String {
      let session = try TrainingSession(
        step: convolutionalStep(), batchSize: 4, seed: 1, on: try chain(OpenCLBackend(), options))
      return try session.plan.fingerprint
    }
    let own = try plan([:])
    #expect(try plan(["tiles": "8:default"]) == own)
    #expect(try plan(["tiles": "8:4x4x8x32"]) != own)
    // Ten columns take the second entry.
    #expect(try plan(["tiles": "8:default 16:4x4x8x32"]) != plan(["tiles": "8:default 16:2x4x8x32"]))
  }

  @Test("a tile that the kernels do not have is refused", arguments: ["8", "8:2x3x4x5", "0:local", "8:4x8x12x1"])
  func wrongTile(text: String) throws {
    #expect(throws: BackendError.self) { try chain(OpenCLBackend(), ["tiles": text]) }
  }

  @Test("compiled programs are kept for the next process, and made anew where what is kept is no program")
  func programCache() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    /// Programs that were compiled from source or loaded, and the loss of a step, in a host of its own.
    func step() throws -> (sources: UInt64, loss: Float) {
      let host = try HostServices(workers: 2, store: folder)
      let device = try OpenCLBackend().open(device: 0, options: ["program_cache": "true"], host: host)
      let before = ocl_counts_now().builds
      let session = try TrainingSession(
        step: convolutionalStep(), batchSize: 32, seed: 1,
        on: BackendChain([.init(name: "opencl", device: device)], host: host), probeInterval: nil)
      let data = try dataset()
      let loss = try session.train(data, BatchOrder(count: data.count, batchSize: 32, isShuffled: false).batch(0)).loss
      return (ocl_counts_now().builds - before, Float(loss))
    }
    let first = try step()
    #expect(first.sources > 0)
    let second = try step()
    #expect(second.sources == 0 && second.loss == first.loss)
    let names = try FileManager.default.contentsOfDirectory(atPath: folder)
    #expect(UInt64(names.count) >= first.sources)
    // What passes the store's checksum and is no program all the same.
    let host = try HostServices(workers: 1, store: folder)
    for name in names {
      let digits = Array(name.utf8).map { Int(String(UnicodeScalar($0)), radix: 16) ?? 0 }
      let bytes = stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] * 16 + digits[$0 + 1]) }
      host.remember(String(decoding: bytes, as: UTF8.self), [1, 2, 3])
    }
    let third = try step()
    #expect(third.sources == first.sources && third.loss == first.loss)
    // Cut off: the checksum says so.
    for name in names { try Data([1, 2, 3]).write(to: URL(fileURLWithPath: folder + "/" + name)) }
    #expect(try step().sources == first.sources)
  }

  @Test("options and classes that do not exist are refused by name")
  func options() throws {
    #expect(throws: BackendError.self) { _ = try chain(OpenCLBackend(), ["device_class": "tpu"]) }
    let error = #expect(throws: BackendError.self) { _ = try chain(OpenCLBackend(), ["colour": "blue"]) }
    #expect(error?.message.contains("colour") == true)
  }
}
