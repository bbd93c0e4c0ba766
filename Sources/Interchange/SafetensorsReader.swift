import Foundation

/// A safetensors file that is read tensor by tensor, so that those which nobody keeps take no memory.
package final class SafetensorsReader {
  package let metadata: [String: String]
  /// In order of their names.
  package let entries: [Safetensors.Entry]
  private let path: String
  private let file: Int32
  private let bodyStart: Int

  /// Bytes that are read at once.
  private static let pieceByteCount = 1 << 20

  /// Opens a file and reads its header; whatever does not fit together is an error in words.
  package init(_ path: String) throws {
    let (file, byteCount) = try RegularFile.opened(path)
    do {
      let start = try Self.bytes(of: file, path, at: 0, min(8, byteCount))
      let length = try Safetensors.headerLength(start, fileByteCount: byteCount)
      bodyStart = 8 + length
      let header = try Self.bytes(of: file, path, at: 8, length)
      let (metadata, entries) = try Safetensors.header(header, bodyByteCount: byteCount - bodyStart)
      (self.metadata, self.entries) = (metadata, entries.sorted { $0.name < $1.name })
      (self.path, self.file) = (path, file)
    } catch {
      close(file)
      throw error
    }
  }

  deinit { close(file) }

  /// Reads a tensor's bytes in order, a piece at a time.
  package func forEachPiece(of entry: Safetensors.Entry, _ body: (Data) throws -> Void) throws {
    var place = entry.start
    while place < entry.end {
      let count = min(entry.end - place, Self.pieceByteCount)
      try body(try Self.bytes(of: file, path, at: bodyStart + place, count))
      place += count
    }
  }

  private static func bytes(of file: Int32, _ path: String, at place: Int, _ count: Int) throws -> Data {
    var data = Data(count: count)
    var done = 0
    while done < count {
      let read = data.withUnsafeMutableBytes { pread(file, $0.baseAddress! + done, count - done, off_t(place + done)) }
      if read < 0, errno == EINTR { continue }
      guard read >= 0 else { throw FileError(path, .read) }
      guard read > 0 else { throw Safetensors.FormatError(description: "the file ended while it was read") }
      done += read
    }
    return data
  }
}
