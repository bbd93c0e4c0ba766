import Foundation
import SwitchbackInterchange
import TestFiles
import Testing

@Suite struct ImportTests {
  private let configuration = """
    version: 1
    model: {layers: [flatten, {dense: {units: 10, activation: softmax}}]}
    data: {dataset: mnist}
    training: {optimizer: {type: sgd}}
    backend: {name: reference}
    """

  /// A folder with the configuration and a linear layer as PyTorch has it, whose answer to all ones is sure.
  private func folder() throws -> String {
    let folder = temporary()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try configuration.write(toFile: folder + "/c.yaml", atomically: true, encoding: .utf8)
    let kernel = (0..<7840).map { Float($0 / 784) / 784 }
    let weights = [
      Safetensors.Tensor(name: "fc.weight", shape: [10, 784], numbers: kernel),
      Safetensors.Tensor(name: "fc.bias", shape: [10], numbers: [Float](repeating: 0, count: 10)),
    ]
    try Safetensors(weights).encoded().write(to: URL(fileURLWithPath: folder + "/w.safetensors"))
    let powers = (0..<10).map { exp(Double($0)) }
    let shares = powers.map { Float($0 / powers.reduce(0, +)) }
    let outputs = [
      Safetensors.Tensor(name: "input", shape: [1, 1, 28, 28], numbers: [Float](repeating: 1, count: 784)),
      Safetensors.Tensor(name: "output", shape: [1, 10], numbers: shares),
    ]
    try Safetensors(outputs).encoded().write(to: URL(fileURLWithPath: folder + "/o.safetensors"))
    return folder
  }

  @Test("a map is proposed, then weights are taken by it and their outputs compared")
  func imports() throws {
    let folder = try folder()
    let dry = try switchback(
      "import", folder + "/w.safetensors", "--into", folder + "/c.yaml", "--dry-run", "--map", folder + "/map.yaml")
    #expect(dry.status == 0, "\(dry.error)")
    #expect(dry.output.contains("layers.1.dense/kernel") && dry.output.contains("transpose"), "\(dry.output)")
    let words = [
      "import", folder + "/w.safetensors", "--into", folder + "/c.yaml", "--map", folder + "/map.yaml", "--check",
      folder + "/o.safetensors", "--out", folder + "/m.safetensors",
    ]
    let done = try switchback(words)
    #expect(done.status == 0 && done.output.contains("✓"), "\(done.output)\(done.error)")
    let written = try Safetensors(decoding: Data(contentsOf: URL(fileURLWithPath: folder + "/m.safetensors")))
    #expect(written.tensors.map(\.name).sorted() == ["layers.1.dense/bias", "layers.1.dense/kernel"])
    // Nothing is written over.
    #expect(try switchback(words).status == 73)
  }

  @Test("outputs that differ, weights that do not fit and files of Keras end with their status")
  func faults() throws {
    let folder = try folder()
    let other = [
      Safetensors.Tensor(name: "input", shape: [1, 1, 28, 28], numbers: [Float](repeating: 0, count: 784)),
      Safetensors.Tensor(name: "output", shape: [1, 10], numbers: [Float](repeating: 0.5, count: 10)),
    ]
    try Safetensors(other).encoded().write(to: URL(fileURLWithPath: folder + "/o.safetensors"))
    let into = ["--into", folder + "/c.yaml", "--check", folder + "/o.safetensors"]
    #expect(try switchback(["import", folder + "/w.safetensors"] + into).status == 1)
    try Data("not weights".utf8).write(to: URL(fileURLWithPath: folder + "/model.h5"))
    let keras = try switchback(["import", folder + "/model.h5"] + into)
    #expect(keras.status == 65 && keras.error.contains("keras_to_safetensors.py"), "\(keras.error)")
    #expect(try switchback(["import", folder + "/none.pt"] + into).status == 66)
    let broken = [Safetensors.Tensor(name: "fc.weight", shape: [9, 784], numbers: [Float](repeating: 0, count: 7056))]
    try Safetensors(broken).encoded().write(to: URL(fileURLWithPath: folder + "/w.safetensors"))
    let misfit = try switchback(["import", folder + "/w.safetensors"] + into)
    #expect(misfit.status == 65 && misfit.error.contains("layers.1.dense/kernel"), "\(misfit.error)")
  }
}
