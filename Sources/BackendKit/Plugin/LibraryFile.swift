#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// What can be said of a library's file without loading it. (The loader maps a file that is cut off without a word, and
/// the process then ends at the first byte that is not there.)
package enum LibraryFile {
  /// Why the file is no library for this program, or nil.
  package static func fault(of path: String) -> String? {
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else {
      return errno == ENOENT
        ? "there is no file \(path)" : "\(path) cannot be read: \(String(cString: strerror(errno)))"
    }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return "\(path) is no regular file" }
    let header = bytes(of: file, at: 0, count: 64)
    guard header.starts(with: [0x7F, 0x45, 0x4C, 0x46]) else { return "\(path) is no library: it is not an ELF file" }
    let cut = "\(path) is cut off: it has \(status.st_size) bytes"
    guard header.count == 64 else { return cut }
    let own = open("/proc/self/exe", O_RDONLY | O_CLOEXEC)
    if own >= 0 {
      defer { close(own) }
      let program = bytes(of: own, at: 0, count: 64)
      // Class and byte order, then the machine.
      if program.count == 64, header[4...5] != program[4...5] || header[18...19] != program[18...19] {
        return
          "\(path) is built for \(machine(header)), this program for \(machine(program)): compile it on this machine"
      }
    }
    // Program headers of 64 bits, little-endian (System V ABI, chapters 4 and 5): what is loaded must be there.
    guard header[4] == 2, header[5] == 1 else { return nil }
    let (table, size, count) = (number(header, 32, 8), number(header, 54, 2), number(header, 56, 2))
    guard size >= 56, count <= 4096, table <= UInt64(status.st_size) else { return cut }
    let entries = bytes(of: file, at: Int(table), count: Int(size * count))
    guard entries.count == Int(size * count) else { return cut }
    for index in 0..<Int(count) {
      let entry = index * Int(size)
      guard number(entries, entry, 4) == 1 else { continue }
      let (end, overflows) = number(entries, entry + 8, 8).addingReportingOverflow(number(entries, entry + 32, 8))
      guard !overflows, end <= UInt64(status.st_size) else { return cut + " and should have \(end) or more" }
    }
    return nil
  }

  /// A fingerprint of its contents.
  package static func mark(of path: String) -> String {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return "" }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0, status.st_size > 0,
      let memory = mmap(nil, Int(status.st_size), PROT_READ, MAP_PRIVATE, file, 0), memory != MAP_FAILED
    else { return "" }
    defer { munmap(memory, Int(status.st_size)) }
    // By words: byte by byte, a library of megabytes would take a part of a run's start that can be felt.
    let bytes = UnsafeRawBufferPointer(start: memory, count: Int(status.st_size))
    let words = bytes.count / 8
    var hash: UInt64 = 0
    for word in 0..<words {
      hash = (hash ^ bytes.loadUnaligned(fromByteOffset: 8 * word, as: UInt64.self)) &* 0x9E37_79B9_7F4A_7C15
      hash ^= hash >> 32
    }
    var fingerprint = Fingerprint()
    fingerprint.mix(hash)
    fingerprint.mix(bytes: UnsafeRawBufferPointer(rebasing: bytes[(8 * words)...]))
    return fingerprint.text
  }

  private static func bytes(of file: Int32, at offset: Int, count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let got = pread(file, &bytes, count, off_t(offset))
    return Array(bytes.prefix(max(got, 0)))
  }

  private static func number(_ bytes: [UInt8], _ place: Int, _ count: Int) -> UInt64 {
    bytes[place..<place + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private static func machine(_ header: [UInt8]) -> String {
    let bits = header[4] == 1 ? "32" : "64"
    switch Int(header[18]) | Int(header[19]) << 8 {
    case 3: return "x86 (\(bits) bits)"
    case 40: return "ARM (\(bits) bits)"
    case 62: return "x86-64"
    case 183: return "AArch64"
    case 243: return "RISC-V (\(bits) bits)"
    case let number: return "machine \(number) (\(bits) bits)"
    }
  }
}
