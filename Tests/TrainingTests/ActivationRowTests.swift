import SwitchbackPrograms
import SwitchbackTraining
import Testing

@Suite struct ActivationRowTests {
  @Test(
    "a row of the table with a word is a layer and an activation of configurations",
    arguments: UnaryFunction.activations.map(\.word))
  func configured(word: String) throws {
    let text = """
      version: 1
      model:
        layers:
          - flatten
          - dense: {units: 16, activation: \(word)}
          - \(word)
          - dense: {units: 10, activation: softmax}
      data:
        dataset: mnist
      training:
        optimizer: {type: sgd, learning_rate: 0.1}
      """
    let configuration = try Configuration(text: text, file: "test.yaml")
    #expect(configuration.resolvedText.contains(word))
    let again = try Configuration(text: configuration.resolvedText, file: "test.yaml")
    #expect(again.resolvedText == configuration.resolvedText)
  }

  @Test("a word that is no row is refused")
  func unknown() {
    #expect(UnaryFunction.activations.contains { $0.word == "hard_swish" })
    let text =
      "version: 1\nmodel:\n  layers:\n    - hard_swisch\ndata:\n  dataset: mnist\ntraining:\n  optimizer: adam\n"
    let error = #expect(throws: ConfigurationError.self) { try Configuration(text: text, file: "test.yaml") }
    #expect(error?.problems.contains { $0.description.contains("hard_swisch") } == true)
  }
}
