import Foundation
import TestFiles

/// A folder of rules or laws: what its table says, and what its files declare.
struct CatalogueFolder {
  /// The cells of each line of the table in its README that begins with a name.
  let lines: [[String]]
  /// The public types in its files that are of the protocol.
  let types: Set<String>

  init(_ path: String, of name: String) throws {
    let folder = root + "/" + path
    lines = try String(contentsOfFile: folder + "/README.md", encoding: .utf8).split(separator: "\n")
      .filter { $0.hasPrefix("| `") }
      .map { line in line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) } }
    var types: Set<String> = []
    for file in try FileManager.default.contentsOfDirectory(atPath: folder) where file.hasSuffix(".swift") {
      let text = try String(contentsOfFile: folder + "/" + file, encoding: .utf8)
      for line in text.split(separator: "\n") where line.hasPrefix("public struct ") && line.contains(": \(name) {") {
        types.insert(String(line.dropFirst("public struct ".count).prefix { $0 != ":" }))
      }
    }
    self.types = types
  }
}
