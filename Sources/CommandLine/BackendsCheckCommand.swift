import ArgumentParser
import Foundation
import SwitchbackConformance

struct BackendsCheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Tries a backend in a process of its own, and explains what is wrong with it.",
    discussion: """
      Examples:

        switchback backends check openblas
        switchback backends check ./libSwitchbackyours.so

      Loads it, lists its devices, opens the first, compiles and runs an operation. A crash or a driver that hangs ends
      that process, not this one. Ends with 0 where all of it works, with 69 otherwise. Whether its numbers are right is
      another question: switchback conformance.
      """)

  @Argument(help: "A name, or the path of a library.")
  var backend: String

  @Option(help: "Seconds that it may take.")
  var limit = 60

  func run() throws {
    try reportingErrors {
      if backend.contains("/") || backend.hasSuffix(".so"), let fault = LibraryFile.fault(of: backend) {
        throw fail(fault, ExitStatus.noBackend)
      }
      let runner = ContractRunner(backend: backend, threads: 0, isQuick: true, limit: Double(max(limit, 1)))
      switch try runner.run(.loading) {
      case .passed(let notes):
        Terminal.write("✓ \(backend)")
        for note in notes { Terminal.write("    \(note)") }
        Terminal.write("whether it computes rightly: switchback conformance --backend \(backend)")
      case .declined(let message), .failed(let message):
        throw fail("\(backend): \(message)\(LibraryFile.advice(for: message))", ExitStatus.noBackend)
      }
    }
  }
}

/// What can be said of a library's file without loading it.
private enum LibraryFile {
  static func fault(of path: String) -> String? {
    guard FileManager.default.fileExists(atPath: path) else { return "there is no file \(path)" }
    guard let header = header(path) else { return "\(path) cannot be read" }
    guard header.starts(with: [0x7F, 0x45, 0x4C, 0x46]) else { return "\(path) is no library: it is not an ELF file" }
    guard header.count == 20 else { return "\(path) is cut off: it has \(header.count) bytes" }
    guard let own = Self.header("/proc/self/exe"), own.count == 20 else { return nil }
    // Class and byte order, then the machine.
    if header[4...5] != own[4...5] || header[18...19] != own[18...19] {
      return "\(path) is built for \(machine(header)), this program for \(machine(own)): compile it on this machine"
    }
    return nil
  }

  static func advice(for message: String) -> String {
    let words = "cannot open shared object file"
    guard message.contains(words), let name = message.split(separator: ":").first, name.contains(".so") else {
      return ""
    }
    return "\nInstall what brings \(name) (Debian: apt-file search \(name)), or add its folder to LD_LIBRARY_PATH."
  }

  private static func header(_ path: String) -> [UInt8]? {
    guard let file = FileHandle(forReadingAtPath: path) else { return nil }
    return (try? file.read(upToCount: 20)).flatMap { $0.map(Array.init) } ?? []
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
