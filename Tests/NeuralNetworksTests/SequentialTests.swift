import SwitchbackNeuralNetworks
import SwitchbackPrograms
import Testing

@Suite("Sequential")
struct SequentialTests {
  private func parameters(_ model: Sequential, _ sample: Shape = [4]) throws -> [String] {
    try InferenceProgram.build(model, sampleShape: sample, batchSize: 1).parameters.map(\.name)
  }

  @Test("the builder takes if, for and arrays")
  func builder() {
    let isDeep = true
    let model = Sequential {
      Flatten()
      for units in [8, 4] { Dense(units, activation: .relu) }
      if isDeep { Dense(3) }
      if isDeep { Dropout(0.1) } else { Dropout(0.2) }
      [Dense(2), Dense(1)]
    }
    #expect(model.layers.map(\.kind) == ["flatten", "dense", "dense", "dense", "dropout", "dense", "dense"])
  }

  @Test("weights carry the layer's index and kind, or its name")
  func paths() throws {
    #expect(
      try parameters(Sequential([Flatten(), Dense(3, useBias: false), Dense(2, name: "head")]))
        == ["layers.1.dense/kernel", "head/kernel", "head/bias"])
  }

  @Test("a Sequential inside another puts its own path before")
  func nested() throws {
    let block = Sequential([Dense(4, useBias: false, name: nil)])
    let named = Sequential([Dense(4, useBias: false)], name: "tail")
    #expect(
      try parameters(Sequential([block, block, named]))
        == [
          "layers.0.sequential.layers.0.dense/kernel", "layers.1.sequential.layers.0.dense/kernel",
          "tail.layers.0.dense/kernel",
        ])
    let message = errorText { _ = try parameters(Sequential([block, named, Conv2D(1, kernelSize: 1)])) }
    #expect(message.contains("gets [1,4] from tail.layers.0.dense"))
  }

  @Test("two layers of one name are refused, and names that no path can hold")
  func names() {
    let twice = errorText { _ = try parameters(Sequential([Dense(4, name: "a"), Dense(4, name: "a")])) }
    #expect(twice.contains("two layers are called a"))
    let spaced = errorText { _ = try parameters(Sequential([Dense(4, name: "my layer")])) }
    #expect(spaced.contains("\"my layer\" is no layer name"))
  }
}
