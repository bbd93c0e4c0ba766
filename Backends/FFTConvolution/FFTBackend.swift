public import SwitchbackBackendKit
import SwitchbackCPUKernels
import SwitchbackFFTLibrary
import SwitchbackOpenBLASLibrary
import SwitchbackPrograms

/// Convolutions in Float32 by fast Fourier transforms: FFTW for these, one complex matrix product by OpenBLAS for each
/// frequency. All three passes, any stride, dilation, padding and groups; everything else is left to others.
///
/// Options: `force` = `true` takes what would be faster elsewhere too; `memory` is the budget in MiB for the spectra of
/// one call (256), beyond which a batch is worked off in parts; `plan_seconds` limits the measuring of one plan (1).
public struct FFTBackend: ComputeBackend {
  public init() {}

  public var identity: BackendIdentity { BackendIdentity(name: "fft", version: "1") }

  public func devices() throws(BackendError) -> [DeviceInfo] { [try FFTLibrary().info] }

  public func open(
    device index: Int, options: [String: String], host: HostServices
  ) throws(BackendError) -> any ComputeDevice {
    let library = try FFTLibrary()
    var reason: UnsafePointer<CChar>?
    guard switchback_openblas_reserve(Int32(clamping: host.workers), &reason) != 0 else {
      throw BackendError(.outOfMemory, reason.map { String(cString: $0) } ?? "OpenBLAS has no room for its buffers")
    }
    return FFTDevice(library: library, options: try FFTOptions(options), host: host)
  }
}

struct FFTOptions: Hashable, Sendable {
  var isForced = false
  var memoryByteCount = 256 << 20
  var planSeconds = 1.0

  init(_ given: [String: String]) throws(BackendError) {
    for (key, value) in given {
      switch key {
      case "force":
        guard let flag = Bool(value) else { throw Self.fault(key, value, "true or false") }
        isForced = flag
      case "memory":
        guard let mebibytes = Double(value), mebibytes >= 0x1p-20, mebibytes < 0x1p24 else {
          throw Self.fault(key, value, "a number of MiB")
        }
        memoryByteCount = Int(mebibytes * 0x1p20)
      case "plan_seconds":
        guard let seconds = Double(value), seconds >= 0 else { throw Self.fault(key, value, "a number of seconds") }
        planSeconds = seconds
      default:
        throw BackendError(.invalid, "the fft backend has no option \(key); it has force, memory and plan_seconds")
      }
    }
  }

  private static func fault(_ key: String, _ value: String, _ expected: String) -> BackendError {
    BackendError(.invalid, "the option \(key) of the fft backend is \(expected), not \(value)")
  }
}

/// The opened libraries and our kernels for this CPU.
struct FFTLibrary: @unchecked Sendable {
  // Unchecked: pointers to tables that never change.
  let fftw: UnsafePointer<switchback_fftw>
  let blas: UnsafePointer<switchback_openblas>
  let kernels: UnsafePointer<sb_fft_kernels>
  let info: DeviceInfo

  init() throws(BackendError) {
    var reason: UnsafePointer<CChar>?
    guard let fftw = switchback_fftw_open(&reason), let blas = switchback_openblas_open(&reason) else {
      throw BackendError(.unavailable, reason.map { String(cString: $0) } ?? "FFTW cannot be opened")
    }
    (self.fftw, self.blas) = (fftw, blas)
    let name = String(cString: sb_kernels_for_this_cpu().pointee.name)
    kernels = sb_fft_kernels_named(name)
    info = DeviceInfo(
      name: "host",
      driver: "\(String(cString: fftw.pointee.version)), OpenBLAS kernels \(String(cString: blas.pointee.core)), "
        + "own kernels \(name)",
      // What passes share is kept by the host, so one call a segment is all that is needed.
      maxOperations: 1)
  }
}

final class FFTDevice: ComputeDevice {
  let library: FFTLibrary
  let options: FFTOptions
  let host: HostServices
  let planner: Planner
  var info: DeviceInfo { library.info }

  init(library: FFTLibrary, options: FFTOptions, host: HostServices) {
    (self.library, self.options, self.host) = (library, options, host)
    planner = Planner(library.fftw, host: host, limit: options.planSeconds)
  }

  func query(_ segment: Segment) throws(BackendError) -> [Verdict] { segment.calls.map { verdict($0, segment) } }

  private func verdict(_ call: Program.Call, _ segment: Segment) -> Verdict {
    let types = segment.inputTypes(call)
    let result = call.outputs.first.flatMap { $0 }.map { segment.values[$0].type }
    guard let pass = Pass(call.operation) else { return .decline("\(call.operation.name) is no convolution") }
    guard let result else { return .decline("its result is not wanted") }
    for type in types + [result] where type.elementType != .float32 {
      return .decline("only f32 is computed here, not \(type.elementType.rawValue)")
    }
    guard let shape = ConvolutionShape(call, types, result: result) else {
      return .decline("\(call.operation.name) is no convolution")
    }
    for axis in [shape.vertical, shape.horizontal]
    where axis.shortest > TransformLength.longest && axis.reach >= TransformLength.longestTile {
      return .decline(
        "a kernel that reaches over \(axis.reach) elements of \(axis.size) is too long for its transforms")
    }
    let transforms = Transforms.best(for: shape, pass)
    let (own, direct) = (transforms.microseconds(shape), CostModel.directMicroseconds(shape, pass))
    guard options.isForced || CostModel.isWorthIt(own, direct: direct) else {
      return .decline(
        "direct convolution is faster here, or nearly (about \(Int(direct)) µs against \(Int(own)) µs of one core); "
          + "force: true takes it all the same")
    }
    return .accept(microseconds: own)
  }

  func compile(_ segment: Segment) throws(BackendError) -> any Executable {
    guard segment.calls.count == 1, let call = segment.calls.first, let pass = Pass(call.operation),
      let output = call.outputs.first.flatMap({ $0 }),
      let shape = ConvolutionShape(call, segment.inputTypes(call), result: segment.values[output].type)
    else { throw BackendError(.unsupported, "a segment of the fft backend is one convolution", operation: 0) }
    let work = ConvolutionWork(
      shape: shape, pass: pass, transforms: Transforms.best(for: shape, pass), inputs: call.inputs, output: output,
      memoryLimit: min(segment.workspaceLimit, options.memoryByteCount), name: call.operation.name)
    let executable: any Executable =
      shape.isDepthwise ? try DepthwiseConvolution(work, self) : try DenseConvolution(work, self)
    planner.remember()
    return executable
  }
}

/// What one executable does.
struct ConvolutionWork: Sendable {
  let shape: ConvolutionShape
  let pass: Pass
  let transforms: Transforms
  /// Value numbers in the segment.
  let inputs: [Int]
  let output: Int
  let memoryLimit: Int
  let name: String

  /// Which of x (0), y (1) and w (2) the two operands are.
  var operands: (Int, Int) {
    switch pass {
    case .forward: (0, 2)
    case .backwardInput: (1, 2)
    case .backwardFilter: (0, 1)
    }
  }

  /// Whether a result's elements are not all written once: they start at zero, and tiles add to them.
  var adds: Bool {
    pass == .backwardInput && (transforms.tiles > 1 || !shape.vertical.coversAll || !shape.horizontal.coversAll)
  }
}
