import SwitchbackAllocationCount
import SwitchbackDatasets
import SwitchbackTraining
import Testing

private let augmentation =
  "{random_flip: horizontal_and_vertical, random_translation: {height_factor: 0.1, width_factor: 0.2}, random_crop: 2, "
  + "random_rotation: 0.05, random_zoom: 0.2, cutout: 5, mixup: {alpha: 0.4}, fill_mode: nearest}"

private let override = ["data.augmentation=\(augmentation)"]

@Suite("Augmented pictures in runs")
struct AugmentedRunTests {
  @Test("a section says how pictures are changed, is read back, and is not there unless it is given")
  func reading() throws {
    let made = try Configuration(text: smallRun, file: "test.yaml", overrides: override)
    var expected = Augmentation()
    (expected.flip, expected.heightFactor, expected.widthFactor) = (.both, 0.1, 0.2)
    (expected.cropPadding, expected.rotation, expected.zoom) = (2, 0.05, 0.2)
    (expected.cutout, expected.fill, expected.mixup) = (5, .nearest, 0.4)
    #expect(made.data.augmentation == expected)
    #expect(try Configuration(text: made.resolvedText, file: "a").data.augmentation == expected)
    #expect(try Configuration(text: smallRun, file: "a").data.augmentation == nil)
    #expect(
      try Configuration(text: smallRun, file: "a", overrides: ["data.augmentation={}"]).data.augmentation?.isEmpty
        == true)
    let usual = try Configuration(text: smallRun, file: "a", overrides: ["data.augmentation={mixup: {}}"])
    #expect(usual.data.augmentation?.mixup == 0.2)
  }

  @Test(
    "what cannot be is said with its key",
    arguments: [
      ("{random_flip: diagonal}", "data.augmentation.random_flip cannot be diagonal"),
      ("{random_rotation: 30}", "data.augmentation.random_rotation must be a number"),
      ("{random_zoom: 1}", "data.augmentation.random_zoom must be a number"),
      ("{cutout: -1}", "data.augmentation.cutout must be a whole number"),
      ("{random_translation: {height: 1}}", "data.augmentation.random_translation.height is not a key here"),
      ("{mixup: 0.2}", "data.augmentation.mixup must hold keys and values"),
      ("{mixup: {alpha: 0}}", "data.augmentation.mixup.alpha must be a number"),
      ("true", "data.augmentation must hold keys and values"),
    ])
  func mistakes(section: String, words: String) {
    let error = #expect(throws: ConfigurationError.self) {
      try Configuration(text: smallRun, file: "test.yaml", overrides: ["data.augmentation=\(section)"])
    }
    let found = error?.problems.map(\.description).joined(separator: "\n") ?? ""
    #expect(found.contains(words), "\(found)")
  }

  @Test("data without pictures is an error with the section's line")
  func noPictures() throws {
    let text = """
      version: 1
      model:
        layers: [flatten, {dense: {units: 1}}]
      data:
        dataset: adding-problem
        sequence_length: 4
        augmentation: {cutout: 2}
      training: {loss: mean_squared_error, optimizer: {type: sgd, learning_rate: 0.1}}
      backend: {name: reference}
      """
    let configuration = try Configuration(text: text, file: "test.yaml")
    let error = #expect(throws: ConfigurationError.self) {
      try configuration.trainingStep(on: try configuration.data.source.layout())
    }
    let found = error?.problems.map(\.description).joined(separator: "\n") ?? ""
    #expect(found.contains("test.yaml:7:"), "\(found)")
    #expect(found.contains("only pictures of bytes are augmented, and the data has sequence f32 [4, 2]"), "\(found)")
  }

  @Test(
    "a run that goes on in the middle of an epoch has the bits of the one that did not stop",
    arguments: ["true", "false"])
  func resumed(prefetch: String) throws {
    let settings = override + ["data.prefetch=\(prefetch)"]
    let whole = try makeLoop(smallRun, settings)
    _ = try whole.run()
    for step in [5, 13, 20] {
      let checkpoint = try interrupted(try makeLoop(smallRun, settings), after: step)
      let rest = try makeLoop(smallRun, settings, going: checkpoint)
      _ = try rest.run(from: checkpoint)
      #expect(try rest.session.bytes() == whole.session.bytes(), "\(step)")
    }
    let plain = try makeLoop(smallRun, ["data.prefetch=\(prefetch)"])
    _ = try plain.run()
    #expect(try plain.session.bytes() != whole.session.bytes())
    let other = try makeLoop(smallRun, override + ["data.prefetch=\(prefetch == "true" ? "false" : "true")"])
    _ = try other.run()
    #expect(try other.session.bytes() == whole.session.bytes())
  }

  @Test(
    "a batch of augmented pictures allocates nothing",
    .enabled(if: allocation_count_works() != 0, "nothing is counted here"))
  func allocations() throws {
    let settings = try #require(
      try Configuration(text: smallRun, file: "test.yaml", overrides: override).data.augmentation)
    let data: any Dataset = try AugmentedDataset(madeData(), settings, seed: 1)
    let memory = try BatchMemory(data.fields, rows: 64)
    let order = BatchOrder(count: data.count, batchSize: 64)
    for index in 0..<order.batchCount {
      let batch = order.batch(index)
      let before = allocation_count()
      try data.fill(batch, into: memory)
      let count = allocation_count() - before
      if index > 0 { #expect(count == 0) }
    }
  }

  @Test("what is validated and tested is never augmented: a run that learns nothing judges the same samples alike")
  func evaluation() throws {
    let still = ["training.optimizer={type: sgd, learning_rate: 0.0}", "training.epochs=2"]
    var losses: [[Double?]] = []
    for more in [[], override] {
      let data = try madeData()
      let parts = DatasetParts(
        train: data.subset(64..<640), validation: data.subset(0..<64), test: data.subset(32..<96))
      let loop = try makeLoop(smallRun, still + more, data: parts)
      var validation: [Double?] = []
      let summary = try loop.run(callbacks: [
        EventHandler { event in
          if case .epoch(let report) = event { validation.append(report.validationLoss) }
          return .proceed
        }
      ])
      losses.append(validation + [summary.testLoss])
    }
    #expect(losses[0] == losses[1] && losses[0].count == 3 && losses[0].allSatisfy { $0 != nil })
  }
}
