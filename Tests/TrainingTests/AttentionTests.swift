import Foundation
import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackNeuralNetworks
import SwitchbackOpenBLAS
import SwitchbackOpenCL
import SwitchbackPrograms
import SwitchbackReference
import Testing

/// Sequences [N, T, C], and which steps of them there are.
private struct Steps {
  var shape: [Int]
  var values: [Double]
  var mask: [Double]?

  /// Numbers that belong to `seed`.
  init(_ shape: [Int], seed: Int, mask: [Double]? = nil) {
    (self.shape, self.mask) = (shape, mask)
    values = numbers(shape.reduce(1, *), seed: seed)
  }

  /// Some samples alone, without the steps behind `count`.
  func sample(_ n: Int, count: Int) -> Steps {
    var part = Steps([1, count, shape[2]], seed: 0)
    part.values = Array(values[(n * shape[1] * shape[2])...].prefix(count * shape[2]))
    return part
  }

  subscript(_ n: Int, _ t: Int) -> Range<Int> {
    let first = (n * shape[1] + t) * shape[2]
    return first..<first + shape[2]
  }
}

private func numbers(_ count: Int, seed: Int) -> [Double] {
  (0..<count).map { Double(($0 * 37 + seed * 101 + $0 * $0 % 13) % 61) / 30 - 1 }
}

/// What a layer gives (`result`), and the gradients (`d/x0`, `d/layer.query/kernel`) of Σ result·`upstream`; weights have
/// the numbers of their names, but for those that are given.
private func run(
  _ layer: any Layer, _ inputs: [Steps], upstream: [Double]? = nil, weights: [String: [Double]] = [:],
  on backend: any ComputeBackend = ReferenceBackend(), as type: ElementType = .float64
) throws -> [String: [Double]] {
  var context = LayerContext(builder: ProgramBuilder(name: "attention"), isTraining: true)
  var values: [String: [Double]] = [:]
  var operands: [Value] = []
  for (index, input) in inputs.enumerated() {
    let operand = context.builder.input("x\(index)", .float32(Shape(input.shape)))
    values["x\(index)"] = input.values
    if let mask = input.mask {
      let steps = context.builder.input("mask\(index)", TensorType(.bool, [input.shape[0], input.shape[1]]))
      values["mask\(index)"] = mask
      try context.setMask(steps, of: operand)
    }
    operands.append(operand)
  }
  let result = try context.call(layer, at: "layer", operands)[0]
  #expect(context.mask(of: result) == context.mask(of: operands[0]))
  for parameter in context.parameters {
    let seed = parameter.name.utf8.reduce(7) { ($0 * 31 + Int($1)) % 1009 }
    values[parameter.name] = weights[parameter.name] ?? numbers(parameter.type.shape.elementCount, seed: seed)
  }
  var builder = context.builder
  values["upstream"] = upstream ?? numbers(result.shape.elementCount, seed: 5)
  let product = try builder.append(Binary(.multiply), result, builder.input("upstream", result.type))
  let loss = try builder.append(Reduce(.sum, axes: [0, 1, 2]), product)
  let leaves = context.parameters.filter(\.isTrainable).map { ($0.name, $0.value) }
  let sought = operands.enumerated().map { ("x\($0)", $1) } + leaves
  let gradients = try builder.gradients(of: loss, for: sought.map(\.1))
  builder.output("result", result)
  for (name, value) in sought { builder.output("d/\(name)", try #require(gradients[value.id])) }
  let program = builder.build()
  return try ProgramEvaluation(
    type == .float64 ? program.converted(to: .float64) : program, values, on: chain(backend)
  ).outputs
}

private func distance(_ a: some Collection<Double>, _ b: some Collection<Double>) -> Double {
  a.count == b.count ? zip(a, b).reduce(0) { max($0, abs($1.0 - $1.1)) } : .infinity
}

@Suite("Attention: closed forms, later steps and masked ones")
struct AttentionTests {
  private static let attention = MultiHeadAttention(numHeads: 2, keyDim: 3, valueDim: 2)
  private static let causal = MultiHeadAttention(numHeads: 2, keyDim: 3, useCausalMask: true)

  /// One head whose queries are 0 and whose other projections leave everything as it is.
  private func mean(_ inputs: [Steps], isCausal: Bool) throws -> [Double] {
    let identity = [1.0, 0, 0, 0, 1, 0, 0, 0, 1]
    let layer = MultiHeadAttention(numHeads: 1, keyDim: 3, useBias: false, useCausalMask: isCausal)
    let weights = [
      "layer.query/kernel": [Double](repeating: 0, count: 9), "layer.value/kernel": identity,
      "layer.attentionOutput/kernel": identity,
    ]
    return try #require(run(layer, inputs, weights: weights)["result"])
  }

  @Test("where no key is nearer than another, the result is the mean of the values that there are")
  func means() throws {
    let x = Steps([1, 4, 3], seed: 3)
    func mean(_ steps: [Int], _ c: Int) -> Double {
      steps.reduce(0) { $0 + x.values[3 * $1 + c] } / Double(steps.count)
    }
    let (all, past) = (try self.mean([x], isCausal: false), try self.mean([x], isCausal: true))
    var masked = x
    masked.mask = [1, 0, 1, 0]
    let some = try self.mean([masked], isCausal: false)
    for t in 0..<4 {
      for c in 0..<3 {
        #expect(abs(all[3 * t + c] - mean([0, 1, 2, 3], c)) < 1e-12)
        #expect(abs(past[3 * t + c] - mean(Array(0...t), c)) < 1e-12)
        #expect(abs(some[3 * t + c] - mean([0, 2], c)) < 1e-12)
      }
    }
  }

  @Test("scores are q·k/√keyDim: two steps weigh as the sigmoid of their difference")
  func scale() throws {
    var x = Steps([1, 2, 4], seed: 0)
    x.values = [1, 0, 0, 0, 0, 3, 0, 0]
    var identity = [Double](repeating: 0, count: 16)
    for i in 0..<4 { identity[5 * i] = 1 }
    let layer = MultiHeadAttention(numHeads: 1, keyDim: 4, useBias: false)
    let weights = Dictionary(
      uniqueKeysWithValues: ["query", "key", "value", "attentionOutput"].map { ("layer.\($0)/kernel", identity) })
    let y = try #require(run(layer, [x], weights: weights)["result"])
    // Step 0 has the scores 1/√4 and 0, step 1 the scores 0 and 9/√4.
    let (own, other) = (1 / (1 + exp(-0.5)), 1 / (1 + exp(-4.5)))
    #expect(distance(y, [own, 3 * (1 - own), 0, 0, 1 - other, 3 * other, 0, 0]) < 1e-12)
  }

  @Test("a change of a later step changes no earlier result, and no gradient comes from it", arguments: [false, true])
  func later(isMasked: Bool) throws {
    // Left and right: of one sample the first steps are masked too.
    let mask: [Double]? = isMasked ? [1, 1, 1, 1, 1, 0, 0, 1, 1, 1] : nil
    let x = Steps([2, 5, 4], seed: 1, mask: mask)
    var moved = x
    for n in 0..<2 { for e in x[n, 3].lowerBound..<x[n, 4].upperBound { moved.values[e] += 0.7 } }
    var upstream = [Double](repeating: 0, count: 40)
    for n in 0..<2 { for e in x[n, 0].lowerBound..<x[n, 2].upperBound { upstream[e] = 1 } }
    let backends: [any ComputeBackend] = hasOpenBLAS ? [ReferenceBackend(), OpenBLASBackend()] : [ReferenceBackend()]
    for backend in backends {
      let before = try run(Self.causal, [x], upstream: upstream, on: backend, as: .float32)
      let after = try run(Self.causal, [moved], upstream: upstream, on: backend, as: .float32)
      let (a, b, gradient) = (
        try #require(before["result"]), try #require(after["result"]), try #require(before["d/x0"])
      )
      for n in 0..<2 {
        for t in 0..<5 {
          #expect((a[x[n, t]] == b[x[n, t]]) == (t < 3), "\(backend.identity.name), sample \(n), step \(t)")
          if t >= 3 { #expect(gradient[x[n, t]].allSatisfy { $0 == 0 }) }
        }
      }
    }
  }

  @Test(
    "a padded batch gives what its samples give one by one, forward and backward, whatever the padding holds",
    arguments: [
      attention as any Layer, causal, TransformerEncoder(intermediateDim: 5, numHeads: 2, activation: .tanh),
      TransformerEncoder(intermediateDim: 5, numHeads: 2, activation: .tanh, normalizeFirst: true),
    ])
  func padding(layer: any Layer) throws {
    let lengths = [2, 5, 3]
    var x = Steps([3, 5, 4], seed: 2)
    x.mask = lengths.flatMap { length in (0..<5).map { $0 < length ? 1 : 0 } }
    var (other, upstream) = (x, numbers(60, seed: 5))
    for (n, length) in lengths.enumerated() {
      for t in length..<5 {
        for e in x[n, t] { (other.values[e], upstream[e]) = (30 - other.values[e], 0) }
      }
    }
    let (padded, again) = (try run(layer, [x], upstream: upstream), try run(layer, [other], upstream: upstream))
    var sums: [String: [Double]] = [:]
    for (n, length) in lengths.enumerated() {
      let valid = x[n, 0].lowerBound..<x[n, length - 1].upperBound
      let alone = try run(layer, [x.sample(n, count: length)], upstream: Array(upstream[valid]))
      for name in ["result", "d/x0"] {
        let (whole, part) = (try #require(padded[name]), try #require(alone[name]))
        let same = try #require(again[name])
        #expect(distance(whole[valid], part) < 1e-11, "\(name) of sample \(n)")
        #expect(whole[valid] == same[valid])
      }
      let gradient = try #require(padded["d/x0"])
      for t in length..<5 { #expect(gradient[x[n, t]].allSatisfy { $0 == 0 }) }
      for (name, gradient) in alone where name.hasPrefix("d/layer") {
        sums[name] = sums[name].map { zip($0, gradient).map { $0 + $1 } } ?? gradient
      }
    }
    for (name, sum) in sums {
      let whole = try #require(padded[name])
      #expect(distance(whole, sum) < 1e-10, "\(name)")
    }
    #expect(!sums.isEmpty)
  }

  @Test("a query with nothing to attend to gets the output's bias and no gradient", arguments: [attention, causal])
  func nothing(layer: MultiHeadAttention) throws {
    // A sample without a step, and one whose first steps are masked: nothing, where later steps do not count.
    let x = Steps([2, 4, 4], seed: 4, mask: [0, 0, 0, 0, 0, 0, 1, 1])
    let bias = [0.5, -1, 2, 0.25]
    let found = try run(layer, [x], weights: ["layer.attentionOutput/bias": bias])
    let (y, gradient) = (try #require(found["result"]), try #require(found["d/x0"]))
    for t in 0..<4 {
      #expect(y[x[0, t]] == bias[...])
      #expect(gradient[x[0, t]].allSatisfy { $0 == 0 })
      #expect((y[x[1, t]] == bias[...]) == (layer.useCausalMask && t < 2))
    }
    for (name, numbers) in found { #expect(numbers.allSatisfy { $0.isFinite }, "\(name)") }
  }

  @Test("a step counts where neither the value's mask nor the key's leaves it out, and the result has the query's mask")
  func keys() throws {
    let query = Steps([2, 3, 4], seed: 6, mask: [1, 1, 0, 1, 1, 1])
    let value = Steps([2, 5, 2], seed: 7, mask: [1, 1, 1, 0, 1, 1, 1, 1, 1, 1])
    let key = Steps([2, 5, 3], seed: 8, mask: [1, 0, 1, 1, 1, 1, 1, 1, 1, 1])
    let all = try #require(run(Self.attention, [query, value, key])["result"])
    // The first sample alone, of the steps that count.
    func part(_ steps: Steps) -> Steps {
      var part = Steps([1, 3, steps.shape[2]], seed: 0)
      part.values = [0, 2, 4].flatMap { steps.values[steps[0, $0]] }
      return part
    }
    let few = try #require(run(Self.attention, [query.sample(0, count: 3), part(value), part(key)])["result"])
    #expect(distance(all[..<12], few) < 1e-12)
  }

  @Test("a NaN or an infinity at a masked step reaches no result and no gradient", arguments: [attention, causal])
  func wild(layer: MultiHeadAttention) throws {
    let mask: [Double] = [1, 1, 0, 1, 1, 0, 1, 0, 1, 1]
    let (query, calm) = (Steps([2, 3, 4], seed: 6), Steps([2, 5, 4], seed: 7, mask: mask))
    for number in [Double.nan, .infinity, -.infinity] {
      var wild = calm
      for step in 0..<10 where mask[step] == 0 { for e in wild[step / 5, step % 5] { wild.values[e] = number } }
      let backends: [any ComputeBackend] = hasOpenBLAS ? [ReferenceBackend(), OpenBLASBackend()] : [ReferenceBackend()]
      for backend in backends {
        for (before, after) in [([query, calm], [query, wild]), ([query, calm, calm], [query, wild, wild])] {
          let (expected, found) = (
            try run(layer, before, on: backend, as: .float32), try run(layer, after, on: backend, as: .float32)
          )
          #expect(expected == found, "\(number) on \(backend.identity.name)")
        }
        // A masked step is a query too where a sequence attends to itself.
        let alone = try run(layer, [wild], on: backend, as: .float32)
        for (name, numbers) in alone { #expect(numbers.allSatisfy { $0.isFinite }, "\(name) of \(number)") }
      }
    }
  }

  @Test("masks count on every backend alike", arguments: [attention, causal])
  func backends(layer: MultiHeadAttention) throws {
    let x = Steps([3, 9, 5], seed: 9, mask: (0..<27).map { $0 % 9 < [9, 0, 4][$0 / 9] ? 1 : 0 })
    let truth = try run(layer, [x])
    var backends: [any ComputeBackend] = [ReferenceBackend()]
    if hasOpenBLAS { backends.append(OpenBLASBackend()) }
    if (try? OpenCLBackend().devices()) != nil { backends.append(OpenCLBackend()) }
    for backend in backends {
      let found = try run(layer, [x], on: backend, as: .float32)
      for (name, numbers) in truth {
        let size = numbers.reduce(1) { max($0, abs($1)) }
        let own = try #require(found[name])
        #expect(distance(own, numbers) < 1e-4 * size, "\(name) on \(backend.identity.name)")
      }
    }
  }

  @Test("positions keep the mask")
  func positions() throws {
    let x = Steps([2, 3, 4], seed: 1, mask: [1, 1, 0, 1, 0, 0])
    for layer: any Layer in [SinePositionEncoding(), PositionEmbedding(5)] {
      let y = try #require(run(layer, [x])["result"])
      #expect(y.count == 24)
    }
  }
}
