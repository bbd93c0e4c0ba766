import Foundation
import SwitchbackTraining
import Testing

@Suite struct StepAgreementTests {
  /// Of the gradients, losses and rounding of each step.
  private func agreement(
    _ gradients: [Double], rounding: [Double], loss: Double = 0
  ) throws -> StepAgreement {
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return StepAgreement(
      try gradients.enumerated().map { index, gradient in
        let measured = index < rounding.count ? ", \"roundingDifference\": \(rounding[index])" : ""
        let number = gradient.isNaN ? "\"nan\"" : "\(gradient)"
        let text = """
          {"step": \(index + 1), "losses": [1, 1], "lossDifference": \(loss), "gradientDifference": \(number),
           "parameter": "w", "lostZeros": 0\(measured)}
          """
        return try decoder.decode(StepComparison.Row.self, from: Data(text.utf8))
      })
  }

  @Test("the median of the gradients may be ten times what rounding explains, and 2e-6 in any case")
  func median() throws {
    #expect(try agreement([3.4e-7, 3.4e-7, 3.4e-7], rounding: [5e-7]).agrees)
    let wrong = try agreement([1.7e-4, 1.7e-4, 1.7e-4], rounding: [5e-7, 4e-7, 6e-7])
    #expect(!wrong.agrees && !wrong.isMedianWithin)
    #expect(abs(wrong.limit - 5e-6) < 1e-12 && wrong.roundingSteps == 3 && wrong.roundingDifference == 5e-7)
    #expect(try agreement([1.9e-6], rounding: [1e-9]).agrees)
    #expect(try !agreement([2.1e-6], rounding: [1e-9]).agrees)
  }

  @Test("a network of which rounding makes much may be apart by more, in each step too")
  func sensitive() throws {
    #expect(try agreement([2e-2, 3e-2, 2e-2], rounding: [8e-3, 9e-3, 7e-3]).agrees)
    #expect(try !agreement([2e-2, 0.2, 2e-2], rounding: [8e-3, 9e-3, 7e-3]).agrees)
    #expect(try !agreement([0.2, 0.2, 0.2], rounding: [8e-3, 9e-3, 7e-3]).agrees)
  }

  @Test("one step may be apart, where a gate flips, but not by much; a loss and what is no number may not")
  func worst() throws {
    #expect(try agreement([1e-7, 9e-3, 1e-7], rounding: [1e-7]).agrees)
    let large = try agreement([1e-7, 4.9, 1e-7], rounding: [1e-7])
    #expect(!large.agrees && large.isMedianWithin)
    #expect(try !agreement([1e-7, .nan, 1e-7], rounding: [1e-7]).agrees)
    #expect(try !agreement([1e-7], rounding: [1e-7], loss: 2e-5).agrees)
  }
}
