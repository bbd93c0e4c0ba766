import SwitchbackABI
import SwitchbackBackendKit
import SwitchbackOpenCLLibrary
import SwitchbackPrograms
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// An open device: one context and one in-order queue. Whatever is queued answers a ticket.
final class OpenCLDevice: ComputeDevice, @unchecked Sendable {
  // Unchecked: the contract allows one compile and one run at a time, which is how hosts call.
  let info: DeviceInfo
  let traits: DeviceTraits
  let host: HostServices
  let programs: ProgramCache
  let context: ocl_object
  let queue: ocl_object
  /// Made when somebody profiles: times cost something on some drivers.
  private var profilingQueue: ocl_object?
  private let device: ocl_object
  /// Stands where a tensor has no element, or an argument is not read.
  let placeholder: ocl_object

  private static let ringSize = 64
  private let ring: UnsafeMutablePointer<ocl_object?>
  private var lastTicket: UInt64 = 0
  private var finished: UInt64 = 0
  private var lost: BackendError?
  /// Executables that look for wrong indices, by identity.
  private var watched: [ObjectIdentifier: Unmanaged<CompiledSegment>] = [:]

  init(
    _ device: ocl_object, _ info: DeviceInfo, _ traits: DeviceTraits, host: HostServices
  ) throws(BackendError) {
    (self.device, self.info, self.traits, self.host) = (device, info, traits, host)
    var made: ocl_object?
    try check(ocl_context(device, &made), "opening \(traits.name)")
    guard let context = made else { throw BackendError(.internal, "OpenCL made no context") }
    self.context = context
    try check(ocl_queue(context, device, 0, &made), "making a queue for \(traits.name)")
    guard let queue = made else { throw BackendError(.internal, "OpenCL made no queue") }
    self.queue = queue
    try check(ocl_buffer(context, 64, &made), "allocating on \(traits.name)")
    guard let placeholder = made else { throw BackendError(.internal, "OpenCL made no buffer") }
    self.placeholder = placeholder
    programs = ProgramCache(device, context, traits, host: host)
    ring = .allocate(capacity: Self.ringSize)
    ring.initialize(repeating: nil, count: Self.ringSize)
  }

  deinit {
    for slot in 0..<Self.ringSize { ocl_release(OCL_EVENT, ring[slot]) }
    ring.deallocate()
    ocl_release(OCL_BUFFER, placeholder)
    ocl_release(OCL_QUEUE, queue)
    ocl_release(OCL_QUEUE, profilingQueue)
    ocl_release(OCL_CONTEXT, context)
  }

  var counts: DeviceCounts? {
    let now = ocl_counts_now()
    return DeviceCounts(
      launches: Int(clamping: now.launches), blockingCalls: Int(clamping: now.blocking),
      bytesIn: Int(clamping: now.bytes_to_device), bytesOut: Int(clamping: now.bytes_from_device))
  }

  func query(_ segment: Segment) throws(BackendError) -> [Verdict] {
    segment.calls.map { call in
      switch WorkMaker(segment: segment, call: call, traits: traits).make() {
      case .success: .accept()
      case .failure(let declined): .decline(declined.reason)
      }
    }
  }

  func compile(_ segment: Segment) throws(BackendError) -> any Executable {
    let compiled = try CompiledSegment(segment, on: self)
    if compiled.looksForWrongIndices { watched[ObjectIdentifier(compiled)] = Unmanaged.passUnretained(compiled) }
    return compiled
  }

  func forget(_ compiled: CompiledSegment) { watched[ObjectIdentifier(compiled)] = nil }

  // MARK: Memory

  func allocate(byteCount: Int) throws(BackendError) -> sb_view {
    let buffer = try buffer(byteCount: byteCount)
    return sb_view(buffer: OpaquePointer(buffer), offset: 0, bytes: UInt64(byteCount), host: nil)
  }

  /// How many work-items a work-group of a compiled kernel may have.
  func mostItems(of kernel: ocl_object) throws(BackendError) -> Int {
    var most = 0
    try check(ocl_work_group(kernel, device, &most), "asking for a kernel's work-group")
    return most
  }

  func buffer(byteCount: Int) throws(BackendError) -> ocl_object {
    guard byteCount <= traits.maxAllocation else {
      throw BackendError(
        .outOfMemory,
        "\(traits.name) gives at most \(traits.maxAllocation) bytes in one piece, not \(byteCount); use a smaller batch"
      )
    }
    var buffer: ocl_object?
    try check(
      ocl_buffer(context, UInt64(max(byteCount, 64)), &buffer), "allocating \(byteCount) bytes on \(traits.name)")
    guard let buffer else { throw BackendError(.outOfMemory, "OpenCL made no buffer of \(byteCount) bytes") }
    return buffer
  }

  /// Where host and device share one memory. It starts mapped: it is the host's.
  func adopt(_ memory: UnsafeMutableRawBufferPointer) throws(BackendError) -> sb_view? {
    guard traits.isUnified, memory.count <= traits.maxAllocation, let start = memory.baseAddress,
      Int(bitPattern: start) % HostBuffer.pageSize == 0
    else { return nil }
    var buffer: ocl_object?
    try check(
      ocl_adopted_buffer(context, start, UInt64(memory.count), &buffer),
      "adopting \(memory.count) bytes for \(traits.name)")
    guard let buffer else { throw BackendError(.outOfMemory, "OpenCL made no buffer of \(memory.count) bytes") }
    do {
      try noted(ocl_take_back(queue, buffer, UInt64(memory.count), nil), "mapping \(memory.count) bytes")
      try noted(ocl_finish(queue), "waiting for \(traits.name)")
    } catch {
      ocl_release(OCL_BUFFER, buffer)
      throw error
    }
    return sb_view(buffer: OpaquePointer(buffer), offset: 0, bytes: UInt64(memory.count), host: start)
  }

  func discard(_ view: sb_view) { ocl_release(OCL_BUFFER, view.buffer.map(UnsafeMutableRawPointer.init)) }

  func copy(from source: sb_view, to target: sb_view) throws(BackendError) -> UInt64 {
    guard source.bytes > 0 else { return 0 }
    if let lost { throw lost }
    let (bytes, from, to) = (source.bytes, Self.object(source), Self.object(target))
    var event: ocl_object?
    let status: Int32
    switch (from, to) {
    case (nil, let to?) where target.host != nil && target.host == source.host:
      status = ocl_hand_over(queue, to, target.host, &event)
    case (let from?, nil) where source.host != nil && source.host == target.host:
      status = ocl_take_back(queue, from, bytes, &event)
    case (nil, let to?): status = ocl_write(queue, to, target.offset, bytes, source.host, &event)
    case (let from?, nil): status = ocl_read(queue, from, source.offset, bytes, target.host, &event)
    case (let from?, let to?): status = ocl_copy(queue, from, source.offset, to, target.offset, bytes, &event)
    case (nil, nil): throw BackendError(.invalid, "a copy from host to host is none of a device's")
    }
    try noted(status, "copying \(bytes) bytes")
    return try ticket(event)
  }

  private static func object(_ view: sb_view) -> ocl_object? { view.buffer.map(UnsafeMutableRawPointer.init) }

  // MARK: Tickets

  /// A ticket for a queued command; takes over the event.
  func ticket(_ event: ocl_object?) throws(BackendError) -> UInt64 {
    lastTicket += 1
    let slot = Int(lastTicket % UInt64(Self.ringSize))
    ocl_release(OCL_EVENT, ring[slot])
    ring[slot] = event
    try noted(ocl_flush(queue), "handing work to \(traits.name)")
    return lastTicket
  }

  /// Asks, and sleeps between: a blocking call would let the queue run dry on some drivers, and its cost is hidden.
  func wait(for ticket: UInt64) throws(BackendError) {
    if let lost { throw lost }
    guard ticket > finished, ticket <= lastTicket else { return try findWrongIndex() }
    // An event that left the ring was older than one that is still there, and the queue is in order.
    let oldest = lastTicket >= UInt64(Self.ringSize) ? lastTicket - UInt64(Self.ringSize) + 1 : 1
    let slot = Int(max(ticket, oldest) % UInt64(Self.ringSize))
    guard let event = ring[slot] else { return }
    var state: Int32 = 0
    var naps = 0
    while true {
      try noted(ocl_event_state(event, &state), "asking for finished work")
      if state == 1 { break }
      if state < 0 { try noted(state, "work on \(traits.name)") }
      naps += 1
      usleep(naps < 20 ? 20 : 100)
    }
    finished = ticket
    try findWrongIndex()
  }

  private func findWrongIndex() throws(BackendError) {
    for (_, compiled) in watched { try compiled.takeUnretainedValue().findWrongIndex() }
  }

  /// Throws for a bad status; a lost device stays lost.
  func noted(_ status: Int32, _ doing: @autoclosure () -> String) throws(BackendError) {
    guard status != 0 else { return }
    do {
      try check(status, doing())
    } catch {
      if error.kind == .deviceLost { lost = error }
      throw error
    }
  }

  /// Throws where the device was lost before.
  func throwIfLost() throws(BackendError) { if let lost { throw lost } }

  // MARK: Profiling

  /// A queue whose commands are timed, after all that was queued before.
  func queueForProfiling() throws(BackendError) -> ocl_object {
    try noted(ocl_finish(queue), "waiting for \(traits.name)")
    if let profilingQueue { return profilingQueue }
    var made: ocl_object?
    try check(ocl_queue(context, device, 1, &made), "making a queue that measures")
    guard let made else { throw BackendError(.internal, "OpenCL made no queue") }
    profilingQueue = made
    return made
  }
}
