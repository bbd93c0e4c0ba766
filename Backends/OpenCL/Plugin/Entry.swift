import SwitchbackABI
import SwitchbackBackendKit
import SwitchbackOpenCL

/// The library's only export. It stands in a target of its own, so that several backends can be linked into one
/// program.
@_cdecl("switchback_backend_1")
public func entry(_ hostMinor: UInt32) -> UnsafePointer<sb_backend>? { exportBackend(OpenCLBackend()) }
