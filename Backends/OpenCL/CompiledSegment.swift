import SwitchbackABI
import SwitchbackBackendKit
import SwitchbackOpenCLLibrary
import SwitchbackPrograms

/// A segment as launches on the device's queue.
///
/// Temporaries and scratch memory lie in pools of its own, planned by when they live, none above the device's largest
/// allocation. Arguments are set once for a binding of views; a run only queues.
final class CompiledSegment: Executable, @unchecked Sendable {
  // Unchecked: one run at a time, as the contract says.
  let report: CompiledReport
  var looksForWrongIndices: Bool { !bounds.isEmpty }

  private let device: OpenCLDevice
  private let callLabels: [String]
  private var launches: [PreparedLaunch] = []
  /// Arguments that depend on the binding: kernel, position and value.
  private var bindable: [(kernel: ocl_object, index: UInt32, value: Int)] = []
  private var pools: [ocl_object] = []
  private var owned: [ocl_object] = []
  /// For each value of a binding what was bound, and whether it is a sub-buffer of ours.
  private var bound: [sb_view]
  private var isBound = false
  private var subBuffers: [Int: ocl_object] = [:]

  /// What indices must stay below, by work, with the call at fault.
  private var bounds: [(call: Int, count: Int, what: String)] = []
  private var faultWords: ocl_object?
  private let foundFaults: UnsafeMutablePointer<UInt32>
  private static let noFault = UInt32.max

  private struct PreparedLaunch {
    var kernel: ocl_object
    var dimensions: UInt32
    var global: (Int, Int, Int)
    var local: (Int, Int, Int)
    var group: Int

    init(_ launch: Launch, _ kernel: ocl_object, group: Int) {
      func three(_ list: [Int]) -> (Int, Int, Int) {
        (list[0], list.count > 1 ? list[1] : 1, list.count > 2 ? list[2] : 1)
      }
      (self.kernel, self.group) = (kernel, group)
      dimensions = UInt32(launch.global.count)
      (global, local) = (three(launch.global), three(launch.local))
    }
  }

  init(_ segment: Segment, on device: OpenCLDevice) throws(BackendError) {
    self.device = device
    callLabels = segment.calls.map(\.label)
    let plan = try LaunchPlan(segment, traits: device.traits)
    bound = Array(repeating: sb_view(), count: segment.values.count)
    for fused in plan.works {
      if let bound = fused.work.bound { bounds.append((fused.calls[0], bound.count, bound.what)) }
    }
    foundFaults = .allocate(capacity: max(bounds.count, 1))
    foundFaults.initialize(repeating: Self.noFault, count: max(bounds.count, 1))
    report = CompiledReport(
      ownByteCount: plan.memory.pools.reduce(0, +), fingerprint: plan.fingerprint(device.traits),
      groupOfCall: plan.groupOfCall, groupNames: plan.groupNames)
    try prepare(plan, segment)
  }

  deinit {
    device.forget(self)
    for launch in launches { ocl_release(OCL_KERNEL, launch.kernel) }
    for buffer in subBuffers.values { ocl_release(OCL_BUFFER, buffer) }
    for buffer in owned.reversed() { ocl_release(OCL_BUFFER, buffer) }
    for pool in pools { ocl_release(OCL_BUFFER, pool) }
    foundFaults.deallocate()
  }

  // MARK: Preparing

  private func prepare(_ plan: LaunchPlan, _ segment: Segment) throws(BackendError) {
    try device.programs.build(plan.works.flatMap { $0.work.launches.map(\.kernel) })
    for byteCount in plan.memory.pools { pools.append(try device.buffer(byteCount: byteCount)) }
    var blocks: [ocl_object] = []
    for index in plan.blockSizes.indices {
      blocks.append(
        try piece(of: pools[plan.memory.pool(of: index)], plan.memory.offsets[index], plan.blockSizes[index]))
    }
    let zeros = try zeros(plan.works.map(\.work.zeros).max() ?? 0)
    var faultPieces: [ocl_object] = []
    if !bounds.isEmpty {
      let stride = device.traits.alignment
      let words = try keep(try device.buffer(byteCount: stride * bounds.count))
      faultWords = words
      for index in bounds.indices { faultPieces.append(try piece(of: words, index * stride, 4)) }
      try resetFaults()
    }
    var fault = 0
    for (work, fused) in plan.works.enumerated() {
      for launch in fused.work.launches {
        let kernel = try device.programs.kernel(launch.kernel)
        let fitted = launch.sizes == nil ? launch : launch.fitted(to: try device.mostItems(of: kernel))
        launches.append(PreparedLaunch(fitted, kernel, group: work))
        for (index, argument) in launch.arguments.enumerated() {
          switch argument {
          case .value(let value):
            if let block = plan.blockOfValue[value] {
              try set(kernel, index, blocks[block])
            } else {
              bindable.append((kernel, UInt32(index), plan.viewOfValue[value]))
            }
          case .scratch(let scratch): try set(kernel, index, blocks[plan.scratchBlocks[work] + scratch])
          case .zeros: try set(kernel, index, zeros)
          case .fault: try set(kernel, index, faultPieces[fault])
          case .unused: try set(kernel, index, device.placeholder)
          case .int(let number): try set(kernel, index, Int32(truncatingIfNeeded: number))
          case .float(let number): try set(kernel, index, Float(number))
          case .eight(let numbers):
            var eight = SIMD8<Int32>(repeating: 1)
            for (lane, number) in numbers.enumerated() { eight[lane] = Int32(truncatingIfNeeded: number) }
            try set(kernel, index, eight)
          case .bits(let bits, let byteCount):
            try withUnsafeBytes(of: bits) { bytes throws(BackendError) in
              try check(ocl_argument(kernel, UInt32(index), byteCount, bytes.baseAddress), "setting an argument")
            }
          }
        }
      }
      if fused.work.bound != nil { fault += 1 }
    }
  }

  private func set<Value>(_ kernel: ocl_object, _ index: Int, _ value: Value) throws(BackendError) {
    try withUnsafeBytes(of: value) { bytes throws(BackendError) in
      try check(ocl_argument(kernel, UInt32(index), bytes.count, bytes.baseAddress), "setting an argument")
    }
  }

  private func keep(_ buffer: ocl_object) throws(BackendError) -> ocl_object {
    owned.append(buffer)
    return buffer
  }

  /// A part of a buffer; without bytes, or in a whole, nothing is made.
  private func piece(of buffer: ocl_object, _ offset: Int, _ byteCount: Int) throws(BackendError) -> ocl_object {
    guard byteCount > 0 else { return device.placeholder }
    return try keep(try subBuffer(of: buffer, UInt64(offset), UInt64(byteCount)))
  }

  private func subBuffer(
    of buffer: ocl_object, _ offset: UInt64, _ byteCount: UInt64
  ) throws(BackendError) -> ocl_object {
    var sub: ocl_object?
    try check(ocl_sub_buffer(buffer, offset, byteCount, &sub), "dividing a buffer")
    guard let sub else { throw BackendError(.internal, "OpenCL made no sub-buffer") }
    return sub
  }

  private func zeros(_ count: Int) throws(BackendError) -> ocl_object {
    guard count > 0 else { return device.placeholder }
    let buffer = try keep(try device.buffer(byteCount: count * 4))
    try device.noted(ocl_zero(device.queue, buffer, 0, UInt64(count * 4), nil), "filling with zeros")
    return buffer
  }

  // MARK: Running

  func run(_ arguments: borrowing RunArguments) throws(BackendError) -> UInt64 {
    try device.throwIfLost()
    try bind(arguments.views)
    if let groups = arguments.groupMicroseconds { return try runProfiled(groups) }
    var event: ocl_object?
    for index in launches.indices {
      // In order: the last command's event stands for all.
      if index == launches.count - 1, bounds.isEmpty {
        try launch(index, on: device.queue, &event)
      } else {
        try launch(index, on: device.queue, nil)
      }
    }
    if let faultWords {
      // Words lie apart by the alignment of sub-buffers.
      for index in bounds.indices {
        ocl_release(OCL_EVENT, event)
        event = nil
        try device.noted(
          ocl_read(
            device.queue, faultWords, UInt64(index * device.traits.alignment), 4, foundFaults + index, &event),
          "reading whether an index was wrong")
      }
    }
    guard event != nil else { return 0 }
    return try device.ticket(event)
  }

  private func launch(
    _ index: Int, on queue: ocl_object, _ event: UnsafeMutablePointer<ocl_object?>?
  ) throws(BackendError) {
    let launch = launches[index]
    let status = withUnsafePointer(to: launch.global) { global in
      withUnsafePointer(to: launch.local) { local in
        global.withMemoryRebound(to: Int.self, capacity: 3) { global in
          local.withMemoryRebound(to: Int.self, capacity: 3) { local in
            ocl_launch(queue, launch.kernel, launch.dimensions, global, local, event)
          }
        }
      }
    }
    try device.noted(status, "running \(report.groupNames[launch.group]) on \(device.traits.name)")
  }

  private func runProfiled(_ groups: UnsafeMutablePointer<Double>) throws(BackendError) -> UInt64 {
    let queue = try device.queueForProfiling()
    var events = [ocl_object?](repeating: nil, count: launches.count)
    defer { for event in events { ocl_release(OCL_EVENT, event) } }
    for index in launches.indices { try launch(index, on: queue, &events[index]) }
    try device.noted(ocl_finish(queue), "waiting for \(device.traits.name)")
    for group in report.groupNames.indices { groups[group] = 0 }
    for (index, event) in events.enumerated() {
      guard let event else { continue }
      var nanoseconds: UInt64 = 0
      try check(ocl_event_time(event, &nanoseconds), "asking for a kernel's time")
      groups[launches[index].group] += Double(nanoseconds) / 1000
    }
    return 0
  }

  /// Sets the arguments whose views changed since the last run: inputs lie elsewhere in turn where runs overlap.
  private func bind(_ views: UnsafeBufferPointer<sb_view>) throws(BackendError) {
    func isChanged(_ value: Int) -> Bool {
      let (view, last) = (views[value], bound[value])
      return !isBound || view.buffer != last.buffer || view.offset != last.offset || view.bytes != last.bytes
    }
    var isAnyChanged = false
    for entry in bindable where isChanged(entry.value) {
      isAnyChanged = true
      if let stale = subBuffers.removeValue(forKey: entry.value) { ocl_release(OCL_BUFFER, stale) }
    }
    guard isAnyChanged else { return }
    for entry in bindable where isChanged(entry.value) {
      var object = try memory(of: entry.value, views[entry.value])
      try check(
        ocl_argument(entry.kernel, entry.index, MemoryLayout<ocl_object>.size, &object), "setting an argument")
    }
    for entry in bindable { bound[entry.value] = views[entry.value] }
    isBound = true
  }

  private func memory(of value: Int, _ view: sb_view) throws(BackendError) -> ocl_object {
    guard view.bytes > 0 else { return device.placeholder }
    guard let buffer = view.buffer else {
      throw BackendError(.invalid, "value \(value) was given no memory of the device")
    }
    guard view.offset > 0 else { return UnsafeMutableRawPointer(buffer) }
    if let known = subBuffers[value] { return known }
    let sub = try subBuffer(of: UnsafeMutableRawPointer(buffer), view.offset, view.bytes)
    subBuffers[value] = sub
    return sub
  }

  // MARK: Wrong indices

  private func resetFaults() throws(BackendError) {
    guard let faultWords else { return }
    for index in bounds.indices {
      foundFaults[index] = Self.noFault
      try device.noted(
        ocl_write(
          device.queue, faultWords, UInt64(index * device.traits.alignment), 4, foundFaults + index, nil),
        "writing to \(device.traits.name)")
    }
    try device.noted(ocl_finish(device.queue), "writing to \(device.traits.name)")
  }

  /// Throws for the first call that met an index outside its axis, in a run that is finished.
  func findWrongIndex() throws(BackendError) {
    for (index, bound) in bounds.enumerated() where foundFaults[index] != Self.noFault {
      let position = foundFaults[index]
      try resetFaults()
      // Whoever waits may wait for another segment: the words say which operation it was.
      throw BackendError(
        .invalid,
        "\(callLabels[bound.call]): the index at position \(position) is outside the \(bound.count) \(bound.what)")
    }
  }
}
