import SwitchbackPrograms
import SwitchbackTraining
import Testing

@Suite("Words that were meant")
struct SuggestionTests {
  private static let layers = [
    "average_pooling2d", "batch_normalization", "conv1d", "conv2d", "dense", "dropout", "global_average_pooling1d",
    "global_average_pooling2d", "global_max_pooling2d", "layer_normalization", "max_pooling2d", "prelu",
    "up_sampling2d",
  ]

  @Test(
    "slips, abbreviations and the names of others find our word",
    arguments: [
      ("global_avg_pooling2d", "global_average_pooling2d"), ("global_average_poling2d", "global_average_pooling2d"),
      ("GlobalMaxPooling2D", "global_max_pooling2d"), ("globalmaxpool2d", "global_max_pooling2d"),
      ("avg_pool2d", "average_pooling2d"), ("maxpool2d", "max_pooling2d"), ("max-pooling2d", "max_pooling2d"),
      ("batchnorm", "batch_normalization"), ("layer_norm", "layer_normalization"), ("conv2D", "conv2d"),
      ("dens", "dense"), ("drop_out", "dropout"), ("fc", "dense"),
    ])
  func near(word: String, meant: String) {
    #expect(Suggestion.nearest(to: word, among: Self.layers) == meant)
  }

  @Test("what is near nothing finds nothing", arguments: ["", "lstm", "rate", "pe", "gap", "transformer"])
  func far(word: String) {
    #expect(Suggestion.nearest(to: word, among: Self.layers) == nil)
  }

  @Test("losses, metrics and initializers are found by the names that other frameworks have for them")
  func foreign() {
    let losses = ["categorical_crossentropy", "huber", "mean_absolute_error", "mean_squared_error"]
    #expect(Suggestion.nearest(to: "mse", among: losses) == "mean_squared_error")
    #expect(Suggestion.nearest(to: "cross_entropy", among: losses) == "categorical_crossentropy")
    #expect(Suggestion.nearest(to: "acc", among: ["accuracy", "f1_score"]) == "accuracy")
    #expect(Suggestion.nearest(to: "xavier", among: ["glorot_uniform", "he_normal"]) == "glorot_uniform")
    // Only where our word may stand there.
    #expect(Suggestion.nearest(to: "mse", among: ["sgd", "adam"]) == nil)
  }
}
