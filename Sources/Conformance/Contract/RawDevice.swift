import SwitchbackABI
import SwitchbackBackendKit

/// A device spoken to in the contract's own words.
final class RawDevice {
  let table: sb_backend
  let info: sb_info
  let device: OpaquePointer
  /// The host's table lives as long as the device.
  private let host: HostServices

  init(_ environment: ContractEnvironment, host: HostServices) throws {
    let backend = environment.backend
    (table, self.host) = (backend.table, host)
    var info = sb_info()
    info.struct_size = UInt32(MemoryLayout<sb_info>.size)
    var opened: OpaquePointer?
    let table = table
    let memory = CMemory()
    let options = environment.options.map { sb_option(key: memory.text($0), value: memory.text($1)) }
    try sb_error.check("device \(environment.device) is not listed") {
      table.device_info(backend.pointer, UInt32(environment.device), &info, $0)
    }
    try sb_error.check("device \(environment.device) cannot be opened") {
      table.open(
        backend.pointer, UInt32(environment.device), host.table, memory.array(options), UInt32(options.count), &opened,
        $0)
    }
    guard let opened else { throw ContractFault("open succeeded without giving a device") }
    (self.info, device) = (info, opened)
  }

  deinit { table.close(device) }

  var hasPrivateMemory: Bool { info.flags & UInt32(SB_PRIVATE_MEMORY) != 0 }
  var needsTemporaries: Bool { info.flags & UInt32(SB_NEEDS_TEMPORARIES) != 0 }

  /// The verdict for one operation; an error counts as no.
  func isAccepted(_ program: UnsafePointer<sb_program>, _ error: UnsafeMutablePointer<sb_error>? = nil) -> Bool {
    var verdicts = [sb_verdict](repeating: sb_verdict(), count: Int(program.pointee.operation_count))
    return table.query(device, program, &verdicts, error) == sb_status(SB_OK)
      && verdicts.allSatisfy { $0.decision != UInt32(SB_DECLINE) }
  }

  /// A request for a program, with no limit.
  static func request(_ program: UnsafePointer<sb_program>, workspaceLimit: UInt64 = UInt64(Int.max)) -> sb_segment {
    var request = sb_segment()
    request.struct_size = UInt32(MemoryLayout<sb_segment>.size)
    request.program = program
    request.workspace_limit = workspaceLimit
    return request
  }

  /// Whether compiling succeeds; what was made is released.
  func compiles(_ request: UnsafePointer<sb_segment>, _ error: UnsafeMutablePointer<sb_error>? = nil) -> Bool {
    var compiled = sb_compiled()
    compiled.struct_size = UInt32(MemoryLayout<sb_compiled>.size)
    var executable: OpaquePointer?
    guard table.compile(device, request, &executable, &compiled, error) == sb_status(SB_OK) else { return false }
    if let executable { table.release(device, executable) }
    return true
  }

  func copy(from source: sb_view, to target: sb_view) throws {
    guard let copy = table.copy else { throw ContractFault("a device with private memory has no copy function") }
    var request = sb_copy()
    request.struct_size = UInt32(MemoryLayout<sb_copy>.size)
    (request.from, request.to) = (source, target)
    var ticket: sb_ticket = 0
    try sb_error.check("copying \(source.bytes) bytes") { copy(device, &request, &ticket, $0) }
    try wait(ticket)
  }

  func wait(_ ticket: sb_ticket) throws {
    guard ticket != 0 else { return }
    guard let wait = table.wait else { throw ContractFault("run gave a ticket, but there is no wait function") }
    try sb_error.check("waiting") { wait(device, ticket, 60_000_000_000, $0) }
  }
}
