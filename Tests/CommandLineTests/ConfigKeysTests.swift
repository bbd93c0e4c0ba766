import Foundation
import TestFiles
import Testing

@Suite struct ConfigKeysTests {
  @Test("configs/KEYS.md is what the program says; make operations renews it")
  func isFresh() throws {
    let page = try switchback("config", "keys", "--markdown")
    #expect(page.status == 0)
    #expect(page.output == (try String(contentsOfFile: root + "/configs/KEYS.md", encoding: .utf8)))
  }

  @Test("a section's keys are listed with what they take, their defaults and what they mean")
  func section() throws {
    let output = try switchback("config", "keys", "training.optimizer").output
    #expect(
      output.contains(
        """
        training.optimizer.momentum: a number of at least 0 and below 1; default: 0
          What is kept of the last update's direction (with type: sgd, rmsprop)

        """))
    #expect(output.contains("    adamw: Adam with weight decay unless said\n"))
    #expect(!output.contains("training.epochs"))
    let units = try switchback("config", "keys", "model.layers.1.dense.units")
    #expect(
      units.output == "model.layers.N.dense.units: a whole number from 1 to 1048576; required\n  How many outputs\n")
    #expect(
      try switchback("config", "keys").output
        .contains("\nmonitor.action: one of warn, stop, lower_rate, rollback; default: warn\n"))
  }

  @Test("--json is an array of keys")
  func json() throws {
    let output = try switchback("config", "keys", "data.dataset", "--json").output
    let keys = try #require(try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [[String: Any]])
    #expect(keys.count == 1 && keys[0]["key"] as? String == "data.dataset" && keys[0]["required"] as? Bool == true)
    let all = try switchback("config", "keys", "training.loss", "--json").output
    let losses = try #require(try JSONSerialization.jsonObject(with: Data(all.utf8)) as? [[String: Any]])
    let delta = try #require(losses.first { $0["key"] as? String == "training.loss.delta" })
    #expect(delta["default"] as? String == "1")
    #expect((delta["with"] as? [String: Any])?["words"] as? [String] == ["huber"])
  }

  @Test("of the list of layers it says which there are, and not the keys of each")
  func layers() throws {
    let found = try switchback("config", "keys", "model.layers").output
    #expect(found.hasPrefix("model.layers: a list of layers"), "\(found.prefix(200))")
    #expect(found.contains("\nmodel.layers.N.lstm: ") && !found.contains("model.layers.N.lstm.units"))
    #expect(try switchback("config", "keys", "model.layers.lstm").output.contains("model.layers.N.lstm.units: "))
  }

  @Test("a key that is none is said, with the nearest")
  func unknown() throws {
    for (prefix, nearest) in [
      ("training.optimzer.momentum", "training.optimizer.momentum"), ("dense", "model.layers.N.dense"),
      ("model.layers.dense.unit", "model.layers.N.dense.units"),
    ] {
      let outcome = try switchback("config", "keys", prefix)
      #expect(outcome.status == 64 && outcome.output.isEmpty)
      #expect(outcome.error == "error: there is no key \(prefix); did you mean \(nearest)?\n")
    }
    #expect(try switchback("config", "keys", "xyzzyxyzzy").error.contains("; switchback config keys lists all"))
    #expect(try switchback("config", "keys", "--json", "--markdown").status == 64)
  }
}
