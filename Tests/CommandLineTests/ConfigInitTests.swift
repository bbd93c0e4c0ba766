import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

@Suite struct ConfigInitTests {
  /// The configuration that is written for a table with this text.
  private func written(_ text: String, _ more: [String] = []) throws -> (text: String, check: Outcome, outcome: Outcome)
  {
    let folder = try temporaryFolder()
    let (table, file) = (try write(text.utf8, to: folder + "/table.csv"), folder + "/my.yaml")
    let outcome = try switchback(["config", "init", file, "--dataset", "csv", "--path", table] + more)
    guard outcome.status == 0 else { return ("", outcome, outcome) }
    try trains(file)
    return (
      try String(contentsOfFile: file, encoding: .utf8), try switchback("data", "check", file), outcome
    )
  }

  /// What is written trains as it is.
  private func trains(_ file: String) throws {
    let train = try switchback("train", file, "--backend", "reference", "--steps", "1", "--runs", temporary())
    #expect(train.status == 0, "\(train.error)")
  }

  @Test("one class is nothing to be learnt: it is refused")
  func oneClass() throws {
    let (folder, rows) = (try temporaryFolder("pictures"), "1,7,a\n2,7,a\n3,7,a\n")
    for label in ["kind", "same"] {
      let table = try written("x,same,kind\n" + rows, ["--label", label]).outcome
      #expect(table.status == 65 && table.error.contains("nothing to be learnt"), "\(table.error)")
    }
    try write(Array("P5 2 2 255\n".utf8) + [1, 2, 3, 4], to: folder + "/a/1.pgm")
    let images = try switchback("config", "init", "--dataset", "image-folder", "--path", folder)
    #expect(images.status == 65 && images.error.contains("one class, a"), "\(images.error)")
  }

  @Test(
    "for a folder of images it has their size, color and classes, and trains",
    .enabled(if: Image.readsCompressedFiles, "built without ImageFiles"))
  func images() throws {
    let (folder, file) = (try temporaryFolder("digits"), temporary() + ".yaml")
    try writeImages(to: folder, count: 100, classes: 4)
    let outcome = try switchback("config", "init", file, "--dataset", "image-folder", "--path", folder)
    #expect(outcome.status == 0, "\(outcome.error)")
    let text = try String(contentsOfFile: file, encoding: .utf8)
    for words in [
      "image_size: [28, 28]", "channels: 1", "dense: {units: 4, activation: softmax}", "4 classes (0, 1, 2, 3)",
    ] {
      #expect(text.contains(words), "\(text)")
    }
    let check = try switchback("config", "check", file, "--backend", "reference")
    #expect(check.status == 0, "\(check.error)")
    let train = try switchback("train", file, "--backend", "reference", "--epochs", "1", "--runs", temporary())
    #expect(train.status == 0, "\(train.error)")
  }

  @Test("for a folder of texts it has their words, length and classes, and trains")
  func texts() throws {
    let (folder, file) = (try temporaryFolder("reviews"), temporary() + ".yaml")
    for n in 0..<60 {
      let text = String(repeating: "word\(n % 7) ", count: n < 55 ? 5 : 500)
      try write(text.utf8, to: "\(folder)/\(["bad", "good", "so so"][n % 3])/\(n).txt")
    }
    let outcome = try switchback("config", "init", file, "--dataset", "text-folder", "--path", folder)
    #expect(outcome.status == 0 && outcome.error.contains("guess: 5 tokens say enough of a text"), "\(outcome.error)")
    let text = try String(contentsOfFile: file, encoding: .utf8)
    for words in [
      "inputs: [tokens]", "embedding: {input_dim: 9, output_dim: 32}", "masks: {tokens: lengths}", "vocabulary_size: 9",
      "bidirectional: {layer: {lstm: {units: 32}}}", "sequence_length: 5", "units: 3, activation",
      "3 classes (bad, good, so so)",
    ] {
      #expect(text.contains(words), "\(text)")
    }
    let check = try switchback("config", "check", file, "--backend", "reference")
    #expect(check.status == 0, "\(check.error)")
    try trains(file)
    let parts = try temporaryFolder()
    for part in ["train", "valid"] { try write("a".utf8, to: "\(parts)/\(part)/1.txt") }
    let refused = try switchback("config", "init", "--dataset", "text-folder", "--path", parts)
    #expect(
      refused.status == 65 && refused.error.contains("put the texts of each class into a folder"), "\(refused.error)")
  }

  @Test("for a table it learns a column of words or few whole numbers as classes, others as numbers")
  func tables() throws {
    let rows = (0..<60).map { "n\($0);\($0).5;\(["red", "deep blue", "green"][$0 % 3]);\($0 % 2)\n" }.joined()
    let kinds = try written("id;weight;kind;count\n" + rows)
    #expect(kinds.check.status == 0 && kinds.check.output.contains("deep blue"), "\(kinds.check.error)")
    for words in ["label: kind # what", "units: 3, activation: softmax", "columns: {id: ignored}", "delimiter: \";\""] {
      #expect(kinds.text.contains(words), "\(kinds.text)")
    }
    let numbers = try written("id;weight;kind;count\n" + rows, ["--label", "weight"])
    #expect(numbers.check.status == 0, "\(numbers.check.error)")
    for words in [
      "targets: values", "dense: {units: 1}", "loss: mean_squared_error",
      "{kind: {one_hot: [\"deep blue\", green, red]}, id: ignored}",
    ] {
      #expect(numbers.text.contains(words), "\(numbers.text)")
    }
    let bare = try written((0..<60).map { "\($0),\($0 % 2)\n" }.joined())
    #expect(bare.check.status == 0 && bare.text.contains("header: false") && bare.text.contains("units: 2"))
    let strange = try written("\"a: b\",\"# x\",y\n" + (0..<60).map { "\($0),w,\($0 % 2)\n" }.joined())
    #expect(strange.check.status == 0 && strange.text.contains("columns: {\"# x\": ignored}"), "\(strange.text)")
    #expect(try written("id;kind\na;b\nc;d\n").outcome.status == 65)
    #expect(try written("a,b\n1,2\n", ["--label", "c"]).outcome.error.contains("no column c; columns are a, b"))
  }

  @Test("of few rows there are so many epochs that they are learnt, of many rows ten")
  func epochs() throws {
    // Points within a circle and around it.
    var state: UInt64 = 1
    func coordinate() -> Double {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Double(state >> 33) / Double(1 << 30) - 1
    }
    func started(_ count: Int) throws -> (file: String, text: String) {
      var text = "x,y,place\n"
      for _ in 0..<count {
        let (x, y) = (coordinate(), coordinate())
        text += "\(x),\(y),\(x * x + y * y < 0.6 ? "in" : "out")\n"
      }
      let folder = try temporaryFolder()
      let (table, file) = (try write(text.utf8, to: folder + "/table.csv"), folder + "/my.yaml")
      let outcome = try switchback("config", "init", file, "--dataset", "csv", "--path", table, "--label", "place")
      #expect(outcome.status == 0, "\(outcome.error)")
      return (file, try String(contentsOfFile: file, encoding: .utf8))
    }
    let (file, text) = try started(300)
    #expect(text.contains("\n  epochs: 150 # for about 1000 updates, one a batch"), "\(text)")
    #expect(text.contains("\n  early_stopping_patience: 15 "), "\(text)")
    let runs = temporary()
    let train = try switchback("train", file, "--backend", "reference", "--runs", runs)
    try #require(train.status == 0, "\(train.error)")
    let summary = try JSONSerialization.jsonObject(
      with: Data(contentsOf: URL(fileURLWithPath: runs + "/latest/summary.json")))
    let accuracy = (summary as? [String: Any])?["testAccuracy"] as? Double ?? 0
    #expect(accuracy > 0.9, "\(accuracy)")
    #expect(try started(10).text.contains("\n  epochs: 200 #"))
    #expect(try started(5000).text.contains("\n  epochs: 10 #"))
  }

  @Test("what is not there is said with --path, and where it was looked for")
  func absent() throws {
    for dataset in ["csv", "time-series"] {
      let outcome = try switchback("config", "init", "--dataset", dataset, "--path", "nope.csv")
      #expect(outcome.status == 66, "\(outcome.error)")
      #expect(
        outcome.error == "error: nope.csv: No such file or directory (looked for in \(root)); --path names the file\n",
        "\(outcome.error)")
    }
    let folder = try switchback("config", "init", "--dataset", "image-folder", "--path", "nope")
    #expect(folder.status == 66 && folder.error.contains("(looked for in \(root))"), "\(folder.error)")
  }

  @Test("for a table with texts, or with sequences of tokens, it embeds them, beside the other columns, and trains")
  func textColumns() throws {
    let kinds = ["pos", "neg"]
    let alone = try written(
      "review,kind\n" + (0..<60).map { "\"A film, number \($0 % 30), to see\",\(kinds[$0 % 2])\n" }.joined())
    #expect(alone.check.status == 0, "\(alone.check.error)")
    for words in [
      "columns: {review: text}\n", "sequence_length: 8 #", "vocabulary_size: 38 #",
      "embedding: {input_dim: 38, output_dim: 32} #", "masks: {review: review_lengths}",
    ] {
      #expect(alone.text.contains(words), "\(alone.text)\n\(alone.outcome.error)")
    }
    #expect(alone.outcome.error.contains("guess: review is text, of which 8 tokens say enough"))
    let beside = try written(
      "read,tags,stars,size,kind\n"
        + (0..<60).map {
          "good film \($0),\($0 % 5) 7 \($0 % 3),\($0 % 5).5,\(["small", "large"][$0 % 2]),\(kinds[$0 % 2])\n"
        }.joined())
    #expect(beside.check.status == 0, "\(beside.check.error)")
    for words in [
      "columns: {size: {one_hot: [large, small]}, read: text, tags: tokens}\n", "inputs: [read, tags, table]",
      "embedding: {input_dim: 8, output_dim: 32, inputs: tags}",
      "bidirectional: {layer: {lstm: {units: 32}}, name: read2}",
      "masks: {read: read_lengths, tags: tags_lengths}", "concatenate: {inputs: [read_, read2, side]}",
    ] {
      #expect(beside.text.contains(words), "\(beside.text)")
    }
    let gap = try written(
      "review,x,kind\n" + (0..<60).map { "\($0 == 3 ? "" : "a film \($0)"),\($0).5,\(kinds[$0 % 2])\n" }.joined())
    #expect(gap.text.contains("review: ignored") && gap.check.status == 0, "\(gap.text)")
    #expect(gap.outcome.error.contains("it holds text, but not in 1 of 60 cells (in line 5: empty)"))
    // Days and names of two words are no texts.
    let words = try written(
      "day,name,x,kind\n" + (0..<60).map { "2020-01-\($0),Ann B\($0),\($0).5,\(kinds[$0 % 2])\n" }.joined())
    #expect(words.text.contains("columns: {day: ignored, name: ignored}"), "\(words.text)")
  }

  @Test("for a time series it reads the columns of numbers, learns one of them, says what is left out, and trains")
  func series() throws {
    func written(_ text: String, _ more: String...) throws -> (text: String, outcome: Outcome) {
      let folder = try temporaryFolder()
      let (table, file) = (try write(text.utf8, to: folder + "/load.csv"), folder + "/my.yaml")
      let outcome = try switchback(["config", "init", file, "--dataset", "time-series", "--path", table] + more)
      guard outcome.status == 0 else { return ("", outcome) }
      let check = try switchback("config", "check", file, "--backend", "reference")
      #expect(check.status == 0 && check.error.isEmpty, "\(check.error)")
      try trains(file)
      return (try String(contentsOfFile: file, encoding: .utf8), outcome)
    }
    let rows = (0..<200).map { "2020-01-\($0);\($0);\($0 % 7).5;\($0 % 5).25\n" }.joined()
    let guessed = try written("day;step;load;wind\n" + rows)
    for words in [
      "dataset: time-series", "columns: [load, wind]", "target: wind # what is to be learnt: a guess", "window: 8",
      "delimiter: \";\"", "lstm: {units: 32}", "dense: {units: 1}", "loss: mean_squared_error",
    ] {
      #expect(guessed.text.contains(words), "\(guessed.text)\n\(guessed.outcome.error)")
    }
    for words in [
      "guess: the column wind is to be learnt; --label names another", "guess: 8 steps say enough of the next",
      "guess: day is not read, since it holds no numbers", "guess: step is not read, since it only numbers the rows",
    ] {
      #expect(guessed.outcome.error.contains(words), "\(guessed.outcome.error)")
    }
    #expect(try written("day;step;load;wind\n" + rows, "--label", "load").text.contains("target: load\n"))
    let word = try written("day;step;load;wind\n" + rows, "--label", "day").outcome
    #expect(word.status == 65 && word.error.contains("the column day cannot be learnt: it holds no numbers"))
    #expect(try written("day,kind\na,b\nc,d\n").outcome.error.contains("has no column of numbers that could be"))
    let short = try written("x,y\n" + (0..<20).map { "\($0 % 3),\($0 % 4)\n" }.joined()).outcome
    #expect(short.status == 65 && short.error.contains("has 20 steps, too few"), "\(short.error)")
  }

  @Test("for a table of pictures and numbers it has a branch for each")
  func pictures() throws {
    let folder = try temporaryFolder()
    try write(Array("P5 12 12 255\n".utf8) + [UInt8](repeating: 1, count: 144), to: folder + "/1.pgm")
    let text = "file,width,class\n" + (0..<60).map { "1.pgm,\($0 % 7),\(["a", "b"][$0 % 2])\n" }.joined()
    let (table, file) = (try write(text.utf8, to: folder + "/table.csv"), folder + "/my.yaml")
    #expect(try switchback("config", "init", file, "--dataset", "csv", "--path", table).status == 0)
    let written = try String(contentsOfFile: file, encoding: .utf8)
    for words in [
      "images: file", "image_size: [12, 12]", "inputs: [images, table]", "concatenate: {inputs: [seen, side]}",
    ] {
      #expect(written.contains(words), "\(written)")
    }
    let check = try switchback("config", "check", file, "--backend", "reference")
    #expect(check.status == 0, "\(check.error)")
    #expect(try switchback("data", "check", file).status == 0)
    try trains(file)
  }

  @Test("what is guessed is said with what to change; columns that cannot be features are ignored, and it trains")
  func guesses() throws {
    let rows = (0..<60).map { row in
      "\(row),\(row * 7 % 13),1,\(row == 3 ? "" : "\(row).5"),n\(row),\(["a", "b"][row % 2])\n"
    }
    let table = try written("place,width,same,weight,note,kind\n" + rows.joined())
    #expect(
      table.text.contains("columns: {place: ignored, same: ignored, weight: ignored, note: ignored}"), "\(table.text)")
    #expect(table.check.status == 0, "\(table.check.error)")
    for words in [
      "guess: the first row names the columns (place, width, same, weight, note, …); data.header: false",
      "guess: the column kind is to be learnt; --label names another",
      "guess: place is ignored, since it only numbers the rows",
      "guess: same is ignored, since it has the same number in every row",
      "guess: weight is ignored, since it holds numbers, but not in 1 of 60 cells (in line 5: empty)",
      "guess: note is ignored, since it holds words",
    ] {
      #expect(table.outcome.error.contains(words), "\(table.outcome.error)")
    }
    let numbers = try written((0..<60).map { "\($0 * 7 % 13),\($0 % 2)\n" }.joined())
    #expect(numbers.text.contains("header: false") && numbers.check.status == 0, "\(numbers.check.error)")
    #expect(numbers.outcome.error.contains("guess: the 2 numbers of 1 are classes; for a quantity say"))
    #expect(numbers.outcome.error.contains("guess: the first row is one of data"), "\(numbers.outcome.error)")
    // One that is to be learnt cannot be left out.
    let gap = try written("width,kind\n1,a\n2,b\n3,\n4,a\n").outcome
    #expect(gap.status == 65 && gap.error.contains("1 of 4 cells (in line 4: empty)"), "\(gap.error)")
    let only = try written("id,kind\n" + (0..<60).map { "\($0),\(["a", "b"][$0 % 2])\n" }.joined())
    #expect(only.outcome.error.contains("guess: id only numbers the rows, but there is no other"))
    #expect(!only.text.contains("ignored"), "\(only.text)")
    let nothing = try written("same,kind\n1,a\n1,b\n1,a\n").outcome
    #expect(nothing.status == 65 && nothing.error.contains("same is ignored, since it has the same number"))
  }

  @Test("options that do not go together are told")
  func mistakes() throws {
    for (options, words) in [
      (["--dataset", "csv"], "needs --path"), (["--path", "x"], "--path goes with"),
      (["--dataset", "image-folder", "--path", "x", "--label", "y"], "--label goes with"),
    ] {
      let outcome = try switchback(["config", "init"] + options)
      #expect(outcome.status == 64 && outcome.error.contains(words), "\(outcome.error)")
    }
  }
}
