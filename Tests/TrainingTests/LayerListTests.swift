import SwitchbackDatasets
import Foundation
import SwitchbackNeuralNetworks
import SwitchbackPrograms
import SwitchbackTraining
import TestFiles
import Testing

/// A configuration with that `model`.
private func text(_ model: String) -> String {
  """
  version: 1
  model:
  \(model.split(separator: "\n", omittingEmptySubsequences: false).map { "  " + $0 }.joined(separator: "\n"))
  data: {dataset: mnist}
  training: {optimizer: sgd}
  """
}

private func read(_ model: String, expandsBlocks: Bool = false) throws -> Configuration {
  try Configuration(text: text(model), file: "test.yaml", expandsBlocks: expandsBlocks)
}

private func problems(_ model: String) -> [String] { problems(in: text(model)) }

/// What the network of the configuration is, or why there is none.
private func weights(_ model: String) throws -> [String] {
  try read(model).trainingStep(on: DatasetLayout(sampleShape: [4], targets: .classes)).inference(batchSize: 2)
    .parameters
    .map(\.name)
}

private func message(_ model: String) -> String {
  do {
    _ = try weights(model)
    return ""
  } catch {
    return "\(error)"
  }
}

@Suite("Lists of layers in a configuration")
struct LayerListTests {
  private static let blocks = """
    blocks:
      basic:
        parameters: {units: ~, shortcut: [], activation: relu}
        layers:
          - residual:
              layers: [{dense: {units: $units, use_bias: false}}]
              shortcut: $shortcut
              activation: $activation
      two:
        parameters: {units: 4}
        layers: [{block: {use: basic, units: $units}}, {block: {use: basic, units: $units}}]

    """

  @Test("blocks, repetitions and residuals have paths and weights of their own")
  func paths() throws {
    let names = try weights(
      Self.blocks + """
        layers:
          - dense: {units: 4, use_bias: false, name: stem}
          - repeat: {times: 2, layers: [{block: {use: basic, units: 4}}]}
          - block: {use: basic, units: 5, shortcut: [{dense: {units: 5, use_bias: false}}], name: wider}
          - dense: {units: 2, use_bias: false}
        """)
    #expect(
      names == [
        "stem/kernel", "layers.1.repeat.0.layers.0.block.layers.0.residual.layers.0.dense/kernel",
        "layers.1.repeat.1.layers.0.block.layers.0.residual.layers.0.dense/kernel",
        "wider.layers.0.residual.layers.0.dense/kernel", "wider.layers.0.residual.shortcut.0.dense/kernel",
        "layers.3.dense/kernel",
      ])
  }

  @Test("what is shown keeps blocks as written; expanded it has none, and both are the same network")
  func shown() throws {
    let model = Self.blocks + "layers: [{block: {use: two, name: both}}, {dense: {units: 2, activation: softmax}}]"
    let (written, expanded) = (try read(model), try read(model, expandsBlocks: true))
    #expect(written.resolvedText.contains("use: two") && written.resolvedText.contains("blocks:"))
    #expect(!expanded.resolvedText.contains("use:") && !expanded.resolvedText.contains("blocks:"))
    let programs = try [written.resolvedText, expanded.resolvedText].map { text in
      let again = try Configuration(text: text, file: "again.yaml")
      #expect(again.resolvedText == text)
      return try again.trainingStep(on: DatasetLayout(sampleShape: [4], targets: .classes)).build(batchSize: 3).program
        .description
    }
    #expect(programs[0] == programs[1])
    #expect(
      programs[0]
        == (try written.trainingStep(on: DatasetLayout(sampleShape: [4], targets: .classes)).build(batchSize: 3).program
          .description))
  }

  @Test("entries read by name, share weights, and are frozen")
  func entries() throws {
    let model = """
      layers:
        - dense: {units: 4, name: a, trainable: false}
        - shared: {layer: a, inputs: a, name: b}
        - concatenate: {inputs: [a, b, images]}
        - dense: {units: 3}
      """
    let training = try read(model).trainingStep(on: DatasetLayout(sampleShape: [4], targets: .classes)).build(
      batchSize: 3)
    #expect(training.parameters.map(\.name) == ["a/kernel", "a/bias", "layers.3.dense/kernel", "layers.3.dense/bias"])
    #expect(training.parameters.map(\.isTrainable) == [false, false, true, true])
    #expect(training.parameters[2].type.shape == [12, 3])
  }

  @Test("a residual network of the configurations is the one of its paper")
  func resnet() throws {
    let configuration = try Configuration(file: root + "/configs/resnet20-fashion.yaml")
    let training = try configuration.trainingStep(on: DatasetLayout(sampleShape: [28, 28, 1], targets: .classes)).build(
      batchSize: 2)
    let kernels = training.parameters.filter { $0.name.hasSuffix("/kernel") }
    // 19 convolutions and the dense layer; the two projections are counted apart.
    #expect(kernels.filter { !$0.name.contains("shortcut") }.count == 20)
    #expect(kernels.filter { $0.name.contains("shortcut") }.count == 2)
    // 0.27 M for three channels (table 6); one channel has 288 weights fewer, the projections are 2,560 and their
    // normalizations.
    #expect((272_000...275_000).contains(training.trainableCount), "\(training.trainableCount)")
    #expect(training.parameters.filter(\.isReplaced).count == 2 * 21)
  }

  @Test("what is wrong with a list names its line, and the line that uses the block")
  func errors() {
    let wrong = """
      blocks:
        bad:
          parameters: {units: ~}
          layers: [{dense: {units: $unit}}]
        odd:
          parameters: {units: ~}
          layers:
            - dense: {units: $units, colour: red}
        loop:
          layers: [{block: {use: loop}}]
      layers:
        - block: {use: bad, units: 4}
        - block: {use: odd, units: many}
        - block: {use: odd}
        - block: {use: od, units: 4}
        - block: {use: loop}
        - block: {use: odd, units: 3, unit: 4}
        - residual: {layers: []}
        - repeat: {layers: [flatten]}
        - repeat: {times: 1000, layers: [{repeat: {times: 1000, layers: [flatten]}}]}
      """
    let found = problems(wrong)
    func has(_ words: String...) {
      #expect(found.contains { line in words.allSatisfy(line.contains) }, "\(words) in \(found)")
    }
    has("test.yaml:6:", "model.blocks.bad: $unit is not among its parameters; did you mean units?")
    has("model.layers.1.block.layers.0.dense.units must be", "\"many\"", "(in the block odd, used in line 15)")
    has("test.yaml:10:", "colour is not a key here", "(in the block odd, used in line")
    has("model.layers.2.block: the block odd needs units")
    has("model.blocks has no block od; did you mean odd?")
    has("model.blocks.loop: the block loop uses itself")
    has("model.layers.5.block.unit is not a key here; did you mean units?")
    has("model.layers.6.residual.layers must be a list of layers")
    has("model.layers.7.repeat.times is missing")
    has("the model has more than 10000 layers")
    // A block's own mistake is said once, however often it is used.
    #expect(found.filter { $0.contains("colour") }.count == 1)
  }

  @Test("one mistake in the use of a block is one problem")
  func uses() {
    let block = "blocks: {basic: {parameters: {units: ~, activation: relu}, layers: [{dense: {units: $units}}]}}\n"
    for (use, words) in [
      ("use: basic, activation: elu", "the block basic needs units"),
      ("use: basic, unit: 4", "block.unit is not a key here; did you mean units?"),
      ("use: basc, units: 4", "model.blocks has no block basc; did you mean basic?"),
      ("uses: basic", "block.uses is not a key here; did you mean use?"),
      ("name: a", "model.layers.0.block must name a block of model.blocks with use, or have layers"),
    ] {
      let found = problems(block + "layers: [{block: {\(use)}}]")
      #expect(found.count == 1 && found[0].contains(words), "\(use): \(found)")
    }
  }

  @Test("a key that is misspelt is one problem: that the one that was meant is missing is not said")
  func misspeltKeys() {
    for (layer, words) in [
      ("dense: {unit: 4}", "unit is not a key here; did you mean units?"),
      ("dense: {out_features: 4}", "it is called units (PyTorch's out_features)"),
      ("repeat: {time: 2, layers: [flatten]}", "time is not a key here; did you mean times?"),
      ("residual: {layer: [flatten]}", "layer is not a key here; did you mean layers?"),
      ("conv2d: {kernel_size: 3, filter: 2}", "filter is not a key here; did you mean filters?"),
      (
        "dense: {units: 2, return_sequences: true}",
        "return_sequences is not a key here: it is one of simple_rnn, lstm,"
      ),
      ("denze: {units: 2}", "no layer denze; did you mean dense? (switchback config keys model.layers lists all)"),
      ("xyzzy: {units: 2}", "there is no layer xyzzy (near it: "),
      ("xyzzy: {units: 2}", "; switchback config keys model.layers lists all)"),
    ] {
      let found = problems("layers: [{\(layer)}]")
      #expect(found.count == 1 && found[0].contains(words), "\(layer): \(found)")
    }
    // One that is missing besides is said.
    #expect(problems("layers: [{conv2d: {filter: 2}}]").count == 2)
  }

  @Test("lists that stand in each other too deep are refused, not followed")
  func depth() {
    let deep = String(repeating: "{residual: {layers: [", count: 200) + "flatten" + String(repeating: "]}}", count: 200)
    #expect(problems("layers: [\(deep)]").contains { $0.contains("more than 40 deep") })
  }

  @Test("a block may be given to a block; what its layers lack is said though nobody uses it")
  func givenBlocks() throws {
    let blocks = """
      blocks:
        wrap: {parameters: {inner: ~}, layers: [{residual: {layers: $inner}}]}
        plain: {parameters: {inner: ~}, layers: $inner}

      """
    let inner = "[{block: {use: wrap, inner: [{block: {use: plain, inner: [{dense: {units: 4, use_bias: false}}]}}]}}]"
    #expect(
      try weights(blocks + "layers: [{block: {use: wrap, inner: \(inner)}}]")
        == [
          "layers.0.block.layers.0.residual.layers.0.block.layers.0.residual.layers.0.block.layers.0.dense/kernel"
        ])
    let unused = "blocks: {odd: {parameters: {units: ~}, layers: [{dense: {units: $unit}}]}}\nlayers: [flatten]"
    #expect(problems(unused).contains { $0.contains("$unit is not among its parameters") })
  }

  @Test("a small file that stands for a huge one is refused, not read")
  func aliases() {
    var text = "a0: &a0 [flatten, flatten, flatten, flatten, flatten, flatten, flatten, flatten, flatten, flatten]\n"
    for level in 1...8 {
      text +=
        "a\(level): &a\(level) [" + [String](repeating: "*a\(level - 1)", count: 10).joined(separator: ", ") + "]\n"
    }
    #expect(problems(text).contains { $0.contains("more than 100000 values") })
  }

  @Test("inputs are words: a list among them is no input that is left out")
  func inputs() {
    for inputs in ["[a, [b, c]]", "[a, {x: b}]", "{x: a}"] {
      #expect(
        problems("layers: [{concatenate: {inputs: \(inputs)}}]").contains {
          $0.contains("must be a word or a list of words")
        })
    }
  }

  @Test("layers that share one another cannot grow without end")
  func sharedWithoutEnd() {
    var entries = ["{dense: {units: 4, name: b0}}"]
    for level in 1...40 {
      let name = "b\(level - 1)"
      entries.append(
        "{block: {name: b\(level), layers: [{shared: {layer: \(name)}}, {shared: {layer: \(name)}}]}}")
    }
    #expect(message("layers: [\(entries.joined(separator: ", "))]").contains("more than 20000 layers"))
  }

  @Test("a name is told apart within a list: a layer beside it, of the shortcut, may be called alike")
  func namesOfLists() throws {
    func model(_ inner: String, shortcut: String) -> String {
      "layers: [{residual: {layers: [{dense: {units: 3}}, \(inner)], shortcut: [{dense: {units: 3}}, \(shortcut)]}}]"
    }
    let relu = "{relu: {name: act}}"
    // Reading tells lists apart; their weights would have one name.
    #expect(message(model(relu, shortcut: relu)).contains("two layers are called layers.0.residual.act"))
    #expect(problems(model("\(relu), \(relu)", shortcut: relu)).count == 1)
    #expect(
      problems(model(relu, shortcut: "\(relu), \(relu)")).first?.contains(
        "shortcut.2.relu: there is another layer called act") == true)
  }

  @Test("what cannot be wired is said with its path")
  func wiring() {
    #expect(
      message("layers: [{dense: {units: 3, inputs: tail}}, {dense: {units: 3, name: tail}}]").contains("comes later"))
    #expect(
      message("layers: [{dense: {units: 3, name: lost}}, {dense: {units: 2, inputs: images}}]").hasSuffix(
        "model.layers.0.dense (lost): nobody reads its result; name it among the outputs, or leave it out"))
    #expect(message("layers: [{dense: {units: 3, name: images}}]").contains("called like an input"))
    #expect(message("layers: [{residual: {layers: [{dense: {units: 3}}]}}]").contains("give it a shortcut"))
    #expect(
      message(
        "layers: [{dense: {units: 3, name: a}}, {dense: {units: 4, name: b, inputs: images}}, {add: {inputs: [a, b]}}]"
      ).hasSuffix("model.layers.2.add: joins [32,3] from a and [32,4] from b: the shapes must agree"))
  }
}
