import SwitchbackNeuralNetworks
import SwitchbackTraining
import Testing

private func read(_ entry: String) throws -> any Layer {
  let text = """
    version: 1
    model: {layers: [\(entry)]}
    data: {dataset: mnist}
    training: {optimizer: sgd}
    """
  let configuration = try Configuration(text: text, file: "test.yaml")
  // What is resolved says the same.
  let again = try Configuration(text: configuration.resolvedText, file: "test.yaml")
  #expect(again.resolvedText == configuration.resolvedText)
  let layers = try [configuration, again].map { try #require($0.model.nodes.first?.layer) }
  #expect("\(layers[0])" == "\(layers[1])")
  return layers[0]
}

private func problems(_ entry: String) -> [String] {
  do {
    _ = try read(entry)
    return []
  } catch let error as ConfigurationError {
    return error.problems.map(\.message)
  } catch {
    return ["\(error)"]
  }
}

@Suite("Settings of layers of images and sequences")
struct ImageSettingsTests {
  @Test("padding is a word or four edges, of every layer that has kernels or windows over images")
  func padding() throws {
    func convolution(_ padding: String) throws -> Padding? {
      (try read("{conv2d: {filters: 2, kernel_size: 3\(padding)}}") as? Conv2D)?.padding
    }
    #expect(try convolution("") == .valid && convolution(", padding: same") == .same)
    #expect(
      try convolution(", padding: [1, 0, 2, 3]") == .explicit(ImageEdges(top: 1, bottom: 0, left: 2, right: 3)))
    let edges = Padding.explicit(ImageEdges(top: 1))
    #expect((try read("{max_pooling2d: {padding: [1, 0, 0, 0]}}") as? MaxPooling2D)?.padding == edges)
    #expect((try read("{average_pooling2d: {padding: [1, 0, 0, 0]}}") as? AveragePooling2D)?.padding == edges)
    #expect(
      (try read("{depthwise_conv2d: {kernel_size: 2, padding: [1, 0, 0, 0]}}") as? DepthwiseConv2D)?.padding == edges)
    #expect(
      (try read("{separable_conv2d: {filters: 2, kernel_size: 2, padding: [1, 0, 0, 0]}}") as? SeparableConv2D)?.padding
        == edges)
    for wrong in ["[1, 2, 3]", "[1, 2, 3, -1]", "[1, 2, 3, x]", "{top: 1}", "1", "smae"] {
      let found = problems("{conv2d: {filters: 2, kernel_size: 3, padding: \(wrong)}}")
      #expect(found.count == 1 && found[0].contains("padding must be valid, same, or four whole numbers"), "\(found)")
    }
    #expect(problems("{conv2d: {filters: 2, kernel_size: 3, padding: smae}}")[0].contains("did you mean same?"))
    #expect(problems("{conv1d: {filters: 2, kernel_size: 3, padding: [1, 2]}}").count == 1)
    #expect(problems("{conv2d_transpose: {filters: 2, kernel_size: 3, padding: causal}}").count == 1)
  }

  @Test("edges are one number, one an axis, or one each, as Keras has them")
  func edges() throws {
    func edges(_ padding: String) throws -> ImageEdges? {
      (try read("{zero_padding2d: {\(padding)}}") as? ZeroPadding2D)?.padding
    }
    #expect(try edges("") == ImageEdges(1) && edges("padding: 0") == ImageEdges(0))
    #expect(try edges("padding: [1, 2]") == ImageEdges(height: 1, width: 2))
    #expect(try edges("padding: [[1, 2], [3, 4]]") == ImageEdges(top: 1, bottom: 2, left: 3, right: 4))
    #expect(try edges("padding: [1, [3, 4]]") == ImageEdges(top: 1, bottom: 1, left: 3, right: 4))
    // As convolutions and poolings have it.
    #expect(try edges("padding: [1, 2, 3, 4]") == ImageEdges(top: 1, bottom: 2, left: 3, right: 4))
    #expect(
      (try read("{cropping2d: {cropping: [0, 2, 1, 0]}}") as? Cropping2D)?.cropping == ImageEdges(bottom: 2, left: 1))
    #expect((try read("cropping2d") as? Cropping2D)?.cropping == ImageEdges(0))
    #expect((try read("{cropping2d: {cropping: [2, 0]}}") as? Cropping2D)?.cropping == ImageEdges(height: 2, width: 0))
    for wrong in [
      "-1", "[1]", "[1, 2, 3]", "[1, 2, 3, -4]", "[1, 2, 3, x]", "[1, 2, 3, 4, 5]", "[[1, 2], [3]]", "[[1, 2], x]",
      "same", "{top: 1}", "[[1, 2], [3, -4]]",
    ] {
      let found = problems("{zero_padding2d: {padding: \(wrong)}}")
      #expect(found.count == 1 && found[0].contains("or [[top, bottom], [left, right]]"), "\(wrong): \(found)")
    }
    let sequence = try #require(try read("{zero_padding1d: {padding: [0, 3]}}") as? ZeroPadding1D)
    #expect(sequence.padding == (0, 3))
    #expect((try read("cropping1d") as? Cropping1D)?.cropping.second == 1)
  }

  @Test("output padding and strides of 1-D poolings may be left out, and are recorded where they are given")
  func optional() throws {
    let layer = try #require(
      try read("{conv2d_transpose: {filters: 2, kernel_size: 3, strides: 2, output_padding: [0, 1]}}")
        as? Conv2DTranspose)
    #expect(layer.outputPadding! == (0, 1))
    #expect((try read("{conv2d_transpose: {filters: 2, kernel_size: 3}}") as? Conv2DTranspose)?.outputPadding == nil)
    let sequences = "{conv1d_transpose: {filters: 2, kernel_size: 3, strides: 2, output_padding: 0}}"
    #expect((try read(sequences) as? Conv1DTranspose)?.outputPadding == 0)
    #expect((try read("{max_pooling1d: {pool_size: 4}}") as? MaxPooling1D)?.strides == 4)
    #expect((try read("{average_pooling1d: {pool_size: 4, strides: 1}}") as? AveragePooling1D)?.strides == 1)
    #expect(
      problems("{conv1d_transpose: {filters: 2, kernel_size: 3, output_padding: 1}}").first?.contains(
        "output_padding must be below strides") == true)
    #expect(
      problems("{conv2d_transpose: {filters: 2, kernel_size: 3, output_padding: -1}}").first?.contains(
        "must be a whole number from 0 to 1048576, or two of them") == true)
  }

  @Test("what the other layers are told reaches them")
  func others() throws {
    let sequences = try #require(
      try read(
        "{conv1d: {filters: 2, kernel_size: 3, strides: 4, padding: causal, dilation_rate: 5, groups: 2, use_bias: false}}"
      ) as? Conv1D)
    #expect(
      (sequences.filters, sequences.kernelSize, sequences.strides, sequences.dilationRate, sequences.groups)
        == (2, 3, 4, 5, 2))
    #expect(sequences.padding == .causal && !sequences.useBias)
    let separable = try #require(
      try read(
        "{separable_conv1d: {filters: 2, kernel_size: 3, depth_multiplier: 4, pointwise_initializer: he_normal}}")
        as? SeparableConv1D)
    #expect(separable.depthMultiplier == 4 && separable.pointwiseInitializer == .heNormal)
    for wrong in ["{kernel_size: 2, depth_multiplier: 0}", "{kernel_size: 0}", "{}"] {
      #expect(problems("{depthwise_conv2d: \(wrong)}").count == 1, "\(wrong)")
    }
  }

  @Test("what layers of shapes are told reaches them")
  func shapes() throws {
    #expect(
      (try read("{up_sampling2d: {interpolation: bilinear}}") as? UpSampling2D)?.interpolation == .bilinear)
    #expect((try read("{reshape: {target_shape: [4, -1]}}") as? Reshaping)?.targetShape == [4, -1])
    #expect((try read("{permute: {dims: [2, 1]}}") as? Permute)?.dims == [2, 1])
    for (entry, word) in [
      ("reshape", "target_shape is missing"), ("{reshape: {target_shape: [-1, -1]}}", "at most one of −1"),
      ("{reshape: {target_shape: [-2]}}", "each a whole number from -1 to 1048576"), ("permute", "dims is missing"),
      ("{up_sampling2d: {interpolation: bicubic}}", "interpolation cannot be bicubic"),
    ] {
      let found = problems(entry)
      #expect(found.count == 1 && found[0].contains(word), "\(entry): \(found)")
    }
  }

  @Test("what layers of noise and poolings of sequences are told reaches them")
  func noise() throws {
    #expect((try read("{gaussian_noise: {stddev: 0.5}}") as? GaussianNoise)?.standardDeviation == 0.5)
    #expect((try read("{gaussian_dropout: {rate: 0.5}}") as? GaussianDropout)?.rate == 0.5)
    #expect((try read("{spatial_dropout2d: {rate: 0.5}}") as? SpatialDropout2D)?.rate == 0.5)
    #expect((try read("{global_max_pooling1d: {keepdims: true}}") as? GlobalMaxPooling1D)?.keepDimensions == true)
    for (entry, word) in [
      ("gaussian_noise", "stddev is missing"), ("{gaussian_noise: {stddev: -1}}", "of at least 0"),
      ("{spatial_dropout1d: {rate: 1}}", "rate must be a number of at least 0.0 and below 1.0"),
      ("{max_pooling1d: {pool_size: [2, 2]}}", "pool_size must be a whole number"),
      ("{average_pooling1d: {padding: causal}}", "padding cannot be causal"),
    ] {
      let found = problems(entry)
      #expect(found.count == 1 && found[0].contains(word), "\(entry): \(found)")
    }
  }

  @Test("the schema takes each form")
  func schema() {
    for key in ["output_padding", "depth_multiplier", "interpolation", "target_shape", "cropping"] {
      #expect(Configuration.schema.contains("\"\(key)\" : "), "\(key)")
    }
    let padding = Configuration.keys.flatMap(\.all).first { $0.path == "model.layers.N.conv2d.padding" }
    #expect(padding?.fallback == "valid")
    #expect(padding?.takes == "one of valid, same, or a list of 4")
    let edges = Configuration.keys.flatMap(\.all).first { $0.path == "model.layers.N.zero_padding2d.padding" }
    #expect(edges?.takes == "a whole number from 0 to 1048576, or a list of two, or a list of 4")
    #expect(edges?.fallback == "1")
  }
}
