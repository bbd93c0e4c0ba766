import Foundation

/// How much more memory this process may take.
package struct HostMemory: Hashable, Sendable {
  /// The least that any limit leaves.
  package var bytes: Int
  /// Whose limit that is, as the subject of a sentence: `this machine`.
  package var limit: String

  package init(bytes: Int, limit: String) { (self.bytes, self.limit) = (bytes, limit) }

  /// Of the machine (what is free or can be freed, and swap), of the control groups (a container), and of the process's
  /// address space (`ulimit -v`); nil where the system says none of these. `root` is in front of the system's files.
  package static func available(root: String = "") -> HostMemory? {
    var limits: [HostMemory] = []
    let machine = numbers(root + "/proc/meminfo")
    if let free = machine["MemAvailable"] {
      // In kB, as the file is written (Linux, Documentation/filesystems/proc.rst, meminfo).
      let bytes = (free + (machine["SwapFree"] ?? 0)).multipliedReportingOverflow(by: 1024)
      if !bytes.overflow { limits.append(HostMemory(bytes: bytes.partialValue, limit: "this machine")) }
    }
    limits += groups(root).map { HostMemory(bytes: $0, limit: "the control group (container) of this process") }
    if let most = addressSpace(root), let used = numbers(root + "/proc/self/status")["VmSize"] {
      limits.append(HostMemory(bytes: max(0, most - used * 1024), limit: "the limit of address space (ulimit -v)"))
    }
    return limits.min { $0.bytes < $1.bytes }
  }

  /// What each control group from our own up leaves (Linux, Documentation/admin-guide/cgroup-v2.rst, memory.max; and
  /// cgroup-v1/memory.rst). Files in its cache can be dropped.
  private static func groups(_ root: String) -> [Int] {
    guard let text = text(root + "/proc/self/cgroup") else { return [] }
    var left: [Int] = []
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      let isV2 = parts[1].isEmpty
      guard isV2 || parts[1].split(separator: ",").contains("memory") else { continue }
      let base = root + "/sys/fs/cgroup" + (isV2 ? "" : "/memory")
      var group = parts[2].split(separator: "/").map(String.init)
      while true {
        let folder = ([base] + group).joined(separator: "/")
        let files = isV2 ? ("memory.max", "memory.current") : ("memory.limit_in_bytes", "memory.usage_in_bytes")
        if let most = number(folder + "/" + files.0), let used = number(folder + "/" + files.1) {
          let statistics = numbers(folder + "/memory.stat")
          let cached = ["active_file", "inactive_file"].reduce(0) { $0 + min(statistics[$1] ?? 0, used) }
          left.append(max(0, most - max(0, used - cached)))
        }
        guard group.popLast() != nil else { break }
      }
    }
    return left
  }

  /// The soft limit, in bytes; nil: unlimited.
  private static func addressSpace(_ root: String) -> Int? {
    let name = "Max address space"
    let line = text(root + "/proc/self/limits")?.split(separator: "\n").first { $0.hasPrefix(name) }
    return line?.dropFirst(name.count).split(separator: " ").first.flatMap { Int($0) }
  }

  private static func text(_ path: String) -> String? {
    FileManager.default.contents(atPath: path).map { String(decoding: $0.prefix(1 << 16), as: UTF8.self) }
  }

  private static func number(_ path: String) -> Int? {
    text(path).flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }.flatMap { $0 >= 0 ? $0 : nil }
  }

  /// The numbers of lines such as `MemAvailable:  12 kB` and `inactive_file 12`.
  private static func numbers(_ path: String) -> [String: Int] {
    var numbers: [String: Int] = [:]
    for line in (text(path) ?? "").split(separator: "\n") {
      let words = line.split { $0 == " " || $0 == ":" || $0 == "\t" }
      guard words.count >= 2, let number = Int(words[1]), (0..<(1 << 53)).contains(number) else { continue }
      numbers[String(words[0])] = number
    }
    return numbers
  }
}
