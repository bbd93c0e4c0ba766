import Foundation
import SwitchbackTraining
import TestFiles
import Testing
import Yams

@Suite("Keys of configurations")
struct ConfigurationKeyTests {
  private let keys = Configuration.keys.flatMap(\.all)

  private func key(_ path: String) throws -> ConfigurationKey {
    let found = keys.filter { $0.path == path }
    #expect(found.count == 1, "\(path)")
    return try #require(found.first)
  }

  @Test("every key has one line of help")
  func help() {
    #expect(keys.count > 300)
    for key in keys {
      #expect(!key.help.isEmpty && !key.help.contains("\n") && key.help.count <= 100, "\(key.path): \(key.help)")
      #expect(!key.help.hasSuffix("."), "\(key.path)")
      for word in key.words { #expect(!word.help.isEmpty && !word.help.contains("\n"), "\(key.path): \(word.word)") }
    }
  }

  @Test("a key stands once, or with other words each time")
  func unique() {
    for (path, same) in Dictionary(grouping: keys, by: \.path) where same.count > 1 {
      let words = same.flatMap { $0.condition?.words ?? [] }
      #expect(same.allSatisfy { $0.condition != nil } && Set(words).count == words.count, "\(path)")
    }
  }

  /// All property names below.
  private func properties(_ schema: Any) -> Set<String> {
    if let items = schema as? [Any] { return items.reduce(into: []) { $0.formUnion(properties($1)) } }
    guard let object = schema as? [String: Any] else { return [] }
    let own = (object["properties"] as? [String: Any]).map { Set($0.keys) } ?? []
    return object.values.reduce(into: own) { $0.formUnion(properties($1)) }
  }

  @Test("the list has the keys of the schema, and no other")
  func schema() throws {
    let names = properties(try JSONSerialization.jsonObject(with: Data(Configuration.schema.utf8)))
    // What stands in a block, which is a list of layers with a name of one's own.
    #expect(names.subtracting(keys.map(\.word)) == ["parameters"])
    #expect(Set(keys.map(\.word)).subtracting(names) == ["BACKEND", "PARAMETER"])
  }

  @Test("every key of a shipped configuration is in the list")
  func shipped() throws {
    let paths = Set(keys.map(\.path))
    func check(_ node: Node, _ path: String) {
      switch node {
      case .mapping(let pairs):
        for (key, value) in pairs {
          let below = path.isEmpty ? key.string ?? "" : "\(path).\(key.string ?? "")"
          // Lists in lists hold the same layers; blocks and columns are called as one likes.
          guard !below.hasPrefix("model.blocks."), !below.hasPrefix("data.label."), !below.hasPrefix("data.masks."),
            !below.contains(".N.repeat."), !below.contains(".N.block."), !below.contains(".N.bidirectional.layer.")
          else {
            continue
          }
          #expect(paths.contains(below), "\(below)")
          check(value, below)
        }
      case .sequence(let items) where path == "model.layers":
        for item in items {
          if let word = item.string {
            #expect(paths.contains("model.layers.N.\(word)"))
          } else {
            check(item, path + ".N")
          }
        }
      default: break
      }
    }
    for file in try FileManager.default.contentsOfDirectory(atPath: root + "/configs") where file.hasSuffix(".yaml") {
      let text = try Configuration(file: root + "/configs/" + file).resolvedText
      check(try #require(try Yams.compose(yaml: text)), "")
    }
  }

  @Test("what a key takes, its default, and with which words it is there")
  func values() throws {
    let units = try key("model.layers.N.dense.units")
    #expect(units.takes == "a whole number from 1 to 1048576" && units.isRequired && units.fallback == nil)
    let rate = try key("model.layers.N.dropout.rate")
    #expect(rate.takes == "a number of at least 0 and below 1" && rate.isRequired)
    let activation = try key("model.layers.N.conv2d.activation")
    #expect(activation.takes.hasPrefix("one of linear, relu, ") && activation.takes.hasSuffix(", or a section"))
    #expect(activation.fallback == "linear" && !activation.isRequired)
    let slope = try key("model.layers.N.conv2d.activation.negative_slope")
    #expect(slope.fallback == "0.2" && slope.condition?.description == "type: leaky_relu")
    #expect(try key("model.layers.N.leaky_relu.negative_slope").fallback == "0.3")
    #expect(try key("training.validation.samples").fallback == "all")
    #expect(try key("backend").fallback == "openblas" && key("name").fallback == "the file's name")
    #expect(try key("version").takes == "a whole number: 1")
    let decays = keys.filter { $0.path == "training.optimizer.weight_decay" }
    #expect(decays.map(\.fallback) == ["0", "0.004"] && decays.last?.condition?.words == ["adamw"])
    let type = try key("training.optimizer.type")
    #expect(type.words.map(\.word) == ["sgd", "rmsprop", "adagrad", "adam", "adamw"])
    #expect(keys.filter { $0.path == "data.path" }.map(\.isRequired) == [false, true, true, true, true])
  }

  @Test("a prefix may leave out the number of a layer, or have one")
  func prefixes() throws {
    let units = try key("model.layers.N.dense.units")
    for prefix in ["", "model", "model.layers.N.dense", "model.layers.3.dense.units", "model.layers.dense"] {
      #expect(units.matches(prefix: prefix), "\(prefix)")
    }
    for prefix in ["dense", "model.layers.den", "model.layers.dense.units.x"] {
      #expect(!units.matches(prefix: prefix), "\(prefix)")
    }
  }
}
