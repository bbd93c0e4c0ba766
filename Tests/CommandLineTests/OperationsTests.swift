import Foundation
import TestFiles
import Testing

/// Where the laws begin, which are the same whatever the backends.
private func parts(_ text: String) -> (backends: Substring, laws: Substring) {
  let end = text.range(of: "\n## ")?.lowerBound ?? text.endIndex
  return (text[..<end], text[end...])
}

/// `operation type` to the cells by column.
private func table(_ text: Substring) -> [String: [String: String]] {
  let lines = text.split(separator: "\n").filter { $0.hasPrefix("| ") }.map { line in
    line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
  }
  guard let head = lines.first else { return [:] }
  return Dictionary(
    lines.dropFirst().map { cells in
      ("\(cells[0]) \(cells[1])", Dictionary(zip(head.dropFirst(2), cells.dropFirst(2))) { a, _ in a })
    }
  ) { a, _ in a }
}

@Suite struct OperationsTests {
  @Test("Sources/OPERATIONS.md is what the backends of this machine say; make operations renews it")
  func isFresh() throws {
    let file = parts(try String(contentsOfFile: root + "/Sources/OPERATIONS.md", encoding: .utf8))
    let committed = table(file.backends)
    let known = Set(committed["conv2d f32"]?.keys.map { $0 } ?? [])
    #expect(known.contains("reference") && known.contains("openblas"))
    let listed = try switchback("backends", "--json")
    let backends = try #require(
      try JSONSerialization.jsonObject(with: Data(listed.output.utf8)) as? [[String: Any]])
    // The column of a backend that this machine cannot use is left alone; one that it can must be there.
    let usable = backends.filter { $0["available"] as? Bool == true }.compactMap { $0["name"] as? String }
    #expect(usable.contains("reference"))
    for name in usable {
      #expect(known.contains(name), "\(name) has no column")
      let outcome = try switchback("backends", "operations", name)
      #expect(outcome.status == 0, "\(outcome.error)")
      let fresh = table(parts(outcome.output).backends)
      #expect(parts(outcome.output).laws.contains("ties and kinks"))
      #expect(parts(outcome.output).laws.split(separator: "\n") == file.laws.split(separator: "\n"))
      for (row, cells) in committed {
        let missing = fresh[row] == nil ? "–" : ""
        #expect(cells[name] == fresh[row]?[name] ?? missing, "\(row) on \(name)")
        if let bound = fresh[row]?["bound"] { #expect(cells["bound"] == bound, "\(row)") }
      }
      #expect(fresh.keys.allSatisfy { committed[$0] != nil }, "\(name) has rows that are not in the file")
    }
  }
}
