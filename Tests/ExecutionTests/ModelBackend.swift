import SwitchbackABI
import SwitchbackBackendKit
import SwitchbackPrograms
import Synchronization

/// Time that only models move on.
final class ModelClock: Sendable {
  private let time = Mutex(0.0)
  private let runs = Mutex(0)
  /// Whatever takes time takes up to this share longer, at random.
  let jitter: Double
  init(jitter: Double = 0) { self.jitter = jitter }
  var seconds: Double { time.withLock { $0 } }
  func advance(_ seconds: Double) {
    let run = runs.withLock { count in
      count += 1
      return count
    }
    let chance = Philox.uniform(Philox(seed: 11).bits(block: run, stream: 0, step: 0)[0])
    time.withLock { $0 += seconds * (1 + jitter * chance) }
  }
}

/// A backend that computes nothing and takes as long as its model says: `overhead` a segment, each call its own time,
/// less `fusion` for each call after the first of a segment.
final class ModelBackend: ComputeBackend, Sendable {
  let identity: BackendIdentity
  let info: DeviceInfo
  let clock: ModelClock
  let overhead: Double
  let fusion: Double
  let copySeconds: Double
  let version: String
  /// The path of a call that is only taken with the one before.
  let bound: String?
  /// Seconds of a call by its path; nil: declined.
  let seconds: @Sendable (String) -> Double?
  let runs = Mutex(0)

  init(
    _ name: String, _ clock: ModelClock, overhead: Double = 0, fusion: Double = 0, copySeconds: Double? = nil,
    version: String = "1", bound: String? = nil, seconds: @escaping @Sendable (String) -> Double?
  ) {
    identity = BackendIdentity(name: name, version: version)
    info = DeviceInfo(name: name, hasPrivateMemory: copySeconds != nil)
    (self.clock, self.overhead, self.fusion, self.copySeconds) = (clock, overhead, fusion, copySeconds ?? 0)
    (self.seconds, self.version, self.bound) = (seconds, version, bound)
  }

  /// What a segment takes.
  func seconds(of calls: [Program.Call]) -> Double {
    overhead + calls.reduce(0) { $0 + (seconds($1.path) ?? 0) } - fusion * Double(calls.count - 1)
  }

  func devices() throws(BackendError) -> [DeviceInfo] { [info] }
  func open(
    device index: Int, options: [String: String], host: HostServices
  ) throws(BackendError) -> any ComputeDevice { Device(self) }

  final class Device: ComputeDevice {
    let model: ModelBackend
    var info: DeviceInfo { model.info }
    init(_ model: ModelBackend) { self.model = model }

    func query(_ segment: Segment) throws(BackendError) -> [Verdict] {
      segment.calls.enumerated().map { index, call in
        guard model.seconds(call.path) != nil else { return .decline("not in the model") }
        guard call.path == model.bound else { return .accept() }
        return index > 0 ? .acceptWithPrevious() : .decline("only with the one before")
      }
    }
    func compile(_ segment: Segment) throws(BackendError) -> any Executable { Compiled(model, segment) }
    func allocate(byteCount: Int) throws(BackendError) -> sb_view {
      sb_view(buffer: OpaquePointer(bitPattern: 1), offset: 0, bytes: UInt64(byteCount), host: nil)
    }
    func copy(from source: sb_view, to target: sb_view) throws(BackendError) -> UInt64 {
      model.clock.advance(model.copySeconds)
      return 0
    }
  }

  final class Compiled: Executable {
    let model: ModelBackend
    let segment: Segment
    var report: CompiledReport { .ungrouped(segment) }
    init(_ model: ModelBackend, _ segment: Segment) { (self.model, self.segment) = (model, segment) }

    func run(_ arguments: borrowing RunArguments) throws(BackendError) -> UInt64 {
      model.runs.withLock { $0 += 1 }
      model.clock.advance(model.seconds(of: segment.calls))
      if let times = arguments.groupMicroseconds {
        for (index, call) in segment.calls.enumerated() { times[index] = (model.seconds(call.path) ?? 0) * 1e6 }
      }
      return 0
    }
  }
}
