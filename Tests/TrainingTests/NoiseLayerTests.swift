import SwitchbackConformance
import SwitchbackNeuralNetworks
import SwitchbackPrograms
import SwitchbackReference
import Testing

/// What a layer makes of ones in a training step with this key, and the gradient of the result's sum.
private func noise(
  _ layer: any Layer, _ shape: [Int], key: [Double] = [7, 3], isTraining: Bool = true
) throws -> (result: [Double], gradient: [Double]) {
  var context = LayerContext(builder: ProgramBuilder(name: "noise"), isTraining: isTraining)
  let input = context.builder.input("x", .float32(Shape(shape)))
  let result = try context.call(layer, at: "layer", input)
  var builder = context.builder
  let loss = try builder.append(Reduce(.sum, axes: Array(shape.indices)), result)
  let gradients = try builder.gradients(of: loss, for: [input])
  builder.output("result", result)
  builder.output("gradient", try #require(gradients[input.id]))
  var values = ["x": [Double](repeating: 1, count: shape.reduce(1, *))]
  if isTraining { values["randomKey"] = key }
  let outputs = try ProgramEvaluation(builder.build(), values, on: chain(ReferenceBackend())).outputs
  return (try #require(outputs["result"]), try #require(outputs["gradient"]))
}

@Suite("Dropout of channels and Gaussian noise")
struct NoiseLayerTests {
  @Test("channels of images and sequences are dropped as a whole, and the others are scaled up")
  func spatial() throws {
    let (images, gradient) = try noise(SpatialDropout2D(0.25), [6, 3, 4, 50])
    #expect(gradient == images)
    for image in 0..<6 {
      for channel in 0..<50 {
        let values = (0..<12).map { images[(image * 12 + $0) * 50 + channel] }
        #expect(Set(values).count == 1 && (values[0] == 0 || abs(values[0] - 4.0 / 3) < 1e-6))
      }
    }
    // Of 300 channels 75 are expected, with a deviation of 7.5.
    let dropped = images.filter { $0 == 0 }.count / 12
    #expect((45...105).contains(dropped))
    let (sequences, _) = try noise(SpatialDropout1D(0.5), [4, 5, 40])
    func channels(_ sample: Int, _ step: Int) -> [Double] {
      let first = (sample * 5 + step) * 40
      return Array(sequences[first..<first + 40])
    }
    for sample in 0..<4 {
      for step in 1..<5 { #expect(channels(sample, step) == channels(sample, 0)) }
      #expect(Set(channels(sample, 0)) == [0, 2])
    }
    // Each sample has channels of its own.
    #expect(channels(0, 0) != channels(1, 0))
  }

  @Test("noise has its mean and deviation, is added or multiplied, and passes the gradient as it should")
  func gaussian() throws {
    func moments(_ values: [Double]) -> (mean: Double, deviation: Double) {
      let mean = values.reduce(0, +) / Double(values.count)
      return (mean, (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)).squareRoot())
    }
    let added = try noise(GaussianNoise(0.5), [100, 200])
    #expect(abs(moments(added.result).mean - 1) < 0.02 && abs(moments(added.result).deviation - 0.5) < 0.02)
    #expect(added.gradient.allSatisfy { $0 == 1 })
    let multiplied = try noise(GaussianDropout(0.2), [100, 200])
    #expect(abs(moments(multiplied.result).mean - 1) < 0.02 && abs(moments(multiplied.result).deviation - 0.5) < 0.02)
    #expect(multiplied.gradient == multiplied.result)
  }

  static let layers: [any Layer] = [
    SpatialDropout2D(0.5), GaussianNoise(0.5), GaussianDropout(0.5),
  ]

  @Test("noise is that of seed and step, and there is none in inference or with nothing to do")
  func deterministic() throws {
    let shape = [2, 3, 4, 30]
    for layer in Self.layers {
      let one = try noise(layer, shape).result
      #expect(try noise(layer, shape).result == one, "\(layer.kind)")
      #expect(try noise(layer, shape, key: [7, 4]).result != one, "\(layer.kind)")
      #expect(try noise(layer, shape, key: [8, 3]).result != one, "\(layer.kind)")
      #expect(try noise(layer, shape, isTraining: false).result.allSatisfy { $0 == 1 }, "\(layer.kind)")
    }
    for nothing: any Layer in [SpatialDropout2D(0), GaussianNoise(0), GaussianDropout(0)] {
      var context = LayerContext(builder: ProgramBuilder(name: "nothing"), isTraining: true)
      let input = context.builder.input("x", .float32(Shape(shape)))
      #expect(try context.call(nothing, at: "layer", input) == input)
    }
  }

  @Test("two layers of noise in a network draw other numbers")
  func streams() throws {
    var context = LayerContext(builder: ProgramBuilder(name: "streams"), isTraining: true)
    let input = context.builder.input("x", .float32([2, 3]))
    let noisy = try context.call(GaussianNoise(1), at: "a", input)
    _ = try context.call(GaussianDropout(0.5), at: "b", noisy)
    let draws = context.builder.build().calls.compactMap { $0.operation as? RandomNumbers }
    #expect(draws.map(\.stream) == [0, 1] && draws.map(\.distribution) == [.normal, .normal])
  }

  @Test(
    "stochastic depth leaves a sample's layers out or scales them up, by seed and step; inference adds them as they are"
  )
  func stochasticDepth() throws {
    let shape = [400, 2, 3]
    let layer = Residual([GraphNode(Activation(.linear))], stochasticDepth: 0.25)
    let (result, gradient) = try noise(layer, shape)
    #expect(gradient == result)
    let samples = (0..<400).map { Set(result[$0 * 6..<$0 * 6 + 6]) }
    // What is left out leaves 1 of the shortcut.
    #expect(samples.allSatisfy { $0.count == 1 && ($0 == [1] || abs($0.first! - 7.0 / 3) < 1e-6) })
    // 100 are expected, with a deviation of 8.7.
    #expect((65...135).contains(samples.count { $0 == [1] }))
    #expect(try noise(layer, shape).result == result)
    #expect(try noise(layer, shape, key: [7, 4]).result != result)
    #expect(try noise(layer, shape, key: [8, 3]).result != result)
    #expect(try noise(layer, shape, isTraining: false).result.allSatisfy { $0 == 2 })
  }

  @Test("without stochastic depth a residual draws nothing, and a probability out of range is said")
  func noStochasticDepth() throws {
    func draws(_ probability: Double) throws -> Int {
      var context = LayerContext(builder: ProgramBuilder(name: "depth"), isTraining: true)
      let input = context.builder.input("x", .float32([2, 3]))
      let layer = Residual([GraphNode(Activation(.relu))], stochasticDepth: probability)
      _ = try context.call(layer, at: "layer", input)
      return context.builder.build().calls.count { $0.operation is RandomNumbers }
    }
    #expect(try draws(0) == 0 && draws(0.5) == 1)
    for wrong in [1, -0.5, .nan] {
      let error = #expect(throws: ProgramError.self) { try draws(wrong) }
      #expect(error?.description.contains("stochastic_depth must lie in 0 ..< 1") == true)
    }
  }
}
