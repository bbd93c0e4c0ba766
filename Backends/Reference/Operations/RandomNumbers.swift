import SwitchbackBackendKit
import SwitchbackPrograms

extension RandomNumbers: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    let key = operands.inputs[0].elements(Int64.self)
    let (philox, step, y) = (Philox(seed: key[0]), key[1], result.elements(type))
    operands.parallel((result.count + 3) / 4, grain: 1024) {
      for block in $0 {
        let bits = philox.bits(block: block, stream: stream, step: step)
        for word in 0..<min(4, result.count - 4 * block) {
          switch distribution {
          case .uniform: y[4 * block + word] = T(Philox.uniform(bits[word]))
          case .normal:
            // In Float64: near a zero of the cosine, an angle rounded to Float32 leaves few right digits.
            let radius = (-2 * Double.log(Philox.uniform(bits[word & 2]) + 0x1p-24)).squareRoot()
            let angle = 2 * Double.pi * Philox.uniform(bits[word & 2 + 1])
            y[4 * block + word] = T(radius * (word & 1 == 0 ? Double.cos(angle) : Double.sin(angle)))
          }
        }
      }
    }
  }
}
