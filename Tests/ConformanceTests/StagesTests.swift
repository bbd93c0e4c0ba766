import SwitchbackBackendKit
import SwitchbackOpenBLAS
import SwitchbackPrograms
import Testing

/// How often all workers of the OpenBLAS backend wait for each other in a run of `program`.
func barriers(_ program: Program) throws -> Int {
  let names = try chain(OpenBLASBackend()).links[0].device.compile(Segment(program)).report.groupNames
  let words = try #require(names.last).split(separator: " at ")
  #expect(words.first == "adding sums, waiting")
  return words.count == 1 ? 0 : try #require(Int(words[1].prefix { $0 != " " }))
}

@Suite(.enabled(if: isOpenBLASHere(), "libopenblas.so.0 is not on this machine")) struct StagesTests {
  private var builder = ProgramBuilder(name: "stages")
  private let x: Value
  private let w: Value
  /// Made tile by tile.
  private let y: Value

  init() throws {
    x = builder.input("x", .float32([128, 784]))
    w = builder.state("w", .float32([784, 512]))
    y = try builder.append(MatrixMultiplication(), x, w)
    builder.output("y", y)
  }

  @Test("tiles and sums of samples that read the same stand in one stage, what reads the tiles in the next one")
  func independent() throws {
    var builder = builder
    #expect(try barriers(builder.build()) == 0)
    let gradient = try builder.append(MatrixMultiplication(transposeA: true), x, y)
    builder.output("gradient", gradient)
    #expect(try barriers(builder.build()) == 1)
    builder.output("sum", try builder.append(Reduce(.sum, axes: [0]), y))
    #expect(try barriers(builder.build()) == 1)
    builder.output("of all", try builder.append(Unary(.tanh), gradient))
    #expect(try barriers(builder.build()) == 2)
  }

  @Test("a small sum beside tiles is checked by whoever adds it up, so the updates stand behind the tiles' barrier")
  func checked() throws {
    var builder = builder
    let gradient = try builder.append(MatrixMultiplication(transposeA: true), x, y)
    let sum = try builder.append(Reduce(.sum, axes: [0]), y)
    let allow = try builder.append(AllFinite(), gradient, sum)
    let rate = builder.step("rate", .float32([]))
    _ = try builder.append(SGDUpdate(), [w, gradient, rate, allow])
    _ = try builder.append(SGDUpdate(), [builder.state("bias", sum.type), sum, rate, allow])
    #expect(try barriers(builder.build()) == 2)
  }

  @Test("what is read is replaced behind a barrier, and nothing before wrong indices are found")
  func replaced() throws {
    var builder = builder
    let (other, further) = (builder.state("other", w.type), builder.state("further", w.type))
    var apart = builder
    _ = try apart.append(Assign(), [other, further])
    #expect(try barriers(apart.build()) == 0)
    var reads = builder
    _ = try reads.append(Assign(), [w, other])
    #expect(try barriers(reads.build()) == 1)
    var finds = builder
    finds.output("rows", try finds.append(Gather(axis: 0), y, finds.input("indices", TensorType(.int32, [128]))))
    #expect(try barriers(finds.build()) == 1)
    _ = try finds.append(Assign(), [other, further])
    #expect(try barriers(finds.build()) == 2)
  }
}
