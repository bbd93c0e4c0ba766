import Foundation
import SwitchbackPrograms
import Testing

private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()

private func text(_ path: String) -> String {
  (try? String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)) ?? ""
}

/// Every file below these folders, by its path from the root, and what it says.
private let files: [String: String] = {
  var files: [String: String] = [:]
  for folder in [
    "Sources", "Backends", "configs", "Tests/ConformanceTests/Golden", "Tests/TrainingTests/Golden",
    "Tests/OpenCLTests/Fusion", "Tests/Kernels",
  ] {
    let names = FileManager.default.enumerator(atPath: root.appendingPathComponent(folder).path)
    while let name = names?.nextObject() as? String {
      let path = folder + "/" + name
      let content = text(path)
      // The map names the examples itself.
      if !content.isEmpty, path != "Sources/README.md" { files[path] = content }
    }
  }
  return files
}()

/// A path of the map; `*` stands for a name.
private struct Place: CustomStringConvertible {
  let description: String

  func matches(_ path: String) -> Bool {
    let parts = description.split(separator: "*", omittingEmptySubsequences: false)
    guard parts.count == 2 else { return path == description }
    guard path.hasPrefix(parts[0]), path.hasSuffix(parts[1]) else { return false }
    let length = path.count - parts[0].count - parts[1].count
    return length > 0 && !path.dropFirst(parts[0].count).prefix(length).contains("/")
  }
}

/// What stands between backticks.
private func quoted(_ cell: String) -> [String] {
  cell.split(separator: "`", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }
    .map { String($0.element) }
}

/// The cells of a table's rows, below the heading.
private func table(below heading: String) -> [[String]] {
  let lines = text("Sources/README.md").components(separatedBy: "\n")
  let section = lines.drop { $0 != heading }.dropFirst().prefix { !$0.hasPrefix("## ") }
  return section.filter { $0.hasPrefix("| ") }.dropFirst().map { line in
    line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
  }
}

private struct Addition: CustomStringConvertible, Sendable {
  let description: String
  /// What is written by hand, new or by a line.
  let written: [String]
  let renewed: [String]
  let example: [String]

  init(_ cells: [String]) {
    description = cells[0]
    written = quoted(cells[1]) + quoted(cells[2])
    renewed = quoted(cells[3]).filter { $0.contains("/") }
    example = quoted(cells[4])
  }

  static let all = table(below: "## What an addition touches").filter { $0.count == 5 }.map(Addition.init)
  static func whose(_ start: String) throws -> Addition {
    try #require(all.first { $0.description.hasPrefix(start) })
  }

  /// The files that say one of the example's words.
  var mentions: [String] { files.filter { file in example.contains { Self.says($0, file.value) } }.keys.sorted() }

  /// Schmidhuber says nothing of a loss.
  private static func says(_ word: String, _ text: String) -> Bool {
    guard text.contains(word) else { return false }
    return word.first?.isLowercase == false
      || text.ranges(of: word).contains {
        $0.lowerBound == text.startIndex || !text[text.index(before: $0.lowerBound)].isLowercase
      }
  }

  func allows(_ path: String) -> Bool { (written + renewed).contains { Place(description: $0).matches(path) } }
}

@Suite struct MapTests {
  @Test("the map has the rooms that there are")
  func rooms() throws {
    let listed = Set(table(below: "# The map").compactMap { quoted($0[0]).first?.replacing("/", with: "") })
    let folders = try FileManager.default.contentsOfDirectory(atPath: root.appendingPathComponent("Sources").path)
      .filter { !$0.contains(".") }
    #expect(listed == Set(folders))
  }

  @Test("the map says what operations, functions, layers, losses, optimizers, metrics and backends' code touch")
  func kinds() {
    let kinds = Addition.all.map(\.description)
    for kind in [
      "an operation", "a composite operation", "an elementwise function", "a layer", "a loss", "an optimizer",
      "a metric",
      "a kernel of the OpenBLAS", "a kernel", "a pattern",
    ] {
      #expect(kinds.contains { $0.hasPrefix(kind) }, "\(kind)")
    }
    #expect(Addition.all.allSatisfy { !$0.example.isEmpty && !$0.written.isEmpty })
  }

  @Test(
    "whatever the map names is there, and no other file says the example's words",
    arguments: Addition.all.map(\.description))
  func examples(kind: String) throws {
    let addition = try Addition.whose(kind)
    let mentions = addition.mentions
    for place in addition.written {
      #expect(mentions.contains { Place(description: place).matches($0) }, "\(place) is not touched by \(addition)")
    }
    for place in addition.renewed {
      #expect(files.keys.contains { Place(description: place).matches($0) }, "\(place) is not there")
    }
    // A backend may have a kernel of an operation, by its own row.
    let isOperation = ["an operation", "a composite operation"].contains { addition.description.hasPrefix($0) }
    let kernels = isOperation ? Addition.all.filter { $0.description.hasPrefix("a kernel") } : []
    for file in mentions where !([addition] + kernels).contains(where: { $0.allows(file) }) {
      Issue.record("\(file) says \(addition.example): the map does not name it for \(addition)")
    }
  }

  @Test("every operation has all its places: struct, reference kernel, golden script and values, line of the catalogue")
  func operations() throws {
    let places = try Addition.whose("an operation").written
    func contents(at start: String) throws -> [String] {
      let place = Place(description: try #require(places.first { $0.hasPrefix(start) }))
      return files.filter { place.matches($0.key) }.map(\.value)
    }
    let structs = try contents(at: "Sources/Programs/Operations/")
    let kernels = try contents(at: "Backends/Reference/")
    let golden = try contents(at: "Tests/ConformanceTests/Golden/")
    let catalog = text("Sources/Programs/OperationCatalog.swift")
    var declared: Set<String> = []
    for entry in OperationCatalog.standard.entries {
      let type = "\(entry)"
      declared.insert(type)
      #expect(structs.contains { $0.contains("public struct \(type): ") }, "\(type) is not in Operations/")
      #expect(kernels.contains { $0.contains("extension \(type): ") }, "\(type) has no reference kernel")
      #expect(golden.contains { $0.contains("\"\(entry.name)\"") }, "\(type) has no golden script")
      #expect(catalog.contains("\(type).self"))
    }
    // And whatever is an operation is in the catalogue.
    for line in structs.flatMap({ $0.split(separator: "\n") }) where line.hasPrefix("public struct ") {
      let words = line.dropFirst(14).prefix { $0 != "{" }.split(separator: ":").map {
        $0.trimmingCharacters(in: .whitespaces)
      }
      guard words.count == 2, words[1].hasSuffix("Operation") || words[1] == "OptimizerUpdate" else { continue }
      #expect(declared.contains(words[0]), "\(words[0]) has no line in the catalogue")
    }
  }

  /// A list of all operations somewhere else would be a place that is forgotten.
  @Test("no file but the catalogue lists the operations")
  func lists() {
    let types = OperationCatalog.standard.entries.map { "\($0).self" }
    for (path, content) in files where path != "Sources/Programs/OperationCatalog.swift" {
      let listed = types.filter(content.contains)
      #expect(listed.count <= types.count / 2, "\(path) lists \(listed.count) operations")
    }
  }

  @Test("every function that states formulas is in its row alone, and where make operations puts it")
  func functions() throws {
    let addition = try Addition.whose("an elementwise function")
    for function in UnaryFunction.allCases where function.formulas != nil {
      let mentions = files.filter { $0.value.contains(function.rawValue) }.keys
      for file in mentions { #expect(addition.allows(file), "\(file) says \(function)") }
      #expect(mentions.count >= 3)
    }
  }

  @Test("a place matches names, not folders")
  func places() {
    let place = Place(description: "Backends/Reference/Operations/*.swift")
    #expect(place.matches("Backends/Reference/Operations/Layout.swift"))
    #expect(!place.matches("Backends/Reference/Operations/.swift"))
    #expect(!place.matches("Backends/Reference/Operations/A/Layout.swift"))
    #expect(!place.matches("Backends/Reference/Operations/Layout.c"))
  }
}
