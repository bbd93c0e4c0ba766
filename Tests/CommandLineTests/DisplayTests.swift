import SwitchbackCommandLine
import SwitchbackTraining
import Testing

@Suite struct DisplayTests {
  private let line = LiveLine(
    epoch: 3, done: 469, of: 938, left: "1:02 left", numbers: ["loss 0.2345", "accuracy 91.23 %", "12345 samples/s"])

  @Test("the live line fits its terminal: the time left stays, the rate goes first, then the accuracy, the bar before")
  func live() {
    for columns in 1...120 {
      let text = line.text(columns: columns, hasBar: true)
      #expect(text.count <= max(columns, 18), "\(columns): \(text)")
      #expect(text.hasPrefix("epoch 3") && text.contains("1:02 left"))
    }
    #expect(line.text(columns: 79, hasBar: true).contains("accuracy 91.23 %"))
    #expect(line.text(columns: 79, hasBar: true).contains("samples/s"))
    #expect(!line.text(columns: 60, hasBar: true).contains("samples/s"))
    #expect(line.text(columns: 120, hasBar: true).contains("━━━━━━━━━━──────────"))
    #expect(
      line.text(columns: .max, hasBar: false)
        == "epoch 3  1:02 left  469/938  loss 0.2345  accuracy 91.23 %  12345 samples/s")
  }

  @Test("the live line says that its loss is of recent steps, as the epoch's row has the mean over the epoch")
  func recent() {
    func line(_ numbers: [String]) -> LiveLine {
      LiveLine(epoch: 3, done: 469, of: 938, left: "1:02 left", numbers: numbers)
    }
    let whole = line(LiveLine.numbers(loss: "0.2345", accuracy: "91.23 %", rate: "12345 samples/s"))
    #expect(
      whole.text(columns: .max, hasBar: false)
        == "epoch 3  1:02 left  469/938  recent loss 0.2345  accuracy 91.23 %  12345 samples/s")
    let short = line(LiveLine.numbers(loss: "0.2", accuracy: nil, rate: "1 samples/s"))
    #expect(short.text(columns: 40, hasBar: false) == "epoch 3  1:02 left  469/938")
    #expect(short.text(columns: 46, hasBar: false).hasSuffix("469/938  recent loss 0.2"))
  }

  @Test("lines of a paragraph of help become one, and examples keep theirs")
  func help() throws {
    #expect(flowing("one\ntwo\n\n  a b\n  c\n\nthree:\n\n  d") == "one two\n\n  a b\n  c\n\nthree:\n\n  d")
    // Broken once, at 80 characters where nothing says how wide the terminal is: no line is a rest.
    let lines = try switchback("profile", "--help").output.split(separator: "\n", omittingEmptySubsequences: false)
    let start = try #require(lines.firstIndex { $0.hasPrefix("Runs training steps") })
    let paragraph = lines[start...].prefix { !$0.isEmpty }
    #expect(paragraph.dropLast().allSatisfy { $0.count > 60 && $0.count <= 80 }, "\(paragraph)")
  }

  @Test("lines break at words, and no row is wider than the terminal where a word is not")
  func wrapping() {
    #expect(wrapped("one two three", 20) == "one two three")
    #expect(wrapped("one two three", 9) == "one two\n  three")
    #expect(wrapped("  one two three", 9) == "  one two\n  three")
    #expect(wrapped("a verylongwordindeed b", 8) == "a\n  verylongwordindeed\n  b")
    #expect(wrapped("", 8) == "")
    #expect(wrapped("a  b", 80) == "a  b")
    #expect(wrapped("\u{1B}[31mred\u{1B}[0m word", 8) == "\u{1B}[31mred\u{1B}[0m word")
  }

  @Test("turns of a repeat that follow one another are one word, others stay")
  func paths() {
    func turns(_ numbers: [Int], _ rest: String = ".layers.0.dense") -> [String] {
      numbers.map { "layers.1.repeat.\($0)\(rest)" }
    }
    #expect(LayerPaths.words(["a", "b"]) == "a, b")
    #expect(LayerPaths.words(turns(Array(0...14))) == "layers.1.repeat.0 to .14 (layers.0.dense)")
    #expect(LayerPaths.words(turns([9, 10, 11], "") + ["tail"]) == "layers.1.repeat.9 to .11, tail")
    #expect(LayerPaths.words(turns([0, 1], "")) == "layers.1.repeat.0, layers.1.repeat.1")
    let both = (0...2).flatMap { ["layers.1.repeat.\($0).layers.0.dense", "layers.1.repeat.\($0).layers.1.relu"] }
    #expect(
      LayerPaths.words(both) == "layers.1.repeat.0 to .2 (layers.0.dense), layers.1.repeat.0 to .2 (layers.1.relu)")
    #expect(LayerPaths.words(turns([0, 1, 2, 4], "")) == "layers.1.repeat.0 to .2, layers.1.repeat.4")
  }

  @Test("a loss has three digits at least, however small it is")
  func losses() {
    for (loss, text) in [
      (0.23441, "0.2344"), (3.2e-5, "3.2e-05"), (0.0012345, "0.001234"), (0.0123, "0.0123"), (2.5, "2.5000"),
      (0, "0.0000"), (-0.0005, "-0.0005"), (1234567.8, "1.235e+06"), (Double.nan, "nan"),
    ] { #expect(loss.lossText == text) }
  }

  @Test("a picture fits the terminal: blocks of pixels become their mean")
  func picture() {
    let picture = TextPicture([0, 1, 1, 0, 1, 0, 0, 1], height: 2, width: 4, channels: 1)
    #expect(picture.lines(columns: 80) == ["  @@@@  ", "@@    @@"])
    // Means of two by two pixels: 0.5.
    #expect(picture.lines(columns: 4) == ["===="])
    let large = TextPicture([Float](repeating: 1, count: 224 * 224 * 3), height: 224, width: 224, channels: 3)
    for columns in [1, 2, 3, 40, 80, 200, 1000] {
      let lines = large.lines(columns: columns)
      #expect(lines.allSatisfy { $0.count <= max(columns, 2) && $0.allSatisfy { $0 == "@" } }, "\(columns)")
      #expect(!lines.isEmpty)
    }
    #expect(TextPicture([.nan], height: 1, width: 1, channels: 1).lines(columns: 80) == ["  "])
  }
}
