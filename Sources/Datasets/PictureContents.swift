#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A sum over what pictures hold, at hardly more than the price of the look at their headers: of few bytes over all, of more
/// over the beginning of each file. It tells pictures that were replaced by others; it is no proof against whoever means to
/// deceive, and does not see a change behind the beginning of a large file.
package enum PictureContents {
  /// Up to so many bytes all are read.
  package static let wholeBytes = 256 << 20
  /// Of more, so many of each file: 64 KiB, less where there are many files.
  package static func beginning(files count: Int) -> Int { max(4 << 10, min(64 << 10, (1 << 30) / max(count, 1))) }

  /// 16 hexadecimal digits; nil where a file cannot be read. `names` are what the sum calls the files, whose order does not
  /// matter.
  package static func sum(of paths: [String], names: [String], wholeBytes: Int = wholeBytes) -> String? {
    let sizes = onAllCores(paths.count) { size(of: paths[$0]) }
    guard !sizes.contains(-1) else { return nil }
    let most = total(sizes) <= wholeBytes ? .max : beginning(files: paths.count)
    let parts = onAllCores(paths.count) { index in
      part(of: paths[index], from: SplitHash.of(names[index]), most: min(most, sizes[index]))
    }
    let known = parts.compactMap { $0 }
    guard known.count == paths.count else { return nil }
    var sum = WordSum(state: UInt64(paths.count))
    for part in known.sorted() { sum.add(part) }
    let digits = String(sum.state, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// Files with holes may be said to have more bytes together than an `Int` counts: then `Int.max`.
  package static func total(_ sizes: [Int]) -> Int {
    sizes.reduce(0) { sum, size in
      let (next, isTooLarge) = sum.addingReportingOverflow(size)
      return isTooLarge ? .max : next
    }
  }

  /// Of a regular file; -1 of all else.
  private static func size(of path: String) -> Int {
    var info = stat()
    guard stat(path, &info) == 0, info.st_mode & S_IFMT == S_IFREG else { return -1 }
    return Int(info.st_size)
  }

  /// Over the first `most` bytes of a file; nil where they are not there.
  private static func part(of path: String, from start: UInt64, most: Int) -> UInt64? {
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var sum = WordSum(state: start)
    sum.add(UInt64(most))
    var offset = 0
    return withUnsafeTemporaryAllocation(byteCount: min(most, 1 << 18) + 8, alignment: 8) { buffer -> UInt64? in
      while offset < most {
        let wanted = min(most - offset, 1 << 18)
        var got = 0
        while got < wanted {
          let count = pread(file, buffer.baseAddress! + got, wanted - got, off_t(offset + got))
          if count < 0, errno == EINTR { continue }
          guard count > 0 else { return nil }
          got += count
        }
        // The last word is filled up.
        for place in wanted..<(wanted + 7) / 8 * 8 { buffer[place] = 0 }
        for place in stride(from: 0, to: wanted, by: 8) {
          sum.add(UInt64(littleEndian: buffer.load(fromByteOffset: place, as: UInt64.self)))
        }
        offset += wanted
      }
      return sum.state
    }
  }
}

/// A sum of words that another word, or another order, changes: each step can be undone.
private struct WordSum {
  var state: UInt64

  mutating func add(_ word: UInt64) {
    state = (state ^ word) &* 0x9e37_79b9_7f4a_7c15
    state ^= state >> 32
  }
}
