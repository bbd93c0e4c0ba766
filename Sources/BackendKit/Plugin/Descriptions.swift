import SwitchbackABI
import SwitchbackPrograms

// A segment as the C descriptions of the contract, and back.

extension ElementType {
  private static let codes: [(ElementType, Int)] = [
    (.float32, SB_F32), (.float64, SB_F64), (.float16, SB_F16), (.bfloat16, SB_BF16), (.int32, SB_I32),
    (.int64, SB_I64), (.uint8, SB_U8), (.bool, SB_BOOL),
  ]

  var code: UInt16 { UInt16(Self.codes.first { $0.0 == self }!.1) }

  init?(code: UInt16) {
    guard let found = Self.codes.first(where: { $0.1 == Int(code) }) else { return nil }
    self = found.0
  }
}

extension TensorType {
  /// Throws where the rank is above what the contract carries.
  func description() throws(BackendError) -> sb_type {
    guard shape.rank <= Int(SB_MAX_RANK) else {
      throw BackendError(.unsupported, "\(self) has more than \(SB_MAX_RANK) axes")
    }
    var type = sb_type()
    type.element = elementType.code
    type.rank = UInt16(shape.rank)
    withUnsafeMutableBytes(of: &type.extent) { bytes in
      let extents = bytes.bindMemory(to: Int64.self)
      for axis in 0..<shape.rank { extents[axis] = Int64(shape[axis]) }
    }
    return type
  }

  /// `nil` where something in it is not known here.
  init?(_ type: sb_type) {
    guard let elementType = ElementType(code: type.element), type.layout == 0, type.flags == 0,
      type.rank <= UInt16(SB_MAX_RANK)
    else { return nil }
    let extents = withUnsafeBytes(of: type.extent) { bytes in
      bytes.bindMemory(to: Int64.self).prefix(Int(type.rank)).map { Int($0) }
    }
    // As many bytes as an Int counts, in whatever order the extents are multiplied.
    var bytes = elementType.byteCount
    for extent in extents {
      let (product, isOverflown) = bytes.multipliedReportingOverflow(by: max(extent, 1))
      guard extent >= 0, !isOverflown else { return nil }
      bytes = product
    }
    self.init(elementType, Shape(extents))
  }
}

/// The C form of a segment; the pointers live as long as this object.
package final class SegmentDescription {
  private let memory: CMemory
  package let program: UnsafePointer<sb_program>

  package init(_ segment: Segment) throws(BackendError) {
    let memory = CMemory()
    self.memory = memory
    var values: [sb_value] = []
    for info in segment.values {
      values.append(sb_value(type: try info.type.description(), role: info.role.rawValue, zero: 0))
    }
    var operations: [UnsafePointer<sb_operation>?] = []
    for call in segment.calls {
      var operation = sb_operation()
      operation.struct_size = UInt32(MemoryLayout<sb_operation>.size)
      operation.name = memory.text(call.operation.name)
      let attributes = call.operation.attributes.map { Self.describe($0.name, $0.value, memory) }
      operation.attributes = UnsafePointer(memory.array(attributes))
      operation.attribute_count = UInt32(attributes.count)
      operation.inputs = UnsafePointer(memory.array(call.inputs.map { UInt32($0) }))
      operation.input_count = UInt32(call.inputs.count)
      operation.outputs = UnsafePointer(memory.array(call.outputs.map { $0.map { UInt32($0) } ?? UInt32.max }))
      operation.output_count = UInt32(call.outputs.count)
      operation.path = memory.text(call.path)
      operations.append(UnsafePointer(memory.array([operation])))
    }
    var program = sb_program()
    program.struct_size = UInt32(MemoryLayout<sb_program>.size)
    program.operations = UnsafePointer(memory.array(operations))
    program.operation_count = UInt32(operations.count)
    program.values = UnsafePointer(memory.array(values))
    program.value_count = UInt32(values.count)
    self.program = UnsafePointer(memory.array([program]))
  }

  /// As if it were gone: what a backend may not read after compile returned.
  package func overwrite(with byte: UInt8) { memory.overwrite(with: byte) }

  private static func describe(_ name: String, _ value: AttributeValue, _ memory: CMemory) -> sb_attribute {
    var attribute = sb_attribute()
    attribute.name = memory.text(name)
    attribute.count = 1
    switch value {
    case .bool(let value):
      attribute.form = UInt32(SB_BOOLEAN)
      attribute.value.integer = value ? 1 : 0
    case .int(let value):
      attribute.form = UInt32(SB_INTEGER)
      attribute.value.integer = Int64(value)
    case .double(let value):
      attribute.form = UInt32(SB_REAL)
      attribute.value.real = value
    case .string(let value):
      attribute.form = UInt32(SB_TEXT)
      attribute.value.text = memory.text(value)
    case .ints(let values):
      attribute.form = UInt32(SB_INTEGERS)
      attribute.count = UInt64(values.count)
      attribute.value.integers = UnsafePointer(memory.array(values.map { Int64($0) }))
    case .doubles(let values):
      attribute.form = UInt32(SB_REALS)
      attribute.count = UInt64(values.count)
      attribute.value.reals = UnsafePointer(memory.array(values))
    }
    return attribute
  }
}

/// A segment read from its C form, with the calls that this side knows.
struct DecodedSegment {
  var segment: Segment
  /// For each call of `segment` its index in the C form.
  var indices: [Int]
  /// Why the first unreadable operation cannot be read.
  var unreadable: [Int: String]

  init(_ program: sb_program, catalog: OperationCatalog = .standard) {
    segment = Segment(calls: [], values: [])
    indices = []
    unreadable = [:]
    var known: [Bool] = []
    for value in UnsafeBufferPointer(start: program.values, count: Int(program.value_count)) {
      let type = TensorType(value.type)
      let role = Segment.Role(rawValue: value.role)
      known.append(type != nil && role != nil)
      segment.values.append(.init(type: type ?? TensorType(.bool, []), role: role ?? .input))
    }
    for index in 0..<Int(program.operation_count) {
      do throws(ProgramError) {
        guard program.flags == 0 else { throw ProgramError("a flag of the program is not known") }
        let call = try Self.call(program.operations[index]!.pointee, known, catalog)
        try expectTypes(of: call)
        segment.calls.append(call)
        indices.append(index)
      } catch {
        unreadable[index] = error.message
      }
    }
  }

  /// The results that are described must be those that the operation's law gives.
  private func expectTypes(of call: Program.Call) throws(ProgramError) {
    let types = try call.operation.outputTypes(for: call.inputs.map { segment.values[$0].type })
    let described = call.outputs.map { $0.map { segment.values[$0].type } }
    guard types.count == described.count, zip(types, described).allSatisfy({ $1 == nil || $0 == $1 }) else {
      throw ProgramError("\(call.operation.name) gives \(types), which is not what is described")
    }
  }

  private static func call(
    _ operation: sb_operation, _ known: [Bool], _ catalog: OperationCatalog
  ) throws(ProgramError) -> Program.Call {
    guard operation.flags == 0 else { throw ProgramError("a flag of the operation is not known") }
    var attributes: [String: AttributeValue] = [:]
    for attribute in UnsafeBufferPointer(start: operation.attributes, count: Int(operation.attribute_count)) {
      let name = String(cString: attribute.name)
      let count = Int(attribute.count)
      switch Int(attribute.form) {
      case Int(SB_BOOLEAN): attributes[name] = .bool(attribute.value.integer != 0)
      case Int(SB_INTEGER): attributes[name] = .int(Int(attribute.value.integer))
      case Int(SB_REAL): attributes[name] = .double(attribute.value.real)
      case Int(SB_TEXT): attributes[name] = .string(String(cString: attribute.value.text))
      case Int(SB_INTEGERS):
        attributes[name] = .ints(UnsafeBufferPointer(start: attribute.value.integers, count: count).map { Int($0) })
      case Int(SB_REALS):
        attributes[name] = .doubles(Array(UnsafeBufferPointer(start: attribute.value.reals, count: count)))
      default: throw ProgramError("the form of attribute \(name) is not known")
      }
    }
    let inputs = UnsafeBufferPointer(start: operation.inputs, count: Int(operation.input_count)).map { Int($0) }
    let outputs = UnsafeBufferPointer(start: operation.outputs, count: Int(operation.output_count)).map {
      $0 == UInt32.max ? nil : Int($0)
    }
    guard (inputs + outputs.compactMap { $0 }).allSatisfy({ known.indices.contains($0) && known[$0] }) else {
      throw ProgramError("the type or role of an operand is not known")
    }
    return Program.Call(
      operation: try catalog.operation(named: String(cString: operation.name), attributes: attributes),
      inputs: inputs, outputs: outputs, path: operation.path.map { String(cString: $0) } ?? "")
  }
}
