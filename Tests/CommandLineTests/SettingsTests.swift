import Foundation
import TestFiles
import Testing

/// What `config check`, `train` and `--resume` say of settings.
@Suite struct SettingsTests {
  @Test(
    "what train refuses, config check refuses, both with 78",
    arguments: [
      "training.optimizer={type: adam, beta_1: 1}", "training.optimizer={type: rmsprop, rho: 1}",
      "training.optimizer={type: sgd, momentum: 1}", "training.optimizer={type: sgd, clipnorm: 0}",
      "training.optimizer={type: adam, epsilon: 0}", "training.optimizer={type: sgd, weight_decay: 1000}",
      "training.class_weights=[1, 2, 3]", "training.class_weights=[0, 0, 0, 0, 0, 0, 0, 0, 0, 0]",
      "training.loss=binary_crossentropy", "training.batch_size=0",
    ])
  func alike(override: String) throws {
    let data = root + "/Tests/Samples/mnist"
    let check = try switchback(
      "config", "check", "configs/mnist-mlp.yaml", "--set", override, "--set", "data.path=\(data)")
    let train = try switchback(
      "train", "configs/mnist-mlp.yaml", "--backend", "reference", "--steps", "2", "--data", data, "--runs",
      temporary(),
      "--set", override)
    #expect((check.status == 0) == (train.status == 0), "\(check.error)\n\(train.error)")
    if override != "training.loss=binary_crossentropy" { #expect(check.status == 78 && train.status == 78) }
  }

  @Test("what train refuses of data and network, config check refuses with its line, and without data it says so")
  func found() throws {
    let data = root + "/Tests/Samples/mnist"
    for (override, words) in [
      ("model.layers.1.dense.units=0", "units must be"), ("model.layers.2.dense.units=9", "ends with 9 outputs"),
      ("model.layers.2.dense.inputs=tail", "model.layers.2.dense: reads tail"),
      ("training.watch=colour", "no column colour"),
      ("data.path=/nowhere", "mnist is not in /nowhere"), ("model.from=/nowhere", "model.from: there is no run folder"),
    ] {
      let settings = ["--set", "data.path=\(data)", "--set", override]
      let check = try switchback(["config", "check", "configs/mnist-mlp.yaml"] + settings)
      #expect(check.status == 78 && check.error.contains(words), "\(override): \(check.error)")
      let train = try switchback(
        ["train", "configs/mnist-mlp.yaml", "--backend", "reference", "--steps", "1", "--runs", temporary()] + settings)
      #expect(train.status != 0, "\(override)")
    }
    let nowhere = ["SWITCHBACK_DATA": temporary(), "XDG_CACHE_HOME": temporary()]
    let missing = try switchback("config", "check", "configs/mnist-mlp.yaml", "--json", environment: nowhere)
    #expect(missing.status == 0 && missing.output == "[]\n", "\(missing.error)")
    #expect(missing.error.contains("warning: the files of mnist are not here"), "\(missing.error)")
    // Its classes are known all the same.
    let narrow = try switchback(
      "config", "check", "configs/mnist-mlp.yaml", "--set", "model.layers.2.dense.units=9", environment: nowhere)
    #expect(narrow.status == 78, "\(narrow.error)")
    #expect(narrow.error.contains("the data has 10 classes, and the network ends with 9 outputs"), "\(narrow.error)")
    let units = try switchback(
      "config", "check", "configs/mnist-mlp.yaml", "--json", "--set", "training.class_weights=[1, 2]",
      environment: nowhere)
    #expect(units.status == 78 && units.output.contains("\"message\":\"training.class_weights: there are 10 classes"))
  }

  private func train(_ runs: String, _ more: String...) throws -> Outcome {
    try switchback(
      [
        "train", "configs/mnist-mlp.yaml", "--backend", "reference", "--data", root + "/Tests/Samples/mnist", "--runs",
        runs,
      ]
        + more)
  }

  @Test("a resume refuses by name what only says how a run starts, and leaves the run as it is")
  func resume() throws {
    let runs = temporary()
    #expect(try train(runs, "--epochs", "1").status == 0)
    let run = runs + "/latest"
    let before = try String(contentsOfFile: run + "/config.yaml", encoding: .utf8)
    let refused = try switchback(
      "train", "--resume", run, "--epochs", "2", "--set", "model.layers.1.dense.kernel_initializer=he_normal")
    #expect(refused.status == 78, "\(refused.error)")
    #expect(refused.error.contains("cannot go on with another model.layers.1.dense.kernel_initializer: he_normal"))
    #expect(try String(contentsOfFile: run + "/config.yaml", encoding: .utf8) == before)
    let longer = try switchback(
      "train", "--resume", run, "--epochs", "2", "--set", "training.reduce_on_plateau={patience: 1}")
    #expect(longer.status == 0 && longer.error.contains("another training.reduce_on_plateau.patience: 1, not none"))
  }

  @Test("with restore_best, evaluate takes the best weights, as the run's own test did")
  func restoreBest() throws {
    let runs = temporary()
    // The rate grows until a step makes the network worse.
    let outcome = try train(
      runs, "--epochs", "5", "--set", "training.restore_best=true", "--set",
      "training.optimizer={type: sgd, learning_rate: {type: exponential, initial_learning_rate: 0.05, decay_steps: 10, decay_rate: 30, staircase: true}}"
    )
    #expect(outcome.status == 0, "\(outcome.error)")
    struct Losses: Decodable { var testLoss: Double }
    func loss(_ text: String) throws -> Double { try JSONDecoder().decode(Losses.self, from: Data(text.utf8)).testLoss }
    let run = runs + "/latest"
    let own = try loss(String(contentsOfFile: run + "/summary.json", encoding: .utf8))
    #expect(try loss(switchback("evaluate", run, "--json").output) == own)
    #expect(try loss(switchback("evaluate", run, "--best", "--json").output) == own)
    #expect(try loss(switchback("evaluate", run, "--json", "--backend", "reference").output) == own)
  }

  @Test("weights that an update breaks end the run with 1, without talk of the last good step")
  func brokenWeights() throws {
    let folder = temporary()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let rows = (0..<40).map { "1e15,\($0 % 7)" }
    try ("x,y\n" + rows.joined(separator: "\n") + "\n").write(
      toFile: folder + "/t.csv", atomically: true, encoding: .utf8)
    let config = """
      version: 1
      model: {layers: [dense: {units: 1, kernel_initializer: ones}]}
      data: {dataset: csv, path: \(folder)/t.csv, label: y, targets: values}
      training: {loss: mean_squared_error, batch_size: 4, optimizer: {type: sgd, learning_rate: 1e9}}
      backend: {name: reference}
      """
    try config.write(toFile: folder + "/c.yaml", atomically: true, encoding: .utf8)
    let outcome = try switchback("train", folder + "/c.yaml", "--runs", folder + "/runs")
    #expect(outcome.status == 1, "\(outcome.error)")
    #expect(outcome.error.contains("weights are infinite or NaN") && outcome.error.contains("there is no checkpoint"))
    #expect(!outcome.error.contains("last good step") && !outcome.output.contains("last good step"))
    #expect((outcome.error + outcome.output).contains("is infinite or NaN already"))
  }
}
