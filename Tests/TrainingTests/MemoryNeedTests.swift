import Foundation
import SwitchbackBackendKit
import SwitchbackExecution
import SwitchbackTraining
import TestFiles
import Testing

@Suite struct MemoryNeedTests {
  /// What is left according to files of our own.
  private func available(_ files: [String: String]) throws -> HostMemory? {
    let root = try temporaryFolder()
    for (path, text) in files { try write(text.utf8, to: root + path) }
    return HostMemory.available(root: root)
  }

  @Test("what is left is the least that machine, control groups and the limit of address space leave")
  func limits() throws {
    let machine = ["/proc/meminfo": "MemTotal: 9000 kB\nMemAvailable:  4000 kB\nSwapFree: 96 kB\n"]
    #expect(try available(machine) == HostMemory(bytes: 4096 * 1024, limit: "this machine"))
    #expect(try available([:]) == nil)
    let v2 = [
      "/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/b/memory.max": "max\n",
      "/sys/fs/cgroup/a/b/memory.current": "5\n", "/sys/fs/cgroup/a/memory.max": "1000000\n",
      "/sys/fs/cgroup/a/memory.current": "700000\n",
      "/sys/fs/cgroup/a/memory.stat": "anon 600000\nactive_file 60000\ninactive_file 40000\n",
    ]
    let all = machine.merging(v2) { $1 }
    #expect(try available(all)?.bytes == 400_000)
    #expect(try available(all)?.limit.contains("control group") == true)
    let v1 = [
      "/proc/self/cgroup": "4:cpu:/c\n3:memory:/m\n", "/sys/fs/cgroup/memory/m/memory.limit_in_bytes": "100\n",
      "/sys/fs/cgroup/memory/m/memory.usage_in_bytes": "30\n",
    ]
    #expect(try available(v1)?.bytes == 70)
    let limits = [
      "/proc/self/limits": "Limit  Soft Limit  Hard Limit Units\nMax address space     2048000   unlimited  bytes\n",
      "/proc/self/status": "Name:\tx\nVmSize:\t    1000 kB\n",
    ]
    #expect(try available(limits.merging(machine) { $1 })?.bytes == 1_024_000)
    #expect(try available(limits.merging(machine) { $1 })?.limit.contains("ulimit -v") == true)
    for nonsense in ["", "x", "-1", "99999999999999999999999", "unlimited"] {
      var files = all
      files["/sys/fs/cgroup/a/memory.max"] = nonsense
      files["/proc/self/limits"] = "Max address space  \(nonsense)\n"
      #expect(try available(files)?.bytes == 4096 * 1024, "\(nonsense)")
    }
    #expect(try #require(HostMemory.available()).bytes > 0)
  }

  @Test("a run that cannot fit is refused with what it needs and what there is")
  func refusal() throws {
    let need = MemoryNeed(states: 1_000_000, step: 30_000_000_000, probedStep: 20_000_000, evaluation: 5_000_000)
    let error = #expect(throws: ExecutionError.self) {
      try need.check(against: HostMemory(bytes: 2_000_000_000, limit: "this machine"))
    }
    #expect(error?.kind == .outOfMemory)
    #expect(
      error?.message.hasPrefix(
        "the run needs about 30.0 GB of memory: states 1.0 MB, step 30.0 GB, probed step 20.0 MB, evaluation 5.0 MB; "
          + "this machine leaves 2000.0 MB. Lower training.batch_size") == true)
    try need.check(against: HostMemory(bytes: need.total, limit: "this machine"))
    // A system that does not say refuses none.
    try need.check(against: Optional<HostMemory>.none)
  }

  @Test("large memory is zero, and only what is touched is taken")
  func mapped() throws {
    for byteCount in [0, 1, 4095, 4096, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20] {
      let buffer = try HostBuffer(byteCount: byteCount)
      #expect(buffer.bytes.count == byteCount)
      #expect(buffer.bytes.allSatisfy { $0 == 0 })
      #expect(Int(bitPattern: buffer.bytes.baseAddress) % (byteCount < 4096 ? 64 : 4096) == 0)
      for index in buffer.bytes.indices { buffer.bytes[index] = 1 }
    }
    // More than most machines have: address space only.
    let before = try resident()
    let large = try HostBuffer(byteCount: 64 << 30)
    large.bytes[large.bytes.count - 1] = 1
    #expect(try resident() - before < 64 << 20)
    for impossible in [Int.max, Int.max - 4096, 1 << 60] {
      #expect(throws: BackendError.self) { try HostBuffer(byteCount: impossible) }
    }
  }

  private func resident() throws -> Int {
    let words = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
    return try #require(Int(words[1])) * 4096
  }
}
