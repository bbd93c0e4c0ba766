import SwitchbackConformance
import SwitchbackExecution
import SwitchbackPrograms
import SwitchbackReference
import Testing

/// A cell as the tests see it: its operation and how many gates it has.
private struct Cell: CustomTestStringConvertible, Sendable {
  var testDescription: String
  var gates: Int
  var stateCount: Int
  /// Whether a bias stands between the kernel and the states.
  var hasBias = false
  var make: @Sendable (_ isMasked: Bool, _ isReversed: Bool) -> any RecurrentOperation

  static let all = [
    Cell(testDescription: "rnn", gates: 1, stateCount: 1) { SimpleRecurrence(isMasked: $0, isReversed: $1) },
    Cell(testDescription: "lstm", gates: 4, stateCount: 2) { LSTMRecurrence(isMasked: $0, isReversed: $1) },
    Cell(testDescription: "gru", gates: 3, stateCount: 1, hasBias: true) {
      GRURecurrence(isMasked: $0, isReversed: $1)
    },
    Cell(testDescription: "gru, reset before", gates: 3, stateCount: 1) {
      GRURecurrence(resetAfter: false, isMasked: $0, isReversed: $1)
    },
  ]

  /// The types of the operands before mask and scale.
  func types(_ samples: Int, _ steps: Int, _ units: Int) -> [TensorType] {
    let shapes: [Shape] =
      [[samples, steps, gates * units], [units, gates * units]] + (hasBias ? [[gates * units]] : [])
      + (0..<stateCount).map { _ in [samples, units] }
    return shapes.map { TensorType(.float64, $0) }
  }
}

/// Sixteenths from −1 to 1, other ones for each operand.
private func numbers(_ type: TensorType, _ operand: Int) -> [Double] {
  (0..<type.shape.elementCount).map { e in Double((e * 7 + operand * 5) % 33 - 16) / 16 }
}

private func results(
  _ operation: any RecurrentOperation, _ types: [TensorType], _ operands: [[Double]]
) throws -> [[Double]] {
  let program = try OperationSample(operation, types).program()
  let values = Dictionary(uniqueKeysWithValues: operands.enumerated().map { ("x\($0)", $1) })
  let found = try ProgramEvaluation(program, values, on: chain(ReferenceBackend())).outputs
  return program.outputs.map { found[$0.name] ?? [] }
}

@Suite struct RecurrenceTests {
  /// Backends take every function that the operations' types allow, and conformance asks them for what samples have.
  @Test("each function that a recurrence may have is that of a sample, there and back")
  func functions() {
    let all = Set(UnaryFunction.recurrent)
    for samples in [
      SimpleRecurrence.samples, SimpleRecurrenceBackward.samples, LSTMRecurrence.samples,
      LSTMRecurrenceBackward.samples, GRURecurrence.samples, GRURecurrenceBackward.samples,
    ] {
      let operations = samples.compactMap { $0.operation as? any RecurrentOperation }
      #expect(Set(operations.map(\.activation)) == all, "\(samples[0].operation)")
    }
  }

  @Test("a reversed recurrence is that of the reversed sequence", arguments: Cell.all)
  fileprivate func reversed(cell: Cell) throws {
    let (steps, units) = (5, 3)
    let types = cell.types(2, steps, units)
    let operands = types.enumerated().map { numbers($1, $0) }
    func turned(_ sequence: [Double], _ width: Int) -> [Double] {
      sequence.indices.map { e in
        let (n, t, k) = (e / width / steps, e / width % steps, e % width)
        return sequence[(n * steps + steps - 1 - t) * width + k]
      }
    }
    let found = try results(cell.make(false, true), types, operands)
    let others = try results(
      cell.make(false, false), types, [turned(operands[0], cell.gates * units)] + operands.dropFirst())
    for (a, b) in zip(found, others) { #expect(a == turned(b, b.count / 2 / steps)) }
  }

  @Test("a masked step keeps the states, reads nothing and has gates of 0", arguments: Cell.all, [false, true])
  fileprivate func masked(cell: Cell, isReversed: Bool) throws {
    let (steps, units) = (4, 3)
    let types = cell.types(1, steps, units)
    var operands = types.enumerated().map { numbers($1, $0) }
    // Without the third step the sequence is one of three.
    let width = cell.gates * units
    let shorter = Array(operands[0][..<(2 * width)] + operands[0][(3 * width)...])
    let expected = try results(
      cell.make(false, isReversed), cell.types(1, 3, units), [shorter] + operands.dropFirst())
    for e in 2 * width..<3 * width { operands[0][e] = .nan }
    let found = try results(
      cell.make(true, isReversed), types + [TensorType(.bool, [1, steps])], operands + [[1, 1, 0, 1]])
    for (result, (whole, short)) in zip(found, expected).enumerated() {
      let size = whole.count / steps
      #expect(Array(whole[..<(2 * size)] + whole[(3 * size)...]) == short)
      let isState = result == 0 || (result == 1 && cell.stateCount == 2)
      let before = isReversed ? 3 : 1
      let kept = isState ? Array(whole[before * size..<(before + 1) * size]) : [Double](repeating: 0, count: size)
      #expect(Array(whole[2 * size..<3 * size]) == kept)
    }
  }

  @Test("δ is exactly 0 at masked steps, and what arrives there goes on", arguments: Cell.all)
  fileprivate func maskedGradient(cell: Cell) throws {
    let (steps, units) = (3, 2)
    let types = cell.types(1, steps, units) + [TensorType(.bool, [1, steps])]
    var builder = ProgramBuilder(name: "masked")
    let operands = types.enumerated().map { builder.input("x\($0)", $1) }
    let h = try builder.append(cell.make(true, false), operands)[0]
    // Of the last step alone, which is masked.
    let last = try builder.append(Slice(starts: [0, 2, 0], sizes: [1, 1, units]), h)
    let loss = try builder.append(Reduce(.sum, axes: [0, 1, 2]), last)
    let gradients = try builder.gradients(of: loss, for: operands)
    builder.output("delta", try #require(gradients[operands[0].id]))
    var values = Dictionary(uniqueKeysWithValues: types.enumerated().map { ("x\($0)", numbers($1, $0)) })
    values["x\(types.count - 1)"] = [1, 0, 0]
    let delta = try #require(
      try ProgramEvaluation(builder.build(), values, on: chain(ReferenceBackend())).outputs["delta"])
    let width = cell.gates * units
    #expect(delta[width...].allSatisfy { $0 == 0 })
    #expect(delta[..<width].contains { $0 != 0 })
  }

  @Test("the gradient of h and of the cell's states, together and of each alone, agrees with finite differences")
  func cellGradient() throws {
    let cell = Cell.all[1]
    let types = cell.types(2, 3, 2)
    let reference = try chain(ReferenceBackend(), workers: 1)
    for weights in [(1.0, 0.0), (0, 1), (0.5, -2)] {
      var builder = ProgramBuilder(name: "cell")
      let operands = types.enumerated().map { builder.input("x\($0)", $1) }
      let made = try builder.append(LSTMRecurrence(), operands)
      var parts: [Value] = []
      for (state, weight) in [(made[0], weights.0), (made[1], weights.1)] where weight != 0 {
        let squares = try builder.append(Reduce(.sumSquares, axes: [0, 1, 2]), state)
        parts.append(try builder.append(Binary(.multiply), squares, builder.scalar(weight, .float64)))
      }
      let loss = parts.count == 1 ? parts[0] : try builder.append(Binary(.add), parts[0], parts[1])
      builder.output("loss", loss)
      let forward = builder.program
      let gradients = try builder.gradients(of: loss, for: operands)
      for (index, operand) in operands.enumerated() {
        builder.output("d\(index)", try #require(gradients[operand.id]))
      }
      let values = Dictionary(uniqueKeysWithValues: types.enumerated().map { ("x\($0)", numbers($1, $0)) })
      let found = try ProgramEvaluation(builder.build(), values, on: reference).outputs
      func moved(_ name: String, _ element: Int, _ shift: Double) throws -> Double {
        var values = values
        values[name]?[element] += shift
        return try #require(try ProgramEvaluation(forward, values, on: reference).outputs["loss"]?.first)
      }
      for (index, type) in types.enumerated() {
        let gradient = try #require(found["d\(index)"])
        for e in 0..<type.shape.elementCount {
          let slope = (try moved("x\(index)", e, 1e-5) - moved("x\(index)", e, -1e-5)) / 2e-5
          #expect(abs(gradient[e] - slope) < 1e-8, "operand \(index), element \(e)")
        }
      }
    }
  }

  @Test("the kernel's gradient is one product of all steps, with the reset before the product two", arguments: Cell.all)
  fileprivate func products(cell: Cell) throws {
    var builder = ProgramBuilder(name: "products")
    let operands = cell.types(2, 7, 3).enumerated().map { builder.input("x\($0)", $1) }
    let h = try builder.append(cell.make(false, false), operands)[0]
    let loss = try builder.append(Reduce(.sumSquares, axes: [0, 1, 2]), h)
    _ = try builder.gradients(of: loss, for: [operands[1]])
    let products = builder.program.calls.filter { $0.operation is MatrixMultiplication }
    #expect(products.count == (cell.gates == 3 && !cell.hasBias ? 2 : 1))
  }

  @Test(
    "gates and inner products have no gradient, and the reason says so",
    arguments: [LSTMRecurrence.name, GRURecurrence.name])
  func gates(name: String) throws {
    let cell = Cell.all[name == LSTMRecurrence.name ? 1 : 2]
    var builder = ProgramBuilder(name: "gates")
    let operands = cell.types(1, 2, 2).enumerated().map { builder.input("x\($0)", $1) }
    let made = try builder.append(cell.make(false, false), operands)
    let loss = try builder.append(Reduce(.sum, axes: [0, 1, 2]), made[cell.stateCount])
    let error = #expect(throws: ProgramError.self) { _ = try builder.gradients(of: loss, for: operands) }
    #expect(error?.message.contains("gates") == true)
  }

  @Test("operands and activations that do not fit are errors that say what is needed")
  func refused() {
    let (x, kernel, state) = (
      TensorType.float32([2, 3, 8]), TensorType.float32([2, 8]), TensorType.float32([2, 2])
    )
    func message(_ operation: some TensorOperation, _ types: [TensorType]) -> String {
      do throws(ProgramError) {
        _ = try operation.outputTypes(for: types)
        return ""
      } catch { return error.message }
    }
    let lstm = LSTMRecurrence()
    #expect(message(lstm, [x, kernel, state, state]).isEmpty)
    #expect(message(lstm, []).contains("takes 4 operands, not 0"))
    #expect(message(LSTMRecurrence(isMasked: true, isScaled: true), [x]).contains("takes 6 operands"))
    #expect(message(lstm, [.float32([2, 3, 7]), kernel, state, state]).contains("4 · units"))
    #expect(message(lstm, [.float32([2, 0, 8]), kernel, state, state]).contains("at least one step"))
    #expect(message(lstm, [.float32([2, 8]), kernel, state, state]).contains("[samples, steps, 4 · units]"))
    #expect(message(lstm, [.int32([2, 3, 8]), kernel, state, state]).contains("floating point"))
    #expect(message(lstm, [x, .float32([2, 6]), state, state]).contains("the recurrent kernel must be f32[2,8]"))
    #expect(
      message(lstm, [x, kernel, state, .float32([1, 2])])
        == "the cell's first state must be f32[2,2], but is f32[1,2]")
    let masked = LSTMRecurrence(isMasked: true)
    #expect(
      message(masked, [x, kernel, state, state, .float32([2, 3])])
        == "mask must be bool[2,3], but is f32[2,3]")
    #expect(
      message(masked, [x, kernel, state, state, TensorType(.bool, [2, 4])]).contains("mask must be bool[2,3]"))
    for operation in [SimpleRecurrence(activation: .gelu), SimpleRecurrence(activation: .swish)] {
      let text = message(operation, [.float32([2, 3, 2]), .float32([2, 2]), state])
      #expect(text.contains("\(operation.activation) cannot be a recurrent activation; these can: tanh, sigmoid"))
    }
    #expect(message(GRURecurrence(recurrentActivation: .exp), []).contains("operands"))
    #expect(
      message(
        GRURecurrence(recurrentActivation: .exp), [.float32([2, 3, 6]), .float32([2, 6]), .float32([6]), state]
      ).contains("exp cannot be"))
  }

  @Test("128 steps have a decomposition, more have a reason for having none", arguments: Cell.all)
  fileprivate func longest(cell: Cell) throws {
    for steps in [128, 129] {
      let sample = OperationSample(cell.make(false, false), cell.types(1, steps, 1))
      let decomposed = try sample.program().decomposing([0])
      #expect(decomposed.reasons.isEmpty == (steps == 128))
      if let reason = decomposed.reasons[0] { #expect(reason.contains("128 steps")) }
    }
  }

  @Test(
    "the bound does not pass numbers of ten bits",
    arguments: OperationCatalog.standard.entries.filter { $0 is any RecurrentOperation.Type }.map { $0.name })
  func tenBits(name: String) throws {
    let reference = try chain(ReferenceBackend())
    let entry = try #require(OperationCatalog.standard.entries.first { $0.name == name })
    for sample in entry.samples {
      let program = try sample.program().converted(to: .float64)
      let operands = SampleValues(sample).operands
      let values = Dictionary(uniqueKeysWithValues: operands.enumerated().map { ("x\($0)", $1) })
      let truth = try ProgramEvaluation(program, values, on: reference).outputs.values
      guard truth.contains(where: { $0.contains { $0 != 0 } }) else { continue }
      let floating = zip(operands, sample.inputs).filter { $1.elementType.isFloatingPoint }.map { $0.0 }
      let errors = truth.map { numbers in
        let rounded = numbers.map { Double(Float(bitPattern: (Float($0).bitPattern &+ 0x1000) & 0xFFFF_E000)) }
        return BackendComparison.error(rounded, numbers, sample.operation.errorBound(for: sample.inputs), floating)
      }
      #expect(errors.contains { $0 > 2 }, "\(sample.operation) \(sample.inputs)")
    }
  }
}
