import Foundation
import SwitchbackDatasets
import SwitchbackMonitoring
import SwitchbackNeuralNetworks
import SwitchbackReference
import SwitchbackTraining
import Testing

private func isNear(_ value: Double, _ expected: Double, _ relative: Double = 1e-10) -> Bool {
  abs(value - expected) <= relative * max(abs(expected), 1e-300)
}

/// Layers of one width and law; the first reads as many inputs as its σ_w² says.
private func network(_ law: MeanField, layers: Int = 30, width: Int = 256) -> NetworkTheory {
  NetworkTheory(Array(repeating: NetworkTheory.Layer(law, width: width), count: layers))
}

@Suite("Mean-field theory") struct MeanFieldTests {
  // MARK: Closed forms

  @Test(
    "the means of relu, leaky relu and of what is linear are what they are by hand",
    arguments: [1e-8, 0.01, 1, 37, 1e6])
  func rectified(q: Double) {
    let relu = MeanField(.relu, weightVariance: 2, biasVariance: 0.25)
    #expect(isNear(relu.secondMoment(at: q), q / 2) && isNear(relu.mean(at: q), (q / (2 * .pi)).squareRoot()))
    #expect(isNear(relu.slopeMoment(2, at: q), 0.5) && isNear(relu.slopeMoment(4, at: q), 0.5))
    #expect(isNear(relu.variance(after: q), q + 0.25) && isNear(relu.gradientFactor(at: q), 1))
    let leaky = MeanField(.leakyRelu(negativeSlope: 0.3), weightVariance: 1)
    #expect(isNear(leaky.secondMoment(at: q), 1.09 / 2 * q) && isNear(leaky.slopeMoment(2, at: q), 1.09 / 2))
    let linear = MeanField(.linear, weightVariance: 3)
    #expect(isNear(linear.variance(after: q), 3 * q) && isNear(linear.gradientFactor(at: q), 3))
    #expect(abs(linear.mean(at: q)) < 1e-12 * q.squareRoot())
  }

  @Test("those of erf are its arc sine and its root, however steep it is", arguments: [1e-6, 0.1, 1, 10, 1e4])
  func errorFunction(q: Double) {
    let law = MeanField(.errorFunction, weightVariance: 1)
    #expect(isNear(law.secondMoment(at: q), 2 / .pi * asin(2 * q / (1 + 2 * q))))
    #expect(isNear(law.slopeMoment(2, at: q), 4 / .pi / (1 + 4 * q).squareRoot()))
  }

  @Test("kinks away from 0 are met: the open part of hard sigmoid is that of a normal number")
  func hardSigmoid() {
    for q in [0.5, 4, 900] {
      let law = MeanField(.hardSigmoid, weightVariance: 1)
      #expect(isNear(law.slopeMoment(2, at: q), erf(3 / (2 * q).squareRoot()) / 36))
    }
    // Without variance each is what it is at 0.
    #expect(MeanField(.sigmoid, weightVariance: 1).secondMoment(at: 0) == 0.25)
  }

  @Test("every activation that layers can have has a law of that name, with the slope of its value")
  func activations() throws {
    for activation in ActivationFunction.all where activation != .softmax {
      #expect(ActivationLaw.named(activation.word) != nil, "\(activation.word)")
    }
    for law in ActivationLaw.all + [.errorFunction] {
      for x in [-4.2, -1.3, -0.4, 0.7, 2.1, 3.5] {
        let h = 1e-5
        let slope = (law.value(x + h) - law.value(x - h)) / (2 * h)
        #expect(abs(slope - law.slope(x)) < 1e-8, "\(law.name) at \(x)")
      }
    }
    #expect(ActivationLaw.named("softmax") == nil)
  }

  /// Of PyTorch 2.13 in Float64, at −1.3 and 0.7.
  @Test(
    "values are those of the functions that layers compute",
    arguments: [
      ("relu", 0, 0.7), ("leakyRelu", -0.26, 0.7), ("elu", -0.7274682069659875, 0.7),
      ("selu", -1.2789613751543256, 0.7354906911488363), ("gelu", -0.1258406299612934, 0.5306254434438489),
      ("geluTanh", -0.1260709876826906, 0.5305701347051167), ("swish", -0.2784145220446738, 0.46773144051771626),
      ("sigmoid", 0.2141650169574414, 0.6681877721681662), ("hardSigmoid", 0.2833333333333333, 0.6166666666666667),
      ("tanh", -0.8617231593133063, 0.6043677771171635), ("softplus", 0.2410084538329922, 1.103186048885458),
      ("hardSwish", -0.36833333333333335, 0.43166666666666664),
    ])
  func values(name: String, below: Double, above: Double) throws {
    let law = try #require(ActivationLaw.named(name))
    #expect(abs(law.value(-1.3) - below) < 1e-12 && abs(law.value(0.7) - above) < 1e-12)
  }

  // MARK: Depth

  @Test(
    "tanh with σ_b² = 0.05 has the depth scales of its ordered and of its chaotic phase",
    arguments: [(1.0, 3.627), (1.5, 15.79), (1.7, 74.92), (2, 21.48), (2.5, 7.979), (4, 3.396)])
  func depthScales(weightVariance: Double, depth: Double) throws {
    let law = MeanField(.tanh, weightVariance: weightVariance, biasVariance: 0.05)
    #expect(isNear(try #require(law.gradientDepth), depth, 1e-3))
    #expect((try #require(law.fixedGradientFactor) > 1) == (weightVariance > 1.761))
  }

  @Test("critical scales: He's 2 of relu, 1.761 of tanh with biases, and a sigmoid far below its own")
  func critical() throws {
    let tanh = try #require(MeanField.criticalWeightVariance(.tanh, biasVariance: 0.05))
    #expect(abs(tanh - 1.761) < 1e-3)
    #expect(abs(try #require(MeanField.criticalWeightVariance(.relu)) - 2) < 1e-3)
    #expect(MeanField(.relu, weightVariance: 1).fixedPoint() == 0)
    #expect(MeanField(.relu, weightVariance: 4).fixedPoint() == nil)
    let sigmoid = MeanField(.sigmoid, weightVariance: 1)
    #expect(try #require(sigmoid.fixedGradientFactor) < 1.0 / 16 && sigmoid.gradientDepth! < 1)
  }

  // MARK: Networks

  /// Thirty layers of 256 units behind 784 normalized inputs; both columns as they were predicted before.
  @Test(
    "thirty layers lose and gain what is known of them",
    arguments: [
      ("sigmoid", 1.0, 0.0, -18.23, -0.58), ("sigmoid", 1, 1, -20.00, -0.19), ("tanh", 1, 0, -0.80, -1.75),
      ("tanh", 4, 0, 1.86, -0.28), ("relu", 2, 0, 0, 0), ("relu", 1, 0, -4.365, -8.73), ("relu", 4, 0, 4.365, 8.73),
      ("relu", 0.0256, 0, -27.45, -54.89),
    ])
  func networks(name: String, weightVariance: Double, biasVariance: Double, gradient: Double, forward: Double) throws {
    let law = MeanField(
      try #require(ActivationLaw.named(name)), weightVariance: weightVariance, biasVariance: biasVariance)
    let theory = network(law)
    #expect(abs(theory.gradientDecades - gradient) < 0.01, "\(theory.gradientDecades)")
    #expect(abs(theory.forwardDecades - forward) < 0.01, "\(theory.forwardDecades)")
    #expect(abs(theory.gateDecades + theory.weightDecades - theory.gradientDecades) < 1e-9)
    #expect(theory.gradientFactors.count == 29 && theory.variances.count == 30)
  }

  @Test("behind batch normalization relu grows by π/(π − 1) a layer: 2.4 decades over thirty")
  func batchNormalization() {
    #expect(abs(29 * log10(NetworkTheory.batchNormalizedRelu) / 2 - 2.41) < 0.01)
  }

  @Test(
    "the deviation over initializations falls with the width and grows with the depth",
    arguments: [(32, 10, 0.271), (64, 30, 0.332), (128, 30, 0.235), (256, 30, 0.166), (256, 50, 0.215)])
  func finiteWidth(width: Int, layers: Int, deviation: Double) {
    let relu = network(MeanField(.relu, weightVariance: 2), layers: layers, width: width)
    #expect(abs(relu.deviation - deviation) < 0.001, "\(relu.deviation)")
    let linear = network(MeanField(.linear, weightVariance: 1), layers: layers, width: width)
    #expect(abs(linear.deviation - relu.deviation * (2.0 / 5).squareRoot()) < 1e-9)
  }

  @Test("a convolution's fan counts the taps that lie within the image")
  func convolutions() throws {
    #expect(ConvolutionFan.taps(3, over: 28) == 3)
    #expect(ConvolutionFan.taps(3, over: 28, padding: (1, 1)) == 82.0 / 28)
    #expect(ConvolutionFan.taps(3, over: 28, stride: 2, padding: (0, 1)) == 41.0 / 14)
    #expect(ConvolutionFan.taps(3, over: 8, dilation: 2, padding: (2, 2)) == 20.0 / 8)
    #expect(ConvolutionFan.taps(5, over: 4) == nil && ConvolutionFan.taps(0, over: 4) == nil)
    #expect(ConvolutionFan.fanIn(rows: 3, columns: 3, channelsPerGroup: 32) == 288)
  }

  // MARK: Residual blocks

  @Test("branches that end in weights double the square at scale 1, and add α² of it otherwise")
  func linearBranches() {
    let law = MeanField(.relu, weightVariance: 2)
    let plain = ResidualTheory(.linear(law, lastWeightVariance: 1), blocks: 10, width: 64)
    #expect(isNear(plain.moments[10], 1024) && abs(plain.gradientDecades - 9 * log10(2) / 2) < 1e-9)
    let scaled = ResidualTheory(.linear(law, lastWeightVariance: 1), scale: 0.1, blocks: 10, width: 64)
    #expect(isNear(scaled.moments[10], pow(1.01, 10)))
    let largest = ResidualTheory.largestScale(blocks: 10, decades: 1)
    let atLimit = ResidualTheory(.linear(law, lastWeightVariance: 1), scale: largest, blocks: 10, width: 64)
    #expect(isNear(atLimit.moments[10], 10))
    // A last weight of 0 leaves everything as it is.
    let zero = ResidualTheory(.linear(law, lastWeightVariance: 0), blocks: 10, width: 64)
    #expect(zero.moments[10] == 1 && zero.gradientDecades == 0 && zero.forwardDecades == 0)
  }

  /// Measured over 30 blocks of 256 units: 5.95 and 13.1 decades, ×2.8 of the square a block.
  @Test("branches that end in relu add a mean besides: thirty unscaled ones within half a decade of what is measured")
  func rectifiedBranches() {
    let theory = ResidualTheory(
      .rectified(weightVariance: 2), blocks: 30, width: 256, moment: 1, mean: (1 / Double.pi).squareRoot())
    #expect(abs(theory.gradientDecades - 5.95) < 0.5, "\(theory.gradientDecades)")
    #expect(abs(theory.forwardDecades - 13.1) < 0.5, "\(theory.forwardDecades)")
    let last = theory.moments[30] / theory.moments[29]
    #expect((2.7...3.0).contains(last), "\(last)")
  }

  // MARK: Against our kernels

  @Test(
    "ten layers of 64 units begin as theory says, within three deviations",
    arguments: [("relu", "he_normal", 2.0), ("relu", "glorot_normal", 1), ("sigmoid", "glorot_normal", 1)])
  func measured(activation: String, initializer: String, weightVariance: Double) throws {
    let layer = "{dense: {units: 64, activation: \(activation), kernel_initializer: \(initializer)}}"
    let layers = ["flatten"] + Array(repeating: layer, count: 10) + ["{dense: {units: 10, activation: softmax}}"]
    let text = """
      version: 1
      model: {layers: [\(layers.joined(separator: ", "))]}
      data: {dataset: mnist}
      training: {batch_size: 32, optimizer: {type: sgd, learning_rate: 0.0001}}
      """
    let data = try madeData(count: 80)
    let step = try Configuration(text: text, file: "test.yaml").trainingStep(on: data.layout)
    let session = try TrainingSession(
      step: step, batchSize: 32, seed: 1, on: chain(ReferenceBackend()), probeInterval: 1)
    let flow = try session.probeRows(of: session.train(data, Array(0..<32)[...]), step: 1).flow
    let measured = log10(flow.layers[0].norm / flow.layers[9].norm)
    let theory = network(
      MeanField(try #require(ActivationLaw.named(activation)), weightVariance: weightVariance), layers: 10, width: 64)
    #expect(
      abs(measured - theory.gradientDecades) < 3 * theory.deviation + 0.1,
      "\(measured), predicted \(theory.gradientDecades) ± \(theory.deviation)")
  }
}
