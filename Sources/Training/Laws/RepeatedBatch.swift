import SwitchbackExecution
import SwitchbackMonitoring

extension EvaluationExecutor {
  /// Evaluates the batch of the last run once more, and compares the answers bit by bit.
  func repeated(step: Int) throws -> RepeatedEvaluation {
    let outputs = judged.flatMap { [$0.predictions, $0.lossSum] + ($0.mask.map { [$0] } ?? []) }
    let once = try outputs.map { output in try executor.withOutput(output) { [UInt8]($0) } }
    for input in executor.inputs {
      try executor.withInput(input) { target in
        try executor.withValue(of: input) { source in
          // Where runs do not overlap it is the same memory.
          if source.baseAddress != UnsafeRawPointer(target.baseAddress) { target.copyMemory(from: source) }
        }
      }
    }
    try executor.run()
    var repeated = RepeatedEvaluation(step: step, numbers: 0)
    for (output, once) in zip(outputs, once) {
      let width = max(output.type.byteCount / max(output.type.shape.elementCount, 1), 1)
      let different = try executor.withOutput(output) { bytes in
        stride(from: 0, to: once.count, by: width).count { start in
          !once[start..<start + width].elementsEqual(bytes[start..<start + width])
        }
      }
      repeated.numbers += once.count / width
      repeated.different += different
      if different > 0, repeated.output == nil { repeated.output = output.name }
    }
    return repeated
  }
}
