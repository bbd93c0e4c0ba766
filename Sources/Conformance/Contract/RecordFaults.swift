import SwitchbackABI
import SwitchbackBackendKit
import SwitchbackPrograms

// Records of other sizes than expected, errors that nobody wants to read, descriptions that die.

extension ContractCase {
  static let recordFaults: [ContractCase] = [
    .check("an error record may be null, have no text, or room for 0 or 1 bytes") { environment in
      let device = try RawDevice(environment, host: try environment.host())
      let subject = try environment.subjects(onePerOperation: true)[0]
      let description = try SegmentDescription(subject.segment)
      let operation = UnsafeMutablePointer(mutating: description.program.pointee.operations[0]!)
      let memory = CMemory()
      operation.pointee.name = memory.text("noSuchOperation")
      var request = RawDevice.request(description.program)
      environment.say("failing without an error record")
      _ = device.isAccepted(description.program, nil)
      guard !device.compiles(&request, nil) else { throw ContractFault("an unknown operation is compiled") }
      var opened: OpaquePointer?
      let backend = environment.backend
      _ = backend.table.open(backend.pointer, 9999, try environment.host().table, nil, 0, &opened, nil)
      for capacity in [0, 1, 2] {
        environment.say("failing with room for \(capacity) bytes")
        var text = [CChar](repeating: 0x55, count: 64)
        try text.withUnsafeMutableBufferPointer { buffer in
          var record = sb_error()
          record.struct_size = UInt32(MemoryLayout<sb_error>.size)
          (record.operation, record.text, record.capacity) = (-1, buffer.baseAddress, UInt64(capacity))
          guard !device.compiles(&request, &record) else { throw ContractFault("an unknown operation is compiled") }
          guard buffer[capacity...].allSatisfy({ $0 == 0x55 }) else {
            throw ContractFault("an error's text is written beyond its room of \(capacity) bytes")
          }
          guard capacity == 0 || buffer[..<capacity].contains(0) else {
            throw ContractFault("an error's text does not end within its room of \(capacity) bytes")
          }
        }
      }
      environment.say("failing without memory for the text")
      var record = sb_error()
      record.struct_size = UInt32(MemoryLayout<sb_error>.size)
      record.capacity = 100
      _ = device.compiles(&request, &record)
    },

    .check("a failed compile says why and which operation") { environment in
      let device = try RawDevice(environment, host: try environment.host())
      let subject = try environment.subjects(onePerOperation: true)[0]
      let description = try SegmentDescription(subject.segment)
      let memory = CMemory()
      UnsafeMutablePointer(mutating: description.program.pointee.operations[0]!).pointee.name = memory.text("no")
      var request = RawDevice.request(description.program)
      let (status, text, operation) = sb_error.answer { record in
        device.compiles(&request, record) ? sb_status(SB_OK) : sb_status(SB_UNSUPPORTED)
      }
      guard status != sb_status(SB_OK), !text.isEmpty else { throw ContractFault("the error has no text") }
      guard operation == 0 else {
        throw ContractFault("the error names operation \(operation ?? -1) of the segment, not 0")
      }
    },

    .check("devices end, and one beyond the last cannot be opened") { environment in
      let backend = environment.backend
      var info = sb_info()
      info.struct_size = UInt32(MemoryLayout<sb_info>.size)
      guard backend.table.device_info(backend.pointer, 9999, &info, nil) == sb_status(SB_END) else {
        throw ContractFault("device_info does not answer SB_END for device 9999")
      }
      var opened: OpaquePointer?
      let host = try environment.host()
      let status = backend.table.open(backend.pointer, 9999, host.table, nil, 0, &opened, nil)
      guard status != sb_status(SB_OK) else { throw ContractFault("device 9999 can be opened") }
    },

    .check("an option that is not known is no crash") { environment in
      let memory = CMemory()
      let options = memory.array([sb_option(key: memory.text("noSuchOption"), value: memory.text(""))])
      var opened: OpaquePointer?
      let (backend, host) = (environment.backend, try environment.host())
      let (status, text, _) = sb_error.answer {
        backend.table.open(backend.pointer, 0, host.table, options, 1, &opened, $0)
      }
      if let opened {
        backend.table.close(opened)
        // Plug-ins of the first header, which did not say it, are right to do so.
        throw ContractDeclined("open takes the option noSuchOption without a word: what a user mistypes does nothing")
      }
      guard status != sb_status(SB_OK), !text.isEmpty else {
        throw ContractFault("open neither gives a device nor says why not (status \(status))")
      }
      guard status == sb_status(SB_INVALID) else {
        throw ContractFault("open answers \(status) to an option that it does not know, not SB_INVALID")
      }
      guard text.contains("noSuchOption") else {
        throw ContractFault("the error does not name the option noSuchOption, but says: \(text)")
      }
    },

    .check("longer structs of a newer host, with rubbish behind, change nothing") { environment in
      let device = try RawDevice(environment, host: try environment.host())
      for subject in try environment.subjects(onePerOperation: true) {
        environment.say(subject.label)
        let expected = try plainResults(subject, device)
        let description = try SegmentDescription(subject.segment)
        let operation = LongerRecord(description.program.pointee.operations[0]!.pointee)
        let memory = CMemory()
        let list: [UnsafePointer<sb_operation>?] = [UnsafePointer(operation.pointer)]
        var short = description.program.pointee
        short.operations = UnsafePointer(memory.array(list))
        let program = LongerRecord(short)
        let request = LongerRecord(RawDevice.request(UnsafePointer(program.pointer)))
        guard device.isAccepted(program.pointer) else {
          throw ContractFault("\(subject.label) is declined when its description is longer")
        }
        let executable = try RawExecutable(subject.segment, on: device, request.pointer)
        executable.fill(subject.operands)
        try executable.run(rubbishBehind: true)
        try expectSame(executable.results(), expected, subject, "with longer structs")
        var small = sb_compiled()
        small.struct_size = UInt32(MemoryLayout<sb_compiled>.size)
        let compiled = LongerRecord(small)
        var made: OpaquePointer?
        _ = device.table.compile(device.device, request.pointer, &made, compiled.pointer, nil)
        if let made { device.table.release(device.device, made) }
        guard compiled.isIntact else { throw ContractFault("compile writes behind the sb_compiled that it knows") }
      }
    },

    .check("a description may be gone when compile returns") { environment in
      let device = try RawDevice(environment, host: try environment.host())
      for subject in try environment.subjects() {
        environment.say(subject.label)
        // The plain form overwrites the description; here it is still there.
        let description = try SegmentDescription(subject.segment)
        var request = RawDevice.request(description.program)
        let kept = try RawExecutable(subject.segment, on: device, &request)
        kept.fill(subject.operands)
        try kept.run()
        try expectSame(try plainResults(subject, device), kept.results(), subject, "after its description is gone")
      }
    },

    .check("no attributes may be a null list") { environment in
      let device = try RawDevice(environment, host: try environment.host())
      let plain = try environment.subjects(onePerOperation: true).filter { $0.sample.operation.attributes.isEmpty }
      for subject in plain {
        environment.say(subject.label)
        let description = try SegmentDescription(subject.segment)
        UnsafeMutablePointer(mutating: description.program.pointee.operations[0]!).pointee.attributes = nil
        guard device.isAccepted(description.program) else {
          throw ContractFault("\(subject.label) is declined when its empty list of attributes is null")
        }
      }
    },

    .check("an executable may be released without a run") { environment in
      let device = try RawDevice(environment, host: try environment.host())
      for subject in try environment.subjects(onePerOperation: true) {
        environment.say(subject.label)
        _ = try RawExecutable(subject.segment, on: device)
      }
    },
  ]

  /// The bytes of the results of a plain run.
  static func plainResults(_ subject: ContractSubject, _ device: RawDevice) throws -> [[UInt8]] {
    let executable = try RawExecutable(subject.segment, on: device)
    executable.fill(subject.operands)
    try executable.run()
    return executable.results()
  }

  static func expectSame(
    _ found: [[UInt8]], _ expected: [[UInt8]], _ subject: ContractSubject, _ when: String
  ) throws {
    guard found != expected else { return }
    let different = zip(found, expected).reduce(0) { sum, pair in
      sum + zip(pair.0, pair.1).reduce(0) { $0 + ($1.0 == $1.1 ? 0 : 1) }
    }
    throw ContractFault("\(subject.label) has other bits \(when) (\(different) bytes differ)")
  }
}
