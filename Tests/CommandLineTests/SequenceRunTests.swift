import Foundation
import Switchback
import TestFiles
import Testing

/// Runs on texts and time series: trained, evaluated, predicted with and gone on with.
@Suite struct SequenceRunTests {
  private func configuration(_ data: String, layers: String, loss: String) throws -> String {
    try write(
      """
      version: 1
      model:
        layers:
      \(layers)
      data: {\(data)}
      training:
        epochs: 12
        batch_size: 8
        loss: \(loss)
        optimizer: {type: adam, learning_rate: 0.02}
      backend: reference
      """.utf8, to: temporaryFolder() + "/config.yaml")
  }

  private func succeeded(_ arguments: [String]) throws -> Outcome {
    let outcome = try switchback(arguments)
    try #require(outcome.status == 0, "\(outcome.error)")
    return outcome
  }

  private func model(_ run: String) throws -> TrainedModel {
    try TrainedModel(
      run: run,
      on: try BackendChain(
        ["reference"], registry: BackendRegistry(linked: [ReferenceBackend()]), host: HostServices(workers: 1)))
  }

  private func object(_ line: some StringProtocol) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
  }

  private func likeliest(_ line: some StringProtocol) throws -> String {
    try #require((object(line)["classes"] as? [[String: Any]])?.first?["name"] as? String)
  }

  private let embedding = """
        - embedding: {input_dim: 40, output_dim: 4}
        - flatten
        - dense: {units: 2, activation: softmax}
    """

  /// Texts that begin with `fine` or `poor`, and end with words of no use.
  private func review(_ n: Int) -> String { (n % 2 == 0 ? "Fine" : "Poor") + " film, number \(n % 5)." }

  @Test("a folder of texts: the run keeps its vocabulary, whatever becomes of the folder")
  func texts() throws {
    let (folder, runs) = (try temporaryFolder(), temporary())
    for n in 0..<40 {
      try write(review(n).utf8, to: "\(folder)/\(n < 32 ? "train" : "test")/\(n % 2 == 0 ? "good" : "bad")/\(n).txt")
    }
    let config = try configuration(
      "dataset: text-folder, path: \(folder), vocabulary_size: 40", layers: embedding, loss: "categorical_crossentropy")
    let train = try succeeded(["train", config, "--runs", runs])
    #expect((train.output + train.error).contains("vocabulary of tokens: 13 tokens, with"), "\(train.error)")
    let run = runs + "/latest"
    let before = try succeeded(["evaluate", run, "--json"]).output
    #expect(try object(before)["testAccuracy"] as? Double == 1)

    let news = try temporaryFolder()
    try write("FINE sight".utf8, to: news + "/a.txt")
    try write("poor, very poor".utf8, to: news + "/deep/b.txt")
    try write([0xe9, 0x20], to: news + "/c.txt")
    let one = try succeeded(["predict", run, news + "/a.txt"])
    #expect(one.output.contains("good"), "\(one.output)")
    let all = try switchback(["predict", run, news, "--json"])
    #expect(all.status == 65 && all.error.contains("c.txt:1:1: the byte e9 is no UTF-8; convert"), "\(all.error)")
    let lines = all.output.split(separator: "\n")
    #expect(try lines.count == 2 && likeliest(lines[0]) == "good" && likeliest(lines[1]) == "bad")
    let piped = try shell("printf 'poor end' | '\(binary)' predict '\(run)' - --json")
    #expect(try piped.status == 0 && likeliest(piped.output) == "bad", "\(piped.error)")
    let index = try succeeded(["predict", run, "--index", "0"])
    #expect(index.output.contains("label: "), "\(index.output)")

    // From Swift, and through a file.
    let model = try model(run)
    let answer = try model.predict(fields: ["tokens": .text("Poor")])["labels"]
    #expect(answer?.best?.name == "bad")
    let file = temporary() + ".safetensors"
    try model.save(to: file)
    let loaded = try TrainedModel(
      file: file,
      on: try BackendChain(
        ["reference"], registry: BackendRegistry(linked: [ReferenceBackend()]), host: HostServices(workers: 1)))
    #expect(
      try loaded.samples == model.samples && loaded.predict(fields: ["tokens": .text("Poor")])["labels"] == answer)

    // Other words are more frequent now.
    for n in 0..<8 { try write("Zebra zebra zebra aardvark".utf8, to: "\(folder)/train/bad/z\(n).txt") }
    #expect(try succeeded(["evaluate", run, "--json"]).output == before)
    let resume = try switchback(["train", "--resume", run, "--epochs", "13"])
    #expect(resume.status == 65 && resume.error.contains("going on with other data"), "\(resume.error)")
    #expect(resume.error.contains("samples of the train part: 40, not 32"), "\(resume.error)")
    let check = try switchback(["data", "check", config])
    #expect(check.status == 0 && check.output.contains("✓ text-folder  \(folder)\ncontents sha256:"), "\(check.output)")
  }

  @Test("the copy problem: a run is judged by its steps and answers each, as text and as JSON")
  func steps() throws {
    let layers = """
          - gru: {units: 4, return_sequences: true}
          - dense: {units: 9, activation: softmax}
      """
    let runs = temporary()
    let config = try configuration(
      "dataset: copy-problem, delay: 1, samples: 60", layers: layers, loss: "sparse_categorical_crossentropy")
    _ = try succeeded(["train", config, "--runs", runs])
    let run = runs + "/latest"
    // Eleven of 21 classes are blanks, which it learns at once.
    let accuracy = try object(succeeded(["evaluate", run, "--json"]).output)["testAccuracy"] as? Double
    #expect(try #require(accuracy) > 0.4)
    let shown = try succeeded(["predict", run, "--index", "0"]).output.split(separator: "\n")
    #expect(shown.filter { $0.hasPrefix("step ") && $0.contains(" %  ") }.count == 21, "\(shown)")
    #expect(shown.contains { $0.hasPrefix("labels: blank blank blank") }, "\(shown)")
    let answer = try object(succeeded(["predict", run, "--index", "0", "--json"]).output)
    let steps = try #require(answer["steps"] as? [[String: Any]])
    #expect(steps.count == 21 && steps.allSatisfy { ($0["classes"] as? [[String: Any]])?.count == 5 })
    #expect(answer["values"] == nil)
  }

  @Test("a table's column of whole numbers may be what is learnt step by step; rows of a table are answered so")
  func tags() throws {
    // The tag of a token is its rest by three.
    let rows = (0..<40).map { row in
      let tokens = (0...row % 4).map { (row * 3 + $0) % 5 + 1 }
      func words(_ numbers: [Int]) -> String { numbers.map { "\($0)" }.joined(separator: " ") }
      return "\(words(tokens)),\(words(tokens.map { $0 % 3 })),\(row % 2)\n"
    }
    let table = try write(("sentence,tags,kind\n" + rows.joined()).utf8, to: temporaryFolder() + "/table.csv")
    func config(_ units: Int) throws -> String {
      try write(
        """
        version: 1
        model:
          inputs: [sentence]
          layers:
            - embedding: {input_dim: 6, output_dim: 4}
            - dense: {units: \(units), activation: softmax}
        data: {dataset: csv, path: \(table), label: kind, columns: {sentence: tokens, tags: tokens}, masks: true}
        training:
          epochs: 60
          batch_size: 8
          objectives: [{target: tags, loss: sparse_categorical_crossentropy}]
          optimizer: {type: adam, learning_rate: 0.05}
        backend: reference
        """.utf8, to: temporaryFolder() + "/config.yaml")
    }
    let runs = temporary()
    let words = "the field tags has the class 2, and the network ends with 2 outputs for each step"
    let check = try switchback(["config", "check", try config(2)])
    #expect(
      check.status != 0 && check.error.contains("config.yaml:7:") && check.error.contains(words), "\(check.error)")
    let beyond = try switchback(["train", try config(2), "--runs", temporary()])
    #expect(beyond.status == 65 && beyond.error.contains(words), "\(beyond.error)")
    _ = try succeeded(["train", try config(3), "--runs", runs])
    let run = runs + "/latest"
    #expect(try object(succeeded(["evaluate", run, "--json"]).output)["testAccuracy"] as? Double == 1)
    let news = try write("sentence\n1 2 3\n4\n".utf8, to: temporaryFolder() + "/news.csv")
    #expect(
      try succeeded(["predict", run, news]).output
        == "row,step_0,step_1,step_2,step_3\n1,class 1,class 2,class 0,\n2,class 1,,,\n")
    let lines = try succeeded(["predict", run, news, "--json"]).output.split(separator: "\n")
    let steps = try #require(object(lines[1])["steps"] as? [[String: Any]])
    #expect(steps.map { ($0["classes"] as? [Any])?.count } == [3, 0, 0, 0])
  }

  @Test("texts with masks: their run is evaluated, answers texts, and a layer that would count padding is named")
  func masks() throws {
    let (folder, runs) = (try temporaryFolder(), temporary())
    for n in 0..<40 {
      try write(review(n).utf8, to: "\(folder)/\(n < 32 ? "train" : "test")/\(n % 2 == 0 ? "good" : "bad")/\(n).txt")
    }
    let data = "dataset: text-folder, path: \(folder), vocabulary_size: 40, masks: true"
    let pooled = embedding.replacingOccurrences(of: "flatten", with: "global_average_pooling1d")
    _ = try succeeded([
      "train", try configuration(data, layers: pooled, loss: "categorical_crossentropy"), "--runs", runs,
    ])
    let run = runs + "/latest"
    #expect(try object(succeeded(["evaluate", run, "--json"]).output)["testAccuracy"] as? Double == 1)
    let piped = try shell("printf 'poor' | '\(binary)' predict '\(run)' - --json")
    #expect(try piped.status == 0 && likeliest(piped.output) == "bad", "\(piped.error)")
    let model = try model(run)
    #expect(model.samples.inputs.map(\.name) == ["tokens", "lengths"])
    #expect(try model.predict(fields: ["tokens": .text("Fine")])["labels"]?.best?.name == "good")
    let flat = try switchback([
      "config", "check", try configuration(data, layers: embedding, loss: "categorical_crossentropy"),
    ])
    #expect(flat.status != 0 && flat.error.contains("config.yaml:5:"), "\(flat.error)")
    #expect(flat.error.contains("flatten: cannot honour the mask of"), "\(flat.error)")
  }

  @Test("a vocabulary that the embedding does not hold is told before the first step, with the layer's line")
  func vocabulary() throws {
    let path = try write(
      ("review,kind\n" + (0..<40).map { "\"\(review($0))\",\($0 % 2)\n" }.joined()).utf8,
      to: temporaryFolder() + "/table.csv")
    func config(_ size: Int) throws -> String {
      try configuration(
        "dataset: csv, path: \(path), label: kind, columns: {review: text}, vocabulary_size: \(size)",
        layers: embedding.replacingOccurrences(of: "40", with: "6"), loss: "categorical_crossentropy")
    }
    let check = try switchback(["config", "check", try config(20_000)])
    #expect(check.status != 0 && check.error.contains("set its input_dim to 13 or more"), "\(check.error)")
    #expect(check.error.contains("config.yaml:4:"), "\(check.error)")
    let runs = temporary()
    _ = try succeeded(["train", try config(6), "--runs", runs])
    let rows = try write("review\n\"fine, \"\"fine\"\"\"\n\npoor\n\"\"\n".utf8, to: temporaryFolder() + "/rows.csv")
    let predicted = try switchback(["predict", runs + "/latest", rows, "--json"])
    #expect(
      predicted.status == 65 && predicted.error.contains("the text is missing (column review)"), "\(predicted.error)")
    #expect(predicted.output.split(separator: "\n").count == 2, "\(predicted.output)")
  }

  @Test("a time series: each window of the rows at hand is answered, and the run goes on to the bits of a whole one")
  func series() throws {
    func table(_ range: Range<Int>) -> String {
      "day,load\n" + range.map { "d\($0),\(50 + 10 * sin(Double($0) / 3))\n" }.joined()
    }
    let (folder, runs) = (try temporaryFolder(), temporary())
    let path = try write(table(0..<120).utf8, to: folder + "/series.csv")
    let config = try configuration(
      "dataset: time-series, path: \(path), columns: load, target: load, window: 6, validation_split: 0.2",
      layers: "    - flatten\n    - dense: {units: 1}", loss: "mean_squared_error")
    _ = try succeeded(["train", config, "--runs", runs])
    let run = runs + "/latest"
    _ = try succeeded(["evaluate", run])
    let rows = try write(table(200..<209).utf8, to: folder + "/rows.csv")
    let predicted = try succeeded(["predict", run, rows, "--json"])
    #expect(predicted.error.contains("columns that the network does not read: day"), "\(predicted.error)")
    let lines = try predicted.output.split(separator: "\n").map(object)
    #expect(lines.map { $0["row"] as? Int } == [6, 7, 8, 9])
    let window = (202..<208).map { [50 + 10 * sin(Double($0) / 3)] }
    let answer = try #require(try model(run).predict(fields: ["series": .rows(window)])["labels"])
    #expect(lines[2]["values"] as? [Double] == answer.outputs.map { Double("\($0)") ?? .nan })
    let short = try write(table(0..<5).utf8, to: folder + "/short.csv")
    let lack = try switchback(["predict", run, short])
    #expect(lack.status == 65 && lack.error.contains("has 5 rows, and the network reads windows of 6"), "\(lack.error)")
    let long = try switchback(["config", "check", config, "--set", "data.window=30"])
    #expect(
      long.status != 0 && long.error.contains("part has 19 of the 120 steps, and a window of 30"), "\(long.error)")

    _ = try succeeded(["train", "--resume", run, "--epochs", "14"])
    _ = try succeeded(["train", config, "--runs", runs + "-whole", "--epochs", "14"])
    let ends = try [runs, runs + "-whole"].map { try succeeded(["evaluate", $0 + "/latest", "--json"]).output }
    #expect(ends[0] == ends[1])
  }
}
