import Foundation
import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackExecution
import SwitchbackPrograms
import SwitchbackReference
import Testing

private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()

@Suite struct ElementwiseTableTests {
  @Test("what kernels take from the tables is fresh; make operations renews it", arguments: ElementwiseSources.allCases)
  func isFresh(source: ElementwiseSources) throws {
    let file = try String(contentsOf: root.appendingPathComponent(source.path), encoding: .utf8)
    #expect(file == source.text, "\(source.path) is stale")
  }

  @Test("a function has one word, and its number is its place")
  func words() {
    let words = UnaryFunction.allCases.map(\.rawValue)
    #expect(Set(words).count == words.count)
    #expect(words.allSatisfy { UnaryFunction(rawValue: $0)?.rawValue == $0 })
    #expect(UnaryFunction(rawValue: "noSuchFunction") == nil)
    #expect(UnaryFunction.hardSigmoid.rawValue == "hardSigmoid" && UnaryFunction.relu != .gelu)
    let header = ElementwiseSources.c.text
    let numbers = header.split(separator: "\n").drop { !$0.hasPrefix("enum") }.dropFirst().prefix { $0 != "};" }
    #expect(numbers.count == words.count)
    #expect(numbers.map { $0.filter { $0.isLetter }.lowercased() } == words.map { "sb" + $0.lowercased() })
  }

  @Test("a word that the table lacks is refused where a program is read")
  func unknown() {
    let text = "input %0 x f32[3]\n%1: f32[3] = unary(%0) {alpha: 0.0, function: \"noSuchFunction\"}\noutput y %1"
    #expect(throws: ProgramError.self) { try Program(text: text) }
  }

  @Test("a formula reads as C, constants in Float32")
  func text() {
    let x = Formula.variable
    let formula = Formula.choice(x <= -3, then: 0, otherwise: .alpha * .apply(.expm1, x + 0.1))
    #expect(formula.text(.c) == "(v <= -3.0f ? 0.0f : (alpha * expm1f((v + 0.1f))))")
    #expect(formula.text(.openCL) == "(v <= -3.0f ? 0.0f : (a * expm1((v + 0.1f))))")
    for function in Formula.Function.allCases {
      #expect(Formula.apply(function, .variable).text(.c) != Formula.apply(function, .variable).text(.openCL))
    }
  }

  @Test("the reference computes every step of a formula")
  func value() {
    let x = Formula.variable
    let cases: [(Formula, Double)] = [
      (x + 2, 2.25), (x - 2, -1.75), (2 - x, 1.75), (x * 3, 0.75), (x / 2, 0.125), (.alpha * x, 0.375), (2, 2),
      (.choice(x < 0.25, then: 1, otherwise: 2), 2), (.choice(x <= 0.25, then: 1, otherwise: 2), 1),
      (.choice(x > 0.25, then: 1, otherwise: 2), 2), (.choice(x >= 0.25, then: 1, otherwise: 2), 1),
      (.apply(.sqrt, x), 0.5), (.apply(.absolute, x - 1), 0.75),
    ]
    for (formula, expected) in cases {
      #expect(formula.value(at: 0.25, alpha: 1.5) == expected, "\(formula)")
      #expect(formula.value(at: Float(0.25), alpha: 1.5) == Float(expected), "\(formula)")
    }
  }

  @Test("a function that is made of its row gives what somebody else says", arguments: UnaryFunction.allCases)
  func known(function: UnaryFunction) throws {
    guard function.formulas != nil else { return }
    #expect(function.known.count >= 3, "\(function): state what it gives at three places at least")
    let (x, y) = (function.known.map(\.x), function.known.map(\.y))
    let type = TensorType(.float64, [x.count])
    let reference = try chain(ReferenceBackend())
    let forward = try OperationSample(Unary(function), [type]).program()
    let backward = try OperationSample(UnaryBackward(function), [type, type]).program()
    let found = try ProgramEvaluation(forward, ["x0": x], on: reference).outputs["y0"] ?? []
    let operand = function.gradientOperand == .output ? y : x
    let slopes =
      try ProgramEvaluation(backward, ["x0": operand, "x1": x.map { _ in 1 }], on: reference).outputs["y0"] ?? []
    for (index, known) in function.known.enumerated() {
      #expect(abs(found[index] - known.y) <= 1e-12, "\(function)(\(known.x)) is \(found[index])")
      #expect(abs(slopes[index] - known.slope) <= 1e-12, "\(function)′(\(known.x)) is \(slopes[index])")
    }
  }
}
