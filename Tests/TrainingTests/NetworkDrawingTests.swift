import Foundation
import SwitchbackNeuralNetworks
import SwitchbackPrograms
import SwitchbackTraining
import Testing

private func count(_ word: String, _ text: String) -> Int { text.components(separatedBy: word).count - 1 }

@Suite struct NetworkDrawingTests {
  @Test("a graph's layers say what they read, and are drawn as boxes with a line for each")
  func graph() throws {
    let model = Graph {
      Conv2D(2, kernelSize: 3, padding: .same, name: "stem").reading("images")
      Residual(activation: .relu) { Conv2D(2, kernelSize: 3, padding: .same, name: "inner") }
      GlobalAveragePooling2D(name: "seen")
      Dense(2, name: "side").reading("table")
      Concatenate(name: "both").reading("seen", "side")
      Dense(3, activation: .softmax, name: "answer")
    }
    let step = TrainingStep(
      model: model, inputs: [ModelInput("images", .float32([4, 4, 1])), ModelInput("table", .float32([3]))],
      objectives: [Objective(loss: CategoricalCrossentropy())], optimizer: SGD())
    let layers = try step.build(batchSize: 2).layers
    let inner = "layers.1.residual.inner"
    #expect(layers.map(\.path) == ["stem", inner, "layers.1.residual", "seen", "side", "both", "answer"])
    #expect(
      layers.map(\.inputs) == [
        ["images"], ["stem"], [inner, "stem"], ["layers.1.residual"], ["table"], ["seen", "side"], ["both"],
      ])
    let drawing = NetworkDrawing(layers)
    #expect(count("<rect", drawing.svg) == 9 && count("class=\"field\"", drawing.svg) == 2)
    #expect(count("class=\"edge\"", drawing.svg) == 9)
    #expect(drawing.file.hasPrefix("<svg ") && drawing.file.contains("<style>") && drawing.file.hasSuffix("</svg>\n"))
  }

  @Test("whatever a file says of layers is drawn or left out")
  func hostile() {
    #expect(NetworkDrawing([]).svg.isEmpty && NetworkDrawing([]).file.isEmpty)
    let odd = [
      LayerSummary(path: "a<b>", outputShape: [], parameterCount: -1, inputs: ["a<b>"]),
      LayerSummary(path: "b", outputShape: [1, 2], parameterCount: 0, inputs: ["later"]),
      LayerSummary(path: "later", outputShape: [1], parameterCount: 0, inputs: ["b", "b"]),
      LayerSummary(path: "", outputShape: [1], parameterCount: 0, inputs: [""]),
      LayerSummary(path: "holds others", outputShape: [1], parameterCount: 0, inputs: []),
    ]
    let svg = NetworkDrawing(odd).svg
    #expect(!svg.contains("a<b>") && svg.contains("a&lt;b&gt;") && !svg.contains("holds others"))
    let many = (0..<100_000).map {
      LayerSummary(path: "\($0)", outputShape: [1], parameterCount: 0, inputs: ["\($0 - 1)"])
    }
    #expect(count("<rect", NetworkDrawing(many).svg) == 2_001)
  }
}
