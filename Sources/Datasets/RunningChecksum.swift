#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The SHA-256 of what comes piece by piece, by a `sha256sum` that works beside us.
final class RunningChecksum {
  private let child: Subprocess.Child
  private var input: Int32
  private var isBroken = false

  init() throws(DatasetError) {
    // A socket: what is written to a pipe whose reader has ended would end us. Other children do not keep it open.
    var ends: [Int32] = [-1, -1]
    #if canImport(Glibc)
      let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    #elseif canImport(Musl)
      let kind = SOCK_STREAM | SOCK_CLOEXEC
    #else
      let kind = SOCK_STREAM
    #endif
    guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
      throw DatasetError(.invalid, "no checksum can be made: \(String(cString: strerror(errno)))")
    }
    #if canImport(Darwin)
      // There is no SOCK_CLOEXEC. A later child that inherits an end would keep this one's input open.
      for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
      var isQuiet: Int32 = 1
      setsockopt(ends[0], SOL_SOCKET, SO_NOSIGPIPE, &isQuiet, socklen_t(MemoryLayout<Int32>.size))
    #endif
    defer { close(ends[1]) }
    do throws(DatasetError) { child = try Subprocess.start(["sha256sum"], input: ends[1]) } catch {
      close(ends[0])
      throw error
    }
    input = ends[0]
  }

  deinit {
    guard input >= 0 else { return }
    close(input)
    _ = child.finish()
  }

  func add(_ bytes: UnsafeBufferPointer<UInt8>) {
    #if canImport(Darwin)
      let flags: Int32 = 0
    #else
      let flags = Int32(MSG_NOSIGNAL)
    #endif
    var sent = 0
    while sent < bytes.count, !isBroken {
      let count = send(input, bytes.baseAddress.map { $0 + sent }, bytes.count - sent, flags)
      if count < 0, errno == EINTR { continue }
      if count > 0 { sent += count } else { isBroken = true }
    }
  }

  /// In hexadecimal. No piece may come after it.
  func finish() throws(DatasetError) -> String {
    close(input)
    input = -1
    let result = child.finish()
    guard !isBroken, result.status == 0, let word = result.output.split(separator: " ").first else {
      throw DatasetError(.invalid, "no checksum could be made (sha256sum ended with \(result.status))")
    }
    return String(word)
  }
}
