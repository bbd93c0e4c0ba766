import Foundation
import TestFiles
import Testing

@Suite struct FrozenContractTests {
  private var versions: [String] {
    get throws {
      try FileManager.default.contentsOfDirectory(atPath: root + "/Tests/FrozenContract").filter {
        FileManager.default.fileExists(atPath: root + "/Tests/FrozenContract/\($0)/switchback_backend.h")
      }
    }
  }

  @Test("a plugin of every frozen version, built with its own header, works with the host of today")
  func frozen() throws {
    for version in try versions {
      let source = root + "/Tests/FrozenContract/" + version
      let folder = try temporaryFolder("frozen-" + version)
      let built = try shell("cp \(source)/* \(folder) && make -s -C \(folder) HEADER=\(folder)")
      #expect(built.status == 0, "\(built.error)")
      let outcome = try switchback("conformance", "--backend", folder + "/libSwitchbacktemplate.so", "--quick")
      #expect(outcome.status == 0, "version \(version): \(outcome.output)\(outcome.error)")
    }
  }

  @Test("every major version up to today's is there, and as it was when it was frozen")
  func complete() throws {
    let header = try String(
      contentsOfFile: root + "/Sources/SwitchbackABI/include/switchback_backend.h", encoding: .utf8)
    let line = try #require(header.split(separator: "\n").first { $0.hasPrefix("#define SB_MAJOR ") })
    let major = try #require(Int(line.dropFirst("#define SB_MAJOR ".count)))
    let versions = try versions
    #expect(major >= 1 && versions.sorted() == (1...max(major, 1)).map { "\($0)" }.sorted())
    for version in versions {
      let sums = try shell("cd \(root)/Tests/FrozenContract/\(version) && sha256sum -c SHA256SUMS")
      #expect(sums.status == 0, "\(sums.output)\(sums.error)")
      // Today's records, tables and numbers lie where that version's did; a new major is a new start.
      guard version == "\(major)" else { continue }
      let layout = try shell(
        "cc -std=c11 -fsyntax-only -I \(root)/Sources/SwitchbackABI/include "
          + "\(root)/Tests/FrozenContract/\(version)/layout.c")
      #expect(layout.status == 0, "\(layout.error)")
    }
  }
}
