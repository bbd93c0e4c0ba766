public import SwitchbackBackendKit
import SwitchbackPrograms

/// The executable specification: every operation in plain Swift, in Float32 and Float64, on host memory.
///
/// It answers to PyTorch's values, closed forms and finite differences; the other backends answer to it. Float32
/// results are computed in Float32 (sums in Float64 where that costs nothing). Results do not depend on the number of
/// workers: work is divided over results, never over a sum.
public struct ReferenceBackend: ComputeBackend {
  public init() {}

  public var identity: BackendIdentity { BackendIdentity(name: "reference", version: "1") }

  public func devices() throws(BackendError) -> [DeviceInfo] {
    [DeviceInfo(name: "host", driver: "plain Swift", needsTemporaries: true, kind: "cpu")]
  }

  public func open(
    device index: Int, options: [String: String], host: HostServices
  ) throws(BackendError) -> any ComputeDevice {
    try BackendError.refuseUnknown(options, known: [], of: identity.name)
    return ReferenceDevice(info: try devices()[0], host: host)
  }
}

private final class ReferenceDevice: ComputeDevice {
  let info: DeviceInfo
  let host: HostServices

  init(info: DeviceInfo, host: HostServices) { (self.info, self.host) = (info, host) }

  func query(_ segment: Segment) throws(BackendError) -> [Verdict] {
    segment.calls.map { call in
      guard call.operation is any ReferenceKernel else {
        return .decline("\(call.operation.name) has no reference kernel (conform it to ReferenceKernel)")
      }
      let types = call.inputs + call.outputs.compactMap { $0 }
      for type in types.map({ segment.values[$0].type.elementType }) where type == .float16 || type == .bfloat16 {
        return .decline("\(type.rawValue) is not computed on the host")
      }
      return .accept()
    }
  }

  func compile(_ segment: Segment) throws(BackendError) -> any Executable {
    ReferenceExecutable(segment, host)
  }
}

private final class ReferenceExecutable: Executable {
  let report: CompiledReport
  private let segment: Segment
  private let host: HostServices

  init(_ segment: Segment, _ host: HostServices) {
    (self.segment, self.host) = (segment, host)
    report = .ungrouped(segment)
  }

  func run(_ arguments: borrowing RunArguments) throws(BackendError) -> UInt64 {
    for (index, call) in segment.calls.enumerated() {
      guard let kernel = call.operation as? any ReferenceKernel else { continue }
      let start = arguments.groupMicroseconds == nil ? 0 : microseconds()
      do {
        try kernel.run(
          ReferenceOperands(
            inputs: call.inputs.map { ReferenceTensor(segment.values[$0].type, arguments.views[$0]) },
            outputs: call.outputs.map { $0.map { ReferenceTensor(segment.values[$0].type, arguments.views[$0]) } },
            host: host))
      } catch {
        throw BackendError(error.kind, error.message, operation: index)
      }
      arguments.groupMicroseconds?[index] = microseconds() - start
    }
    return 0
  }
}
