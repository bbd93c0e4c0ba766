import SwitchbackBackendKit
public import SwitchbackExecution
public import SwitchbackPrograms

/// NaN, infinities, denormals, zeros of both signs and kinks, as far as an operation's `specialValues` settles what comes
/// of them: a law that is stated is a law that is asked.
public struct SpecialValues: Sendable {
  public let fault: String?
  public let replay: ReplayFile?
  /// False where the law leaves nothing to ask, or the candidate declines.
  public let wasAsked: Bool

  /// What a sum may be fed with: no numbers whose partial sums overflow in one order and not in another. The most special
  /// come first, for samples of a few elements.
  private static let ordinary: [Double] = [
    0, .nan, -0.0, .infinity, 1, -.infinity, -1, 0x1p-140, 2, -0x1p-140, 0.5, -3,
  ]
  private static let extreme: [Double] = ordinary + [Double(Float.greatestFiniteMagnitude), -0x1p-149, 88, -104]
  /// Beside kinks, on both sides of them.
  private static let moderate: [Double] = [0, 1, .nan, -1, 3, 0.5, -3, 2, 0.25, -0.5, 4]

  /// `isDecomposed`: simpler operations compute the sample, whose law is the operation's all the same.
  public init(
    _ sample: OperationSample, on candidate: BackendChain, reference: BackendChain, isDecomposed: Bool = false
  ) throws {
    let feeds = Self.feeds(sample)
    let whole = try sample.program()
    guard !feeds.isEmpty, let program = isDecomposed ? try sample.decomposedProgram() : whole,
      try candidate.links[0].device.query(Segment(program)).allSatisfy(\.isAccepted)
    else {
      (fault, replay, wasAsked) = (nil, nil, false)
      return
    }
    let reach = type(of: sample.operation).specialValues.reach
    for operands in feeds {
      let values = Dictionary(uniqueKeysWithValues: operands.enumerated().map { ("x\($0)", $1) })
      let found = try ProgramEvaluation(program, values, on: candidate).outputs
      let expected = try ProgramEvaluation(whole, values, on: reference).outputs
      for output in program.outputs {
        let pairs = zip(found[output.name] ?? [], expected[output.name] ?? [])
        guard let (e, pair) = pairs.enumerated().first(where: { !Self.agree($0.element.0, $0.element.1, reach) }) else {
          continue
        }
        let place = WorstElement.place(of: e, in: program.values[output.value].type.shape)
        fault = "\(output.name)\(place) is \(pair.0), not \(pair.1)"
        (replay, wasAsked) = (ReplayFile(program, values), true)
        return
      }
    }
    (fault, replay, wasAsked) = (nil, nil, true)
  }

  /// The numbers that the sample is asked with, a list for each operand: once for all operands or, where one NaN may
  /// hide what another one does, once for each. Empty: there is nothing to ask.
  public static func feeds(_ sample: OperationSample) -> [[[Double]]] {
    let floating = sample.inputs.indices.filter { sample.inputs[$0].elementType.isFloatingPoint }
    guard !floating.isEmpty else { return [] }
    let own = SampleValues(sample).operands
    let kinks = Self.kinks(sample)
    func pattern(_ numbers: [Double]) -> [[Double]] {
      patterned(own, floating, numbers + kinks.filter { !numbers.contains($0) })
    }
    switch type(of: sample.operation).specialValues.reach {
    case .everywhere: return [pattern(extreme)]
    case .sums: return [pattern(ordinary)]
    case .kinks: return [pattern(moderate)]
    // A NaN among the rates would hide all else.
    case .nan: return [sprinkled(own, floating.filter { sample.inputs[$0].shape.rank > 0 }, every: 4)]
    case .spread: return floating.map { sprinkled(own, [$0], every: 29) }
    case .none: return []
    }
  }

  private static func kinks(_ sample: OperationSample) -> [Double] {
    type(of: sample.operation).questions(on: sample).flatMap { question -> [Double] in
      if case .kinks(let numbers) = question { numbers } else { [] }
    }
  }

  private static func patterned(_ own: [[Double]], _ which: [Int], _ pattern: [Double]) -> [[Double]] {
    var operands = own
    for index in which {
      // Operands of different strides meet every pair sooner or later.
      for e in operands[index].indices {
        operands[index][e] = pattern[(e * (index + 1) + e / 7 * index) % pattern.count]
      }
    }
    return operands
  }

  private static func sprinkled(_ own: [[Double]], _ which: [Int], every distance: Int) -> [[Double]] {
    var operands = own
    for index in which {
      // Each operand elsewhere, so that none hides what another one does; of a single element there.
      let first = min(index % distance, operands[index].count - 1)
      for e in operands[index].indices where e % distance == first { operands[index][e] = .nan }
    }
    return operands
  }

  /// The same kind of number; where finite close. Denormal results may be flushed, and in sums what cancels may leave
  /// the rounding of its terms, none of which is larger than 3.
  private static func agree(_ found: Double, _ expected: Double, _ reach: SpecialValueLaw.Reach) -> Bool {
    switch reach {
    case .spread: return !expected.isNaN || found.isNaN
    case .nan: return expected.isNaN == found.isNaN
    case .everywhere, .sums, .kinks, .none:
      if expected.isNaN { return found.isNaN }
      if expected.isInfinite { return found == expected }
      let smallest = reach == .everywhere ? 0x1p-126 : 1e-6
      return found.isFinite && abs(found - expected) <= max(1e-4 * abs(expected), smallest)
    }
  }
}
