import SwitchbackBackendKit
import SwitchbackExecution
import SwitchbackOpenBLAS
import SwitchbackPrograms
import Testing

/// How a gradient is made.
private enum Making: CaseIterable {
  /// Tiles of a product, of a convolution's filter, and ranges of columns.
  case tiles, filterTiles, columns
  /// Partial sums that ranges of elements add, and those that whoever ends the last chunk does.
  case sums, smallSums
  /// Element by element, and by the host.
  case rows, input
}

/// A weight with its gradient, which is made of x and y or of y alone, its check and an update.
private struct Step {
  var builder = ProgramBuilder(name: "step")
  let making: Making
  let x: Value
  let y: Value
  let gradient: Value
  var taps: Set<Int> = []

  /// `isGuarded`: whether the check of the gradient allows the update; else an input does.
  init(_ making: Making, isGuarded: Bool = true, _ onlooker: Onlooker = .nobody) throws {
    self.making = making
    let sizes: (x: Shape, y: Shape) =
      switch making {
      case .tiles: ([64, 200], [64, 300])
      case .filterTiles: ([64, 4, 4, 64], [64, 4, 4, 64])
      case .columns: ([50, 130], [2000, 130])
      case .sums, .smallSums: ([4096, 40], [4096, 40])
      case .rows, .input: ([300, 300], [300, 300])
      }
    y = builder.input("y", .float32(sizes.y))
    x = [.smallSums, .input].contains(making) ? y : builder.input("x", .float32(sizes.x))
    switch making {
    case .tiles, .sums: gradient = try builder.append(MatrixMultiplication(transposeA: true), x, y)
    case .filterTiles:
      let geometry = ConvolutionGeometry(padding: [1, 1, 1, 1])
      gradient = try builder.append(Convolution2DBackwardFilter(geometry, kernelSize: [3, 3]), x, y)
    case .columns:
      let rows = builder.input("rows", TensorType(.int32, [2000]))
      gradient = try builder.append(ScatterAdd(axis: 0), x, rows, y)
    case .smallSums: gradient = try builder.append(Reduce(.sum, axes: [0]), y)
    case .rows: gradient = try builder.append(Binary(.add), x, y)
    case .input: gradient = y
    }
    let w = builder.state("w", gradient.type)
    if making != .input { taps = try onlooker.look(at: [gradient], in: &builder) }
    let allow =
      isGuarded ? try builder.append(AllFinite(), gradient) : builder.input("allow", TensorType(.bool, []))
    _ = try builder.append(SGDUpdate(), [w, gradient, builder.step("rate", .float32([])), allow])
    if isGuarded { builder.output("allow", allow) }
  }

  /// What the backend says of the calls.
  func words() throws -> [String] {
    try chain(OpenBLASBackend()).links[0].device.compile(Segment(builder.build())).report.groupNames
  }

  /// Fills x and y with `number`s and runs; whether the update was allowed, and the weight's bits.
  func run(workers: Int, _ number: (_ name: String, _ element: Int) -> Float) throws -> (allows: Bool, w: [UInt32]) {
    let states = StateStore()
    let executor = try ProgramExecutor(
      builder.build(), on: chain(OpenBLASBackend(), workers: workers), states: states, taps: taps)
    for value in [x, y] {
      let name = value.id == y.id ? "y" : "x"
      try executor.withInput(name) { bytes in
        for element in 0..<value.type.shape.elementCount {
          bytes.storeBytes(of: number(name, element), toByteOffset: 4 * element, as: Float.self)
        }
      }
    }
    if making == .columns {
      try executor.withInput("rows") { bytes in
        for element in 0..<2000 { bytes.storeBytes(of: Int32(element % 50), toByteOffset: 4 * element, as: Int32.self) }
      }
    }
    try executor.withInput("rate") { $0.storeBytes(of: 0.5, as: Float.self) }
    try states.withMutableBytes(of: "w") { bytes in
      for element in 0..<bytes.count / 4 { bytes.storeBytes(of: 1, toByteOffset: 4 * element, as: Float.self) }
    }
    try executor.run()
    return (
      try executor.withOutput("allow") { $0[0] != 0 },
      try states.withBytes(of: "w") { Array($0.bindMemory(to: UInt32.self)) }
    )
  }
}

@Suite(.enabled(if: isOpenBLASHere(), "libopenblas.so.0 is not on this machine")) struct CheckTests {
  @Test("the gradients of these tests are made as they say")
  func makings() throws {
    #expect(try Step(.tiles).words()[0].contains("tiles of"))
    #expect(try Step(.filterTiles).words()[0].contains("tiles of"))
    #expect(try Step(.sums).words()[0].contains("16 sums"))
    #expect(try Step(.smallSums).words()[0].contains("sums"))
  }

  @Test("a gradient is checked where it is made: the check takes no barrier, the update behind it one")
  func places() throws {
    for (making, guarded, unguarded) in [
      (Making.tiles, 1, 1), (.filterTiles, 1, 1), (.rows, 2, 1), (.input, 1, 0), (.sums, 2, 1),
      // What is added when the last chunk ends is there behind a barrier; so is what is made by columns.
      (.smallSums, 1, 1), (.columns, 2, 1),
    ] {
      let step = try Step(making)
      #expect(try step.words().contains("allFinite · each operand where it is made"))
      #expect(try barriers(step.builder.build()) == guarded, "\(making)")
      #expect(try barriers(Step(making, isGuarded: false).builder.build()) == unguarded, "\(making)")
    }
  }

  @Test("a small sum among other gradients is checked by whoever adds it up: each update waits for one barrier")
  func smallSumAmongOthers() throws {
    var builder = ProgramBuilder(name: "others")
    let (y, other) = (builder.input("y", .float32([4096, 40])), builder.input("other", .float32([70_000])))
    let sum = try builder.append(Reduce(.sum, axes: [0]), y)
    let allow = try builder.append(AllFinite(), other, sum)
    builder.output("allow", allow)
    let (w, v, rate) = (
      builder.state("w", sum.type), builder.state("v", other.type), builder.step("rate", .float32([]))
    )
    _ = try builder.append(SGDUpdate(), [w, sum, rate, allow])
    _ = try builder.append(SGDUpdate(), [v, other, rate, allow])
    let program = builder.build()
    #expect(try barriers(program) == 1)
    for workers in [1, 3] {
      let states = StateStore()
      let executor = try ProgramExecutor(program, on: chain(OpenBLASBackend(), workers: workers), states: states)
      func allows(_ name: String, _ numbers: [Int: Float]) throws -> Bool {
        for (place, number) in numbers {
          try executor.withInput(name) { $0.storeBytes(of: number, toByteOffset: 4 * place, as: Float.self) }
        }
        try executor.run()
        for place in numbers.keys {
          try executor.withInput(name) { $0.storeBytes(of: 0, toByteOffset: 4 * place, as: Float.self) }
        }
        return try executor.withOutput("allow") { $0[0] != 0 }
      }
      #expect(try allows("y", [:]))
      for place in [0, 40 * 2048 + 7, 40 * 4096 - 1] {
        #expect(try !allows("y", [place: .nan]) && !allows("y", [place: .infinity]), "\(place)")
        #expect(try allows("y", [place: 1]))
      }
      #expect(try !allows("other", [69_999: .nan]) && allows("other", [69_999: 1]))
      // Parts that are finite, of the first row and the last.
      #expect(try !allows("y", [39: 2e38, 40 * 4096 - 1: 2e38]) && allows("y", [39: 1e38, 40 * 4096 - 1: 1e38]))
    }
  }

  @Test("the update of a weight stands behind the check without a barrier where all that is checked is small")
  func small() throws {
    for (count, expected) in [(8, 0), (70_000, 1)] {
      var builder = ProgramBuilder(name: "small")
      let gradients = [builder.input("a", .float32([8])), builder.input("b", .float32([count]))]
      let allow = try builder.append(AllFinite(), gradients)[0]
      let rate = builder.step("rate", .float32([]))
      _ = try builder.append(SGDUpdate(), [builder.state("w", .float32([8])), gradients[0], rate, allow])
      #expect(try barriers(builder.build()) == expected)
    }
  }

  @Test(
    "a number that is not finite, whichever row or chunk it comes of, forbids the update", arguments: Making.allCases)
  fileprivate func finds(making: Making) throws {
    let step = try Step(making)
    let (last, middle) = (step.y.type.shape.elementCount - 1, step.y.type.shape.elementCount / 2 + 1)
    for workers in [1, 3] {
      #expect(try step.run(workers: workers) { _, e in Float(e % 7) }.allows)
      for place in [0, middle, last] {
        for bad in [Float.nan, -.infinity] {
          let (allows, w) = try step.run(workers: workers) { $0 == "y" && $1 == place ? bad : 1 }
          #expect(!allows && w.allSatisfy { $0 == Float(1).bitPattern }, "\(making) \(place) \(bad)")
        }
      }
    }
  }

  @Test(
    "a sum whose parts are finite, and which is not, forbids the update", arguments: [Making.tiles, .sums, .smallSums])
  fileprivate func overflow(making: Making) throws {
    let step = try Step(making)
    let (rows, columns) = (step.y.type.shape[0], step.y.type.shape[1])
    // The last column alone, of the first and the last row.
    let ends = Set([columns - 1, rows * columns - 1])
    for (size, isFinite) in [(Float(1e38), true), (2e38, false)] {
      let (allows, w) = try step.run(workers: 2) { name, e in name == "x" ? 1 : ends.contains(e) ? size : 0 }
      #expect(allows == isFinite && w.contains { $0 != Float(1).bitPattern } == isFinite, "\(making) \(size)")
    }
  }

  @Test("the weights have the same bits for any number of workers, whoever looks", arguments: Making.allCases)
  fileprivate func bits(making: Making) throws {
    func number(_ name: String, _ e: Int) -> Float { Float((e * 7 + name.utf8.count) % 23 - 11) / 16 }
    let one = try Step(making).run(workers: 1, number)
    #expect(one.allows && one.w.contains { $0 != Float(1).bitPattern })
    for workers in [2, 3, 7, 16] { #expect(try Step(making).run(workers: workers, number) == one) }
    for onlooker in Onlooker.allCases { #expect(try Step(making, onlooker).run(workers: 3, number) == one) }
  }
}
