public import SwitchbackExecution
public import SwitchbackPrograms

/// The gradient of an operation against central finite differences, in Float64.
///
/// The loss is Σ r·y with fixed random r. The step is h = 1e-5, where the truncation error h² and the rounding error
/// ε/h are both below 1e-10 for values of order one.
public struct GradientCheck: Sendable {
  /// ‖computed − differences‖ / ‖differences‖ of the worst operand; nil where the operation has no gradient.
  public let worst: Double?
  /// Why there is none.
  public let reason: String?

  public init(_ sample: OperationSample, on reference: BackendChain, seed: Int64 = 1) throws {
    let operation = (sample.operation as? any ElementTypedOperation)?.with(elementType: .float64) ?? sample.operation
    let types = sample.inputs.map { $0.elementType == .float32 ? TensorType(.float64, $0.shape) : $0 }
    var values = Dictionary(
      uniqueKeysWithValues: SampleValues(sample, seed: seed).operands.enumerated().map { ("x\($0)", $1) })

    var builder = ProgramBuilder(name: "gradient")
    let operands = types.enumerated().map { builder.input("x\($0)", $1) }
    let wanted = operands.filter { $0.type.elementType == .float64 }
    guard !(operation is any InPlaceOperation), !wanted.isEmpty else {
      (worst, reason) = (nil, operation is any InPlaceOperation ? "it changes state" : "it has no operand to derive by")
      return
    }
    let results = try builder.append(operation, operands)
    let y = results[0]
    guard y.type.elementType == .float64 else {
      (worst, reason) = (nil, "its result is \(y.type)")
      return
    }
    let r = builder.input("r", y.type)
    values["r"] = SampleValues.uniform(y.shape.elementCount, seed: seed, stream: 99).map { $0 - 0.5 }
    let product = try builder.append(Binary(.multiply), y, r)
    let loss = try builder.append(Reduce(.sum, axes: Array(0..<y.shape.rank)), product)
    builder.output("loss", loss)
    let forward = builder.build()

    // Operands whose derivative is refused (the targets of a cross-entropy) are left out one by one.
    var checked: [(String, [Double])] = []
    var refusal: String?
    for operand in wanted {
      var attempt = builder
      do {
        let gradients = try attempt.gradients(of: loss, for: [operand])
        guard let gradient = gradients[operand.id] else { continue }
        attempt.output("gradient", gradient)
        let name = "x\(operands.firstIndex(of: operand)!)"
        let outputs = try ProgramEvaluation(attempt.build(), values, on: reference).outputs
        checked.append((name, outputs["gradient"]!))
      } catch let error as ProgramError {
        refusal = error.message
      }
    }
    guard !checked.isEmpty else {
      (worst, reason) = (nil, refusal ?? "no gradient flows")
      return
    }
    var largest = 0.0
    let h = 1e-5
    for (name, gradient) in checked {
      var (difference, norm) = (0.0, 0.0)
      for e in gradient.indices {
        func loss(at shift: Double) throws -> Double {
          var moved = values
          moved[name]![e] += shift
          return try ProgramEvaluation(forward, moved, on: reference).outputs["loss"]![0]
        }
        let slope = (try loss(at: h) - loss(at: -h)) / (2 * h)
        difference += (gradient[e] - slope) * (gradient[e] - slope)
        norm += slope * slope
      }
      largest = max(largest, difference.squareRoot() / max(norm.squareRoot(), 1e-3))
    }
    (worst, reason) = (largest, nil)
  }
}
