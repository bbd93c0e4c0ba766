import SwitchbackABI
import SwitchbackAllocationWatch
import SwitchbackBackendKit

/// A compiled segment with memory for its values, its workspace and what it keeps, each between guard bytes.
///
/// Guards are signalling NaNs in Float32 and absurd as an index: what reads beyond a view gets a wrong result, what
/// writes there is found. A device with private memory gets the whole block copied in before a run and out after it.
final class RawExecutable {
  let segment: Segment
  let compiled: sb_compiled
  private let device: RawDevice
  private let executable: OpaquePointer
  private let memory: HostBuffer
  private let own: sb_view?
  private var views: [sb_view] = []
  private var workspace = sb_view()
  private var kept: [sb_kept] = []
  /// Of what is kept: the generation that it was made from.
  private let keptGenerations: UnsafeMutableBufferPointer<UInt64>
  /// Where the views lie in `memory`, in order.
  private var taken: [Range<Int>] = []

  /// Of the last run; see `switchback_watch_allocations`.
  private(set) var allocatedByteCount: UInt64 = 0

  /// Operands that lie before memory that cannot be touched, by value.
  private var fenced: [Int: FencedMemory] = [:]

  private static let guardByteCount = 256
  /// Words 0x7FB5xxxx whose low half tells the place: a guard that is copied into another one is found too.
  private static func guardByte(_ index: Int) -> UInt8 {
    switch index % 4 {
    case 0: UInt8(truncatingIfNeeded: index >> 2) ^ 0xA5
    case 1: UInt8(truncatingIfNeeded: index >> 10) ^ 0x5A
    case 2: 0xB5
    default: 0x7F
    }
  }

  /// The description is gone, overwritten, when this returns. `change` plants something into it before.
  convenience init(_ segment: Segment, on device: RawDevice) throws {
    let description = try SegmentDescription(segment)
    var request = RawDevice.request(description.program)
    try self.init(segment, on: device, &request)
    description.overwrite(with: 0xA5)
  }

  init(_ segment: Segment, on device: RawDevice, _ request: UnsafePointer<sb_segment>) throws {
    (self.segment, self.device) = (segment, device)
    var compiled = sb_compiled()
    compiled.struct_size = UInt32(MemoryLayout<sb_compiled>.size)
    var executable: OpaquePointer?
    try sb_error.check("compiling") { device.table.compile(device.device, request, &executable, &compiled, $0) }
    guard let executable else { throw ContractFault("compile succeeded without giving an executable") }
    (self.compiled, self.executable) = (compiled, executable)
    let alignment = max(Int(device.info.alignment), 256)
    var places: [Range<Int>?] = []
    var end = 0
    func take(_ bytes: Int, _ alignment: Int) -> Range<Int> {
      let start = (end + Self.guardByteCount + alignment - 1) / alignment * alignment
      end = start + bytes
      return start..<end
    }
    for value in segment.values {
      let isPlaced = value.role != .temporary || device.needsTemporaries
      places.append(isPlaced ? take(value.type.byteCount, alignment) : nil)
    }
    let work =
      compiled.workspace > 0
      ? take(Int(compiled.workspace), max(alignment, Int(compiled.workspace_alignment))) : nil
    let keeps = UnsafeBufferPointer(start: compiled.keeps, count: Int(compiled.keep_count))
      .map { take(Int($0.bytes), alignment) }
    keptGenerations = .allocate(capacity: max(keeps.count, 1))
    keptGenerations.initialize(repeating: 0)
    end += Self.guardByteCount
    memory = try HostBuffer(byteCount: end + 4096)
    // So that offsets that are aligned are aligned addresses too.
    let address = Int(bitPattern: memory.bytes.baseAddress!)
    let base = device.hasPrivateMemory ? 0 : (address + 4095) / 4096 * 4096 - address
    var own: sb_view?
    if device.hasPrivateMemory {
      guard let allocate = device.table.allocate else {
        throw ContractFault("a device with private memory has no function to allocate it")
      }
      var view = sb_view()
      let bytes = UInt64(memory.bytes.count)
      try sb_error.check("allocating \(bytes) bytes") { allocate(device.device, bytes, &view, $0) }
      own = view
    }
    self.own = own
    func view(_ range: Range<Int>?) -> sb_view {
      guard let range else { return sb_view() }
      taken.append(base + range.lowerBound..<base + range.upperBound)
      guard let own else { return memory.view(offset: base + range.lowerBound, byteCount: range.count) }
      return sb_view(
        buffer: own.buffer, offset: own.offset + UInt64(range.lowerBound), bytes: UInt64(range.count), host: nil)
    }
    views = places.map(view)
    offsets = places.map { $0.map { base + $0.lowerBound } }
    workspaceRange = work.map { base + $0.lowerBound..<base + $0.upperBound }
    workspace = view(work)
    keptRanges = keeps.map { base + $0.lowerBound..<base + $0.upperBound }
    kept = keeps.indices.map { sb_kept(memory: view(keeps[$0]), generation: keptGenerations.baseAddress! + $0) }
    for index in memory.bytes.indices { memory.bytes[index] = Self.guardByte(index) }
  }

  private var offsets: [Int?] = []
  private var workspaceRange: Range<Int>?
  private var keptRanges: [Range<Int>] = []

  deinit {
    keptGenerations.deallocate()
    device.table.release(device.device, executable)
    if let buffer = own?.buffer { device.table.discard?(device.device, buffer) }
  }

  /// The host's copy of a value.
  func bytes(of value: Int) -> UnsafeMutableRawBufferPointer {
    if let memory = fenced[value] { return memory.bytes }
    guard let offset = offsets[value] else { return UnsafeMutableRawBufferPointer(start: nil, count: 0) }
    let count = segment.values[value].type.byteCount
    return UnsafeMutableRawBufferPointer(rebasing: memory.bytes[offset..<offset + count])
  }

  /// From now on what the segment reads alone ends where memory ends, as near as the device's alignment lets it: who
  /// reads behind it ends the process. Not of devices with memory of their own.
  func fenceOperands() throws {
    let alignment = max(Int(device.info.alignment), 64)
    let written = Set(segment.calls.flatMap { $0.outputs.compactMap { $0 } })
    for (value, type) in segment.values.map(\.type).enumerated()
    where offsets[value] != nil && !written.contains(value) && type.byteCount > 0 {
      let memory = try FencedMemory(byteCount: type.byteCount, alignment: alignment)
      fenced[value] = memory
      views[value] = sb_view(
        buffer: nil, offset: views[value].offset, bytes: UInt64(type.byteCount), host: memory.bytes.baseAddress)
    }
  }

  /// How many times of groups a run is asked for.
  var groupCount: Int {
    compiled.group_of != nil && compiled.group_names != nil ? Int(compiled.group_count) : segment.calls.count
  }

  /// Values by number.
  func fill(_ numbers: [[Double]]) {
    for (value, numbers) in numbers.enumerated() {
      ProgramEvaluation.store(numbers, segment.values[value].type.elementType, bytes(of: value))
    }
  }

  /// Whatever is to be written before the next run, by a byte: results, workspace and what is kept.
  func spoil(_ byte: UInt8) {
    let written = Set(segment.calls.flatMap { $0.outputs.compactMap { $0 } })
    for value in written where segment.values[value].role != .state {
      for index in bytes(of: value).indices { bytes(of: value)[index] = byte }
    }
    for index in [workspaceRange].compactMap({ $0 }).joined() { memory.bytes[index] = byte }
    for index in keptRanges.joined() { memory.bytes[index] = byte }
    keptGenerations.update(repeating: 0)
  }

  /// One run as `sb_run` says it, with rubbish behind it or not; `times` is memory for those of the groups.
  func run(
    generations: [UInt64]? = nil, rubbishBehind: Bool = false, times: UnsafeMutablePointer<Double>? = nil
  ) throws {
    if let own { try device.copy(from: memory.view, to: own) }
    let numbers = generations ?? segment.values.map { _ in 1 }
    var ticket: sb_ticket = 0
    try views.withUnsafeBufferPointer { views in
      try numbers.withUnsafeBufferPointer { numbers in
        try kept.withUnsafeBufferPointer { kept in
          var request = sb_run()
          request.struct_size = UInt32(MemoryLayout<sb_run>.size)
          request.views = views.baseAddress
          request.view_count = UInt32(views.count)
          request.generations = numbers.baseAddress
          request.workspace = workspace
          request.group_us = times
          request.kept = kept.isEmpty ? nil : kept.baseAddress
          let record = LongerRecord(request, rubbish: rubbishBehind)
          try sb_error.check("running") { error in
            let before = switchback_allocated_bytes()
            defer { allocatedByteCount = switchback_allocated_bytes() - before }
            return device.table.run(device.device, executable, record.pointer, &ticket, error)
          }
        }
      }
    }
    try device.wait(ticket)
    if let own { try device.copy(from: own, to: memory.view) }
  }

  /// Zeros for guards, so that whoever reads them gets other results.
  func clearGuards() {
    var end = 0
    for range in taken + [memory.bytes.count..<memory.bytes.count] {
      for index in end..<range.lowerBound { memory.bytes[index] = 0 }
      end = range.upperBound
    }
  }

  /// The bytes of what the segment answers, value by value: outputs and states.
  func results() -> [[UInt8]] {
    let written = Set(segment.calls.flatMap { $0.outputs.compactMap { $0 } })
    return segment.values.indices.filter { written.contains($0) && segment.values[$0].role != .temporary }
      .map { Array(bytes(of: $0)) }
  }

  /// How many guard bytes were changed.
  var brokenGuards: Int {
    var (broken, end) = (0, 0)
    for range in taken + [memory.bytes.count..<memory.bytes.count] {
      for index in end..<range.lowerBound where memory.bytes[index] != Self.guardByte(index) { broken += 1 }
      end = range.upperBound
    }
    return broken
  }
}

/// A copy of a growing struct; with rubbish, one that states a larger size, as a newer host's would.
final class LongerRecord<Record> {
  let pointer: UnsafeMutablePointer<Record>
  private let bytes: UnsafeMutableRawBufferPointer
  private static var extra: Int { 64 }
  private let isLonger: Bool

  init(_ record: Record, rubbish: Bool = true) {
    bytes = .allocate(byteCount: MemoryLayout<Record>.size + Self.extra, alignment: 16)
    bytes.initializeMemory(as: UInt8.self, repeating: 0xA5)
    pointer = bytes.baseAddress!.bindMemory(to: Record.self, capacity: 1)
    pointer.initialize(to: record)
    isLonger = rubbish
    // Every growing struct begins with its size.
    if rubbish { bytes.storeBytes(of: UInt32(bytes.count), as: UInt32.self) }
  }

  deinit { bytes.deallocate() }

  /// What lies behind is not the callee's, whatever size is stated: it knows nothing of it.
  var isIntact: Bool { bytes.suffix(Self.extra).allSatisfy { $0 == 0xA5 } }
}
