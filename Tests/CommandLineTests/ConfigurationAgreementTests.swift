import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

/// Every configuration in `configs/`, a network whose channels die before a depthwise convolution, and a residual one in
/// place of the deep ones, which take minutes and in which one gate decides, or which magnify roundings.
private let configurations =
  ShippedConfigurations.all.filter { !["resnet20-fashion", "plain20-fashion", "mlp30-batchnorm"].contains($0) }
  + ["dead-channels", "residual"]

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

/// Where a configuration is and what sets its data to some that are here.
private func arguments(_ name: String) throws -> [String] {
  let folder = temporary()
  switch name {
  case "dead-channels":
    try write(deadChannels.utf8, to: folder + "/dead-channels.yaml")
    return [folder + "/dead-channels.yaml", "--data", sampleFolder]
  case "residual":
    try write(residual.utf8, to: folder + "/residual.yaml")
    return [folder + "/residual.yaml", "--data", sampleFolder]
  default: return try ShippedConfigurations.arguments(name)
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
