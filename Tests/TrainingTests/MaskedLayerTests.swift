import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackNeuralNetworks
import SwitchbackOpenBLAS
import SwitchbackOpenCL
import SwitchbackPrograms
import SwitchbackReference
import Testing

/// Numbers with no pattern, from −2 to 2.
private func numbers(_ count: Int, _ seed: Int) -> [Double] {
  (0..<count).map { Double(($0 * 37 + seed * 11) % 129 - 64) / 32 }
}

/// A layer alone: its result, what it replaces states by, and the gradients of Σ result·upstream.
private struct LayerRun {
  /// f32 `[N, T, C]`, row-major.
  var shape: [Int]
  var x: [Double]
  /// Nil: no mask.
  var lengths: [Int]?
  /// Of the result, whose masked steps get none.
  var upstream: (Int) -> Double

  private var mask: [Double]? {
    lengths.map { lengths in lengths.flatMap { length in (0..<shape[1]).map { $0 < length ? 1 : 0 } } }
  }

  func program(_ layer: any Layer) throws -> (program: Program, values: [String: [Double]]) {
    var context = LayerContext(builder: ProgramBuilder(name: "layer"), isTraining: true)
    let input = context.builder.input("x", .float32(Shape(shape)))
    var values = ["x": x]
    if let mask {
      let value = context.builder.input("mask", TensorType(.bool, Shape(Array(shape.prefix(2)))))
      try context.setMask(value, of: input)
      values["mask"] = mask
    }
    let result = try context.call(layer, at: "layer", input)
    for (index, parameter) in context.parameters.enumerated() {
      // Variances are positive.
      values[parameter.name] = numbers(parameter.type.shape.elementCount, index + 3).map { abs($0) + 0.5 }
    }
    var builder = context.builder
    builder.output("result", result)
    for (index, value) in context.replacements { builder.output(context.parameters[index].name, value) }
    let product = try builder.append(Binary(.multiply), result, builder.input("upstream", result.type))
    values["upstream"] = (0..<result.shape.elementCount).map(upstream)
    let loss = try builder.append(Reduce(.sum, axes: Array(0..<result.shape.rank)), product)
    let trained = context.parameters.filter(\.isTrainable)
    let gradients = try builder.gradients(of: loss, for: trained.map(\.value) + [input])
    for parameter in trained { builder.output("d/" + parameter.name, try #require(gradients[parameter.value.id])) }
    builder.output("d/x", try #require(gradients[input.id]))
    return (builder.build(), values)
  }

  /// In Float64.
  func outputs(_ layer: any Layer) throws -> [String: [Double]] {
    let (program, values) = try program(layer)
    return try ProgramEvaluation(program.converted(to: .float64), values, on: chain(ReferenceBackend())).outputs
  }
}

private func near(_ found: [Double]?, _ expected: [Double], _ tolerance: Double = 1e-12) -> Bool {
  found?.count == expected.count && zip(found ?? [], expected).allSatisfy { abs($0 - $1) <= tolerance }
}

@Suite("Masked sequences in layers, by their closed forms")
struct MaskedLayerTests {
  private static let (steps, channels) = (5, 2)
  private static let lengths = [3, 5, 1, 0]
  private static let count = lengths.count * steps * channels

  private static func isValid(_ element: Int) -> Bool {
    element / channels % steps < lengths[element / channels / steps]
  }

  /// The batch, with `filler` at its masked steps.
  private func padded(_ filler: Double, upstream: @escaping (Int) -> Double) -> LayerRun {
    let x = numbers(Self.count, 1).enumerated().map { Self.isValid($0.offset) ? $0.element : filler }
    return LayerRun(
      shape: [Self.lengths.count, Self.steps, Self.channels], x: x, lengths: Self.lengths, upstream: upstream)
  }

  @Test("a pooling over time gives of a padded batch what it gives of each sequence alone, whatever the padding")
  func pooling() throws {
    let channels = Self.channels
    for layer: any Layer in [
      GlobalAveragePooling1D(), GlobalMaxPooling1D(), GlobalAveragePooling1D(keepDimensions: true),
      GlobalMaxPooling1D(keepDimensions: true),
    ] {
      for filler in [0, 1e30, -1e30, Double.nan] {
        let run = padded(filler) { Double($0 + 1) }
        let found = try run.outputs(layer)
        for (sample, length) in Self.lengths.enumerated() {
          let row = Array(try #require(found["result"])[sample * channels..<(sample + 1) * channels])
          let size = Self.steps * channels
          let gradient = Array(try #require(found["d/x"])[sample * size..<(sample + 1) * size])
          guard length > 0 else {
            #expect(row == [0, 0] && gradient.allSatisfy { $0 == 0 })
            continue
          }
          let own = sample * size..<sample * size + length * channels
          let alone = LayerRun(shape: [1, length, channels], x: Array(run.x[own]), lengths: nil) {
            Double(sample * channels + $0 + 1)
          }
          let expected = try alone.outputs(layer)
          #expect(near(row, try #require(expected["result"])), "\(layer.kind) of \(length)")
          #expect(near(Array(gradient.prefix(own.count)), try #require(expected["d/x"])), "\(layer.kind) of \(length)")
          #expect(gradient.dropFirst(own.count).allSatisfy { $0 == 0 })
        }
      }
    }
  }

  @Test("the largest of valid steps that all hold −∞ is −∞, and of no step 0")
  func lowest() throws {
    let x = (0..<Self.count).map { Self.isValid($0) ? -Double.infinity : 3 }
    let shape = [Self.lengths.count, Self.steps, Self.channels]
    let run = LayerRun(shape: shape, x: x, lengths: Self.lengths) { _ in 1 }
    let expected = Self.lengths.flatMap { [Double](repeating: $0 > 0 ? -.infinity : 0, count: Self.channels) }
    #expect(try run.outputs(GlobalMaxPooling1D())["result"] == expected)
    let (program, values) = try run.program(GlobalMaxPooling1D())
    var backends: [any ComputeBackend] = [ReferenceBackend()]
    if hasOpenBLAS { backends.append(OpenBLASBackend()) }
    if (try? OpenCLBackend().devices()) != nil { backends.append(OpenCLBackend()) }
    for backend in backends {
      let found = try ProgramEvaluation(program, values, on: chain(backend)).outputs["result"]
      #expect(found == expected, "\(backend.identity.name)")
    }
  }

  @Test("batch normalization takes mean and variance of the valid steps, as of these in one row")
  func batchNormalization() throws {
    let layer = BatchNormalization(momentum: 0.75)
    let valid = (0..<Self.count).filter(Self.isValid)
    func upstream(_ element: Int) -> Double { Double(element % 7) - 2.5 }
    for filler in [0, 1e10, Double.nan] {
      let run = padded(filler) { Self.isValid($0) ? upstream($0) : 0 }
      let found = try run.outputs(layer)
      let row = LayerRun(
        shape: [1, valid.count / Self.channels, Self.channels], x: valid.map { run.x[$0] }, lengths: nil
      ) { upstream(valid[$0]) }
      let expected = try row.outputs(layer)
      for name in ["layer/movingMean", "layer/movingVariance", "d/layer/gamma", "d/layer/beta"] {
        #expect(near(found[name], try #require(expected[name]), 1e-10), "\(name)")
      }
      for name in ["result", "d/x"] {
        let all = try #require(found[name])
        #expect(near(valid.map { all[$0] }, try #require(expected[name]), 1e-10), "\(name)")
      }
      let gradient = try #require(found["d/x"])
      #expect((0..<Self.count).allSatisfy { Self.isValid($0) || gradient[$0] == 0 })
    }
  }

  @Test("a batch without a valid step is no number's end")
  func nothing() throws {
    for layer: any Layer in [BatchNormalization(), GlobalAveragePooling1D(), GlobalMaxPooling1D()] {
      let run = LayerRun(shape: [2, 3, 2], x: numbers(12, 1), lengths: [0, 0]) { _ in 0 }
      #expect(try run.outputs(layer).values.allSatisfy { $0.allSatisfy(\.isFinite) }, "\(layer.kind)")
    }
  }

  @Test("every backend takes all of it, and gives the reference's numbers")
  func backends() throws {
    for layer: any Layer in [
      BatchNormalization(), GlobalAveragePooling1D(), GlobalMaxPooling1D(), LayerNormalization(), Reshaping([5, 1, 2]),
    ] {
      let run = padded(3) { Self.isValid($0) ? Double($0 % 5) - 1.5 : 0 }
      let (program, values) = try run.program(layer)
      let truth = try run.outputs(layer)
      func check(_ found: [String: [Double]], _ name: String) {
        for (output, right) in truth {
          #expect(near(found[output], right, 2e-4), "\(output) of \(layer.kind) on \(name)")
        }
      }
      check(try ProgramEvaluation(program, values, on: chain(ReferenceBackend())).outputs, "reference")
      if hasOpenBLAS { check(try ProgramEvaluation(program, values, on: chain(OpenBLASBackend())).outputs, "openblas") }
      if (try? OpenCLBackend().devices()) != nil {
        check(try ProgramEvaluation(program, values, on: chain(OpenCLBackend())).outputs, "opencl")
      }
    }
  }

  @Test("masks that are joined are and-ed, and one beside another along time, on every backend")
  func joined() throws {
    for (layer, expected): (any Layer, [Double]) in [
      // Of the first sample a has two steps and b one, of the second the other way round.
      (Add(), [1, 0, 0, 1, 0, 0]), (Concatenate(axis: 1), [1, 1, 0, 1, 0, 0, 1, 0, 0, 1, 1, 0]),
    ] {
      var context = LayerContext(builder: ProgramBuilder(name: "joined"), isTraining: false)
      let inputs = try ["a", "b"].map { name in
        let value = context.builder.input(name, .float32([2, 3, 1]))
        let lengths = context.builder.input(name + "_lengths", .int32([2]))
        try context.setMask(context.append(SequenceMask(steps: 3), lengths), of: value)
        return value
      }
      let result = try context.call(layer, at: "layer", inputs)[0]
      var builder = context.builder
      builder.output("mask", try #require(context.mask(of: result)))
      builder.output("result", result)
      let values: [String: [Double]] = [
        "a": numbers(6, 1), "b": numbers(6, 2), "a_lengths": [2, 1], "b_lengths": [1, 2],
      ]
      let program = builder.build()
      #expect(try ProgramEvaluation(program, values, on: chain(ReferenceBackend())).outputs["mask"] == expected)
      if hasOpenBLAS {
        #expect(try ProgramEvaluation(program, values, on: chain(OpenBLASBackend())).outputs["mask"] == expected)
      }
      if (try? OpenCLBackend().devices()) != nil {
        #expect(try ProgramEvaluation(program, values, on: chain(OpenCLBackend())).outputs["mask"] == expected)
      }
    }
  }
}
