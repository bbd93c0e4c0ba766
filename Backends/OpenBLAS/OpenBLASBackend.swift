public import SwitchbackBackendKit
import SwitchbackCPUKernels
import SwitchbackOpenBLASLibrary
import SwitchbackPrograms

/// Float32 on the CPU: matrix products by OpenBLAS (one thread a worker), everything else by own vector kernels.
///
/// A segment is one fork of the host's workers, whatever its length: see `SegmentPlan`.
///
/// Option `strict` = `true` forbids kernels with a wider bound than the sums by definition (Winograd's F(4×4, 3×3)).
public struct OpenBLASBackend: ComputeBackend {
  public init() {}

  public var identity: BackendIdentity { BackendIdentity(name: "openblas", version: "1") }

  public func devices() throws(BackendError) -> [DeviceInfo] {
    let library = try OpenBLASLibrary()
    return [
      DeviceInfo(
        name: "host", driver: "\(library.config), kernels \(library.core), own kernels \(library.kernelName)",
        kind: "cpu")
    ]
  }

  public func open(
    device index: Int, options: [String: String], host: HostServices
  ) throws(BackendError) -> any ComputeDevice {
    try BackendError.refuseUnknown(options, known: ["strict"], of: identity.name)
    var library = try OpenBLASLibrary()
    if let word = options["strict"] {
      guard let isStrict = Bool(word) else {
        throw BackendError(.invalid, "openblas.strict is true or false, not \(word)")
      }
      library.isStrict = isStrict
    }
    var reason: UnsafePointer<CChar>?
    guard switchback_openblas_reserve(Int32(clamping: host.workers), &reason) != 0 else {
      throw BackendError(.outOfMemory, reason.map { String(cString: $0) } ?? "OpenBLAS has no room for its buffers")
    }
    return OpenBLASDevice(info: try devices()[0], library: library, host: host)
  }
}

/// The opened library and our kernels for this CPU.
struct OpenBLASLibrary: @unchecked Sendable {
  // Unchecked: pointers to tables that never change.
  let sgemm:
    @convention(c) (
      Int32, Int32, Int32, Int32, Int32, Int32, Float, UnsafePointer<Float>?, Int32, UnsafePointer<Float>?, Int32,
      Float, UnsafeMutablePointer<Float>?, Int32
    ) -> Void
  let kernels: UnsafePointer<sb_kernels>
  let core: String
  let config: String
  /// Whether no kernel may have a wider bound than the sums by definition.
  var isStrict = false

  init() throws(BackendError) {
    var reason: UnsafePointer<CChar>?
    guard let library = switchback_openblas_open(&reason) else {
      throw BackendError(.unavailable, reason.map { String(cString: $0) } ?? "OpenBLAS cannot be opened")
    }
    sgemm = library.pointee.sgemm
    core = String(cString: library.pointee.core)
    config = String(cString: library.pointee.config)
    kernels = sb_kernels_for_this_cpu()
  }

  var kernelName: String { String(cString: kernels.pointee.name) }

  /// c ← op(a)·op(b) + beta·c, row-major without gaps: c is m×n, op(a) m×k, op(b) k×n.
  @inline(__always)
  func multiply(
    _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<Float>, transposeA: Bool, _ b: UnsafePointer<Float>,
    transposeB: Bool, into c: UnsafeMutablePointer<Float>, beta: Float
  ) {
    guard m > 0, n > 0 else { return }
    guard k > 0 else {
      if beta == 0 { c.update(repeating: 0, count: m * n) }
      return
    }
    multiply(
      m, n, k, a, transposeA: transposeA, stride: transposeA ? m : k, b, transposeB: transposeB,
      stride: transposeB ? k : n, into: c, stride: n, beta: beta)
  }

  /// The same on blocks of wider matrices: `stride` floats lie between the rows of each as it is in memory. By our own
  /// kernel where that is faster, which the numbers alone decide.
  @inline(__always)
  func multiply(
    _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<Float>, transposeA: Bool, stride strideA: Int,
    _ b: UnsafePointer<Float>, transposeB: Bool, stride strideB: Int, into c: UnsafeMutablePointer<Float>,
    stride strideC: Int, beta: Float
  ) {
    guard m > 0, n > 0, k > 0 else { return }
    var shape = sb_product(
      m: Int64(m), n: Int64(n), k: Int64(k), a_stride: Int64(strideA), b_stride: Int64(strideB),
      c_stride: Int64(strideC), transpose_a: transposeA ? 1 : 0, transpose_b: transposeB ? 1 : 0,
      adds: beta == 0 ? 0 : 1)
    if kernels.pointee.leads_product(&shape) != 0 {
      kernels.pointee.product(&shape, a, b, c, nil)
      return
    }
    // 101: row-major; 111, 112: as it is, transposed.
    sgemm(
      101, transposeA ? 112 : 111, transposeB ? 112 : 111, Int32(m), Int32(n), Int32(k), 1, a, Int32(strideA), b,
      Int32(strideB), beta, c, Int32(strideC))
  }
}

final class OpenBLASDevice: ComputeDevice {
  let info: DeviceInfo
  let library: OpenBLASLibrary
  let host: HostServices

  init(info: DeviceInfo, library: OpenBLASLibrary, host: HostServices) {
    (self.info, self.library, self.host) = (info, library, host)
  }

  func query(_ segment: Segment) throws(BackendError) -> [Verdict] {
    segment.calls.indices.map { index in
      switch WorkMaker(segment: segment, index: index, library: library).make() {
      case .success(let work): .accept(errorFactor: work.errorFactor)
      case .failure(let declined): .decline(declined.reason)
      }
    }
  }

  func compile(_ segment: Segment) throws(BackendError) -> any Executable {
    try SegmentPlan(segment, library: library, host: host)
  }
}
