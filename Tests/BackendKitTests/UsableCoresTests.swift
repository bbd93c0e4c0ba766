import Foundation
import SwitchbackBackendKit
import SwitchbackWorkerPool
import TestFiles
import Testing

@Suite struct UsableCoresTests {
  /// With a root of our own that has these files.
  private func cores(_ files: [String: String]) throws -> Int {
    let root = try temporaryFolder()
    for (path, text) in files { try write(text.utf8, to: root + path) }
    return Int(sb_usable_cores(root))
  }

  @Test("a process may use the cores of its affinity")
  func affinity() throws {
    #expect(HostServices.usableCores >= 1)
    #expect(try cores([:]) >= HostServices.usableCores)
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["nproc"]
    process.standardOutput = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(Int(text.trimmingCharacters(in: .newlines)) == (try cores([:])))
  }

  @Test("a control group's time counts as cores, rounded up; the tightest of the groups above holds")
  func groups() throws {
    let all = try cores([:])
    func v2(_ limits: [String: String]) throws -> Int {
      var files = ["/proc/self/cgroup": "0::/a/b\n"]
      for (group, limit) in limits { files["/sys/fs/cgroup\(group)/cpu.max"] = limit + "\n" }
      return try cores(files)
    }
    #expect(try v2(["/a/b": "50000 100000"]) == 1)
    #expect(try v2(["/a/b": "max 100000"]) == all)
    #expect(try v2(["/a/b": "max 100000", "/a": "100000 100000"]) == 1)
    #expect(try v2(["": "100000 100000"]) == 1)
    #expect(try v2(["/a/b": "150000 100000"]) == min(all, 2))
    #expect(try v2(["/a/b": "99999900000 100000"]) == all)
    for nonsense in ["", "x y", "-1 -1", "0 0", "100000", "99999999999999999999 1"] {
      #expect(try v2(["/a/b": nonsense]) == all, "\(nonsense)")
    }
    let group = ["/proc/self/cgroup": "5:memory:/m\n4:cpu,cpuacct:/c/d\n"]
    func v1(_ quota: String) throws -> Int {
      try cores(
        group.merging([
          "/sys/fs/cgroup/cpu/c/cpu.cfs_quota_us": quota, "/sys/fs/cgroup/cpu/c/cpu.cfs_period_us": "100000\n",
        ]) { $1 })
    }
    #expect(try v1("100000\n") == 1)
    #expect(try v1("-1\n") == all)
  }
}
