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

  @Test("every major version up to today's is there; before the first, the draft is today's")
  func complete() throws {
    let header = try String(
      contentsOfFile: root + "/Sources/SwitchbackABI/include/switchback_backend.h", encoding: .utf8)
    let line = try #require(header.split(separator: "\n").first { $0.hasPrefix("#define SB_MAJOR ") })
    let major = try #require(Int(line.dropFirst("#define SB_MAJOR ".count)))
    let versions = try versions
    #expect(versions.contains("draft") == (major == 0))
    if major >= 1 { for version in 1...major { #expect(versions.contains("\(version)")) } }
    guard major == 0 else { return }
    for file in ["Sources/SwitchbackABI/include/switchback_backend.h", "Backends/Template/template_backend.c"] {
      let name = file.split(separator: "/").last!
      let draft = try String(contentsOfFile: "\(root)/Tests/FrozenContract/draft/\(name)", encoding: .utf8)
      let now = try String(contentsOfFile: root + "/" + file, encoding: .utf8)
      #expect(draft == now, "\(file) changed: sh Tests/FrozenContract/freeze.sh draft")
    }
  }
}
