import Foundation
import Switchback
import TestFiles
import Testing

/// Networks that read a table's pictures and numbers, and answer two outputs.
@Suite struct PredictFieldsTests {
  /// Forty pictures of 4×4 pixels, of which one half is bright, and a table that names them.
  private func table() throws -> (path: String, rows: [(file: String, x: Double, y: Double)]) {
    let folder = try temporaryFolder()
    var (text, rows) = ("x,file,half,ink,y\n", [(file: String, x: Double, y: Double)]())
    for n in 0..<40 {
      let level = UInt8(100 + n * 7 % 60)
      let pixels = (0..<16).map { ($0 < 8) == (n % 2 == 0) ? level : 0 }
      let file = try write(Array("P5 4 4 255\n".utf8) + pixels, to: folder + "/\(n).pgm")
      let (x, y) = (Double(level) * 10, Double(n % 5) - 2)
      rows.append((file, x, y))
      text += "\(x),\(n).pgm,\(n % 2 == 0 ? "up" : "down"),\(Double(level) / 255),\(y)\n"
    }
    return (try write(text.utf8, to: folder + "/table.csv"), rows)
  }

  private func trained(_ table: String, inputs: String, layers: String) throws -> String {
    let runs = temporary()
    let file = try write(
      """
      version: 1
      model:
        inputs: \(inputs)
        layers:
      \(layers)
          - dense: {units: 2, activation: softmax, name: half, inputs: both}
          - dense: {units: 1, name: ink, inputs: both}
        outputs: [half, ink]
      data:
        dataset: csv
        path: \(table)
        images: file
        image_size: [4, 4]
        channels: 1
        label: {half: classes, ink: values}
        normalize: true
      training:
        epochs: 3
        batch_size: 8
        objectives:
          - {output: half, target: half, loss: categorical_crossentropy}
          - {output: ink, target: ink, loss: mean_squared_error}
        optimizer: {type: adam, learning_rate: 0.02}
      backend: reference
      """.utf8, to: temporaryFolder() + "/fields.yaml")
    let outcome = try switchback("train", file, "--runs", runs)
    try #require(outcome.status == 0, "\(outcome.error)")
    return runs + "/latest"
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

  @Test(
    "two inputs and two outputs: rows of a table that names pictures are answered as from Swift, each output by its name"
  )
  func rows() throws {
    let (table, rows) = try table()
    let run = try trained(
      table, inputs: "[images, table]",
      layers: """
            - flatten: {name: seen, inputs: images}
            - dense: {units: 4, activation: tanh, name: side, inputs: table}
            - concatenate: {inputs: [seen, side]}
            - dense: {units: 6, activation: tanh, name: both}
        """)
    let model = try model(run)
    let said = try switchback("predict", run, table, "--json")
    #expect(said.status == 0, "\(said.error)")
    let lines = said.output.split(separator: "\n")
    #expect(lines.count == rows.count)
    for (index, (line, row)) in zip(lines, rows).enumerated() {
      let answers = try model.predict(
        fields: ["images": .image(try Image(path: row.file)), "table": .row([row.x, row.y])])
      let best = try #require(answers["half"]?.best)
      #expect(line.contains("{\"name\":\"\(best.name)\",\"probability\":\(best.score)}"), "\(line)")
      let found = try object(line)
      #expect(Set(found.keys) == ["half", "ink", "row"] && found["row"] as? Int == index + 1)
      let ink = try #require(((found["ink"] as? [String: Any])?["values"] as? [Double])?.first)
      #expect(Float(ink) == answers["ink"]?.outputs[0])
    }
    let text = try switchback("predict", run, table).output.split(separator: "\n")
    #expect(text[0] == "row,half/class,half/probability,half/class_2,half/probability_2,ink" && text.count == 41)
    // A sample of the test part, as an object and for people.
    let one = try object(try switchback("predict", run, "--index", "0", "--json").output)
    #expect(Set(one.keys) == ["half", "ink", "sample"])
    let words = try switchback("predict", run, "--index", "0").output
    #expect(words.contains("half\n  ") && words.contains("  label: ") && words.contains("ink\n  "), "\(words)")
    // A file says one field.
    let picture = try switchback("predict", run, rows[0].file, rows[1].file)
    #expect(picture.status == 64 && picture.error.contains("rows of a table"), "\(picture.error)")
    let missing = try write("x,file,y\n1,nothing.pgm,2\n1,\(rows[0].file),2\n".utf8, to: temporaryFolder() + "/t.csv")
    let some = try switchback("predict", run, missing)
    #expect(some.status == 65 && some.error.contains("nothing.pgm"), "\(some.error)")
    #expect(some.output.split(separator: "\n").count == 2)
  }

  @Test("a network that reads only the pictures of a table takes the table, and pictures alone")
  func pictures() throws {
    let (table, rows) = try table()
    let run = try trained(
      table, inputs: "images",
      layers: """
            - flatten
            - dense: {units: 6, activation: tanh, name: both}
        """)
    let lines = try switchback("predict", run, table, "--json").output.split(separator: "\n")
    #expect(lines.count == rows.count)
    let one = try switchback("predict", run, rows[3].file, "--json").output
    let (alone, named) = (try object(one), try object(lines[3]))
    func ink(_ found: [String: Any]) -> [Double]? { (found["ink"] as? [String: Any])?["values"] as? [Double] }
    #expect(ink(alone)?.count == 1 && ink(alone) == ink(named))
    #expect(Set(alone.keys) == ["half", "ink", "sample"])
    // Columns are called as of the table's rows.
    let head = "half/class,half/probability,half/class_2,half/probability_2,ink"
    let several = try switchback("predict", run, rows[3].file, rows[4].file).output.split(separator: "\n")
    #expect(several.first == "file,\(head)" && several.count == 3, "\(several)")
    #expect(try switchback("predict", run, table).output.hasPrefix("row,\(head)\n"))
    // Without an image's ending it is one by its contents.
    let bare = try write(try Data(contentsOf: URL(fileURLWithPath: rows[3].file)), to: temporaryFolder() + "/picture")
    let found = try switchback("predict", run, bare, "--json")
    try #require(found.status == 0, "\(found.error)")
    let said = try object(found.output)
    #expect(ink(said) == ink(alone))
    let none = try switchback("predict", run, bare + "-that-is-not-there")
    #expect(none.status == 66 && none.error.contains("there is no file"), "\(none.error)")
  }
}
