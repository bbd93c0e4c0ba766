import Foundation
import Switchback
import SwitchbackInterchange
import TestFiles
import Testing

/// Runs that go on elsewhere, start from others, or keep an average of their weights.
@Suite struct GoingOnTests {
  private func table() throws -> String {
    var text = "x,y,class\n"
    for n in 0..<80 {
      let (x, y) = (Double(n * 7 % 40) / 20 - 1, Double(n * 11 % 40) / 20 - 1)
      text += "\(x),\(y),\(x + y > 0 ? "yes" : "no")\n"
    }
    return try write(text.utf8, to: temporaryFolder() + "/table.csv")
  }

  private func configuration(_ more: String = "") throws -> String {
    try write(
      """
      version: 1
      model:
        layers:
          - dense: {units: 6, activation: tanh}
          - dense: {units: 2, activation: softmax}
      data: {dataset: csv, path: \(try table()), label: class}
      training:
        epochs: 4
        batch_size: 8
        optimizer: {type: adam, learning_rate: 0.02\(more)}
      backend: reference
      """.utf8, to: temporaryFolder() + "/going.yaml")
  }

  private func json(_ path: String) throws -> [String: Any] {
    let data = try Data(contentsOf: URL(fileURLWithPath: path))
    return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
  }

  private func train(_ arguments: String...) throws -> Outcome {
    let outcome = try switchback(["train"] + arguments)
    try #require(outcome.status == 0, "\(outcome.error)")
    return outcome
  }

  private func newest(_ run: String) throws -> [String: Data] {
    let names = try FileManager.default.contentsOfDirectory(atPath: run + "/checkpoints")
    let path = run + "/checkpoints/" + (try #require(names.filter { $0.hasPrefix("step-") }.max()))
    let file = try Safetensors(decoding: Data(contentsOf: URL(fileURLWithPath: path)))
    return Dictionary(uniqueKeysWithValues: file.tensors.map { ($0.name, $0.bytes) })
  }

  @Test("another backend has its own fallback, not that of the backend before; what was set stays")
  func fallback() throws {
    try skipWithout("fft")
    try skipWithout("openblas")
    let (config, runs) = (try configuration(), temporary())
    _ = try train(config, "--runs", runs, "--steps", "4")
    let run = runs + "/latest"
    let outcome = try train("--resume", run, "--backend", "fft", "--steps", "8", "--other-bits")
    #expect(outcome.error.contains("all on openblas"), "\(outcome.error)")
    let set = try train(
      "--resume", run, "--backend", "fft", "--steps", "12", "--other-bits", "--set", "backend.fallback=[reference]")
    #expect(set.error.contains("all on reference"), "\(set.error)")
    let explained = try switchback("backends", "--explain", run + "/config.yaml", "--backend", "reference")
    #expect(explained.output.contains("all on reference"), "\(explained)")
  }

  @Test("a run that was to end after some steps goes on to the epochs that are asked for")
  func epochsAfterSteps() throws {
    let (config, runs) = (try configuration(), temporary())
    _ = try train(config, "--runs", runs, "--steps", "4")
    let run = runs + "/latest"
    let same = try train("--resume", run)
    #expect(same.error.contains("is complete at step 4"), "\(same.error)")
    _ = try train("--resume", run, "--epochs", "2")
    #expect(try json(run + "/summary.json")["epochs"] as? Int == 2)
    let rows = try String(contentsOfFile: run + "/metrics.csv", encoding: .utf8).split(separator: "\n")
    #expect(rows.last?.hasPrefix("2,") == true, "\(rows)")
    #expect(try json(run + "/summary.json")["steps"] as? Int ?? 0 >= 14)
  }

  @Test("a run goes on with other bits where that is asked for, its record says so, and nothing else may be another")
  func otherBits() throws {
    try skipWithout("openblas")
    let (config, runs) = (try configuration(), temporary())
    _ = try train(config, "--runs", runs)
    let run = runs + "/latest"
    let refused = try switchback("train", "--resume", run, "--backend", "openblas", "--epochs", "6")
    #expect(refused.status == 1 && refused.error.contains("with --other-bits"), "\(refused.error)")
    let backends = "made with another backend (reference, here openblas with reference behind it): going on"
    #expect(refused.error.contains(backends), "\(refused.error)")
    // What is refused is not gone on with.
    #expect(!refused.error.contains("going on with another"), "\(refused.error)")
    let betas = try switchback("train", "--resume", run, "--epochs", "6", "--set", "training.optimizer.beta_1=0.8")
    #expect(betas.error.contains("another network, loss, optimizer or batch size: going on"), "\(betas.error)")
    for change in [
      "model.layers.0.dense.activation=relu", "training.batch_size=4", "training.loss=mean_squared_error",
      "training.optimizer={type: sgd}",
    ] {
      let other = try switchback("train", "--resume", run, "--epochs", "6", "--other-bits", "--set", change)
      #expect(other.status == 64 && other.error.contains("not with another"), "\(change): \(other.error)")
    }
    let inside = try switchback(
      "train", "--resume", run, "--epochs", "6", "--other-bits", "--set", "training.optimizer.beta_1=0.8")
    #expect(inside.status == 1 && inside.error.contains("another network, loss, optimizer"), "\(inside.error)")
    #expect(try json(run + "/environment.json")["resumed"] == nil)

    let outcome = try train("--resume", run, "--backend", "openblas", "--epochs", "6", "--other-bits")
    #expect(outcome.error.contains("going on with other last bits"), "\(outcome.error)")
    let environment = try json(run + "/environment.json")
    let resumed = try #require(environment["resumed"] as? [[String: Any]])
    #expect(resumed.count == 1 && (resumed[0]["step"] as? Int ?? 0) > 20 && resumed[0]["otherBits"] as? Bool == true)
    #expect(resumed[0]["backend"] as? String == "openblas")
    #expect((resumed[0]["devicesBefore"] as? [String])?[0].hasPrefix("reference") == true)
    #expect(try String(contentsOfFile: run + "/report.html", encoding: .utf8).contains("with other bits"))
    // It is a run of openblas now.
    #expect(!(try train("--resume", run, "--epochs", "7").error.contains("other last bits")))
    let again = try #require(try json(run + "/environment.json")["resumed"] as? [[String: Any]])
    #expect(again.map { $0["otherBits"] as? Bool } == [true, false])
    #expect(try switchback("train", config, "--other-bits").status == 64)
  }

  @Test("a new run starts with another's weights, written down by an absolute path and what the file was")
  func from() throws {
    let (config, runs) = (try configuration(), temporary())
    _ = try train(config, "--runs", runs)
    let first = URL(fileURLWithPath: runs + "/latest").resolvingSymlinksInPath().path
    let kept = try newest(first)
    // With a rate of 0 what it starts with is what it ends with.
    let outcome = try train(
      config, "--runs", runs, "--from", runs + "/latest", "--set", "training.optimizer.learning_rate=0", "--epochs", "1"
    )
    #expect(outcome.error.contains("starting with the weights of \(first)/checkpoints/step-"), "\(outcome.error)")
    let second = URL(fileURLWithPath: runs + "/latest").resolvingSymlinksInPath().path
    #expect(second != first)
    let found = try newest(second)
    for (name, bytes) in kept where name.hasPrefix("layers.") { #expect(found[name] == bytes, "\(name)") }
    #expect(found["optimizer/layers.0.dense/kernel/momentum"] != kept["optimizer/layers.0.dense/kernel/momentum"])
    let source = try #require(try json(second + "/environment.json")["from"] as? [String: Any])
    let file = try #require(source["path"] as? String)
    #expect(file.hasPrefix(first) && (source["sha256"] as? String)?.count == 64)
    #expect(source["sha256"] as? String == (try shell("sha256sum '\(file)'").output.prefix(64)).description)
    #expect(try String(contentsOfFile: second + "/config.yaml", encoding: .utf8).contains("from: \(first)"))
    // It goes on without the other run, whose weights it no longer needs.
    try FileManager.default.removeItem(atPath: first)
    _ = try train("--resume", second, "--epochs", "2")
    #expect(try json(second + "/environment.json")["from"] != nil)

    let other = try switchback(
      "train", config, "--runs", runs, "--from", second, "--set", "model.layers.0.dense.units=7")
    #expect(other.status == 65 && other.error.contains("layers.0.dense/kernel is F32 [2, 6] there"), "\(other.error)")
    #expect(other.error.contains("layers.1.dense/kernel is F32 [6, 2] there"))
    #expect(try switchback("train", config, "--from", "/nowhere").status == 66)
    #expect(try switchback("train", "--resume", second, "--from", second).status == 64)
    let check = try switchback("config", "check", config, "--set", "model.form=x")
    #expect(check.error.contains("did you mean from?"), "\(check.error)")
  }

  @Test("a trained model's file gives weights too")
  func fromModel() throws {
    let (config, runs, file) = (try configuration(", ema_momentum: 0.8"), temporary(), temporary() + ".safetensors")
    _ = try train(config, "--runs", runs)
    let model = try TrainedModel(run: runs + "/latest", on: reference())
    try model.save(to: file)
    let kept = try newest(runs + "/latest")
    _ = try train(
      config, "--runs", runs, "--from", file, "--set", "training.optimizer.learning_rate=0", "--epochs", "1")
    let found = try newest(runs + "/latest")
    #expect(found["layers.0.dense/kernel"] == kept["ema/layers.0.dense/kernel"])
    #expect(kept["layers.0.dense/kernel"] != kept["ema/layers.0.dense/kernel"])
  }

  private func reference() throws -> BackendChain {
    try BackendChain(
      ["reference"], registry: BackendRegistry(linked: [ReferenceBackend()]), host: HostServices(workers: 1))
  }

  @Test("with ema_momentum the test, evaluate, predict and TrainedModel take the average, --raw the others")
  func averaged() throws {
    let (config, runs) = (try configuration(", ema_momentum: 0.9"), temporary())
    let outcome = try train(config, "--runs", runs)
    let run = runs + "/latest"
    #expect(outcome.error.contains("test loss with the averaged weights"), "\(outcome.error)")
    let summary = try json(run + "/summary.json")
    let (loss, raw) = (
      try #require(summary["testLoss"] as? Double), try #require(summary["rawTestLoss"] as? Double)
    )
    #expect(loss != raw)
    let record = try json(run + "/evaluation.json")
    #expect(record["loss"] as? Double == loss && (record["raw"] as? [String: Any])?["loss"] as? Double == raw)
    func evaluate(_ more: String...) throws -> (loss: Double?, weights: String?) {
      let data = Data(try switchback(["evaluate", run, "--json"] + more).output.utf8)
      let result = try JSONSerialization.jsonObject(with: data) as? [String: Any]
      return (result?["testLoss"] as? Double, result?["weights"] as? String)
    }
    #expect(try evaluate() == (loss, "averaged"))
    #expect(try evaluate("--raw") == (raw, "raw"))
    #expect(try evaluate("--best", "--raw").weights == "raw")
    #expect(try switchback("evaluate", run).error.contains("--raw takes the others"))
    let file = try write("x,y\n0.1,0.3\n".utf8, to: temporaryFolder() + "/rows.csv")
    for (flags, weights) in [([], ModelWeights.averaged), (["--raw"], .raw)] {
      let best = try #require(
        try TrainedModel(run: run, weights: weights, on: reference()).predict(row: [0.1, 0.3]).best)
      let said = try switchback(["predict", run, file, "--json"] + flags).output
      #expect(said.contains("\"name\":\"\(best.name)\",\"probability\":\(best.score)}"), "\(said)")
    }
    // Validation, and so every decision of the run, is on the raw weights: those of a run without the average.
    let plain = temporary()
    _ = try train(config, "--runs", plain, "--set", "training.optimizer={type: adam, learning_rate: 0.02}")
    func validation(_ run: String) throws -> [Substring] {
      try String(contentsOfFile: run + "/metrics.csv", encoding: .utf8).split(separator: "\n").map { line in
        line.split(separator: ",")[...5].joined(separator: ",")[...]
      }
    }
    #expect(try validation(run) == validation(plain + "/latest"))
    #expect(try json(plain + "/latest/summary.json")["testLoss"] as? Double == raw)
  }
}
