public import SwitchbackBackendKit
import SwitchbackOpenCLLibrary
import SwitchbackPrograms

/// Float32 on any OpenCL 1.2 device, with our own kernels (`Kernels/*.cl`).
///
/// A segment is a list of launches on an in-order queue; nothing waits within a step. Options: `device_class`
/// (`cpu`, `gpu`, `intel` or `other`) chooses the kernels' templates in place of what the device says of itself, `tiles`
/// (see `TileTable`) those of matrix products in place of the class's, `program_cache` (true or false) whether compiled
/// programs are kept on disk where it is not what suits the driver.
public struct OpenCLBackend: ComputeBackend {
  public init() {}

  public var identity: BackendIdentity { BackendIdentity(name: "opencl", version: "1") }

  public func devices() throws(BackendError) -> [DeviceInfo] {
    let found = try Self.find()
    guard !found.isEmpty else {
      throw BackendError(.unavailable, "the OpenCL loader finds no device. \(Diagnosis.text())")
    }
    return found.map(\.info)
  }

  public func open(
    device index: Int, options: [String: String], host: HostServices
  ) throws(BackendError) -> any ComputeDevice {
    let found = try Self.find()
    guard found.indices.contains(index) else {
      throw BackendError(.unavailable, "OpenCL has \(found.count) devices here; there is no device \(index)")
    }
    try BackendError.refuseUnknown(options, known: ["device_class", "program_cache", "tiles"], of: "opencl")
    var traits = found[index].traits
    if let word = options["device_class"] {
      guard let chosen = DeviceTraits.Class(rawValue: word) else {
        let words = DeviceTraits.Class.allCases.map(\.rawValue).joined(separator: ", ")
        throw BackendError(.invalid, "device_class is one of \(words), not \(word)")
      }
      traits.deviceClass = chosen
    }
    if let word = options["program_cache"] {
      guard let keeps = Bool(word) else {
        throw BackendError(.invalid, "opencl: program_cache is true or false, not \(word)")
      }
      traits.cachesPrograms = !keeps
    }
    if let text = options["tiles"] { traits.tiles = try TileTable(text, maxWorkGroup: traits.maxWorkGroup) }
    return try OpenCLDevice(found[index].object, found[index].info, traits, host: host)
  }

  private struct Found {
    var object: ocl_object
    var info: DeviceInfo
    var traits: DeviceTraits
  }

  private static func find() throws(BackendError) -> [Found] {
    if let reason = ocl_open() { throw BackendError(.unavailable, String(cString: reason)) }
    var found: [Found] = []
    for platform in try list({ ocl_platforms($0, $1, $2) }) {
      for device in try list({ ocl_devices(platform, $0, $1, $2) }) {
        let traits = try DeviceTraits(device, platform: platform)
        guard traits.isAvailable else { continue }
        found.append(Found(object: device, info: traits.info, traits: traits))
      }
    }
    return found
  }

  private static func list(
    _ ask: (UnsafeMutablePointer<ocl_object?>?, UInt32, UnsafeMutablePointer<UInt32>) -> Int32
  ) throws(BackendError) -> [ocl_object] {
    var objects = [ocl_object?](repeating: nil, count: 64)
    var count: UInt32 = 0
    try check(ask(&objects, 64, &count), "listing OpenCL devices")
    return objects.prefix(Int(min(count, 64))).compactMap { $0 }
  }
}

/// Turns an OpenCL status into an error that names it.
func check(_ status: Int32, _ doing: @autoclosure () -> String) throws(BackendError) {
  guard status != 0 else { return }
  let kind: BackendError.Kind =
    switch status {
    // Allocation failures; drivers report a lost device by the queue, the device or a failed command.
    case -4, -5, -6, -61: .outOfMemory
    case -2, -14, -36: .deviceLost
    default: .internal
    }
  let advice =
    switch kind {
    case .outOfMemory: "; use a smaller batch, or a device with more memory"
    case .deviceLost: "; the device was lost: the driver's log (dmesg) says more, and the run can be resumed"
    default: ""
    }
  throw BackendError(
    kind, "\(doing()) failed with \(String(cString: ocl_error_name(status))) (\(status))\(advice)")
}
