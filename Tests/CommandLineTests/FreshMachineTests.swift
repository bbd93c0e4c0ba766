import Foundation
import TestFiles
import Testing

@Suite("A fresh machine")
struct FreshMachineTests {
  @Test("what `make` has just installed is built in, and what could not be installed is left out")
  func firstBuild() throws {
    let tools = URL(fileURLWithPath: temporary())
    let installed = tools.appendingPathComponent("installed").path
    try FileManager.default.createDirectory(at: tools, withIntermediateDirectories: true)
    // A package manager that has nothing at first, and a compiler that finds a header once packages are installed.
    for (name, script) in [
      ("dpkg-query", "exit 1"), ("sudo", "exec \"$@\""), ("apt-get", "[ -z \"$OFFLINE\" ] && touch \(installed)"),
      ("cc", "test -e \(installed)"), ("swift", "echo swift \"$@\""),
    ] {
      let file = tools.appendingPathComponent(name).path
      try "#!/bin/sh\n\(script)\n".write(toFile: file, atomically: true, encoding: .utf8)
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file)
    }
    let path = tools.path + ":" + (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")
    func build(_ environment: [String: String]) throws -> Outcome {
      try run("/usr/bin/env", ["make", "build", "SWIFT=swift", "CC=cc"], environment.merging(["PATH": path]) { $1 })
    }

    let offline = try build(["OFFLINE": "1"])
    #expect(offline.status == 0 && offline.output.contains("swift build -c release --disable-default-traits"))
    #expect(offline.output.contains("Building without: OpenBLAS(libopenblas-dev)"))
    let online = try build([:])
    #expect(online.status == 0)
    #expect(online.output.contains("swift build -c release --traits OpenBLAS,OpenCL,FFT,ImageFiles"))
  }
}
