import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

/// Every configuration in `configs/`, a network whose channels die before a depthwise convolution, and a residual one in
/// place of the deep ones, which take minutes and in which one gate decides, or which magnify roundings.
private let configurations: [String] = {
  let files = (try? FileManager.default.contentsOfDirectory(atPath: root + "/configs")) ?? []
  return files.filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }
    .filter { !["resnet20-fashion", "plain20-fashion", "mlp30-batchnorm"].contains($0) }.sorted()
    + ["dead-channels", "residual"]
}()

private let deadChannels = """
  version: 1
  model:
    layers:
      - conv2d: {filters: 8, kernel_size: 1, activation: relu}
      - conv2d: {filters: 8, kernel_size: 15, groups: 8, padding: same, activation: relu}
      - max_pooling2d: {pool_size: 2}
      - flatten
      - dense: {units: 10, activation: softmax}
  data: {dataset: mnist}
  training:
    batch_size: 32
    loss: categorical_crossentropy
    optimizer: {type: rmsprop}
  """

private let residual = """
  version: 1
  model:
    layers:
      - conv2d: {filters: 8, kernel_size: 3, strides: 2, use_bias: false}
      - batch_normalization
      - relu
      - residual:
          layers:
            - conv2d: {filters: 8, kernel_size: 3, padding: same, use_bias: false}
            - batch_normalization
          activation: relu
      - global_average_pooling2d
      - dense: {units: 10, activation: softmax}
  data: {dataset: mnist}
  training:
    batch_size: 32
    loss: categorical_crossentropy
    optimizer: {type: sgd, momentum: 0.9}
  """

/// Three classes by four features, of which one never changes; some rows are zeros.
private func writeTable(to path: String) throws {
  var text = "a,b,c,d,class\n"
  for row in 0..<96 {
    let label = row % 3
    let numbers = [label * 7 + row % 5, row * row % 11, 4, row % 7 == 3 ? 0 : row % 13].map { row % 8 == 5 ? 0 : $0 }
    text += numbers.map { "\($0)," }.joined() + ["x", "y", "z"][label] + "\n"
  }
  try write(text.utf8, to: path)
}

/// The sample's digits as files, and a black image in each class.
private func writeFolder(to folder: String) throws {
  for (part, count) in [("train", 96), ("test", 64)] {
    try writeImages(to: "\(folder)/\(part)", train: part == "train", count: count)
    let black = PNG.encode(width: 28, height: 28, channels: 1, pixels: [UInt8](repeating: 0, count: 784))
    for label in 0..<10 { try write(black, to: "\(folder)/\(part)/\(label)/black.png") }
  }
}

/// Where the configuration is and what sets its data to some that are here.
private func arguments(_ name: String) throws -> [String] {
  let folder = temporary()
  switch name {
  case "csv":
    try writeTable(to: folder + "/table.csv")
    return ["configs/csv.yaml", "--data", folder + "/table.csv"]
  case "image-folder":
    try writeFolder(to: folder)
    return ["configs/image-folder.yaml", "--data", folder]
  case "two-inputs", "two-outputs":
    let outcome = try switchback("data", "export", "mnist", folder, "--data", sampleFolder)
    try #require(outcome.status == 0, "\(outcome.error)")
    return ["configs/\(name).yaml", "--data", folder + "/samples.csv"]
  case "gru-adding-problem", "lstm-adding-problem", "rnn-adding-problem":
    return ["configs/\(name).yaml", "--set", "data.sequence_length=10", "--set", "data.samples=1000"]
  case "gru-copy-problem":
    return ["configs/\(name).yaml", "--set", "data.delay=2", "--set", "data.samples=1000"]
  case "text-classification":
    for number in 0..<64 {
      let words = (0...number % 7).map { ["good", "bad", "film", "plot", "long"][(number * 3 + $0) % 5] }
      try write(
        words.joined(separator: " ").utf8, to: folder + "/\(number % 2 == 0 ? "no" : "yes")/\(number).txt")
    }
    return ["configs/text-classification.yaml", "--data", folder, "--set", "data.sequence_length=8"]
  case "dead-channels":
    try write(deadChannels.utf8, to: folder + "/dead-channels.yaml")
    return [folder + "/dead-channels.yaml", "--data", sampleFolder]
  case "residual":
    try write(residual.utf8, to: folder + "/residual.yaml")
    return [folder + "/residual.yaml", "--data", sampleFolder]
  default:
    // Fashion's images are not here; the digits have its shape.
    return ["configs/\(name).yaml", "--data", sampleFolder, "--set", "data.dataset=mnist"]
  }
}

@Suite(.enabled(if: Image.readsCompressedFiles, "this build reads no gzip files"))
struct ConfigurationAgreementTests {
  private func check(_ configuration: String, on backend: String, batch: Int, steps: Int) throws {
    try skipWithout(backend)
    let outcome = try switchback(
      ["diff"] + arguments(configuration) + [
        "--backends", "reference,\(backend)", "--steps", "\(steps)", "--set", "training.batch_size=\(batch)",
        "--replay", temporary(), "--as-configured", "--json",
      ])
    let found = try outcome.output.split(separator: "\n").compactMap {
      try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
    }
    let rows = found.filter { $0["step"] is Int }
    try #require(rows.count == steps, "\(outcome.error)")
    #expect(!found.contains { $0["kind"] != nil }, "an operation is wrong: \(found)")
    for row in rows { #expect(try #require(row["lossDifference"] as? Double) <= 1e-5, "\(row)") }
    // A gate at its kink may flip in one step, which shows the more, the smaller the batch and the deeper the network.
    func isApart(_ row: [String: Any]) throws -> Bool {
      try #require(row["gradientDifference"] as? Double) > max(1e-4, 10 * (row["roundingDifference"] as? Double ?? 0))
    }
    // A gradient that is 0 but for roundings, as that of an attention's bias of keys, explains nothing.
    for row in rows { #expect(row["roundingDifference"] as? Double ?? 0 < 0.1, "\(row)") }
    let apart = try rows.filter(isApart)
    #expect(apart.count <= 1, "\(apart)")
    // Only such a gate may let something through where nothing was.
    for row in rows where row["lostZeros"] as? Int != 0 { #expect(try isApart(row), "\(row)") }
    #expect(!apart.isEmpty || outcome.status == 0, "\(outcome.error)")
  }

  @Test(
    "every configuration agrees with the reference in lockstep, zeros of gradients included",
    arguments: ["openblas", "fft"], configurations)
  func lockstep(backend: String, configuration: String) throws {
    try check(configuration, on: backend, batch: runsLongTests ? 32 : 8, steps: runsLongTests ? 10 : 3)
  }

  @Test(
    "so it does on OpenCL and where auto chooses", .enabled(if: runsLongTests, "SWITCHBACK_LONG_TESTS is not set"),
    arguments: ["opencl", "auto"], configurations)
  func lockstepOfCompiled(backend: String, configuration: String) throws {
    try check(configuration, on: backend, batch: 32, steps: 10)
  }
}
