import Foundation
import SwitchbackABI
import SwitchbackBackendKit
import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackOpenCL
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import Testing

/// An OpenCL device that never has finished: each wait takes at least `pause`.
private final class SlowBackend: ComputeBackend, Sendable {
  static let pause = 0.02
  let base = OpenCLBackend()
  var identity: BackendIdentity { base.identity }

  func devices() throws(BackendError) -> [DeviceInfo] { try base.devices() }

  func open(device index: Int, options: [String: String], host: HostServices) throws(BackendError) -> any ComputeDevice
  {
    Device(try base.open(device: index, options: options, host: host))
  }

  private final class Device: ComputeDevice {
    let base: any ComputeDevice
    init(_ base: any ComputeDevice) { self.base = base }
    var info: DeviceInfo { base.info }
    var counts: DeviceCounts? { base.counts }

    func query(_ segment: Segment) throws(BackendError) -> [Verdict] { try base.query(segment) }
    func compile(_ segment: Segment) throws(BackendError) -> any Executable { try base.compile(segment) }
    func allocate(byteCount: Int) throws(BackendError) -> sb_view { try base.allocate(byteCount: byteCount) }
    func adopt(_ memory: UnsafeMutableRawBufferPointer) throws(BackendError) -> sb_view? { try base.adopt(memory) }
    func discard(_ view: sb_view) { base.discard(view) }
    func copy(from source: sb_view, to target: sb_view) throws(BackendError) -> UInt64 {
      try base.copy(from: source, to: target)
    }

    func wait(for ticket: UInt64) throws(BackendError) {
      Thread.sleep(forTimeInterval: SlowBackend.pause)
      try base.wait(for: ticket)
    }
  }
}

@Suite(.enabled(if: (try? OpenCLBackend().devices()) != nil, "no OpenCL device here (pocl-opencl-icd is one)"))
struct StepTimeTests {
  @Test("the time in which a step is waited for counts, also where a checkpoint waits for it")
  func checkpoints() throws {
    let text = """
      version: 1
      model: {layers: [flatten, {dense: {units: 10, activation: softmax}}]}
      data: {dataset: mnist}
      training: {epochs: 1, batch_size: 16, checkpoint_steps: 1}
      backend: {name: opencl, opencl: {trust: true}}
      """
    let data = try ByteDataset(
      sampleShape: [2, 2, 1], classNames: (0...9).map { "\($0)" }, samples: (0..<640).map { UInt8($0 % 251) },
      labels: (0..<160).map { Int32($0 % 10) })
    let loop = try TrainingLoop(
      try Configuration(text: text, file: "test.yaml"), data: DatasetParts(train: data, test: data),
      registry: BackendRegistry(linked: [SlowBackend(), ReferenceBackend()]), host: try HostServices(workers: 2))
    let summary = try loop.run()
    #expect(summary.steps == 10)
    #expect(summary.seconds >= 10 * SlowBackend.pause, "\(summary.seconds) s for ten steps of at least 20 ms")
  }
}
