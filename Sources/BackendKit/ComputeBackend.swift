public import SwitchbackABI

/// Something that can run tensor programs: the Swift twin of `sb_backend` in `switchback_backend.h`.
///
/// A Swift type that conforms is offered to any host through `exportBackend`; a loaded library is a value that
/// conforms (`LoadedBackend`).
public protocol ComputeBackend: Sendable {
  var identity: BackendIdentity { get }
  /// The devices on this host; where there is none, an error that says why and what to install.
  func devices() throws(BackendError) -> [DeviceInfo]
  func open(
    device index: Int, options: [String: String], host: HostServices
  ) throws(BackendError) -> any ComputeDevice
}

public struct BackendIdentity: Hashable, Sendable {
  /// The word in configs: `openblas`.
  public var name: String
  public var version: String

  public init(name: String, version: String) {
    self.name = name
    self.version = version
  }
}

public struct DeviceInfo: Hashable, Sendable {
  public var name: String
  public var vendor: String
  /// Driver or library with version and chosen code path, such as `OpenBLAS 0.3.21, SkylakeX`. What follows a semicolon
  /// is of the moment, such as memory that a driver counts anew each time.
  public var driver: String
  /// Views must come from the device's `allocate`.
  public var hasPrivateMemory: Bool
  /// The host places every temporary of a segment, so that the device can be a plain loop over its operations.
  public var needsTemporaries: Bool
  /// Taps change no other bits.
  public var isTapStable: Bool
  /// The most operations a segment may have; `nil`: any number.
  public var maxOperations: Int?
  /// The largest allocation in bytes; `nil`: no limit.
  public var maxAllocation: Int?
  /// Bytes to which views of its memory are aligned.
  public var alignment: Int
  /// `cpu`, `gpu`, `accelerator`, or empty where the backend does not say: what users choose a device by.
  public var kind: String

  public init(
    name: String, vendor: String = "", driver: String = "", hasPrivateMemory: Bool = false,
    needsTemporaries: Bool = false, isTapStable: Bool = true, maxOperations: Int? = nil, maxAllocation: Int? = nil,
    alignment: Int = 64,
    kind: String = ""
  ) {
    self.name = name
    self.vendor = vendor
    self.driver = driver
    self.hasPrivateMemory = hasPrivateMemory
    self.needsTemporaries = needsTemporaries
    self.isTapStable = isTapStable
    self.maxOperations = maxOperations
    self.maxAllocation = maxAllocation
    self.alignment = alignment
    self.kind = kind
  }

  /// Device and driver without what is of the moment: what was measured with them holds as long as these words do.
  public var identity: String {
    [name, vendor, String(driver.prefix { $0 != ";" })].filter { !$0.isEmpty }.joined(separator: " · ")
  }
}

/// What a device says of one operation.
public enum Verdict: Hashable, Sendable {
  case decline(String)
  /// `errorFactor` multiplies the operation's own bound; 1 is the rule.
  case accept(errorFactor: Double = 1, microseconds: Double = 0)
  /// Only in the segment of the operation before it.
  case acceptWithPrevious(errorFactor: Double = 1, microseconds: Double = 0)

  public var isAccepted: Bool { if case .decline = self { false } else { true } }
}

/// An open device.
public protocol ComputeDevice: AnyObject, Sendable {
  var info: DeviceInfo { get }
  /// One verdict for each call: a pure, quick function of the description.
  func query(_ segment: Segment) throws(BackendError) -> [Verdict]
  func compile(_ segment: Segment) throws(BackendError) -> any Executable
  /// Waits for a ticket and all before it.
  func wait(for ticket: UInt64) throws(BackendError)

  /// What it did so far, where it counts; nil elsewhere.
  var counts: DeviceCounts? { get }

  // Devices with private memory.
  func allocate(byteCount: Int) throws(BackendError) -> sb_view
  /// Makes host memory (whole pages) visible to the device without a copy, where device and host share one memory; nil:
  /// not here. The memory is the host's until it is copied to the view, which hands it over, and again after it is
  /// copied from there, which takes it back: neither moves a byte.
  func adopt(_ memory: UnsafeMutableRawBufferPointer) throws(BackendError) -> sb_view?
  func discard(_ view: sb_view)
  /// Copies between two views after what was queued before; one with no buffer is host memory, which must stay as it is
  /// until the ticket is done. Answers a ticket, 0 where the work is done.
  func copy(from source: sb_view, to target: sb_view) throws(BackendError) -> UInt64
}

// A device that works on host memory and finishes on return needs none of these.
extension ComputeDevice {
  public var counts: DeviceCounts? { nil }
  public func wait(for ticket: UInt64) throws(BackendError) {}
  public func allocate(byteCount: Int) throws(BackendError) -> sb_view {
    throw BackendError(.unsupported, "\(info.name) works on host memory")
  }
  public func adopt(_ memory: UnsafeMutableRawBufferPointer) throws(BackendError) -> sb_view? { nil }
  public func discard(_ view: sb_view) {}
  public func copy(from source: sb_view, to target: sb_view) throws(BackendError) -> UInt64 {
    throw BackendError(.unsupported, "\(info.name) works on host memory")
  }
}

/// What a device did since it was opened: counts, unlike times, are the same on every machine.
public struct DeviceCounts: Hashable, Sendable {
  public var launches = 0
  /// Calls in which the host waits for the device to run dry.
  public var blockingCalls = 0
  /// Copied from host memory, and to it.
  public var bytesIn = 0
  public var bytesOut = 0

  public init(launches: Int = 0, blockingCalls: Int = 0, bytesIn: Int = 0, bytesOut: Int = 0) {
    (self.launches, self.blockingCalls, self.bytesIn, self.bytesOut) = (launches, blockingCalls, bytesIn, bytesOut)
  }

  public static func + (a: Self, b: Self) -> Self {
    Self(
      launches: a.launches + b.launches, blockingCalls: a.blockingCalls + b.blockingCalls,
      bytesIn: a.bytesIn + b.bytesIn, bytesOut: a.bytesOut + b.bytesOut)
  }

  public static func - (a: Self, b: Self) -> Self {
    Self(
      launches: a.launches - b.launches, blockingCalls: a.blockingCalls - b.blockingCalls,
      bytesIn: a.bytesIn - b.bytesIn, bytesOut: a.bytesOut - b.bytesOut)
  }
}

/// A compiled segment; letting go of it releases it.
public protocol Executable: AnyObject, Sendable {
  var report: CompiledReport { get }
  /// Runs once; allocates nothing. Answers a ticket, 0 where the work is done.
  func run(_ arguments: borrowing RunArguments) throws(BackendError) -> UInt64
}

/// What compiling chose.
public struct CompiledReport: Hashable, Sendable {
  /// Bytes of workspace that each run is given.
  public var workspaceByteCount: Int
  public var workspaceAlignment: Int
  /// Memory the executable keeps itself.
  public var ownByteCount: Int
  /// Covers every choice made: equal fingerprints mean equal bits.
  public var fingerprint: UInt64
  /// For each call the group it is profiled in: the time of a fused kernel is never divided by invention.
  public var groupOfCall: [Int]
  public var groupNames: [String]
  /// What it makes from operands and would like to find again.
  public var keeps: [Keep] = []

  public init(
    workspaceByteCount: Int = 0, workspaceAlignment: Int = 64, ownByteCount: Int = 0, fingerprint: UInt64 = 0,
    groupOfCall: [Int], groupNames: [String]
  ) {
    self.workspaceByteCount = workspaceByteCount
    self.workspaceAlignment = workspaceAlignment
    self.ownByteCount = ownByteCount
    self.fingerprint = fingerprint
    self.groupOfCall = groupOfCall
    self.groupNames = groupNames
  }

  /// Every call its own group, named after its operation.
  public static func ungrouped(_ segment: Segment, workspaceByteCount: Int = 0) -> CompiledReport {
    CompiledReport(
      workspaceByteCount: workspaceByteCount, groupOfCall: Array(segment.calls.indices),
      groupNames: segment.calls.map(\.operation.name))
  }
}

/// What one run of an executable works on. Pointers only: nothing is retained or allocated in a step.
public struct RunArguments: ~Copyable {
  /// One for each value of the segment.
  public let views: UnsafeBufferPointer<sb_view>
  /// For each value a number that changes whenever its contents may have; `nil`: always new.
  public let generations: UnsafePointer<UInt64>?
  public let workspace: sb_view
  /// Where the microseconds of each group go, when somebody profiles.
  public let groupMicroseconds: UnsafeMutablePointer<Double>?
  /// One for each keep of the report.
  public let kept: UnsafePointer<sb_kept>?

  public init(
    views: UnsafeBufferPointer<sb_view>, generations: UnsafePointer<UInt64>? = nil, workspace: sb_view = sb_view(),
    groupMicroseconds: UnsafeMutablePointer<Double>? = nil, kept: UnsafePointer<sb_kept>? = nil
  ) {
    self.views = views
    self.generations = generations
    self.workspace = workspace
    self.groupMicroseconds = groupMicroseconds
    self.kept = kept
  }
}
