public import SwitchbackABI
import SwitchbackPrograms
import SwitchbackWorkerPool
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A backend behind the C contract: a loaded library, or a table that is linked in.
public struct LoadedBackend: ComputeBackend {
  private let library: PluginTable
  /// A fingerprint of the library's contents, by which one build is told from the next; empty where it is linked in.
  package let fileMark: String
  public var identity: BackendIdentity { library.identity }
  /// The table as the library gave it, and the checked copy of it: for whoever speaks the contract's own words.
  package var pointer: UnsafePointer<sb_backend> { library.pointer }
  package var table: sb_backend { library.table }

  /// Opens the named file (never searched for elsewhere, never unloaded) and checks its table.
  public init(file: String) throws(BackendError) {
    if let fault = LibraryFile.fault(of: file) { throw BackendError(.unavailable, fault) }
    let mode = sb_float_mode()
    defer { sb_set_float_mode(mode) }
    guard let handle = dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) else {
      throw BackendError(.unavailable, dlerror().map { String(cString: $0) } ?? "\(file) cannot be loaded")
    }
    guard let symbol = dlsym(handle, SB_ENTRY_NAME) else {
      throw BackendError(
        .unavailable, "\(file) has no function \(SB_ENTRY_NAME): it is no Switchback backend of this version")
    }
    let entry = unsafeBitCast(symbol, to: (@convention(c) (UInt32) -> UnsafePointer<sb_backend>?).self)
    guard let table = entry(UInt32(SB_MINOR)) else {
      throw BackendError(.unavailable, "\(file) does not work with version \(SB_MAJOR).\(SB_MINOR) of the contract")
    }
    library = try PluginTable(table, from: file)
    fileMark = LibraryFile.mark(of: file)
  }

  /// A table that is linked into this program.
  public init(table: UnsafePointer<sb_backend>) throws(BackendError) {
    library = try PluginTable(table, from: "the linked backend")
    fileMark = ""
  }

  public func devices() throws(BackendError) -> [DeviceInfo] {
    var devices: [DeviceInfo] = []
    // A list without an end must not hang the host.
    while devices.count < 64 {
      var info = sb_info()
      info.struct_size = UInt32(MemoryLayout<sb_info>.size)
      let (status, text, _) = sb_error.answer {
        library.table.device_info(library.pointer, UInt32(devices.count), &info, $0)
      }
      if status == sb_status(SB_END) {
        guard devices.isEmpty else { break }
        throw BackendError(.unavailable, text.isEmpty ? "\(identity.name) finds no device on this host" : text)
      }
      guard status == sb_status(SB_OK) else {
        throw BackendError(.unavailable, "\(identity.name): asking for devices failed: \(text) (status \(status))")
      }
      devices.append(DeviceInfo(info))
    }
    return devices
  }

  public func open(
    device index: Int, options: [String: String], host: HostServices
  ) throws(BackendError) -> any ComputeDevice {
    let devices = try devices()
    guard devices.indices.contains(index) else {
      throw BackendError(.unavailable, "\(identity.name) has \(devices.count) devices; there is no device \(index)")
    }
    return try LoadedDevice(library, devices[index], index, options, host)
  }
}

extension DeviceInfo {
  fileprivate init(_ info: sb_info) {
    func text(_ pointer: UnsafePointer<CChar>?) -> String { pointer.map { String(cString: $0) } ?? "" }
    self.init(
      name: text(info.name), vendor: text(info.vendor), driver: text(info.driver),
      hasPrivateMemory: info.flags & UInt32(SB_PRIVATE_MEMORY) != 0,
      needsTemporaries: info.flags & UInt32(SB_NEEDS_TEMPORARIES) != 0,
      isTapStable: info.flags & UInt32(SB_TAP_STABLE) != 0,
      maxOperations: info.max_operations == 0 ? nil : Int(info.max_operations),
      maxAllocation: info.max_allocation == 0 ? nil : Int(clamping: info.max_allocation),
      alignment: max(Int(clamping: info.alignment), 64), kind: text(info.kind))
  }
}

/// A checked copy of a backend's table. What a shorter table lacks reads as null.
private final class PluginTable: @unchecked Sendable {
  // Unchecked: immutable; the functions behind it are callable from any thread by the contract.
  let pointer: UnsafePointer<sb_backend>
  let table: sb_backend
  let identity: BackendIdentity

  init(_ pointer: UnsafePointer<sb_backend>, from origin: String) throws(BackendError) {
    self.pointer = pointer
    let required = MemoryLayout<sb_backend>.offset(of: \.wait)!
    let size = Int(pointer.pointee.struct_size)
    guard size >= required, size <= 1 << 16 else {
      throw BackendError(.unavailable, "\(origin): its table states a size of \(size) bytes")
    }
    var copy = sb_backend()
    withUnsafeMutableBytes(of: &copy) {
      $0.copyMemory(from: UnsafeRawBufferPointer(start: pointer, count: min(size, $0.count)))
    }
    guard copy.major == UInt16(SB_MAJOR) else {
      throw BackendError(
        .unavailable, "\(origin) is built for version \(copy.major) of the contract; this host has \(SB_MAJOR)")
    }
    guard copy.device_info != nil, copy.open != nil, copy.close != nil, copy.query != nil, copy.compile != nil,
      copy.run != nil, copy.release != nil
    else { throw BackendError(.unavailable, "\(origin) lacks one of the seven required functions") }
    guard let name = copy.name, let text = String(validatingCString: name), !text.isEmpty else {
      throw BackendError(.unavailable, "\(origin) does not state its name in UTF-8")
    }
    table = copy
    identity = BackendIdentity(name: text, version: copy.version.map { String(cString: $0) } ?? "")
  }
}

private final class LoadedDevice: ComputeDevice, @unchecked Sendable {
  // Unchecked: the contract allows one compile and one run at a time, which is how the executor calls.
  let info: DeviceInfo
  let library: PluginTable
  let host: HostServices
  let device: OpaquePointer
  private var name: String { library.identity.name }

  init(
    _ library: PluginTable, _ info: DeviceInfo, _ index: Int, _ options: [String: String], _ host: HostServices
  ) throws(BackendError) {
    let memory = CMemory()
    let list = options.sorted { $0.key < $1.key }.map {
      sb_option(key: memory.text($0.key), value: memory.text($0.value))
    }
    let array = memory.array(list)
    var opened: OpaquePointer?
    try guarded(library.identity.name, "opening", host) { () throws(BackendError) in
      try sb_error.check("\(library.identity.name) cannot open \(info.name)") {
        library.table.open(
          library.pointer, UInt32(index), host.table, array, UInt32(list.count), &opened, $0)
      }
    }
    guard let opened else {
      throw BackendError(.internal, "\(library.identity.name) opened \(info.name) without giving a device")
    }
    (self.library, self.info, self.host, device) = (library, info, host, opened)
    try refuseWhoeverAcceptsTheUnknown()
  }

  deinit { library.table.close(device) }

  /// "Unknown is declined" must hold before the first real question: a backend that accepts what cannot exist would
  /// misread the first program that is newer than itself.
  private func refuseWhoeverAcceptsTheUnknown() throws(BackendError) {
    let type = TensorType(.float32, [3])
    let relu = Program.Call(operation: Unary(.relu), inputs: [0], outputs: [1], path: "")
    let description = try SegmentDescription(
      Segment(calls: [relu], values: [.init(type: type, role: .input), .init(type: type, role: .output)]))
    func isAccepted() throws(BackendError) -> Bool {
      var verdict = sb_verdict()
      try sb_error.check("\(name) was asked about an operation") {
        library.table.query(device, description.program, &verdict, $0)
      }
      return verdict.decision != UInt32(SB_DECLINE)
    }
    let operation = UnsafeMutablePointer(mutating: description.program.pointee.operations[0]!)
    let value = UnsafeMutablePointer(mutating: description.program.pointee.values!)
    let genuine = (operation.pointee, value.pointee)
    let memory = CMemory()
    let faults: [(String, () -> Void)] = [
      ("an operation that does not exist", { operation.pointee.name = memory.text("no such operation") }),
      ("a flag that does not exist", { operation.pointee.flags = 1 << 31 }),
      (
        "an attribute that does not exist",
        {
          var attributes = Array(
            UnsafeBufferPointer(start: genuine.0.attributes, count: Int(genuine.0.attribute_count)))
          var unknown = sb_attribute()
          (unknown.name, unknown.form, unknown.count) = (memory.text("noSuchAttribute"), UInt32(SB_INTEGER), 1)
          attributes.append(unknown)
          operation.pointee.attributes = UnsafePointer(memory.array(attributes))
          operation.pointee.attribute_count += 1
        }
      ),
      ("an element type that does not exist", { value.pointee.type.element = 999 }),
      ("a memory layout that does not exist", { value.pointee.type.layout = 999 }),
    ]
    for (what, plant) in faults {
      (operation.pointee, value.pointee) = genuine
      plant()
      guard try !isAccepted() else {
        throw BackendError(
          .invalid,
          "\(name) accepts \(what); it would misread programs, so it is refused. A backend must decline "
            + "whatever it does not know (sb_attributes_known in switchback_backend.h)")
      }
    }
  }

  func query(_ segment: Segment) throws(BackendError) -> [Verdict] {
    let description = try SegmentDescription(segment)
    var verdicts = [sb_verdict](repeating: sb_verdict(), count: segment.calls.count)
    try sb_error.check("\(name) cannot say what it supports") {
      library.table.query(device, description.program, &verdicts, $0)
    }
    var result: [Verdict] = []
    for (index, verdict) in verdicts.enumerated() {
      let factor = verdict.error_factor == 0 ? 1 : Double(verdict.error_factor)
      guard factor.isFinite, factor > 0 else {
        throw BackendError(
          .invalid, "\(name) answers an error factor of \(factor) for \(segment.calls[index].label)")
      }
      let cost = verdict.cost_us.isFinite ? max(verdict.cost_us, 0) : 0
      switch Int(verdict.decision) {
      case Int(SB_DECLINE):
        result.append(.decline(verdict.why.map { String(cString: $0) } ?? "not implemented by \(name)"))
      case Int(SB_ACCEPT): result.append(.accept(errorFactor: factor, microseconds: cost))
      case Int(SB_ACCEPT_WITH_PREVIOUS): result.append(.acceptWithPrevious(errorFactor: factor, microseconds: cost))
      default:
        throw BackendError(
          .invalid, "\(name) answers \(verdict.decision) for \(segment.calls[index].label), which means nothing")
      }
    }
    return result
  }

  func compile(_ segment: Segment) throws(BackendError) -> any Executable {
    let description = try SegmentDescription(segment)
    var request = sb_segment()
    request.struct_size = UInt32(MemoryLayout<sb_segment>.size)
    request.program = description.program
    request.workspace_limit = UInt64(segment.workspaceLimit)
    var compiled = sb_compiled()
    compiled.struct_size = UInt32(MemoryLayout<sb_compiled>.size)
    var executable: OpaquePointer?
    try guarded(name, "compiling", host) { () throws(BackendError) in
      try sb_error.check("\(name) cannot compile") {
        library.table.compile(device, &request, &executable, &compiled, $0)
      }
    }
    guard let executable else { throw BackendError(.internal, "\(name) compiled without giving an executable") }
    return try LoadedExecutable(self, executable, compiled, segment)
  }

  func wait(for ticket: UInt64) throws(BackendError) {
    guard ticket != 0, let wait = library.table.wait else { return }
    try sb_error.check("\(name) did not finish") { wait(device, ticket, 60_000_000_000, $0) }
  }

  func allocate(byteCount: Int) throws(BackendError) -> sb_view {
    guard let allocate = library.table.allocate else {
      throw BackendError(.invalid, "\(name) has private memory but no function to allocate it")
    }
    var view = sb_view()
    try sb_error.check("\(name) cannot allocate \(byteCount) bytes on \(info.name)") {
      allocate(device, UInt64(byteCount), &view, $0)
    }
    return view
  }

  func adopt(_ memory: UnsafeMutableRawBufferPointer) throws(BackendError) -> sb_view? {
    guard let adopt = library.table.adopt else { return nil }
    var view = sb_view()
    let (status, text, _) = sb_error.answer {
      adopt(device, memory.baseAddress, UInt64(memory.count), &view, $0)
    }
    if status == sb_status(SB_UNSUPPORTED) { return nil }
    guard status == sb_status(SB_OK) else {
      throw BackendError(.internal, "\(name) cannot adopt \(memory.count) bytes: \(text)")
    }
    return view
  }

  var counts: DeviceCounts? {
    guard let ask = library.table.counts else { return nil }
    var counts = sb_counts()
    counts.struct_size = UInt32(MemoryLayout<sb_counts>.size)
    ask(device, &counts)
    guard counts.struct_size > 0 else { return nil }
    return DeviceCounts(
      launches: Int(clamping: counts.launches), blockingCalls: Int(clamping: counts.blocking_calls),
      bytesIn: Int(clamping: counts.bytes_in), bytesOut: Int(clamping: counts.bytes_out))
  }

  func discard(_ view: sb_view) { if let buffer = view.buffer { library.table.discard?(device, buffer) } }

  func copy(from source: sb_view, to target: sb_view) throws(BackendError) -> UInt64 {
    guard let copy = library.table.copy else {
      throw BackendError(.invalid, "\(name) has private memory but no function to copy")
    }
    var request = sb_copy()
    request.struct_size = UInt32(MemoryLayout<sb_copy>.size)
    (request.from, request.to) = (source, target)
    var ticket: sb_ticket = 0
    try sb_error.check("\(name) cannot copy \(source.bytes) bytes") { copy(device, &request, &ticket, $0) }
    return ticket
  }
}

/// Runs a call into a plugin and puts the float mode back: a library built with -ffast-math changes it silently.
private func guarded(
  _ name: String, _ doing: String, _ host: HostServices, _ body: () throws(BackendError) -> Void
) throws(BackendError) {
  let mode = sb_float_mode()
  let strayed = host.workerWithOtherFloatMode
  defer {
    let isChanged = sb_float_mode() != mode
    if isChanged { sb_set_float_mode(mode) }
    let worker = strayed == nil ? host.workerWithOtherFloatMode : nil
    // Once: it may do so in every run.
    if isChanged || worker != nil, changersOfFloatMode.withLock({ $0.insert("\(name) \(doing)").inserted }) {
      let place = isChanged ? "" : " on worker \(worker ?? 0)"
      host.log(2, "\(name) changed the floating-point mode\(place) while \(doing); it was put back, and is each time")
    }
  }
  try body()
}

/// Plugins that were warned of: their names, and while doing what.
private let changersOfFloatMode = Mutex<Set<String>>([])

private final class LoadedExecutable: Executable, @unchecked Sendable {
  // Unchecked: one run at a time, which is how the executor calls.
  private let owner: LoadedDevice
  private let executable: OpaquePointer
  private let callCount: Int
  let report: CompiledReport

  init(
    _ owner: LoadedDevice, _ executable: OpaquePointer, _ compiled: sb_compiled, _ segment: Segment
  ) throws(BackendError) {
    (self.owner, self.executable, callCount) = (owner, executable, segment.calls.count)
    report = try Self.read(compiled, segment, owner.library.identity.name) {
      owner.library.table.release(owner.device, executable)
    }
  }

  deinit { owner.library.table.release(owner.device, executable) }

  private static func read(
    _ compiled: sb_compiled, _ segment: Segment, _ name: String, orRelease release: () -> Void
  ) throws(BackendError) -> CompiledReport {
    var report = CompiledReport.ungrouped(segment)
    func refuse(_ what: String) -> BackendError {
      release()
      return BackendError(.invalid, "\(name) answers compile with \(what)")
    }
    guard compiled.workspace <= UInt64(segment.workspaceLimit), compiled.workspace < 1 << 48 else {
      throw refuse("a workspace of \(compiled.workspace) bytes")
    }
    let alignment = max(Int(clamping: compiled.workspace_alignment), 1)
    guard alignment <= 4096, alignment & (alignment - 1) == 0 else { throw refuse("an alignment of \(alignment)") }
    report.workspaceByteCount = Int(compiled.workspace)
    report.workspaceAlignment = alignment
    guard compiled.own_bytes < 1 << 48 else { throw refuse("\(compiled.own_bytes) bytes of its own") }
    report.ownByteCount = Int(compiled.own_bytes)
    report.fingerprint = compiled.fingerprint
    if let groups = compiled.group_of, let names = compiled.group_names {
      guard compiled.group_count <= 1 << 20 else { throw refuse("\(compiled.group_count) groups") }
      let count = Int(compiled.group_count)
      report.groupOfCall = UnsafeBufferPointer(start: groups, count: segment.calls.count).map { Int($0) }
      guard report.groupOfCall.allSatisfy({ $0 < count }) else { throw refuse("a group out of range") }
      report.groupNames = (0..<count).map { names[$0].map { String(cString: $0) } ?? "group \($0)" }
    }
    if let keeps = compiled.keeps {
      guard compiled.keep_count <= 1 << 16 else { throw refuse("\(compiled.keep_count) keeps") }
      for keep in UnsafeBufferPointer(start: keeps, count: Int(compiled.keep_count)) {
        guard let known = Keep(keep, valueCount: segment.values.count) else {
          throw refuse("a keep of \(keep.bytes) bytes of value \(keep.value), flags \(keep.flags)")
        }
        report.keeps.append(known)
      }
    }
    return report
  }

  func run(_ arguments: borrowing RunArguments) throws(BackendError) -> UInt64 {
    var request = sb_run()
    request.struct_size = UInt32(MemoryLayout<sb_run>.size)
    request.views = arguments.views.baseAddress
    request.view_count = UInt32(arguments.views.count)
    request.generations = arguments.generations
    request.workspace = arguments.workspace
    request.group_us = arguments.groupMicroseconds
    request.kept = arguments.kept
    var ticket: sb_ticket = 0
    let library = owner.library
    try guarded(library.identity.name, "running", owner.host) { () throws(BackendError) in
      try sb_error.check(library.identity.name) {
        library.table.run(owner.device, executable, &request, &ticket, $0)
      }
    }
    return ticket
  }
}
