import Foundation
import Testing

/// A device that computes wrongly is told from one that does not at its first use.
@Suite struct FirstUseTests {
  /// The OpenCL library with a kernel that does something else: what a bad driver does to a good one.
  private func wrongLibrary(_ wrong: String) throws -> String {
    let library = URL(fileURLWithPath: binary).deletingLastPathComponent().path + "/libSwitchbackOpenCL.so"
    var bytes = try #require(FileManager.default.contents(atPath: library))
    let place = try #require(bytes.range(of: Data("NOT(value <= best)".utf8)), "the kernel has other words now")
    bytes.replaceSubrange(place, with: Data(wrong.utf8))
    let folder = temporary()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try bytes.write(to: URL(fileURLWithPath: folder + "/libSwitchbackOpenCL.so"))
    return folder
  }

  private func train(_ environment: [String: String], _ more: String...) throws -> Outcome {
    try run(
      binary,
      [
        "train", "configs/mnist-mlp.yaml", "--data", try dataFolder(), "--runs", temporary(), "--backend", "opencl",
        "--steps", "2",
      ] + more, environment)
  }

  @Test("a device that pools wrongly is refused by the operation's name, from the first use on, unless it is trusted")
  func wrongDevice() throws {
    try skipWithout("opencl")
    let folder = try wrongLibrary("NOT(value >= best)")
    let environment = ["SWITCHBACK_BACKEND_PATH": folder, "XDG_CACHE_HOME": temporary()]
    let first = try train(environment)
    #expect(first.status == 69, "\(first.error)")
    #expect(first.error.contains("computes maxPool2d wrongly"), "\(first.error)")
    #expect(first.error.contains("first use of"), "\(first.error)")
    let second = try train(environment)
    #expect(second.status == 69 && !second.error.contains("first use of"), "\(second.error)")
    #expect(second.error.contains("computes maxPool2d wrongly"), "\(second.error)")
    let trusted = try train(environment, "--set", "backend.opencl.trust=true")
    #expect(trusted.status == 0, "\(trusted.error)")
  }

  @Test("a right device is checked once for each cache, however much memory it has today, and says so")
  func rightDevice() throws {
    try skipWithout("opencl")
    var environment = ["XDG_CACHE_HOME": temporary()]
    let first = try train(environment)
    #expect(first.status == 0 && first.error.contains("all right"), "\(first.error)")
    // Read by PoCL: what it says of its memory also changes from run to run by itself.
    environment["POCL_MEMORY_LIMIT"] = "1"
    let second = try train(environment)
    #expect(second.status == 0 && !second.error.contains("first use of"), "\(second.error)")
  }

  @Test("a driver that crashes at its first use ends no run without a word: operation and signal are named")
  func crashingDevice() throws {
    try skipWithout("opencl")
    let folder = try wrongLibrary("NOT(*(int*)8 == 1)")
    let outcome = try train(["SWITCHBACK_BACKEND_PATH": folder, "XDG_CACHE_HOME": temporary()])
    #expect(outcome.status == 69, "\(outcome.error)")
    #expect(outcome.error.contains("crashed (SIGSEGV"), "\(outcome.error)")
    #expect(outcome.error.contains("at maxPool2d (f32["), "\(outcome.error)")
    #expect(outcome.error.contains("backend.opencl.trust=true"), "\(outcome.error)")
  }

  @Test("PoCL's folder of compiled kernels that cannot be written is named", arguments: ["/dev/null/kernels", "/proc"])
  func unwritableCache(folder: String) throws {
    try skipWithout("opencl")
    let outcome = try train(["POCL_CACHE_DIR": folder, "XDG_CACHE_HOME": temporary()])
    #expect(outcome.status == 69, "\(outcome.error)")
    #expect(
      outcome.error.contains("PoCL's folder of compiled kernels, \(folder), cannot be written"), "\(outcome.error)")
  }

  @Test("where no process can be started to try a device, no driver is blamed")
  func noTemporaryFolder() throws {
    try skipWithout("opencl")
    let outcome = try train(["TMPDIR": "/no/where", "XDG_CACHE_HOME": temporary()])
    #expect(
      outcome.status == 73 && outcome.error.contains("/no/where"), "\(outcome.status) \(outcome.error)")
    #expect(!outcome.error.contains("driver or choose"), "\(outcome.error)")
  }
}
