import Foundation

/// A server on this machine for the files of a folder: `python3 Tests/Samples/serve.py`.
public final class FileServer {
  public let url: String
  private let process = Process()
  private let log: String

  public init(_ folder: String) throws {
    log = try temporaryFolder() + "/log"
    try write([], to: log)
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", sampleFolder + "/serve.py", folder]
    process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: log))
    // Whoever reads our standard error would wait for the server too.
    process.standardError = FileHandle.nullDevice
    process.standardInput = FileHandle.nullDevice
    try process.run()
    var port = ""
    for _ in 0..<600 where port.isEmpty {
      usleep(20_000)
      let text = try String(contentsOfFile: log, encoding: .utf8)
      if text.contains("\n") { port = String(text.prefix { $0 != "\n" }) }
    }
    guard !port.isEmpty else {
      kill(process.processIdentifier, SIGKILL)
      throw CocoaError(.fileNoSuchFile)
    }
    url = "http://127.0.0.1:" + port
  }

  /// The gentler signals are blocked in children of Dispatch's threads.
  deinit { kill(process.processIdentifier, SIGKILL) }

  /// The paths that were asked for, each with `whole` or its range.
  public var requests: [String] {
    get throws {
      try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").dropFirst().map(String.init)
    }
  }
}
