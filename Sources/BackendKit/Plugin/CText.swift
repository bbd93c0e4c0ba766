import SwitchbackABI

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// C memory that lives as long as this object: descriptions that cross the contract, texts that C may keep.
package final class CMemory: @unchecked Sendable {
  // Unchecked: filled by one owner before anybody else sees it.
  private var blocks: [UnsafeMutableRawBufferPointer] = []

  package init() {}

  deinit { for block in blocks { block.deallocate() } }

  /// Whoever still reads these bytes is found out.
  package func overwrite(with byte: UInt8) {
    for block in blocks { block.initializeMemory(as: UInt8.self, repeating: byte) }
  }

  /// A copy of `elements`; of none, memory for one, so that the pointer is valid.
  package func array<Element>(_ elements: [Element]) -> UnsafeMutablePointer<Element> {
    let bytes = MemoryLayout<Element>.stride * max(elements.count, 1)
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes, alignment: 16)
    blocks.append(block)
    block.initializeMemory(as: UInt8.self, repeating: 0)
    let pointer = block.baseAddress!.assumingMemoryBound(to: Element.self)
    pointer.initialize(from: elements, count: elements.count)
    return pointer
  }

  package func text(_ text: String) -> UnsafePointer<CChar> { UnsafePointer(array(text.utf8CString.map { $0 })) }
}

extension sb_error {
  /// Calls `body` with an error record that has room for text, and turns a failing status into a thrown error.
  package static func check(
    _ doing: String, _ body: (UnsafeMutablePointer<sb_error>) -> sb_status
  ) throws(BackendError) {
    let (status, text, operation) = answer(of: body)
    guard status != sb_status(SB_OK) else { return }
    let kind = BackendError.Kind(rawValue: status) ?? .internal
    let words = text.isEmpty ? "it gave status \(status) and no reason" : text
    throw BackendError(kind, "\(doing): \(words)", operation: operation)
  }

  package static func answer(
    of body: (UnsafeMutablePointer<sb_error>) -> sb_status
  ) -> (status: sb_status, text: String, operation: Int?) {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1024) { buffer in
      buffer.initialize(repeating: 0)
      var record = sb_error()
      record.struct_size = UInt32(MemoryLayout<sb_error>.size)
      record.operation = -1
      record.text = buffer.baseAddress
      record.capacity = UInt64(buffer.count)
      let status = body(&record)
      // A plugin that forgot to end its text must not make us read on.
      buffer[buffer.count - 1] = 0
      return (
        status, String(cString: buffer.baseAddress!), record.operation < 0 ? nil : Int(record.operation)
      )
    }
  }
}
