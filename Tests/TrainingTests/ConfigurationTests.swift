import Foundation
import SwitchbackNeuralNetworks
import SwitchbackTraining
import TestFiles
import Testing

private let valid = """
  version: 1
  model:
    layers:
      - flatten
      - dense: {units: 10, activation: softmax}
  data:
    dataset: mnist
  training:
    optimizer: {type: sgd, learning_rate: 0.1}
  """

@Suite struct ConfigurationTests {
  @Test("every shipped configuration is valid, and its resolved form reads back to itself")
  func shipped() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: root + "/configs").filter { $0.hasSuffix(".yaml") }
    #expect(files.count >= 6)
    for file in files {
      let configuration = try Configuration(file: root + "/configs/" + file)
      let again = try Configuration(text: configuration.resolvedText, file: file)
      #expect(again.resolvedText == configuration.resolvedText)
    }
  }

  @Test("what another configuration says otherwise is told key by key; where runs go does not count")
  func changes() throws {
    func configuration(_ overrides: String...) throws -> Configuration {
      try Configuration(text: valid, file: "test.yaml", overrides: overrides)
    }
    let earlier = try configuration()
    #expect(try configuration("training.runs=elsewhere").changes(since: earlier) == [])
    let changes = try configuration(
      "training.optimizer.learning_rate=0.5", "training.epochs=7", "training.class_weights=[1, 2]"
    ).changes(since: earlier)
    #expect(changes.contains("training.optimizer.learning_rate: 0.5, not 0.1"), "\(changes)")
    #expect(changes.contains("training.epochs: 7, not 1"), "\(changes)")
    #expect(changes.contains { $0.hasPrefix("training.class_weights.1: 2") && $0.hasSuffix("not none") }, "\(changes)")
  }

  @Test("backends have sections of options; the chosen device is among them")
  func backendOptions() throws {
    func options(_ backend: String) throws -> [String: [String: String]] {
      let made = try Configuration(text: valid + "\nbackend: " + backend, file: "test.yaml")
      let again = try Configuration(text: made.resolvedText, file: "test.yaml")
      #expect(again.backend.options == made.backend.options)
      return made.backend.options
    }
    #expect(try options("fft") == [:])
    #expect(
      try options("{name: opencl, device: gpu, fft: {force: true}}") == [
        "opencl": ["device": "gpu"], "fft": ["force": "true"],
      ])
    #expect(try options("{name: opencl, opencl: {device: 1}}") == ["opencl": ["device": "1"]])
    #expect(try options("{name: openblas, strict: true}") == ["openblas": ["strict": "true"]])
    #expect(try options("{name: fft, strict: true}") == ["openblas": ["strict": "true"]])
    #expect(try options("{name: opencl, strict: true}") == [:] && options("{name: openblas, strict: false}") == [:])
    #expect(try options("{name: auto, strict: true}") == ["openblas": ["strict": "true"]])
    #expect(
      problems(in: valid + "\nbackend: {strict: 1}").contains { $0.contains("backend.strict must be true or false") })
    #expect(
      try options("{name: ./libSwitchbackyours.so, yours: {tile: 8}}")["./libSwitchbackyours.so"] == ["tile": "8"])
    #expect(
      problems(in: valid + "\nbackend: {name: fft, ftt: {force: true}}").contains { $0.contains("did you mean fft?") })
    #expect(
      problems(in: valid + "\nbackend: {name: fft, fft: {force: [1]}}").contains { $0.contains("fft.force must be") })
    #expect(problems(in: valid + "\nbackend: {name: fft, fft: true}").contains { $0.contains("must hold keys") })
    #expect(
      problems(in: valid + "\nbackend: {name: auto, device: 0}").contains { $0.contains("device needs one backend") })
    let auto = try Configuration(
      text: valid + "\nbackend: {name: auto, candidates: [fft, ./libSwitchbackyours.so], yours: {tile: 8}}", file: "a")
    #expect(auto.backend.candidates == ["fft", "./libSwitchbackyours.so"])
    #expect(auto.backend.options == ["./libSwitchbackyours.so": ["tile": "8"]])
    #expect(try Configuration(text: auto.resolvedText, file: "a").backend.candidates == auto.backend.candidates)
    #expect(
      problems(in: valid + "\nbackend: {name: opencl, device: 0, opencl: {device: 1}}").contains {
        $0.contains("keep one")
      }
    )
  }

  @Test(
    "a mistake is said with its place and what to write instead",
    arguments: [
      (
        "learning_rate: 0.1", "lr: 0.1",
        "test.yaml:9:26: training.optimizer.lr is not a key here: it is called training.optimizer.learning_rate (PyTorch's lr)"
      ),
      ("units: 10", "unit: 10", "did you mean units?"),
      ("units: 10", "units: ten", "model.layers.1.dense.units must be a whole number from 1 to 1048576, not \"ten\""),
      ("units: 10", "units: '10'", "from 1 to 1048576, not \"10\": the quotes make it text"),
      (
        "  optimizer:", "  learning_rate: 0.1\n  optimizer:",
        "training.learning_rate is not a key here: it is training.optimizer.learning_rate"
      ),
      ("units: 10", "units: 9000000000000", "units must be a whole number from 1 to 1048576"),
      (
        "- flatten", "- max_pooling2d: {pool_size: 99999999999}\n    - flatten",
        "pool_size must be a whole number from 1"
      ),
      ("softmax", "sofmax", "did you mean softmax?"),
      ("softmax", "gleu", "cannot be gleu; did you mean gelu? (known: "),
      ("type: sgd", "type: sdg", "did you mean sgd?"),
      ("- flatten", "- flaten", "did you mean flatten?"),
      ("version: 1", "version: 2", "version must be 1, not \"2\""),
      ("dataset: mnist", "dataset: mnist\n  dataset: cifar", "given twice"),
      ("units: 10, ", "", "units is missing"),
      ("training:", "trainig:", "did you mean training?"),
      ("units: 10", "units: 10, in_features: 784", "leave it out, it follows from the layer before"),
      ("type: sgd", "type: sgd, betas: [0.9, 0.99]", "it is called beta_1 and beta_2 (PyTorch's betas)"),
      ("type: sgd", "<<: {a: 1}, type: sgd", "merge keys are not read"),
      ("  optimizer:", "  per_device_train_batch_size: 8\n  optimizer:", "training.batch_size (Hugging Face's"),
      ("  optimizer:", "  class_weights: [1, two]\n  optimizer:", "class_weights must be a list of numbers"),
      ("  optimizer:", "\toptimizer:", "no valid YAML: a tab; YAML takes blanks for indentation"),
      ("units: 10", "units: 10, kernel_initializer: {type: random_normal, stdev: 1}", "did you mean stddev?"),
      ("units: 10", "units: 10, kernel_initializer: {type: he_normal, stddev: 1}", "stddev is not a key here"),
      ("activation: softmax", "activation: {type: elu, alpha: x}", "activation.alpha must be a number"),
      (
        "learning_rate: 0.1", "learning_rate: {type: linear_warmup, steps: 9, then: {type: linear_warmup}}",
        "cannot be linear_warmup"
      ),
      ("learning_rate: 0.1", "learning_rate: fast", "must be a number between 0.0 and 1000000000.0, not \"fast\""),
    ])
  func mistakes(old: String, new: String, words: String) {
    let found = problems(in: valid.replacingOccurrences(of: old, with: new))
    #expect(found.contains { $0.contains(words) }, "\(found)")
  }

  @Test("all problems are said at once")
  func allAtOnce() {
    let text = valid.replacingOccurrences(of: "units: 10", with: "units: -1").replacingOccurrences(
      of: "sgd", with: "xyz")
    #expect(problems(in: text + "\n  epochs: none\nmoniter: {}\n").count == 4)
  }

  @Test("overrides reach keys, list elements and short forms; their mistakes name the command line")
  func overrides() throws {
    let configuration = try Configuration(
      text: valid, file: "test.yaml",
      overrides: [
        "training.epochs=3", "model.layers.1.dense.units=7", "backend=reference", "training.optimizer.momentum=0.9",
      ])
    #expect(configuration.training.epochs == 3)
    #expect(configuration.backend.name == "reference")
    #expect(configuration.resolvedText.contains("units: 7"))
    #expect(
      problems(in: valid, ["training.epoch=3"]).first?.hasPrefix("command line: training.epoch is not a key here")
        == true)
    #expect(problems(in: valid, ["model.layers.9.dense.units=3"]).first?.contains("no element 9") == true)
    #expect(problems(in: valid, ["nonsense"]).first?.hasPrefix("command line: \"nonsense\" is no override") == true)
  }

  @Test("random damage to a file gives problems, never a crash", arguments: 0..<60)
  func fuzz(seed: Int) {
    var state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 &+ 1
    var bytes = Array(valid.utf8)
    for _ in 0..<4 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      bytes[Int(state >> 33) % bytes.count] = Array(" :{}[]-#&*!|>'\"%@`0aZ\n".utf8)[Int(state >> 20) % 22]
    }
    _ = problems(in: String(decoding: bytes, as: UTF8.self))
  }

  @Test("what YAML can say of layers, losses and schedules reaches the network")
  func breadth() throws {
    let text = """
      version: 1
      model:
        layers:
          - rescaling: {scale: 2, offset: -1, name: centred}
          - conv2d:
              filters: 4
              kernel_size: [3, 2]
              kernel_initializer: {type: random_uniform, minval: -0.1, maxval: 0.2}
              bias_initializer: {type: constant, value: -0.5}
              bias_regularizer: {l2: 0.1}
              activation: {type: leaky_relu, negative_slope: 0.05}
          - max_pooling2d: {pool_size: 2, strides: 1, name: pool}
          - flatten
          - elu: {alpha: 0.5}
          - dense: {units: 3, activation: {type: gelu, approximate: true}, kernel_initializer: orthogonal}
      data: {dataset: mnist}
      training:
        loss: {type: huber, delta: 2}
        optimizer:
          type: sgd
          learning_rate: {type: linear_warmup, steps: 10, then: {type: cosine, initial_learning_rate: 0.4, decay_steps: 100}}
        reduce_on_plateau: {factor: 0.5}
        class_weights: [1, 0.5, 2]
      backend: {name: openblas, search: [/opt/backends]}
      """
    let configuration = try Configuration(text: text, file: "test.yaml")
    let layers = configuration.model.nodes.map(\.layer)
    #expect((layers[0] as? Rescaling)?.offset == -1 && layers[0].name == "centred")
    let convolution = try #require(layers[1] as? Conv2D)
    #expect(convolution.kernelInitializer == .randomUniform(minimum: -0.1, maximum: 0.2))
    #expect(convolution.biasInitializer == .constant(-0.5))
    #expect(convolution.biasRegularizer == .l2(0.1))
    #expect(convolution.activation == .leakyRelu(negativeSlope: 0.05))
    let pooling = try #require(layers[2] as? MaxPooling2D)
    #expect(pooling.strides == (1, 1) && pooling.name == "pool")
    #expect((layers[4] as? Activation)?.function == .elu(alpha: 0.5))
    #expect((layers[5] as? Dense)?.kernelInitializer == .orthogonal())
    let training = configuration.training
    #expect((training.objectives[0].loss as? Huber)?.delta == 2)
    #expect(abs(training.optimizer.learningRate(5) - 0.2) < 1e-12)
    #expect(abs(training.optimizer.learningRate(60) - 0.2) < 1e-12)
    #expect(training.plateau?.factor == 0.5 && training.plateau?.patience == 10)
    #expect(training.objectives[0].classWeights == [1, 0.5, 2])
    #expect(configuration.backend.search == ["/opt/backends"])
    let again = try Configuration(text: configuration.resolvedText, file: "test.yaml")
    #expect(again.resolvedText == configuration.resolvedText)
  }

  @Test("an override beside a bare word keeps the word")
  func overridesBesideWords() throws {
    let text = valid.replacingOccurrences(of: "{type: sgd, learning_rate: 0.1}", with: "adam")
      .replacingOccurrences(of: "units: 10", with: "units: 10, kernel_initializer: random_normal")
    let configuration = try Configuration(
      text: text, file: "test.yaml",
      overrides: [
        "training.optimizer.beta_1=0.5", "model.layers.1.dense.kernel_initializer.stddev=0.3", "backend.threads=2",
        "training.loss.label_smoothing=0.1",
      ])
    #expect((configuration.training.optimizer as? Adam)?.beta1 == 0.5)
    #expect(
      (configuration.model.nodes[1].layer as? Dense)?.kernelInitializer
        == .randomNormal(mean: 0, standardDeviation: 0.3))
    #expect(configuration.backend.threads == 2 && configuration.backend.name == "openblas")
    #expect((configuration.training.objectives[0].loss as? CategoricalCrossentropy)?.labelSmoothing == 0.1)
  }

  @Test("anchors are read; an empty file, bytes that are no text and a folder are problems with a place")
  func files() throws {
    let anchored = valid.replacingOccurrences(of: "- dense: {units: 10", with: "- dense: &last {units: 10")
    #expect(problems(in: anchored).isEmpty)
    #expect(
      problems(in: "") == ["test.yaml:1:1: it is empty; switchback config init prints a configuration to start from"])
    #expect(problems(in: "version: 1\n").contains("test.yaml: data.dataset is missing"))
    // Other texts are YAML too, and not printed whole.
    let rows = "x,y,kind\n" + String(repeating: "0.5,1.5,a\n", count: 1000)
    for (text, name, words) in [
      (rows, "table.csv", "switchback config init NEW.yaml --dataset csv --path table.csv writes one for this table"),
      (rows, "notes.txt", "switchback config init prints one to start from"),
    ] {
      let error = #expect(throws: ConfigurationError.self) { try Configuration(text: text, file: name) }
      let said = error?.problems.first.map { $0.description } ?? ""
      #expect(said.hasPrefix("\(name):1:1: this is no configuration,") && said.contains("\"x,y,kind"), "\(said)")
      #expect(said.hasSuffix(words) && said.utf8.count < 300, "\(said)")
    }
    let control = #expect(throws: ConfigurationError.self) {
      try Configuration(text: "a\u{1}b" + String(repeating: "c", count: 9999), file: "a")
    }
    #expect(control.map { "\($0)".contains("no valid YAML: ") && "\($0)".utf8.count < 300 } == true)
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let file = folder.appendingPathComponent("latin.yaml")
    try Data([0xff, 0xfe, 0x3a, 0xe9]).write(to: file)
    for path in [file.path, folder.path] {
      #expect { try Configuration(file: path) } throws: {
        ($0 as? ConfigurationError)?.problems.first?.message.contains("\(path) cannot be read: ") == true
      }
    }
  }
}
