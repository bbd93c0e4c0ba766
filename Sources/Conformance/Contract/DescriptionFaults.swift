import SwitchbackABI
import SwitchbackBackendKit

/// Descriptions that a backend cannot know, or that cannot be: it has to decline each, and compile none.
private struct DescriptionFault {
  let what: String
  /// Changes the description of one operation; false where there is nothing to change.
  let plant: @Sendable (Planted) -> Bool

  init(_ what: String, _ plant: @escaping @Sendable (Planted) -> Bool) { (self.what, self.plant) = (what, plant) }

  struct Planted {
    let operation: UnsafeMutablePointer<sb_operation>
    let values: UnsafeMutablePointer<sb_value>
    let program: UnsafeMutablePointer<sb_program>
    let memory: CMemory
    /// Whether the operation's law holds without operands, as that of allFinite does.
    let mayHaveNoOperands: Bool

    var operand: UnsafeMutablePointer<sb_value>? {
      operation.pointee.input_count > 0 ? values + Int(operation.pointee.inputs[0]) : nil
    }
    var result: UnsafeMutablePointer<sb_value> { values + Int(operation.pointee.outputs[0]) }
  }

  /// A change of the first operand's and of the first result's description.
  static func ofBoth(
    _ what: String, _ change: @escaping @Sendable (UnsafeMutablePointer<sb_value>) -> Void
  ) -> [DescriptionFault] {
    [
      DescriptionFault(what + " of an operand") { planted in
        planted.operand.map(change) != nil
      },
      DescriptionFault(what + " of a result") { planted in
        change(planted.result)
        return true
      },
    ]
  }

  static let all: [DescriptionFault] =
    [
      DescriptionFault("an unknown operation") { planted in
        planted.operation.pointee.name = planted.memory.text("noSuchOperation")
        return true
      },
      DescriptionFault("an unknown attribute") { planted in add("noSuchAttribute", UInt32(SB_INTEGER), planted) },
      DescriptionFault("an attribute of an unknown form") { planted in add("noSuchForm", 999, planted) },
      DescriptionFault("an unknown flag of the operation") { planted in
        planted.operation.pointee.flags = 1 << 31
        return true
      },
      DescriptionFault("an unknown flag of the program") { planted in
        planted.program.pointee.flags = 1 << 31
        return true
      },
      DescriptionFault("an operand's number out of range") { planted in
        guard planted.operation.pointee.input_count > 0 else { return false }
        // What lies behind the last value looks like one.
        let count = Int(planted.program.pointee.value_count)
        let values = Array(UnsafeBufferPointer(start: planted.values, count: count))
        planted.program.pointee.values = UnsafePointer(planted.memory.array(values + values))
        return renumber(UInt32(count), \.inputs, planted)
      },
      DescriptionFault("an absent operand") { planted in
        guard planted.operation.pointee.input_count > 0 else { return false }
        return renumber(UInt32.max, \.inputs, planted)
      },
      DescriptionFault("a result's number out of range") { planted in
        renumber(planted.program.pointee.value_count + 7, \.outputs, planted)
      },
      DescriptionFault("no operands") { planted in
        guard planted.operation.pointee.input_count > 0, !planted.mayHaveNoOperands else { return false }
        planted.operation.pointee.input_count = 0
        return true
      },
      DescriptionFault("no results") { planted in
        planted.operation.pointee.output_count = 0
        return true
      },
      DescriptionFault("more bytes than 64 bits count") { planted in
        for value in [planted.operand, planted.result].compactMap({ $0 }) {
          value.pointee.type.rank = 2
          value.pointee.type.extent.0 = 1 << 40
          value.pointee.type.extent.1 = 1 << 40
        }
        return true
      },
    ]
    + ofBoth("an unknown element type") { $0.pointee.type.element = 999 }
    + ofBoth("element type 0") { $0.pointee.type.element = 0 }
    + ofBoth("an unknown layout") { $0.pointee.type.layout = 999 }
    + ofBoth("an unknown flag of the type") { $0.pointee.type.flags = 1 << 63 }
    + ofBoth("an unknown role") { $0.pointee.role = 99 }
    + ofBoth("a rank of 9") { $0.pointee.type.rank = 9 }
    + ofBoth("a negative extent") {
      $0.pointee.type.rank = max($0.pointee.type.rank, 1)
      $0.pointee.type.extent.0 = -3
    }

  private static func add(_ name: String, _ form: UInt32, _ planted: Planted) -> Bool {
    let operation = planted.operation
    let known = UnsafeBufferPointer(
      start: operation.pointee.attributes, count: Int(operation.pointee.attribute_count))
    var unknown = sb_attribute()
    (unknown.name, unknown.form, unknown.count) = (planted.memory.text(name), form, 1)
    operation.pointee.attributes = UnsafePointer(planted.memory.array(Array(known) + [unknown]))
    operation.pointee.attribute_count += 1
    return true
  }

  private static func renumber(
    _ number: UInt32, _ list: WritableKeyPath<sb_operation, UnsafePointer<UInt32>?>, _ planted: Planted
  ) -> Bool {
    guard let numbers = planted.operation.pointee[keyPath: list] else { return false }
    UnsafeMutablePointer(mutating: numbers)[0] = number
    return true
  }
}

extension ContractCase {
  static let descriptionFaults: [ContractCase] =
    DescriptionFault.all.map { fault in
      .check("declines " + fault.what) { environment in
        let device = try RawDevice(environment, host: try environment.host())
        for subject in try environment.subjects(onePerOperation: true) {
          environment.say("\(subject.label) with \(fault.what)")
          let description = try SegmentDescription(subject.segment)
          let program = UnsafeMutablePointer(mutating: description.program)
          let planted = DescriptionFault.Planted(
            operation: UnsafeMutablePointer(mutating: program.pointee.operations[0]!),
            values: UnsafeMutablePointer(mutating: program.pointee.values!), program: program, memory: CMemory(),
            mayHaveNoOperands: (try? subject.sample.operation.outputTypes(for: [])) != nil)
          guard fault.plant(planted) else { continue }
          guard !device.isAccepted(program) else { throw ContractFault("\(subject.label) is taken with \(fault.what)") }
          var request = RawDevice.request(program)
          guard !device.compiles(&request) else {
            throw ContractFault("\(subject.label) is compiled with \(fault.what), though it is declined")
          }
        }
      }
    } + [unknownSegmentFlag]

  private static let unknownSegmentFlag = ContractCase.check("refuses an unknown flag of the segment") { environment in
    let device = try RawDevice(environment, host: try environment.host())
    for subject in try environment.subjects(onePerOperation: true) {
      environment.say(subject.label)
      let description = try SegmentDescription(subject.segment)
      var request = RawDevice.request(description.program)
      request.flags = 1 << 31
      guard !device.compiles(&request) else {
        throw ContractFault("\(subject.label) is compiled with a flag of the segment that does not exist")
      }
    }
  }
}
