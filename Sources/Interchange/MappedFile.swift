import Foundation

/// A regular file in memory without being read: what nobody looks at is never loaded, and parts of it are not copied.
///
/// Whoever writes files as `AtomicFile` does replaces them, and a mapping keeps the old one. A program that shortens a
/// file in place while it is mapped ends this process, as with every mapping; so what lives on is copied out of it.
package final class MappedFile: Sendable {
  package let count: Int
  nonisolated(unsafe) private let start: UnsafeMutableRawPointer?

  package init(_ path: String) throws(FileError) {
    let (file, count) = try RegularFile.opened(path)
    defer { close(file) }
    self.count = count
    guard count > 0 else {
      start = nil
      return
    }
    // Private and writable: `Data` may change bytes that it alone owns.
    let mapped = mmap(nil, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file, 0)
    guard let mapped, mapped != MAP_FAILED else { throw FileError(path, .read) }
    start = mapped
  }

  deinit { if let start { munmap(start, count) } }

  /// A part of the file, which keeps the mapping alive; the range lies in the file.
  package func data(_ range: Range<Int>) -> Data {
    precondition(range.lowerBound >= 0 && range.upperBound <= count)
    guard let start, !range.isEmpty else { return Data() }
    return Data(
      bytesNoCopy: start + range.lowerBound, count: range.count,
      deallocator: .custom { _, _ in withExtendedLifetime(self) {} })
  }
}
