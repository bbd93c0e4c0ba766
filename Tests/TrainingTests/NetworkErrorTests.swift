import SwitchbackDatasets
import SwitchbackNeuralNetworks
import SwitchbackPrograms
import SwitchbackTraining
import Testing

/// A configuration with that `model`, whose first line is line 3.
private func text(_ model: String) -> String {
  """
  version: 1
  model:
  \(model.split(separator: "\n", omittingEmptySubsequences: false).map { "  " + $0 }.joined(separator: "\n"))
  data: {dataset: mnist}
  training:
    loss: categorical_crossentropy
    optimizer: sgd
  """
}

private let rows = DatasetLayout(sampleShape: [4], targets: .classes, classNames: ["a", "b", "c"])
private let pictures = DatasetLayout(sampleShape: [5, 5, 1], targets: .classes, classNames: ["a", "b", "c"])

private func problems(_ text: String, on data: DatasetLayout, _ overrides: [String] = []) -> [String] {
  do {
    let configuration = try Configuration(text: text, file: "test.yaml", overrides: overrides)
    do {
      _ = try configuration.trainingStep(on: data).build(batchSize: 2)
    } catch let error as ProgramError {
      throw configuration.located(error)
    }
    return []
  } catch let error as ConfigurationError {
    return error.problems.map(\.description)
  } catch {
    return ["\(error)"]
  }
}

/// The line that is marked in the text, from 1.
private func marked(_ text: String) -> Int {
  (text.split(separator: "\n", omittingEmptySubsequences: false).firstIndex { $0.hasSuffix("# here") } ?? -2) + 1
}

/// A network that is wrong in the marked line, and what is said of it.
struct WrongNetwork: CustomTestStringConvertible, Sendable {
  var model: String
  var words: String
  var data: DatasetLayout
  var testDescription: String { words }

  init(_ words: String, on data: DatasetLayout, _ model: String) {
    (self.words, self.data, self.model) = (words, data, model)
  }
}

@Suite("Errors of networks and their lines")
struct NetworkErrorTests {
  static let wiring = [
    WrongNetwork(
      "model.layers.0.dense: reads tail, which comes later: a layer reads inputs and earlier layers", on: rows,
      """
      layers:
        - dense: {units: 3, inputs: tail} # here
        - dense: {units: 3, name: tail}
      """),
    WrongNetwork(
      "model.layers.1.dense: reads tial, and no input or earlier layer is called so; did you mean tail? (there are images",
      on: rows,
      """
      layers:
        - dense: {units: 4, name: tail}
        - dense: {units: 3, inputs: tial} # here
      """),
    WrongNetwork(
      "model.layers.0.dense (lost): nobody reads its result; name it among the outputs, or leave it out", on: rows,
      """
      layers:
        - dense: {units: 4, name: lost} # here
        - dense: {units: 3, inputs: images}
      """),
    WrongNetwork(
      "model.inputs: images is given twice", on: rows,
      """
      inputs: [images, images] # here
      layers:
        - dense: {units: 3, inputs: images}
      """),
    WrongNetwork(
      "model.layers.2.add: there is another layer called a, in line 4", on: rows,
      """
      layers:
        - dense: {units: 4, name: a}
        - dense: {units: 4}
        - add: {inputs: [a, images], name: a} # here
      """),
    WrongNetwork(
      "model.layers.1.dense (images): a layer is called like an input: images", on: rows,
      """
      layers:
        - dense: {units: 4}
        - dense: {units: 3, name: images} # here
      """),
    WrongNetwork(
      "model.outputs: a has no result state", on: rows,
      """
      layers:
        - dense: {units: 3, name: a}
      outputs: [a:state] # here
      """),
    WrongNetwork(
      "model.layers.0.block.layers.1.dense: reads b, which comes later", on: rows,
      """
      blocks:
        two:
          layers:
            - dense: {units: 4}
            - dense: {units: 4, inputs: b} # here
            - dense: {units: 4, name: b}
      layers:
        - block: {use: two}
        - dense: {units: 3}
      """),
  ]

  static let shapes = [
    WrongNetwork(
      "model.layers.2.add: joins [32,3] from a and [32,5] from b: the shapes must agree", on: rows,
      """
      layers:
        - dense: {units: 3, name: a}
        - dense: {units: 5, name: b}
        - add: {inputs: [a, b]} # here
      """),
    WrongNetwork(
      "model.layers.1.residual: adds [32,3] from layers.1.residual.layers.0.dense and [32,4] from layers.0.dense",
      on: rows,
      """
      layers:
        - dense: {units: 4}
        - residual: # here
            layers:
              - dense: {units: 3}
      """),
    WrongNetwork(
      "model.layers.1.block.layers.2.add: joins [32,3] from layers.1.block.a and [32,5] from layers.1.block.b: the shapes "
        + "must agree (in the block wide, used in line 12)", on: rows,
      """
      blocks:
        wide:
          parameters: {units: ~}
          layers:
            - dense: {units: $units, name: a}
            - dense: {units: 5, name: b}
            - add: {inputs: [a, b]} # here
      layers:
        - dense: {units: 4}
        - block: {use: wide, units: 3}
        - dense: {units: 3}
      """),
    WrongNetwork(
      "model.layers.0.conv2d: conv2d: a kernel of 7×7 does not fit into an image of 5×5", on: pictures,
      """
      layers:
        - conv2d: {filters: 2, kernel_size: 7} # here
        - flatten
        - dense: {units: 3}
      """),
    // 5 → 3 → 1, and no further.
    WrongNetwork(
      "model.layers.0.repeat.layers.0.conv2d (layers.0.repeat.2.layers.0.conv2d): conv2d: a kernel of 3×3 does not fit "
        + "into an image of 1×1", on: pictures,
      """
      layers:
        - repeat:
            times: 3
            layers:
              - conv2d: {filters: 2, kernel_size: 3} # here
        - flatten
        - dense: {units: 3}
      """),
    WrongNetwork(
      "model.layers.1.dense: takes rows [N, features], but gets [32,3,3,2] from layers.0.conv2d; put a flatten between",
      on: pictures,
      """
      layers:
        - conv2d: {filters: 2, kernel_size: 3}
        - dense: {units: 3} # here
      """),
    WrongNetwork(
      "model.layers.1.transformer_encoder: takes sequences whose width num_heads, 3, divides, but gets [32,5,5] from "
        + "layers.0.reshape; 5 is no multiple of it", on: pictures,
      """
      layers:
        - reshape: {target_shape: [5, 5]}
        - transformer_encoder: {intermediate_dim: 4, num_heads: 3} # here
        - flatten
        - dense: {units: 3}
      """),
    WrongNetwork(
      "model.layers.1.embedding: takes whole numbers (i32), but gets [32,4] from layers.0.activation", on: rows,
      """
      layers:
        - relu
        - embedding: {input_dim: 9, output_dim: 2} # here
        - flatten
        - dense: {units: 3}
      """),
    WrongNetwork(
      "model.layers.1.dense: the data has 3 classes, and the network ends with 2 outputs: set the units of its last layer "
        + "to 3", on: rows,
      """
      layers:
        - dense: {units: 4}
        - dense: {units: 2} # here
      """),
    WrongNetwork(
      "model.layers.1.conv2d: labels are 3 classes, and the output is [2, 2, 2] a sample: end it with a number a class",
      on: pictures,
      """
      layers:
        - relu
        - conv2d: {filters: 2, kernel_size: 4} # here
      """),
    WrongNetwork(
      "model: the model has no weights to train", on: rows,
      """
      layers:
        - relu # here
      """),
  ]

  static let convolutions = [
    WrongNetwork(
      "model.layers.1.conv1d: takes sequences [N, T, C], but gets [32,5,5,1] from layers.0.activation", on: pictures,
      """
      layers:
        - relu
        - conv1d: {filters: 2, kernel_size: 3} # here
        - flatten
        - dense: {units: 3}
      """),
    WrongNetwork(
      "model.layers.0.conv2d_transpose: output_padding must be below strides", on: pictures,
      """
      layers:
        - conv2d_transpose: {filters: 2, kernel_size: 3, strides: 2, output_padding: 2} # here
        - flatten
        - dense: {units: 3}
      """),
    WrongNetwork(
      "model.layers.0.conv2d.padding must be valid, same, or four whole numbers [top, bottom, left, right], not a list",
      on: pictures,
      """
      layers:
        - conv2d: {filters: 2, kernel_size: 3, padding: [1, 2]} # here
        - flatten
        - dense: {units: 3}
      """),
  ]

  @Test("what no convolution takes is said with the layer's line", arguments: NetworkErrorTests.convolutions)
  func convolved(wrong: WrongNetwork) { expect(wrong) }

  static let edges = [
    WrongNetwork(
      "model.layers.0.cropping2d: takes images of more than 3 + 3 rows and 3 + 3 columns, but gets [32,5,5,1] from the "
        + "model's input", on: pictures,
      """
      layers:
        - cropping2d: {cropping: 3} # here
        - flatten
        - dense: {units: 3}
      """),
    WrongNetwork(
      "model.layers.1.reshape: takes samples of a multiple of 3 elements for [3, -1], but gets [32,4] from layers.0.dense",
      on: rows,
      """
      layers:
        - dense: {units: 4}
        - reshape: {target_shape: [3, -1]} # here
        - flatten
        - dense: {units: 3}
      """),
    WrongNetwork(
      "model.layers.0.permute: dims names each axis behind the batch once, from 1, such as [2, 1], not [1, 3]",
      on: rows,
      """
      layers:
        - permute: {dims: [1, 3]} # here
        - dense: {units: 3}
      """),
    WrongNetwork(
      "model.layers.1.repeat_vector.n must be a whole number from 1 to 1048576", on: rows,
      """
      layers:
        - relu
        - repeat_vector: {n: 0} # here
        - flatten
        - dense: {units: 3}
      """),
    WrongNetwork(
      "model.layers.0.zero_padding2d.padding must be a whole number from 0 to 1048576, [height, width], [top, bottom, left, "
        + "right], or [[top, bottom], [left, right]]", on: pictures,
      """
      layers:
        - zero_padding2d: {padding: [1, 2, 3]} # here
        - flatten
        - dense: {units: 3}
      """),
  ]

  @Test("what does not fit edges and shapes is said with the layer's line", arguments: NetworkErrorTests.edges)
  func edged(wrong: WrongNetwork) { expect(wrong) }

  static let initializers = [
    WrongNetwork(
      "model.layers.0.conv2d: kernel: delta_orthogonal needs as many filters as channels or more, and [1,1,25,3] has 3 of 25",
      on: DatasetLayout(sampleShape: [1, 1, 25], targets: .classes, classNames: ["a", "b", "c"]),
      """
      layers:
        - conv2d: {filters: 3, kernel_size: 1, kernel_initializer: delta_orthogonal} # here
        - flatten
      """),
    WrongNetwork(
      "model.layers.0.dense.kernel_initializer.gain must be a finite number or activation, not \"activatoin\"",
      on: rows,
      """
      layers:
        - dense: {units: 3, kernel_initializer: {type: orthogonal, gain: activatoin}} # here
      """),
    WrongNetwork(
      "model.layers.0.dense.kernel_initializer: scale must be above 0", on: rows,
      """
      layers:
        - dense: {units: 3, kernel_initializer: {type: variance_scaling, scale: 0}} # here
      """),
  ]

  @Test("what no weight can start with is said with the layer's line", arguments: NetworkErrorTests.initializers)
  func initialized(wrong: WrongNetwork) { expect(wrong) }

  @Test("what cannot be wired is said with the layer's line", arguments: NetworkErrorTests.wiring)
  func wired(wrong: WrongNetwork) { expect(wrong) }

  @Test(
    "shapes that do not fit are said with the layer's line; both layers and both shapes are named",
    arguments: NetworkErrorTests.shapes)
  func shaped(wrong: WrongNetwork) { expect(wrong) }

  private func expect(_ wrong: WrongNetwork) {
    let text = text(wrong.model)
    let found = problems(text, on: wrong.data)
    #expect(found.count == 1)
    #expect(found.first?.hasPrefix("test.yaml:\(marked(text)):") == true, "\(found), expected line \(marked(text))")
    #expect(found.first?.contains(": " + wrong.words) == true, "\(found)")
  }

  @Test("what is wrong with several layers is said at once, but for what follows from something else")
  func several() {
    let found = problems(
      text(
        """
        layers:
          - dense: {units: 3, name: a, inputs: imagse}
          - dense: {units: 3, name: b, inputs: tial}
          - dense: {units: 3}
          - add: {inputs: [a, b]}
          - residual: {layers: [{dense: {units: 5, inputs: images}}, {embedding: {input_dim: 3, output_dim: 2}}]}
          - dense: {units: 5, name: c, inputs: images}
          - dense: {units: 3, name: d}
          - add: {inputs: [c, d]}
        """), on: rows)
    #expect(found.count == 3, "\(found)")
    let expected = [
      (
        "test.yaml:4:",
        "model.layers.0.dense (a): reads imagse, and no input or earlier layer is called so; did you mean images?"
      ),
      ("test.yaml:5:", "model.layers.1.dense (b): reads tial, and no input or earlier layer is called so"),
      ("test.yaml:11:", "model.layers.7.add: joins [32,5] from c and [32,3] from d: the shapes must agree"),
    ]
    for (line, (place, words)) in zip(found, expected) {
      #expect(line.hasPrefix(place) && line.contains(words), "\(line)")
    }
  }

  @Test("what is wrong with a layer of a block that is used twice is said once")
  func block() {
    let model = """
      blocks: {wide: {layers: [{conv2d: {filters: 1, kernel_size: 9}}]}}
      layers:
        - block: {use: wide, name: a, inputs: images}
        - block: {use: wide, name: b, inputs: images}
        - add: {inputs: [a, b]}
      """
    let found = problems(text(model), on: pictures)
    #expect(found.count == 1 && found[0].contains("(in the block wide, used in line 5)"), "\(found)")
  }

  @Test("what is wrong with an objective is said with its line")
  func objectives() {
    let good = text("layers: [dense: {units: 3, activation: softmax}]")
    #expect(problems(good, on: rows).isEmpty)
    let line = (good.split(separator: "\n").firstIndex { $0.contains("loss:") } ?? 0) + 1
    func found(_ new: String, _ overrides: [String] = []) -> [String] {
      problems(good.replacing("loss: categorical_crossentropy", with: new), on: rows, overrides)
    }
    for (weights, words) in [
      ("[1, 2]", "there are 3 classes, as the output has units, so they are 3 numbers and not 2"),
      ("[0, 0, 0]", "all of them are 0: nothing would be learned"),
    ] {
      #expect(
        found("class_weights: \(weights)").contains {
          $0.hasPrefix("test.yaml:\(line):") && $0.contains("training.class_weights: \(words)")
        }, "\(found("class_weights: \(weights)"))")
    }
    // What only the whole step says.
    let single = problems(
      text("layers: [dense: {units: 1}]"),
      on: DatasetLayout(sampleShape: [4], targets: .classes, classNames: ["a", "b"]))
    #expect(
      single.contains {
        $0.hasPrefix("test.yaml:\(line):") && $0.contains("training.loss: ") && $0.contains("the model has one")
      }, "\(single)")
  }

  @Test("a layer of the command line is told by its path, and everything that is wrong is said at once")
  func together() {
    let found = problems(
      text("layers: [dense: {units: 3}, dense: {units: 3}]"), on: rows,
      [
        "model.layers.1={conv2d: {filters: 1, kernel_size: 3}}", "training.loss={type: huber}",
        "training.class_weights=[]",
        "training.metrics=[r2_score]",
      ])
    #expect(
      found.contains { $0.hasPrefix("command line: model.layers.1.conv2d: takes images [N, H, W, C]") }, "\(found)")
    #expect(found.contains { $0.contains("training.metrics: r2_score judges numbers, and labels are 3 classes") })
  }
}
