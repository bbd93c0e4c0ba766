import SwitchbackConformance
import SwitchbackPrograms
import SwitchbackReference
import Testing

@Suite("The part of a call that is judged in training") struct CheckedBlockTests {
  /// Whatever is cut: two places of each axis that may be.
  @Test(
    "a part alone is what it is in the whole", arguments: OperationCatalog.standard.entries.map { $0.name })
  func parts(name: String) throws {
    let operation = try #require(OperationCatalog.standard.entries.first { $0.name == name })
    let reference = try chain(ReferenceBackend())
    func truth(_ sample: OperationSample, _ operands: [[Double]]) throws -> [[Double]] {
      let program = try sample.program().converted(to: .float64)
      let values = Dictionary(uniqueKeysWithValues: operands.enumerated().map { ("x\($0)", $1) })
      let outputs = try ProgramEvaluation(program, values, on: reference).outputs
      return program.outputs.map { outputs[$0.name] ?? [] }
    }
    var cuts = 0
    for sample in operation.samples {
      let block = try #require(CheckedBlock(sample.operation, sample.inputs, littleFlops: 1, fewElements: 1))
      guard block.types != sample.inputs else { continue }
      cuts += 1
      let operands = SampleValues(sample).operands
      let part = zip(operands, sample.inputs).enumerated().map { place, pair in
        CheckedBlock.part(of: pair.0, in: pair.1.shape, at: block.operands[place])
      }
      let whole = try truth(sample, operands)
      let results = try sample.operation.outputTypes(for: sample.inputs)
      let alone = try truth(OperationSample(sample.operation, block.types, sample.domains), part)
      for (place, numbers) in whole.enumerated() {
        let expected = CheckedBlock.part(of: numbers, in: results[place].shape, at: block.results[place])
        #expect(expected.count == alone[place].count)
        let isSame = zip(expected, alone[place]).allSatisfy { abs($0 - $1) <= 1e-9 * max(abs($0), 1) || $0.isNaN }
        #expect(isSame, "\(sample.operation) on \(sample.inputs)")
      }
    }
    let usual = [Convolution2D.name, Convolution2DBackwardFilter.name, MatrixMultiplication.name, Unary.name]
    if usual.contains(name) { #expect(cuts > 0) }
  }

  @Test("of a large batch it has eight images at most, the first and the last, and others each time")
  func images() throws {
    let operation = Convolution2D(ConvolutionGeometry(padding: [1, 1, 1, 1]))
    let types: [TensorType] = [.float32([64, 28, 28, 32]), .float32([3, 3, 32, 64])]
    var seen: Set<[Int]> = []
    for turn in 0..<4 {
      let block = try #require(CheckedBlock(operation, types, turn: turn))
      let images = try #require(block.operands[0][0])
      #expect(images.count >= 2 && images.count <= CheckedBlock.mostImages)
      #expect(images.first == 0 && images.last == 63 && block.results[0][0] == images)
      #expect(block.flops <= 2 * CheckedBlock.littleFlops)
      seen.insert(images + (block.results[0][3] ?? []))
    }
    #expect(seen.count > 1)
    let few = try #require(CheckedBlock(Unary(.relu), [.float32([256, 28, 28, 32])]))
    #expect(few.types[0].shape[0] <= CheckedBlock.mostImages && few.types[0].shape[0] > 2)
  }

  @Test("of a gradient of filters, which adds up images, it has some filters and channels, and all images")
  func filters() throws {
    let operation = Convolution2DBackwardFilter(ConvolutionGeometry(padding: [1, 1, 1, 1]), kernelSize: [3, 3])
    let types: [TensorType] = [.float32([64, 28, 28, 32]), .float32([64, 28, 28, 64])]
    let block = try #require(CheckedBlock(operation, types))
    #expect(block.types[0].shape[0] == 64 && block.types[1].shape[0] == 64)
    #expect(block.results[0][3]?.first == 0 && block.results[0][3]?.last == 63)
    #expect(block.operands[1][3] == block.results[0][3] && block.operands[0][3] == block.results[0][2])
    #expect(block.flops <= 2 * CheckedBlock.littleFlops)
  }

  @Test("small ones are whole; what is large and has no part that stands for itself is none")
  func others() throws {
    let small = try #require(CheckedBlock(MatrixMultiplication(), [.float32([64, 30]), .float32([30, 10])]))
    #expect(small.types == [.float32([64, 30]), .float32([30, 10])])
    #expect(CheckedBlock(Transpose(permutation: [1, 0]), [.float32([4096, 4096])]) == nil)
  }
}
