import Foundation
import Switchback
import TestFiles
import Testing

@Suite struct PredictRowsTests {
  /// Seconds since 1970, some degrees, and a class of both.
  private func rows(_ count: Int = 60) -> [(time: Int, heat: Double, label: String)] {
    (0..<count).map { n in
      let (time, heat) = (1_700_000_000 + n * 7 % 97, Double(n * 13 % 29) / 4 - 3)
      return (time, heat, heat > 0 ? "warm" : "cold")
    }
  }

  private func run(values: Bool = false, header: Bool = true) throws -> (run: String, table: String) {
    let (folder, runs) = (try temporaryFolder(), temporary())
    var text = header ? "time,label,heat\n" : ""
    for row in rows() { text += "\(row.time),\(values ? "\(row.heat / 2)" : row.label),\(row.heat)\n" }
    let table = try write(text.utf8, to: folder + "/table.csv")
    let file = folder + "/rows.yaml"
    try write(
      """
      version: 1
      model:
        layers:
          - dense: {units: 6, activation: tanh}
          - dense: {units: \(values ? 1 : 2), activation: \(values ? "linear" : "softmax")}
      data:
        dataset: csv
        path: \(table)
        label: \(header ? "label" : "1")
        targets: \(values ? "values" : "classes")
        header: \(header)
        normalize: true
      training:
        epochs: 15
        batch_size: 8
        loss: \(values ? "mean_squared_error" : "categorical_crossentropy")
        optimizer: {type: adam, learning_rate: 0.03}
      backend: reference
      """.utf8, to: file)
    let outcome = try switchback("train", file, "--runs", runs)
    try #require(outcome.status == 0, "\(outcome.error)")
    return (runs + "/latest", table)
  }

  private func lines(_ text: String) -> [[String]] {
    text.split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }
  }

  @Test("rows become CSV in their order, whatever the columns' order and with the label or without; - is a pipe too")
  func classes() throws {
    let (run, table) = try run()
    let whole = try switchback("predict", run, table)
    #expect(whole.status == 0, "\(whole.error)")
    let found = lines(whole.output)
    #expect(found[0] == ["row", "class", "probability", "class_2", "probability_2"])
    #expect(found.count == 61)
    #expect(found.dropFirst().map { $0[0] } == (1...60).map { "\($0)" })
    let right = zip(found.dropFirst(), rows()).filter { $0[1] == $1.label }.count
    #expect(right >= 55)

    // Without the label, in another order, with a column that nobody knows.
    var other = "heat,what,time\n"
    for row in rows() { other += "\(row.heat),?,\(row.time)\n" }
    let file = try write(other.utf8, to: temporaryFolder() + "/other.csv")
    let again = try switchback("predict", run, file)
    #expect(again.output == whole.output)
    #expect(again.error.contains("the network does not read: what"), "\(again.error)")
    let piped = try shell("cat '\(file)' | '\(binary)' predict '\(run)' -")
    #expect(piped.status == 0 && piped.output == whole.output, "\(piped.error)")
    #expect(try shell("'\(binary)' predict '\(run)' - < '\(table)'").output == whole.output)
    let output = try temporaryFolder() + "/predictions.csv"
    #expect(try switchback("predict", run, table, "--output", output).output.isEmpty)
    #expect(try String(contentsOfFile: output, encoding: .utf8) == whole.output)

    // The same as the library's own, to the last bit.
    let model = try TrainedModel(
      run: run,
      on: try BackendChain(
        ["reference"], registry: BackendRegistry(linked: [ReferenceBackend()]), host: HostServices(workers: 1)))
    for (line, row) in zip(try switchback("predict", run, table, "--json").output.split(separator: "\n"), rows()) {
      let answer = try model.predict(row: [Double(row.time), row.heat])
      let best = try #require(answer.best)
      #expect(line.contains("{\"name\":\"\(best.name)\",\"probability\":\(best.score)}"), "\(line)")
    }
  }

  @Test("numbers keep what Float32 would lose: seconds a few apart are told apart")
  func large() throws {
    let (run, _) = try run(values: true)
    let file = try write("time,heat\n1700000000,1\n1700000096,1\n".utf8, to: temporaryFolder() + "/large.csv")
    let found = lines(try switchback("predict", run, file).output)
    // The mean is near 1700000048 and the deviation near 28: Float32 counts these seconds by 128.
    #expect(found[0] == ["row", "label"] && found[1][1] != found[2][1], "\(found)")
  }

  @Test("regression becomes numbers, by the names of the columns that were learnt; without names columns go by places")
  func values() throws {
    let (run, table) = try run(values: true, header: false)
    let found = lines(try switchback("predict", run, table).output)
    #expect(found[0] == ["row", "value_1"] && found.count == 61)
    for (line, row) in zip(found.dropFirst(), rows()) {
      #expect(abs(try #require(Double(line[1])) - row.heat / 2) < 0.5, "\(line) \(row)")
    }
    var short = ""
    for row in rows() { short += "\(row.time),\(row.heat)\n" }
    let file = try write(short.utf8, to: temporaryFolder() + "/short.csv")
    #expect(lines(try switchback("predict", run, file).output) == found)
    #expect(
      try switchback("predict", run, file, "--json").output.hasPrefix("{\"classes\":[],\"row\":1,\"values\":["))
  }

  @Test("a table without names is predicted as it was learnt where a column is ignored, with the label or without")
  func ignoredPlaces() throws {
    let runs = temporary()
    func text(_ row: (Int) -> [String]) -> String { (0..<40).map { row($0).joined(separator: ",") + "\n" }.joined() }
    let x = (0..<40).map { "\(Double($0 * 7 % 40) / 40)" }
    let y = (0..<40).map { "\(Double($0 * 11 % 40) / 40)" }
    let whole = text { ["\($0 * 1000)", x[$0], y[$0], "\($0 % 2)"] }
    let table = try write(whole.utf8, to: temporaryFolder() + "/table.csv")
    let file = try write(
      """
      version: 1
      model:
        inputs: images
        layers:
          - dense: {units: 4, activation: tanh, name: both}
          - dense: {units: 1, name: one, inputs: both}
          - dense: {units: 1, name: two, inputs: both}
        outputs: [one, two]
      data:
        dataset: csv
        path: \(table)
        label: {"3": values}
        header: false
        columns: {"0": ignored}
      training:
        epochs: 1
        batch_size: 8
        objectives:
          - {output: one, target: "3", loss: mean_squared_error}
          - {output: two, target: "3", loss: mean_squared_error}
        optimizer: {type: adam, learning_rate: 0.02}
      backend: reference
      """.utf8, to: temporaryFolder() + "/places.yaml")
    let train = try switchback("train", file, "--runs", runs)
    try #require(train.status == 0, "\(train.error)")
    let said = try switchback("predict", runs + "/latest", table)
    #expect(said.status == 0, "\(said.error)")
    #expect(Set(lines(said.output).dropFirst().map { $0[1] }).count > 10)
    // The first column and the label are not read.
    for other in [text { ["7", x[$0], y[$0], "0"] }, text { ["7", x[$0], y[$0]] }] {
      let rows = try write(other.utf8, to: temporaryFolder() + "/rows.csv")
      #expect(try switchback("predict", runs + "/latest", rows).output == said.output)
    }
    let two = try write(text { [x[$0], y[$0]] }.utf8, to: temporaryFolder() + "/two.csv")
    let refused = try switchback("predict", runs + "/latest", two)
    #expect(refused.status == 65 && refused.error.contains("was trained on rows of 4"), "\(refused.error)")
  }

  @Test("columns of words are learnt from, and read so by evaluate, predict, from Swift and by a run that goes on")
  func words() throws {
    let (folder, runs) = (try temporaryFolder(), temporary())
    let (colours, sizes) = (["red", "blue", "dark green"], ["small", "medium", "large"])
    func text(_ count: Int) -> String {
      "colour,x,size,kind\n"
        + (0..<count).map {
          "\(colours[$0 % 3]),\($0 * 7 % 11),\(sizes[$0 / 3 % 3]),\($0 % 3 == 1 ? "cold" : "warm")\n"
        }.joined()
    }
    let table = try write(text(90).utf8, to: folder + "/table.csv")
    let file = try write(
      """
      version: 1
      model:
        layers:
          - dense: {units: 8, activation: tanh}
          - dense: {units: 2, activation: softmax}
      data:
        dataset: csv
        path: \(table)
        label: kind
        columns: {colour: one_hot, size: {ordinal: [small, medium, large]}}
        normalize: true
      training:
        epochs: 40
        batch_size: 8
        loss: categorical_crossentropy
        optimizer: {type: adam, learning_rate: 0.03}
      backend: reference
      """.utf8, to: folder + "/words.yaml")
    let train = try switchback("train", file, "--runs", runs)
    try #require(train.status == 0, "\(train.error)")
    let run = runs + "/latest"
    let evaluated = try switchback("evaluate", run, "--json")
    let numbers = try JSONSerialization.jsonObject(with: Data(evaluated.output.utf8)) as? [String: Any]
    #expect(try #require(numbers?["testAccuracy"] as? Double) > 0.9, "\(evaluated.output)")

    // Other rows, with the columns in another order and without the label.
    let rows = try write("size,colour,x\nlarge,blue,3\nsmall,dark green,4\n".utf8, to: folder + "/rows.csv")
    let said = try switchback("predict", run, rows, "--json")
    #expect(said.status == 0, "\(said.error)")
    let chain = try BackendChain(
      ["reference"], registry: BackendRegistry(linked: [ReferenceBackend()]), host: HostServices(workers: 1))
    let kept = folder + "/words.model"
    try TrainedModel(run: run, on: chain).save(to: kept)
    let model = try TrainedModel(file: kept, on: chain)
    let cells = [
      ["size": "large", "colour": "blue", "x": "3", "id": "?"], ["size": "small", "colour": "dark green", "x": "4"],
    ]
    for (line, cells) in zip(said.output.split(separator: "\n"), cells) {
      let answer = try #require(try model.predict(fields: [model.samples.inputs[0].name: .cells(cells)]).values.first)
      let best = try #require(answer.best)
      #expect(best.name == (cells["colour"] == "blue" ? "cold" : "warm"))
      #expect(line.contains("{\"name\":\"\(best.name)\",\"probability\":\(best.score)}"), "\(line)")
    }
    for (cells, words) in [
      (["size": "large", "colour": "pink", "x": "3"], "colour: \"pink\" is none of the words"),
      (["size": "large", "x": "3"], "the column colour is missing"),
      (["size": "large", "colour": "red", "x": "many"], "x: \"many\" is no finite number"),
    ] {
      let error = #expect(throws: TrainedModelError.self) {
        try model.predict(fields: [model.samples.inputs[0].name: .cells(cells)])
      }
      #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
    }

    // What training did not see: a row of predict, or all of evaluate.
    let strange = try write(
      "colour,x,size,kind\npink,1,small,warm\nred,1,small,warm\n".utf8, to: folder + "/strange.csv")
    let some = try switchback("predict", run, strange)
    #expect(some.status == 65 && some.error.contains(":2:1: \"pink\" is none of the words of the column colour"))
    #expect(lines(some.output).map { $0[0] } == ["row", "2"])
    let refused = try switchback("evaluate", run, "--data", strange)
    #expect(refused.status == 65 && refused.error.contains("(blue, dark green, red)"), "\(refused.error)")

    let more = try switchback("train", "--resume", run, "--epochs", "41")
    #expect(more.status == 0, "\(more.error)")
    try write((text(90) + "pink,1,small,warm\n").utf8, to: table)
    let other = try switchback("train", "--resume", run, "--epochs", "42", "--other-data")
    #expect(other.status == 65 && other.error.contains("\"pink\" is none of the words"), "\(other.error)")
  }

  @Test("tokens of a table are embedded, beside numbers or alone; one that the embedding does not know is told before")
  func tokens() throws {
    let (folder, runs) = (try temporaryFolder(), temporary())
    func row(_ n: Int) -> String {
      let tokens = (0..<n % 4).map { "\((n + $0 * 2) % 8 + 1)" }.joined(separator: " ")
      return "\(tokens),\(n % 7),\(n % 2 == 0 ? "even" : "odd")\n"
    }
    let table = try write(("text,x,kind\n" + (0..<80).map(row).joined()).utf8, to: folder + "/table.csv")
    func file(_ name: String, inputs: String, layers: String, x: String = "") throws -> String {
      try write(
        """
        version: 1
        model:
          \(inputs)
          layers:
        \(layers)
            - dense: {units: 2, activation: softmax}
        data:
          dataset: csv
          path: \(table)
          label: kind
          columns: {text: tokens\(x)}
          sequence_length: 2
        training:
          epochs: 2
          batch_size: 8
          loss: categorical_crossentropy
          optimizer: {type: adam, learning_rate: 0.03}
        backend: reference
        """.utf8, to: folder + "/\(name).yaml")
    }
    let both = """
          - embedding: {input_dim: 9, output_dim: 3, inputs: text}
          - flatten: {name: seen}
          - dense: {units: 3, name: side, inputs: table}
          - concatenate: {inputs: [seen, side]}
      """
    let alone = "    - embedding: {input_dim: 9, output_dim: 3}\n    - flatten"
    let rows = try write("x,text\n3,1 2 3\n4,\n5,9 1\n6,-1\n".utf8, to: folder + "/rows.csv")
    for (name, inputs, layers, x) in [
      ("both", "inputs: [text, table]", both, ""), ("alone", "# One field is the default.", alone, ", x: ignored"),
    ] {
      let train = try switchback("train", try file(name, inputs: inputs, layers: layers, x: x), "--runs", runs)
      try #require(train.status == 0, "\(train.error)")
      #expect((train.output + train.error).contains("sequences of the column text are longer than 2 tokens"))
      let run = runs + "/latest"
      #expect(try switchback("evaluate", run).status == 0)
      #expect(try switchback("predict", run, "--index", "0").status == 0)
      let said = try switchback("predict", run, rows, "--json")
      #expect(said.status == 65 && said.output.split(separator: "\n").count == 2, "\(said.output) \(said.error)")
      #expect(said.error.contains("row 3: the field text has the token 9, and"), "\(said.error)")
      #expect(said.error.contains(":5:3: \"-1\" is no token"), "\(said.error)")
      let model = try TrainedModel(
        run: run,
        on: try BackendChain(
          ["reference"], registry: BackendRegistry(linked: [ReferenceBackend()]), host: HostServices(workers: 1)))
      let fields: [String: FieldValue] = name == "both" ? ["table": .row([3])] : [:]
      let answer = try model.predict(fields: fields.merging(["text": .tokens([1, 2, 3])]) { $1 })
      let score = try #require(answer.values.first?.best?.score)
      #expect(said.output.split(separator: "\n")[0].contains("\"probability\":\(score)}"), "\(said.output)")
      let large = try write("text,x,kind\n7,1,odd\n1 1 30,1,odd\n30,1,even\n".utf8, to: folder + "/large.csv")
      let refused = try switchback("evaluate", run, "--data", large)
      #expect(refused.status == 65 && refused.error.contains("input_dim to 31 or more"), "\(refused.error)")
      let more = try switchback("train", "--resume", run, "--epochs", "3")
      #expect(more.status == 0, "\(more.error)")
    }
    let narrow = alone.replacingOccurrences(of: "input_dim: 9", with: "input_dim: 8")
    let train = try switchback(
      "train", try file("narrow", inputs: "inputs: text", layers: narrow, x: ", x: ignored"), "--runs", runs)
    #expect(train.status == 65, "\(train.error)")
    #expect(train.error.contains("has the token 8, and layers.0.embedding knows those from 0 to 7"), "\(train.error)")
  }

  @Test("two outputs that learn one column have its name behind their own")
  func twins() throws {
    let runs = temporary()
    let table = try write(("x,y\n" + (0..<40).map { "\($0),\($0)\n" }.joined()).utf8, to: temporaryFolder() + "/t.csv")
    let file = try write(
      """
      version: 1
      model:
        inputs: images
        layers:
          - dense: {units: 4, activation: tanh, name: both}
          - dense: {units: 1, name: one, inputs: both}
          - dense: {units: 1, name: two, inputs: both}
        outputs: [one, two]
      data:
        dataset: csv
        path: \(table)
        label: {y: values}
      training:
        epochs: 1
        batch_size: 8
        objectives:
          - {output: one, target: y, loss: mean_squared_error}
          - {output: two, target: y, loss: mean_squared_error}
        optimizer: {type: adam, learning_rate: 0.02}
      backend: reference
      """.utf8, to: temporaryFolder() + "/twins.yaml")
    let train = try switchback("train", file, "--runs", runs)
    try #require(train.status == 0, "\(train.error)")
    #expect(lines(try switchback("predict", runs + "/latest", table).output)[0] == ["row", "one/y", "two/y"])
  }

  @Test("mistakes: a missing column, a broken row, no file, two files, a table for a network of images")
  func mistakes() throws {
    let (run, table) = try run()
    let folder = try temporaryFolder()
    let missing = try write("time\n1\n".utf8, to: folder + "/missing.csv")
    let outcome = try switchback("predict", run, missing)
    #expect(outcome.status == 65 && outcome.error.contains("there is no column heat"), "\(outcome.error)")
    let misspelt = try write("time,haet\n1,2\n".utf8, to: folder + "/misspelt.csv")
    #expect(try switchback("predict", run, misspelt).error.contains("did you mean haet?"))
    let broken = try write("time,heat\n1700000000,1\n1700000000,x\n1700000000,3\n".utf8, to: folder + "/broken.csv")
    let some = try switchback("predict", run, broken)
    #expect(some.status == 65 && some.error.contains(":3:12: \"x\" is no finite number"), "\(some.error)")
    #expect(lines(some.output).map { $0[0] } == ["row", "1", "3"])
    #expect(some.error.hasSuffix("error: 1 row was not predicted\n"), "\(some.error)")
    let large = try write("time,heat\n1700000000,1e200\n1700000000,1\n".utf8, to: folder + "/large.csv")
    let far = try switchback("predict", run, large)
    #expect(far.status == 65 && far.error.contains("row 1: heat: 1e+200 is too large"), "\(far.error)")
    #expect(lines(far.output).map { $0[0] } == ["row", "2"])
    #expect(try switchback("predict", run, folder + "/none.csv").status == 66)
    #expect(try switchback("predict", run, table, table).status == 64)
    #expect(try switchback("predict", run, "--index", "0").output.contains("label: "))
  }
}
