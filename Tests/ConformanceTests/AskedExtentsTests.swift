import SwitchbackABI
import SwitchbackConformance
import SwitchbackPrograms
import Testing

/// An axis of an operand (`x0`, …) or a result (`y0`, …), as kernels tell axes apart: of an image or a filter by its
/// number, otherwise by its place among the others. All operands of an operation that takes any number of them are `x`.
private struct Axis: Hashable, CustomStringConvertible {
  var description: String

  init(_ operand: String, _ axis: Int, of rank: Int, isImage: Bool) {
    let place =
      isImage ? "axis \(axis)" : rank == 1 ? "only" : axis == 0 ? "first" : axis == rank - 1 ? "last" : "middle"
    description = "\(operand) \(place)"
  }
}

/// What conformance asks must be longer than anybody's block on every axis.
@Suite struct AskedExtentsTests {
  /// Axes that stay short, and why.
  private static let short: [String: [String: String]] = [
    "random": ["x0 only": "the key is a seed and a step"],
    "statistics": ["y0 only": "the result is ten numbers and 64 bins"],
  ]

  private static func longest(_ entry: any TensorOperation.Type) throws -> [Axis: Int] {
    let isImage = entry is any ImageOperation.Type
    let isVariadic = [Concatenate.name, AllFinite.name].contains(entry.name)
    var longest: [Axis: Int] = [:]
    for sample in entry.askedSamples(areQuick: true) {
      let operands = sample.inputs.enumerated().map { (isVariadic ? "x" : "x\($0)", $1) }
      let results = try sample.operation.outputTypes(for: sample.inputs).enumerated().map { ("y\($0)", $1) }
      for (name, type) in operands + results {
        for (index, extent) in type.shape.extents.enumerated() {
          let axis = Axis(name, index, of: type.shape.rank, isImage: isImage)
          longest[axis] = max(longest[axis] ?? 0, extent)
        }
      }
    }
    return longest
  }

  @Test(
    "a quick run asks each operation with at least 256 elements along every axis, or a list says why not",
    arguments: OperationCatalog.standard.entries.map { $0.name })
  func long(name: String) throws {
    let entry = try #require(OperationCatalog.standard.entries.first { $0.name == name })
    let longest = try Self.longest(entry)
    #expect(!longest.isEmpty)
    for (axis, extent) in longest {
      let isListed = Self.short[name]?[axis.description] != nil
      #expect((extent < 256) == isListed, "\(name), \(axis): \(extent)")
    }
  }

  @Test("a list of short axes names axes that there are, with a reason")
  func listed() throws {
    for (name, axes) in Self.short {
      let entry = try #require(OperationCatalog.standard.entries.first { $0.name == name })
      let known = Set(try Self.longest(entry).keys.map(\.description))
      for (axis, reason) in axes { #expect(known.contains(axis) && !reason.isEmpty, "\(name), \(axis)") }
    }
  }

  @Test("products of a quick run have corners of blocks, batches, single rows and long sums, by each pair of flags")
  func products() {
    for flags in [(false, false), (true, false), (false, true), (true, true)] {
      let sizes = MatrixMultiplication.askedSamples(areQuick: true).compactMap { sample in
        (sample.operation as? MatrixMultiplication).flatMap { product in
          (product.transposeA, product.transposeB) == flags ? product.sizes(sample.inputs) : nil
        }
      }
      #expect(sizes.contains { $0.batch == 1 && $0.m > 128 && $0.n > 128 && $0.k > 64 })
      #expect(sizes.contains { $0.batch > 1 && $0.m > 64 && $0.n > 64 && $0.k > 64 })
      #expect(sizes.contains { $0.batch == 1 && $0.m == 1 && $0.n > 64 && $0.k > 64 && $0.k % 8 != 0 })
      #expect(sizes.contains { $0.k > 16_384 })
    }
  }

  @Test("a middle axis is reduced alone, and with another that is not beside it, by each function at least alone")
  func reducedAxes() {
    for function in ReduceFunction.allCases {
      let samples = Reduce.askedSamples(areQuick: true).filter { ($0.operation as? Reduce)?.function == function }
      let axes = samples.compactMap { ($0.operation as? Reduce)?.axes }
      for axis in 1...2 {
        #expect(
          zip(samples, axes).contains { $0.inputs[0].shape.rank == 4 && $1 == [axis] }, "\(function), axis \(axis)")
      }
      #expect(axes.contains { $0.count == 2 && $0[1] > $0[0] + 1 }, "\(function)")
      #expect(samples.contains { $0.inputs[0].shape.extents.last ?? 0 > 4096 }, "\(function)")
    }
  }

  @Test(
    "an operation whose kernels walk along axes is asked with as many as the C contract has",
    arguments: [
      "binary", "select", "reduce", "argmax", "softmax", "softmax/backward", "gather", "scatterAdd", "transpose",
      "broadcast", "slice", "slice/backward", "concatenate", "pad", "reverse",
    ])
  func axes(name: String) throws {
    let entry = try #require(OperationCatalog.standard.entries.first { $0.name == name })
    let ranks = entry.askedSamples(areQuick: true).flatMap { $0.inputs.map(\.shape.rank) }
    #expect(ranks.max() == Int(SB_MAX_RANK))
  }

  @Test("a rising operand ends in its highest number, whole numbers and others, and one with a NaN in it")
  func rising() {
    func values(_ type: TensorType, _ domain: OperationSample.Domain) -> [Double] {
      SampleValues(OperationSample(Gather(axis: 0), [type], [domain])).operands[0]
    }
    #expect(values(.int32([5]), .rising(0, 256)) == [0, 64, 128, 192, 256])
    #expect(values(.int32([4]), .rising(0, 8)) == [0, 2, 5, 8])
    #expect(values(.float32([3]), .rising(-2, 2)) == [-2, 0, 2])
    let last = values(.float32([5]), .lastIsNaN(1, 2))
    #expect(last.last?.isNaN == true && last.dropLast().allSatisfy { (1...2).contains($0) })
    #expect(values(.float32([1]), .rising(-2, 2)) == [2] && values(.float32([0]), .rising(0, 1)).isEmpty)
  }

  @Test("what is asked for its numbers alone is asked by a quick run, and no rule of the contract has it")
  func numbersAlone() {
    for entry in OperationCatalog.standard.entries {
      let alone = entry.furtherSamples.filter { !$0.isForContract }
      #expect(!alone.isEmpty, "\(entry.name)")
      let asked = entry.askedSamples(areQuick: true).filter { !$0.isForContract }
      #expect(asked.count == alone.count, "\(entry.name): one is too long for a quick run")
    }
  }
}
