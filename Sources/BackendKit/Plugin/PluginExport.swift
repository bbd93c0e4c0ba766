public import SwitchbackABI
import SwitchbackPrograms

/// Offers a Swift backend through the C contract. The table lives as long as the process.
///
/// A library's only export calls this:
///
///     @_cdecl("switchback_backend_1")
///     public func entry(_ hostMinor: UInt32) -> UnsafePointer<sb_backend>? { exportBackend(MyBackend()) }
public func exportBackend(_ backend: some ComputeBackend) -> UnsafePointer<sb_backend> {
  let memory = Unmanaged.passRetained(CMemory()).takeUnretainedValue()
  var table = sb_backend()
  table.struct_size = UInt32(MemoryLayout<sb_backend>.size)
  table.major = UInt16(SB_MAJOR)
  table.minor = UInt16(SB_MINOR)
  table.name = memory.text(backend.identity.name)
  table.version = memory.text(backend.identity.version)
  table.context = Unmanaged.passRetained(ExportedBackend(backend)).toOpaque()
  table.device_info = { table, index, info, error in
    ExportedBackend.from(table!).deviceInfo(Int(index), info!, error)
  }
  table.open = { table, index, host, options, count, device, error in
    var given: [String: String] = [:]
    for option in UnsafeBufferPointer(start: options, count: Int(count)) {
      given[String(cString: option.key)] = String(cString: option.value)
    }
    let exported = ExportedBackend.from(table!)
    return report(error) { () throws(BackendError) in
      let count = try exported.backend.devices().count
      guard index < UInt32(count) else {
        throw BackendError(.unavailable, "there is no device \(index), only \(count)")
      }
      let opened = try exported.backend.open(
        device: Int(index), options: given, host: HostServices(borrowing: host!))
      device!.pointee = OpaquePointer(Unmanaged.passRetained(ExportedDevice(opened)).toOpaque())
    }
  }
  table.close = { device in
    if let device { Unmanaged<ExportedDevice>.fromOpaque(UnsafeRawPointer(device)).release() }
  }
  table.query = { device, program, verdicts, error in
    report(error) { () throws(BackendError) in
      try ExportedDevice.from(device!).query(program!.pointee, verdicts!)
    }
  }
  table.compile = { device, segment, executable, compiled, error in
    report(error) { () throws(BackendError) in
      let result = try ExportedDevice.from(device!).compile(segment!.pointee)
      result.describe(into: &compiled!.pointee)
      executable!.pointee = OpaquePointer(Unmanaged.passRetained(result).toOpaque())
    }
  }
  table.run = { _, executable, run, ticket, error in
    report(error) { () throws(BackendError) in
      let run = run!.pointee
      ticket!.pointee = try ExportedExecutable.from(executable!).executable.run(
        RunArguments(
          views: UnsafeBufferPointer(start: run.views, count: Int(run.view_count)), generations: run.generations,
          workspace: run.workspace, groupMicroseconds: run.group_us, kept: run.kept))
    }
  }
  table.release = { _, executable in
    if let executable { Unmanaged<ExportedExecutable>.fromOpaque(UnsafeRawPointer(executable)).release() }
  }
  table.wait = { device, ticket, _, error in
    report(error) { () throws(BackendError) in try ExportedDevice.from(device!).device.wait(for: ticket) }
  }
  table.allocate = { device, bytes, view, error in
    report(error) { () throws(BackendError) in
      view!.pointee = try ExportedDevice.from(device!).device.allocate(byteCount: Int(bytes))
    }
  }
  table.adopt = { device, host, bytes, view, error in
    report(error) { () throws(BackendError) in
      let memory = UnsafeMutableRawBufferPointer(start: host, count: Int(bytes))
      guard let adopted = try ExportedDevice.from(device!).device.adopt(memory) else {
        throw BackendError(.unsupported, "the device has a memory of its own")
      }
      view!.pointee = adopted
    }
  }
  table.discard = { device, buffer in
    ExportedDevice.from(device!).device.discard(sb_view(buffer: buffer, offset: 0, bytes: 0, host: nil))
  }
  table.copy = { device, copy, ticket, error in
    report(error) { () throws(BackendError) in
      ticket!.pointee = try ExportedDevice.from(device!).device.copy(from: copy!.pointee.from, to: copy!.pointee.to)
    }
  }
  table.counts = { device, counts in
    guard let known = ExportedDevice.from(device!).device.counts else {
      counts!.pointee.struct_size = 0
      return
    }
    counts!.pointee.launches = UInt64(known.launches)
    counts!.pointee.blocking_calls = UInt64(known.blockingCalls)
    counts!.pointee.bytes_in = UInt64(known.bytesIn)
    counts!.pointee.bytes_out = UInt64(known.bytesOut)
  }
  return UnsafePointer(memory.array([table]))
}

/// Runs `body`; a thrown error becomes a status and the caller's text.
private func report(
  _ record: UnsafeMutablePointer<sb_error>?, _ body: () throws(BackendError) -> Void
) -> sb_status {
  do {
    try body()
    return sb_status(SB_OK)
  } catch {
    let status = error.kind == .unavailable ? sb_status(SB_END) : error.kind.rawValue
    return sb_fail(record, status, Int32(error.operation ?? -1), error.message)
  }
}

private final class ExportedBackend: Sendable {
  let backend: any ComputeBackend

  init(_ backend: any ComputeBackend) { self.backend = backend }

  static func from(_ table: UnsafePointer<sb_backend>) -> ExportedBackend {
    Unmanaged<ExportedBackend>.fromOpaque(table.pointee.context).takeUnretainedValue()
  }

  func deviceInfo(
    _ index: Int, _ info: UnsafeMutablePointer<sb_info>, _ error: UnsafeMutablePointer<sb_error>?
  ) -> sb_status {
    do {
      let devices = try backend.devices()
      guard index < devices.count else { return sb_status(SB_END) }
      let device = devices[index]
      info.pointee.flags =
        (device.hasPrivateMemory ? UInt32(SB_PRIVATE_MEMORY) : 0)
        | (device.needsTemporaries ? UInt32(SB_NEEDS_TEMPORARIES) : 0)
        | (device.isTapStable ? UInt32(SB_TAP_STABLE) : 0)
      // They are asked for again and again, and few.
      info.pointee.name = ReasonTable.text(device.name)
      info.pointee.vendor = ReasonTable.text(device.vendor)
      info.pointee.driver = ReasonTable.text(device.driver)
      info.pointee.alignment = UInt64(device.alignment)
      info.pointee.max_allocation = UInt64(device.maxAllocation ?? 0)
      info.pointee.max_operations = UInt32(device.maxOperations ?? 0)
      // A host older than this field has no room for it.
      if Int(info.pointee.struct_size) >= MemoryLayout<sb_info>.size, !device.kind.isEmpty {
        info.pointee.kind = ReasonTable.text(device.kind)
      }
      return sb_status(SB_OK)
    } catch let failure {
      return sb_fail(error, sb_status(SB_END), -1, failure.message)
    }
  }
}

private final class ExportedDevice: Sendable {
  let device: any ComputeDevice

  init(_ device: any ComputeDevice) { self.device = device }

  static func from(_ pointer: OpaquePointer) -> ExportedDevice {
    Unmanaged<ExportedDevice>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue()
  }

  func query(_ program: sb_program, _ verdicts: UnsafeMutablePointer<sb_verdict>) throws(BackendError) {
    let decoded = DecodedSegment(program)
    for index in 0..<Int(program.operation_count) { verdicts[index] = sb_verdict() }
    for (index, verdict) in zip(decoded.indices, try device.query(decoded.segment)) {
      switch verdict {
      case .decline(let reason): verdicts[index].why = ReasonTable.text(reason)
      case .accept(let factor, let microseconds):
        verdicts[index].decision = UInt32(SB_ACCEPT)
        (verdicts[index].error_factor, verdicts[index].cost_us) = (Float(factor), microseconds)
      case .acceptWithPrevious(let factor, let microseconds):
        verdicts[index].decision = UInt32(SB_ACCEPT_WITH_PREVIOUS)
        (verdicts[index].error_factor, verdicts[index].cost_us) = (Float(factor), microseconds)
      }
    }
    for (index, reason) in decoded.unreadable { verdicts[index].why = ReasonTable.text(reason) }
  }

  func compile(_ segment: sb_segment) throws(BackendError) -> ExportedExecutable {
    guard segment.flags == 0 else { throw BackendError(.unsupported, "a flag of the segment is not known") }
    var decoded = DecodedSegment(segment.program.pointee)
    if let (index, reason) = decoded.unreadable.min(by: { $0.key < $1.key }) {
      throw BackendError(.unsupported, reason, operation: index)
    }
    decoded.segment.workspaceLimit = Int(min(segment.workspace_limit, UInt64(Int.max)))
    return ExportedExecutable(try device.compile(decoded.segment))
  }
}

private final class ExportedExecutable: Sendable {
  let executable: any Executable
  private let memory = CMemory()

  init(_ executable: any Executable) { self.executable = executable }

  static func from(_ pointer: OpaquePointer) -> ExportedExecutable {
    Unmanaged<ExportedExecutable>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue()
  }

  func describe(into compiled: inout sb_compiled) {
    let report = executable.report
    compiled.workspace = UInt64(report.workspaceByteCount)
    compiled.workspace_alignment = UInt64(report.workspaceAlignment)
    compiled.own_bytes = UInt64(report.ownByteCount)
    compiled.fingerprint = report.fingerprint
    compiled.group_of = UnsafePointer(memory.array(report.groupOfCall.map { UInt32($0) }))
    let names: [UnsafePointer<CChar>?] = report.groupNames.map { memory.text($0) }
    compiled.group_names = UnsafePointer(memory.array(names))
    compiled.group_count = UInt32(names.count)
    compiled.keeps = UnsafePointer(memory.array(report.keeps.map(\.description)))
    compiled.keep_count = UInt32(report.keeps.count)
  }
}
