import Foundation

/// What `torch.save` wrote of tensors, read without executing anything.
///
/// A pickle is a program for a stack machine (Python's `pickletools` lists its opcodes), and Python runs it: `GLOBAL` names any
/// function, `REDUCE` calls it. Here a global is a name that has to be on a list, a call of it makes a description of a
/// tensor or an empty dictionary, and whatever else stands in the file is refused by its name. Each opcode makes at most
/// one node, so memory is at most 100 bytes for each byte of the pickle, which has at most 16 MiB.
package struct TensorPickle {
  /// A part of a storage, as `torch._utils._rebuild_tensor_v2` describes it; numbers are of elements.
  package struct TensorView {
    var storage: String
    /// The type's word in safetensors.
    var type: String
    var storageCount: Int
    var offset: Int
    var shape, strides: [Int]
  }

  package enum Kind {
    case nothing, mark, other
    case integer(Int)
    case text(String)
    case global(String)
    /// The numbers of its items lie in `children`: of a dictionary keys and values in turns.
    case dictionary, list, tuple
    indirect case storage(key: String, type: String, count: Int)
    indirect case tensor(TensorView)
  }

  package struct Node {
    package var kind: Kind
    package var children: [Int] = []
  }

  package private(set) var nodes: [Node] = []
  private(set) var root = 0

  private var stack: [Int] = []
  private var memo: [Int: Int] = [:]
  private var place = 0
  private let bytes: [UInt8]

  private static let most = 16 << 20

  package init(_ data: Data) throws(Safetensors.FormatError) {
    guard data.count <= Self.most else { throw Self.fault("data.pkl has more than \(Self.most >> 20) MiB") }
    bytes = Array(data)
    while try step() {}
  }

  private static func fault(_ words: String) -> Safetensors.FormatError { Safetensors.FormatError(description: words) }

  // MARK: Opcodes

  /// Reads one opcode; false where it ends the pickle.
  private mutating func step() throws(Safetensors.FormatError) -> Bool {
    let code = UInt8(truncatingIfNeeded: try number(1))
    switch code {
    case 0x80:
      let version = try number(1)
      guard (2...5).contains(version) else { throw Self.fault("the pickle is of protocol \(version)") }
    case 0x95: _ = try number(8)
    case UInt8(ascii: "("): push(.mark)
    case UInt8(ascii: "N"): push(.nothing)
    case 0x88, 0x89: push(.integer(code == 0x88 ? 1 : 0))
    case UInt8(ascii: "J"): push(.integer(Int(Int32(truncatingIfNeeded: try number(4)))))
    case UInt8(ascii: "K"): push(.integer(try number(1)))
    case UInt8(ascii: "M"): push(.integer(try number(2)))
    case 0x8A: push(.integer(try longNumber()))
    case UInt8(ascii: "G"):
      _ = try number(8)
      push(.other)
    case UInt8(ascii: "X"): push(.text(try text(try number(4))))
    case 0x8C: push(.text(try text(try number(1))))
    case UInt8(ascii: "}"): push(.dictionary)
    case UInt8(ascii: "]"): push(.list)
    case UInt8(ascii: ")"): push(.tuple)
    case 0x85...0x87: push(.tuple, try pop(Int(code) - 0x84))
    case UInt8(ascii: "t"): push(.tuple, try popToMark())
    case UInt8(ascii: "a"): try append(try pop(1), to: .list)
    case UInt8(ascii: "e"): try append(try popToMark(), to: .list)
    case UInt8(ascii: "s"): try append(try pop(2), to: .dictionary)
    case UInt8(ascii: "u"): try append(try popToMark(), to: .dictionary)
    case UInt8(ascii: "q"): memo[try number(1)] = try top()
    case UInt8(ascii: "r"): memo[try number(4)] = try top()
    case 0x94: memo[memo.count] = try top()
    case UInt8(ascii: "h"): try recall(try number(1))
    case UInt8(ascii: "j"): try recall(try number(4))
    case UInt8(ascii: "c"): push(.global(try global("\(try line()).\(try line())")))
    case 0x93:
      let names = try pop(2)
      guard case .text(let module) = nodes[names[0]].kind, case .text(let name) = nodes[names[1]].kind else {
        throw Self.fault("a global of the pickle has no name")
      }
      push(.global(try global("\(module).\(name)")))
    case UInt8(ascii: "Q"): try loadStorage()
    case UInt8(ascii: "R"): try call()
    case UInt8(ascii: "b"):
      // The attributes of an OrderedDict, such as the versions of a network's modules.
      let state = try pop(1)[0]
      guard case .dictionary = nodes[try top()].kind, case .dictionary = nodes[state].kind else {
        throw Self.fault("the opcode BUILD sets the state of something that is no dictionary")
      }
    case UInt8(ascii: "."):
      root = try pop(1)[0]
      return false
    default:
      let name = Self.opcodes[code] ?? "0x\(String(code, radix: 16))"
      throw Self.fault("the opcode \(name) is refused: a file of tensors needs none such")
    }
    return true
  }

  /// Of those that are refused.
  private static let opcodes: [UInt8: String] = [
    UInt8(ascii: "i"): "INST", UInt8(ascii: "o"): "OBJ", 0x81: "NEWOBJ", 0x92: "NEWOBJ_EX", 0x82: "EXT1", 0x83: "EXT2",
    0x84: "EXT4", UInt8(ascii: "P"): "PERSID", UInt8(ascii: "0"): "POP", UInt8(ascii: "1"): "POP_MARK",
    UInt8(ascii: "2"): "DUP", UInt8(ascii: "d"): "DICT", UInt8(ascii: "l"): "LIST", UInt8(ascii: "g"): "GET",
    UInt8(ascii: "p"): "PUT", UInt8(ascii: "I"): "INT", UInt8(ascii: "L"): "LONG", UInt8(ascii: "F"): "FLOAT",
    UInt8(ascii: "S"): "STRING", UInt8(ascii: "V"): "UNICODE", UInt8(ascii: "T"): "BINSTRING",
    UInt8(ascii: "U"): "SHORT_BINSTRING", UInt8(ascii: "B"): "BINBYTES", UInt8(ascii: "C"): "SHORT_BINBYTES",
    0x8B: "LONG4", 0x8D: "BINUNICODE8", 0x8E: "BINBYTES8", 0x8F: "EMPTY_SET", 0x90: "ADDITEMS", 0x91: "FROZENSET",
    0x96: "BYTEARRAY8", 0x97: "NEXT_BUFFER", 0x98: "READONLY_BUFFER",
  ]

  // MARK: Globals and calls

  /// The storages of `torch`, by their words.
  private static let storages = [
    "FloatStorage": "F32", "DoubleStorage": "F64", "HalfStorage": "F16", "BFloat16Storage": "BF16",
    "LongStorage": "I64",
    "IntStorage": "I32", "ShortStorage": "I16", "CharStorage": "I8", "ByteStorage": "U8", "BoolStorage": "BOOL",
  ]

  private func global(_ name: String) throws(Safetensors.FormatError) -> String {
    let known = ["collections.OrderedDict", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter"]
    guard known.contains(name) || name.hasPrefix("torch.") && Self.storages[String(name.dropFirst(6))] != nil else {
      throw Self.fault(
        "it names \(name), which is refused: only tensors in dictionaries are read. In Python: "
          + "torch.save(model.state_dict(), FILE)")
    }
    return name
  }

  /// `('storage', torch.FloatStorage, '0', 'cpu', count)`
  private mutating func loadStorage() throws(Safetensors.FormatError) {
    let parts = nodes[try pop(1)[0]].children.map { nodes[$0].kind }
    guard parts.count == 5, case .text("storage") = parts[0], case .global(let name) = parts[1],
      case .text(let key) = parts[2], case .integer(let count) = parts[4], count >= 0,
      let type = Self.storages[String(name.dropFirst(6))]
    else { throw Self.fault("the opcode BINPERSID names no storage of numbers") }
    push(.storage(key: key, type: type, count: count))
  }

  private mutating func call() throws(Safetensors.FormatError) {
    let parts = try pop(2)
    guard case .global(let name) = nodes[parts[0]].kind, case .tuple = nodes[parts[1]].kind else {
      throw Self.fault("the opcode REDUCE calls something that is no function")
    }
    let arguments = nodes[parts[1]].children
    switch name {
    case "collections.OrderedDict" where arguments.isEmpty: push(.dictionary)
    case "torch._utils._rebuild_parameter":
      guard let first = arguments.first, case .tensor = nodes[first].kind else {
        throw Self.fault("a parameter is of no tensor")
      }
      stack.append(first)
    case "torch._utils._rebuild_tensor_v2":
      guard arguments.count >= 4, case .storage(let key, let type, let count) = nodes[arguments[0]].kind,
        case .integer(let offset) = nodes[arguments[1]].kind, let shape = integers(arguments[2]),
        let strides = integers(arguments[3]), shape.count == strides.count, offset >= 0
      else { throw Self.fault("a tensor has no storage, shape or strides") }
      push(
        .tensor(
          TensorView(storage: key, type: type, storageCount: count, offset: offset, shape: shape, strides: strides)))
    default: throw Self.fault("the opcode REDUCE calls \(name) with other values than torch.save writes")
    }
  }

  private func integers(_ node: Int) -> [Int]? {
    guard case .tuple = nodes[node].kind else { return nil }
    var numbers: [Int] = []
    for child in nodes[node].children {
      guard case .integer(let number) = nodes[child].kind, number >= 0 else { return nil }
      numbers.append(number)
    }
    return numbers.count <= 64 ? numbers : nil
  }

  // MARK: The stack

  private mutating func push(_ kind: Kind, _ children: [Int] = []) {
    nodes.append(Node(kind: kind, children: children))
    stack.append(nodes.count - 1)
  }

  private func top() throws(Safetensors.FormatError) -> Int {
    guard let last = stack.last else { throw Self.fault("the pickle takes more than it made") }
    return last
  }

  private mutating func pop(_ count: Int) throws(Safetensors.FormatError) -> [Int] {
    guard stack.count >= count else { throw Self.fault("the pickle takes more than it made") }
    defer { stack.removeLast(count) }
    return Array(stack.suffix(count))
  }

  private mutating func popToMark() throws(Safetensors.FormatError) -> [Int] {
    let mark = stack.lastIndex { if case .mark = nodes[$0].kind { true } else { false } }
    guard let mark else { throw Self.fault("the pickle has no mark where it needs one") }
    defer { stack.removeSubrange(mark...) }
    return Array(stack[(mark + 1)...])
  }

  private mutating func append(_ items: [Int], to kind: Kind) throws(Safetensors.FormatError) {
    let target = try top()
    switch (nodes[target].kind, kind) {
    case (.list, .list): break
    case (.dictionary, .dictionary) where items.count % 2 == 0: break
    default: throw Self.fault("the pickle adds items to something that holds none such")
    }
    nodes[target].children += items
  }

  private mutating func recall(_ index: Int) throws(Safetensors.FormatError) {
    guard let node = memo[index] else { throw Self.fault("the pickle recalls what it did not keep") }
    stack.append(node)
  }

  // MARK: Bytes

  private mutating func take(_ count: Int) throws(Safetensors.FormatError) -> ArraySlice<UInt8> {
    guard count >= 0, count <= bytes.count - place else { throw Self.fault("the pickle ends too early") }
    defer { place += count }
    return bytes[place..<place + count]
  }

  /// A little-endian number without a sign; of eight bytes one that is beyond `Int` becomes negative.
  private mutating func number(_ width: Int) throws(Safetensors.FormatError) -> Int {
    var number: UInt64 = 0
    for (index, byte) in try take(width).enumerated() { number |= UInt64(byte) << UInt64(8 * index) }
    return Int(truncatingIfNeeded: number)
  }

  /// In two's complement, as short as it goes.
  private mutating func longNumber() throws(Safetensors.FormatError) -> Int {
    let width = try number(1)
    guard width <= 8 else { throw Self.fault("the pickle has a number of \(width) bytes") }
    guard width > 0 else { return 0 }
    let unused = 64 - 8 * width
    return (try number(width) << unused) >> unused
  }

  private mutating func text(_ length: Int) throws(Safetensors.FormatError) -> String {
    guard let text = String(validating: try take(length), as: UTF8.self) else {
      throw Self.fault("the pickle has a text that is not UTF-8")
    }
    return text
  }

  private mutating func line() throws(Safetensors.FormatError) -> String {
    let length = bytes[place...].prefix(256).firstIndex(of: 10).map { $0 - place }
    guard let length else { throw Self.fault("a global of the pickle has no name") }
    let text = try text(length)
    place += 1
    return text
  }
}
