import Foundation
import TestFiles
import Testing

/// What was trained is what is evaluated, predicted with and resumed.
@Suite struct DataRecordTests {
  private static let configuration = """
    version: 1
    backend: {name: reference, threads: 1}
    monitor: {enabled: false}
    model: {layers: [{dense: {units: 12, activation: tanh}}, {dense: {units: 3, activation: softmax}}]}
    training: {epochs: 4, batch_size: 16, optimizer: {type: adam, learning_rate: 0.02}}
    """

  /// Three clouds of points, far apart, with these names for their classes.
  private func table(_ names: [String], count: Int = 240, from first: Int = 0) -> String {
    "x,y,kind\n"
      + (first..<first + count).map { n in
        let (x, y) = (Double(n % 3) * 40 + Double(n * 7 % 13), Double(n % 3 == 1 ? 90 : 10) + Double(n * 11 % 17))
        return "\(x),\(y),\(names[n % 3])\n"
      }.joined()
  }

  /// A configuration, its table and the folder for its runs.
  private func experiment(_ table: String, _ data: String = "normalize: true") throws -> (
    config: String, csv: String, runs: String
  ) {
    let folder = try temporaryFolder("record")
    let csv = try write(table.utf8, to: folder + "/table.csv")
    let text = Self.configuration + "\ndata: {dataset: csv, path: \(csv), label: kind, \(data)}\n"
    return (try write(text.utf8, to: folder + "/config.yaml"), csv, folder + "/runs")
  }

  private func accuracy(_ output: String) throws -> Double {
    let object = try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any]
    return try #require(object?["testAccuracy"] as? Double)
  }

  @Test(
    "twelve processes evaluate a run alike, whatever its classes are called",
    arguments: [["9", "10", "10.5"], ["10", "9", "1a"], ["7", "07", "x"], ["é", "E", "e"]])
  func processes(names: [String]) throws {
    let (config, _, runs) = try experiment(table(names))
    let first = try switchback("train", config, "--runs", runs)
    #expect(first.status == 0, "\(first.error)")
    let trained = try #require(try jsonObject(runs + "/latest/summary.json")["testAccuracy"] as? Double)
    #expect(trained > 0.95)
    for _ in 0..<12 {
      #expect(try accuracy(try switchback("evaluate", runs + "/latest", "--json").output) == trained)
    }
    // The same seed in another process: the same weights.
    let before = try weights(runs + "/latest")
    let second = try switchback("train", config, "--runs", runs + "-2")
    #expect(second.status == 0)
    #expect(try weights(runs + "-2/latest") == before)
  }

  @Test("classes of other data are mapped by name; what is unknown or missing is said, and all samples are taken")
  func otherData() throws {
    let (config, csv, runs) = try experiment(table(["a", "b", "c"]))
    #expect(try switchback("train", config, "--runs", runs).status == 0)
    // Without a; its names sort otherwise by themselves, and z is new.
    let rows = table(["a", "b", "c"], count: 90, from: 1000).split(separator: "\n").filter { !$0.hasSuffix(",a") }
    let other = try write((rows + ["1,1,z", ""]).joined(separator: "\n").utf8, to: csv + ".other")
    let outcome = try switchback("evaluate", runs + "/latest", "--data", other, "--json", "--confusion")
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(try accuracy(outcome.output) > 0.95)
    #expect(
      outcome.output.contains("\"samples\":60") && outcome.output.contains("\"part\":\"all\""), "\(outcome.output)")
    #expect(outcome.error.contains("no class z") && outcome.error.contains("class a"), "\(outcome.error)")
    let part = try switchback("evaluate", runs + "/latest", "--data", other, "--part", "test")
    #expect(part.output.contains("the test part"), "\(part.output)\(part.error)")
    // The same contents elsewhere are not new.
    try FileManager.default.copyItem(atPath: csv, toPath: csv + ".copy")
    let same = try switchback("evaluate", runs + "/latest", "--data", csv + ".copy")
    #expect(same.output.contains("the test part"), "\(same.output)\(same.error)")
    // The file that the run was trained on has other rows now: said, and still normalized as in training.
    try write(table(["a", "b", "c"], count: 300).utf8, to: csv)
    let changed = try switchback("evaluate", runs + "/latest")
    #expect(changed.error.contains("when the run was trained"), "\(changed.error)")
  }

  @Test("features are normalized as in training, not as the file at hand would be")
  func normalization() throws {
    let (config, csv, runs) = try experiment(table(["a", "b", "c"]))
    #expect(try switchback("train", config, "--runs", runs, "--set", "training.epochs=8").status == 0)
    // One cloud alone: fitted on it, the numbers would be spread over all three.
    let rows = table(["a", "b", "c"]).split(separator: "\n").filter { !$0.hasSuffix(",a") && !$0.hasSuffix(",c") }
    let other = try write((rows + [""]).joined(separator: "\n").utf8, to: csv + ".b")
    let outcome = try switchback("evaluate", runs + "/latest", "--data", other, "--json")
    #expect(try accuracy(outcome.output) == 1, "\(outcome.output)\(outcome.error)")
  }

  @Test("a run goes on with other data only when it is told to, and its record says so")
  func resume() throws {
    let (config, csv, runs) = try experiment(table(["a", "b", "c"]), "normalize: true, validation_split: 0.2")
    #expect(try switchback("train", config, "--runs", runs).status == 0)
    let run = runs + "/latest"
    let record = try jsonObject(run + "/data.json")
    #expect((record["classNames"] as? [String]) == ["a", "b", "c"])
    #expect((record["parts"] as? [[String: Any]])?.compactMap { $0["count"] as? Int }.reduce(0, +) == 240)
    let split = try switchback("train", "--resume", run, "--epochs", "6", "--set", "data.validation_split=0.5")
    #expect(split.status == 65 && split.error.contains("data.validation_split: 0.5, not 0.2"), "\(split.error)")
    try write((table(["a", "b", "c"]) + "3,3,a\n").utf8, to: csv)
    let refused = try switchback("train", "--resume", run, "--epochs", "6")
    #expect(refused.status == 65 && refused.error.contains("--other-data"), "\(refused.error)")
    #expect(refused.error.contains("the contents of the files"), "\(refused.error)")
    let told = try switchback("train", "--resume", run, "--epochs", "6", "--other-data")
    #expect(told.status == 0, "\(told.error)")
    let others = try jsonObject(run + "/data.json")["others"] as? [[String: Any]]
    #expect(others?.count == 1 && others?.first?["batches"] as? Int != nil)
    // What it went on with is its data from then on.
    #expect(try switchback("train", "--resume", run, "--epochs", "7").status == 0)
    #expect((try jsonObject(run + "/data.json")["others"] as? [[String: Any]])?.count == 1)
  }

  @Test("a run whose epoch has fewer batches than it had goes on to its end")
  func fewerBatches() throws {
    let (config, _, runs) = try experiment(table(["a", "b", "c"]))
    // Stopped late in its second epoch.
    #expect(
      try switchback("train", config, "--runs", runs, "--steps", "23", "--set", "training.checkpoint_steps=1").status
        == 0)
    let outcome = try switchback(
      "train", "--resume", runs + "/latest", "--steps", "30", "--set", "data.validation_split=0.8", "--other-data")
    #expect(outcome.status == 0, "\(outcome.error)")
    let summary = try jsonObject(runs + "/latest/summary.json")
    #expect(summary["epochs"] as? Int == 4 && (24...30).contains(summary["steps"] as? Int ?? 0), "\(summary)")
  }

  @Test("a batch that is larger than the data, with last_batch: drop, is an error before the start")
  func noBatch() throws {
    let (config, _, runs) = try experiment(table(["a", "b", "c"], count: 60))
    let outcome = try switchback(
      "train", config, "--runs", runs, "--set", "training.batch_size=512", "--set", "training.last_batch=drop",
      "--steps", "10")
    #expect(outcome.status == 65 && outcome.error.contains("leaves no batch"), "\(outcome.error)")
    #expect(!FileManager.default.fileExists(atPath: runs))
  }

  @Test("a run in which no update was applied is no success, however short")
  func neverFinite() throws {
    let (config, _, runs) = try experiment(
      "x,y,kind\n" + (0..<40).map { "\($0 % 5),\($0 % 3),1e30\n" }.joined(), "targets: values")
    let outcome = try switchback(
      "train", config, "--runs", runs, "--set", "training.loss=mean_squared_error", "--set",
      "model.layers.1.dense={units: 1}", "--epochs", "1")
    #expect(outcome.status == 1 && outcome.error.contains("not finite"), "\(outcome.status): \(outcome.error)")
  }

  @Test("a file may be called anything", arguments: ["a: b #c.csv", "~", "{x}", "'q", "back\\slash \"q\".csv", "*a"])
  func paths(name: String) throws {
    let (config, csv, runs) = try experiment(table(["a", "b", "c"]))
    let folder = try temporaryFolder("odd names")
    try FileManager.default.copyItem(atPath: csv, toPath: folder + "/" + name)
    let outcome = try shell(
      "cd '\(folder)' && '\(binary)' train '\(config)' --runs '\(runs)' --data \"$0\" --epochs 1", name)
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(try jsonObject(runs + "/latest/data.json")["source"] as? String == "csv")
  }

  @Test("what would vanish from a folder of images is said by name")
  func folders() throws {
    let top = try temporaryFolder("images")
    for (index, name) in ["one", "two"].enumerated() {
      for number in 0..<12 {
        let pixels = (0..<16).map { UInt8(($0 * 5 + number + index * 100) % 256) }
        try write(Array("P5 4 4 255\n".utf8) + pixels, to: "\(top)/\(name)/\(number).pgm")
      }
    }
    let text = """
      version: 1
      backend: {name: reference, threads: 1}
      model: {layers: [flatten, {dense: {units: 3, activation: softmax}}]}
      data: {dataset: image-folder, path: \(top), image_size: [4, 4], channels: 1}
      training: {epochs: 1, batch_size: 4}
      """
    let config = try write(text.utf8, to: top + ".yaml")
    func train(_ more: String...) throws -> Outcome {
      try run(binary, ["train", config, "--runs", temporary()] + more, [:])
    }
    let few = try train()
    #expect(few.status == 0 && few.error.contains("2 classes (one, two)"), "\(few.error)")
    #expect(few.error.contains("by class (train/test): one "), "\(few.error)")
    try FileManager.default.createDirectory(atPath: top + "/empty", withIntermediateDirectories: true)
    let empty = try train()
    #expect(empty.status == 0 && empty.error.contains("no images of class empty"), "\(empty.error)")
    // To evaluate, images of a class that the network does not know are in no part.
    let runs = temporary()
    #expect(try run(binary, ["train", config, "--runs", runs], [:]).status == 0)
    for number in 0..<5 { try write(Array("P5 1 1 255\n0".utf8), to: "\(top)/aaa/\(number).pgm") }
    let unknown = try switchback("evaluate", runs + "/latest", "--part", "all", "--json")
    #expect(unknown.output.contains("\"samples\":24"), "\(unknown.output)")
    #expect(unknown.error.contains("knows no class aaa: 5 samples are left out"), "\(unknown.error)")
    try FileManager.default.removeItem(atPath: top + "/aaa")
    try write(Array("P5 1 1 255\n0".utf8), to: top + "/.net/0.pgm")
    let hidden = try train()
    #expect(hidden.error.contains(".net is hidden by its name: its 1 images are not used"), "\(hidden.error)")
    try FileManager.default.removeItem(atPath: top + "/.net")
    // Too many: what looks like a slip is named.
    for name in ["One", "__MACOSX", "two\u{A0}"] { try write(Array("P5 1 1 255\n0".utf8), to: "\(top)/\(name)/0.pgm") }
    let many = try train()
    #expect(many.status == 78, "\(many.error)")
    for words in ["\"One\" and \"one\" differ", "__MACOSX is what a program left", "blanks around it"] {
      #expect(many.error.contains(words), "\(many.error)")
    }
    for name in ["One", "__MACOSX", "two\u{A0}"] { try FileManager.default.removeItem(atPath: "\(top)/\(name)") }
    try FileManager.default.createSymbolicLink(atPath: top + "/dead", withDestinationPath: "/nowhere/at/all")
    let dead = try train()
    #expect(dead.status == 65 && dead.error.contains("/dead is a link to what is not there"), "\(dead.error)")
    try FileManager.default.removeItem(atPath: top + "/dead")
    #expect(try shell("mkdir \"$(printf '\(top)/caf\\351')\"").status == 0)
    let latin = try train()
    #expect(latin.status == 65 && latin.error.contains("no UTF-8"), "\(latin.error)")
    #expect(try shell("rmdir \"$(printf '\(top)/caf\\351')\"").status == 0)
    // train/ beside val/
    for part in ["train", "val"] {
      for name in ["one", "two", "three"] {
        for number in 0..<10 { try write(Array("P5 1 1 255\n0".utf8), to: "\(top)-2/\(part)/\(name)/\(number).pgm") }
      }
    }
    let beside = try train("--data", top + "-2")
    #expect(beside.status == 0 && beside.error.contains("not val"), "\(beside.error)")
    // A folder test without folders of classes, as some archives have it.
    try write(Array("P5 1 1 255\n0".utf8), to: "\(top)-2/test/0.pgm")
    let flat = try train("--data", top + "-2")
    #expect(flat.status == 0 && flat.error.contains("test holds no folders of classes"), "\(flat.error)")
    let small = try train("--data", top + "-2", "--set", "data.validation_split=0.001")
    #expect(small.error.contains("validation_split 0.001 holds out none"), "\(small.error)")
    #expect(!small.error.contains("data.validation_split holds out training samples\n"), "\(small.error)")
  }

  @Test("IDX data is stratified by data.split_seed, and the counts of each class are printed and kept")
  func stratified() throws {
    let runs = temporary()
    let outcome = try switchback(
      "train", "configs/mnist-linear.yaml", "--data", sampleFolder, "--runs", runs, "--epochs", "1", "--backend",
      "reference", "--set", "data.validation_split=0.25")
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(outcome.error.contains("by class (train/validation/test): 0 "), "\(outcome.error)")
    let parts = try #require(try jsonObject(runs + "/latest/data.json")["parts"] as? [[String: Any]])
    let counts = try parts.map { try #require($0["classCounts"] as? [Int]) }
    #expect(counts.map { $0.reduce(0, +) }.reduce(0, +) == 640 && counts.count == 3)
    for (train, held) in zip(counts[0], counts[1]) {
      #expect(held == Int((Double(train + held) * 0.25).rounded()))
    }
  }
}
