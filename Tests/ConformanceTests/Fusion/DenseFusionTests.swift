import SwitchbackBackendKit
import SwitchbackCPUKernels
import SwitchbackExecution
import SwitchbackOpenBLAS
import SwitchbackPrograms
import Testing

/// A program of one chain, and what a run of it on OpenBLAS gives.
private struct Subject {
  var builder = ProgramBuilder(name: "chain")
  var taps: Set<Int> = []
  /// Between the calls, in their order.
  var between: [Value] = []
  var y: Value!

  mutating func look(_ onlooker: Onlooker) throws { taps = try onlooker.look(at: between, in: &builder) }

  /// Reads each value between a second time, so that nothing is a chain, and taps it.
  mutating func breakUp() throws {
    for value in between { builder.output("again \(value.id)", try builder.append(Unary(.negate), value)) }
    taps = Set(between.map(\.id))
  }

  /// Every value that is looked at, and y last.
  func run(workers: Int = 2, planting special: Float? = nil) throws -> (groups: [String], values: [[UInt32]]) {
    let states = StateStore()
    let program = builder.build()
    let executor = try ProgramExecutor(
      program, on: chain(OpenBLASBackend(), workers: workers), states: states, taps: taps)
    for info in program.values where info.role == .input {
      try executor.withInput(info.name) { bytes in
        var state = UInt32(truncatingIfNeeded: info.name.utf8.reduce(7) { $0 &* 31 &+ Int($1) })
        for element in 0..<info.type.shape.elementCount {
          state = state &* 1_664_525 &+ 1_013_904_223
          if info.type.elementType == .uint8 {
            bytes[element] = UInt8(state >> 24)
          } else {
            let number = special != nil && element % 37 == 5 ? special! : Float(state >> 8) * 0x1p-23 - 1
            bytes.storeBytes(of: number, toByteOffset: 4 * element, as: Float.self)
          }
        }
      }
    }
    try executor.run()
    let seen = between.map(\.id).filter { taps.contains($0) } + [y.id]
    let values = try seen.map(executor.bits)
    let names = executor.plan.reports.flatMap(\.groupNames).map { String($0.prefix { $0 != "·" }) }
    return (names.map { $0.hasSuffix(" ") ? String($0.dropLast()) : $0 }, values)
  }
}

/// `matmul` of [rows, terms] and [terms, columns], a bias, an activation; `isBroken`: each value between is read twice.
private func dense(
  _ rows: Int, _ columns: Int, terms: Int = 40, _ function: UnaryFunction? = .relu, hasBias: Bool = true,
  transposeB: Bool = false, isBroken: Bool = false, bias shape: Shape? = nil
) throws -> Subject {
  var subject = Subject()
  let x = subject.builder.input("x", .float32([rows, terms]))
  let w = subject.builder.input("w", .float32(transposeB ? [columns, terms] : [terms, columns]))
  var y = try subject.builder.append(MatrixMultiplication(transposeB: transposeB), x, w)
  if hasBias {
    subject.between.append(y)
    y = try subject.builder.append(Binary(.add), y, subject.builder.input("bias", .float32(shape ?? [columns])))
  }
  if let function {
    subject.between.append(y)
    y = try subject.builder.append(Unary(function), y)
  }
  subject.y = y
  subject.builder.output("y", y)
  if isBroken { try subject.breakUp() }
  return subject
}

/// `matmul` of [rows, terms] and the kernel transposed, and the gradient of an activation, whose slopes are of `opening`.
private func gate(
  _ rows: Int, _ columns: Int, terms: Int = 40, _ function: UnaryFunction = .relu, isBroken: Bool = false
) throws -> Subject {
  var subject = Subject()
  let x = subject.builder.input("x", .float32([rows, terms]))
  let w = subject.builder.input("w", .float32([columns, terms]))
  let opening = subject.builder.input("opening", .float32([rows, columns]))
  let product = try subject.builder.append(MatrixMultiplication(transposeB: true), x, w)
  subject.between = [product]
  subject.y = try subject.builder.append(UnaryBackward(function), opening, product)
  subject.builder.output("y", subject.y)
  if isBroken { try subject.breakUp() }
  return subject
}

/// `constant`: what the scale is, in place of an input.
private func pictures(
  _ images: Int, isScaled: Bool, constant: Double? = nil, isBroken: Bool = false
) throws -> Subject {
  var subject = Subject()
  let bytes = subject.builder.input("pictures", TensorType(.uint8, [images, 7, 5, 1]))
  var y = try subject.builder.append(Cast(to: .float32), bytes)
  subject.between.append(y)
  if isScaled {
    let scale = try constant.map { try subject.builder.append(Fill(value: $0, shape: [], elementType: .float32)) }
    y = try subject.builder.append(Binary(.multiply), y, scale ?? subject.builder.input("scale", .float32([])))
    subject.between.append(y)
  }
  y = try subject.builder.append(Reshape(shape: [images, 35]), y)
  subject.y = y
  subject.builder.output("y", y)
  if isBroken { try subject.breakUp() }
  return subject
}

@Suite(.enabled(if: isOpenBLASHere(), "libopenblas.so.0 is not on this machine")) struct DenseFusionTests {
  /// Rows and columns: none, one, rests of every tile, and what is made tile by tile behind a barrier.
  private static let sizes = [(0, 17), (1, 1), (1, 33), (61, 17), (61, 33), (3, 64), (16, 64), (130, 512)]

  @Test(
    "a product, its bias and its activation are one work of the bits that three have; whoever looks sees these too",
    arguments: sizes)
  func fires(rows: Int, columns: Int) throws {
    for (function, hasBias, transposeB) in [
      (UnaryFunction.relu, true, false), (.relu, false, true), (.tanh, true, false), (.sigmoid, false, false),
      (nil, true, true),
    ] {
      let terms = columns == 512 ? 300 : 40
      for special: Float? in [nil, .nan, -.infinity] {
        let apart = try dense(
          rows, columns, terms: terms, function, hasBias: hasBias, transposeB: transposeB, isBroken: true
        ).run(planting: special)
        #expect(apart.groups.allSatisfy { !$0.contains("+") }, "\(apart.groups)")
        for onlooker in Onlooker.allCases {
          for workers in [1, 3] {
            var subject = try dense(
              rows, columns, terms: terms, function, hasBias: hasBias, transposeB: transposeB)
            try subject.look(onlooker)
            let fused = try subject.run(workers: workers, planting: special)
            let words = "matmul" + (hasBias ? " + binary" : "") + (function == nil ? "" : " + unary")
            #expect(fused.groups.contains(words), "\(fused.groups)")
            #expect(fused.values.last == apart.values.last)
            if onlooker == .taps { #expect(fused.values == apart.values) }
          }
        }
      }
    }
  }

  @Test("a product that something else reads, a bias that is a matrix or a column, and transposed rows are not fused")
  func mustNot() throws {
    let broken = try dense(61, 33, isBroken: true).run()
    #expect(broken.groups.allSatisfy { !$0.contains("+") }, "\(broken.groups)")
    for shape: Shape in [[61, 33], [61, 1]] {
      let groups = try dense(61, 33, bias: shape).run().groups
      #expect(groups.allSatisfy { !$0.contains("+") }, "\(groups)")
    }
    var subject = Subject()
    let (x, w) = (subject.builder.input("x", .float32([40, 61])), subject.builder.input("w", .float32([40, 33])))
    let product = try subject.builder.append(MatrixMultiplication(transposeA: true), x, w)
    subject.y = try subject.builder.append(Unary(.relu), product)
    subject.builder.output("y", subject.y)
    #expect(try subject.run().groups.allSatisfy { !$0.contains("+") })
  }

  @Test(
    "a product and the gate behind it are one work of the bits that two have, NaN among the gates", arguments: sizes)
  func gates(rows: Int, columns: Int) throws {
    let terms = columns == 512 ? 300 : 40
    // Where our kernel does not lead, OpenBLAS writes the product.
    var shape = sb_product()
    (shape.m, shape.n, shape.k) = (Int64(rows), Int64(columns), Int64(terms))
    let isFused = sb_kernels_for_this_cpu().pointee.leads_product(&shape) != 0
    for (function, special) in [
      (UnaryFunction.relu, Float?.none), (.relu, .nan), (.relu, .infinity), (.relu, 0), (.tanh, nil),
      (.gelu, .infinity),
      (.elu, .nan),
    ] {
      let apart = try gate(rows, columns, terms: terms, function, isBroken: true).run(planting: special)
      #expect(apart.groups.allSatisfy { !$0.contains("+") }, "\(apart.groups)")
      for onlooker in Onlooker.allCases {
        for workers in [1, 3] {
          var subject = try gate(rows, columns, terms: terms, function)
          try subject.look(onlooker)
          let fused = try subject.run(workers: workers, planting: special)
          #expect(fused.groups.contains("matmul + unary/backward") == isFused, "\(fused.groups)")
          #expect(fused.values.last == apart.values.last)
          if onlooker == .taps { #expect(fused.values == apart.values) }
        }
      }
    }
  }

  @Test("bytes that are scaled and reshaped are one work of the bits that three have", arguments: [0, 1, 61])
  func bytes(images: Int) throws {
    for isScaled in [true, false] {
      let apart = try pictures(images, isScaled: isScaled, isBroken: true).run()
      #expect(apart.groups.allSatisfy { !$0.contains("+") }, "\(apart.groups)")
      for onlooker in Onlooker.allCases {
        var subject = try pictures(images, isScaled: isScaled)
        try subject.look(onlooker)
        let fused = try subject.run()
        #expect(fused.groups.contains(isScaled ? "cast + binary + reshape" : "cast + reshape"), "\(fused.groups)")
        #expect(fused.values.last == apart.values.last)
        if onlooker == .taps { #expect(fused.values == apart.values) }
      }
    }
  }

  @Test("a constant that scales bytes alone is part of their work; one that something else reads is not")
  func constantScale() throws {
    let apart = try pictures(61, isScaled: true, constant: 1 / 255, isBroken: true).run()
    #expect(apart.groups.allSatisfy { !$0.contains("+") }, "\(apart.groups)")
    for onlooker in Onlooker.allCases {
      var subject = try pictures(61, isScaled: true, constant: 1 / 255)
      try subject.look(onlooker)
      let fused = try subject.run()
      #expect(fused.groups.contains("cast + fill + binary + reshape"), "\(fused.groups)")
      #expect(fused.values.last == apart.values.last)
      if onlooker == .taps { #expect(fused.values == apart.values) }
    }
    var shared = try pictures(61, isScaled: true, constant: 1 / 255)
    let constant = shared.builder.value(shared.builder.program.calls[1].outputs[0]!)
    shared.builder.output("again", try shared.builder.append(Unary(.negate), constant))
    let read = try shared.run()
    #expect(read.groups.contains("cast + binary + reshape") && read.groups.contains("fill"), "\(read.groups)")
    #expect(read.values.last == apart.values.last)
  }
}
