import SwitchbackBackendKit
import SwitchbackPrograms

/// The operands of an optimizer update by their names.
private struct Update<T: ReferenceScalar> {
  let parameter: UnsafeMutablePointer<T>
  let gradient: UnsafeMutablePointer<T>
  let slots: [UnsafeMutablePointer<T>]
  let rate: T
  let correction: T
  let delta: UnsafeMutablePointer<T>?
  let count: Int

  /// `nil` where the update is not allowed; its delta is then zero.
  init?(_ operands: ReferenceOperands, slots count: Int, hasCorrection: Bool, _ type: T.Type) {
    parameter = operands.inputs[0].elements(type)
    gradient = operands.inputs[1].elements(type)
    slots = (0..<count).map { operands.inputs[2 + $0].elements(type) }
    rate = operands.inputs[2 + count].elements(type)[0]
    correction = hasCorrection ? operands.inputs[3 + count].elements(type)[0] : 1
    delta = operands.outputs[count + 1]?.elements(type)
    self.count = operands.inputs[0].count
    guard operands.inputs.last!.elements(UInt8.self)[0] != 0 else {
      delta?.update(repeating: 0, count: self.count)
      return nil
    }
  }

  /// Replaces each parameter: decoupled decay first, then what `step` adds.
  @inline(__always)
  func apply(weightDecay: Double, _ step: (_ element: Int, _ gradient: T) -> T) {
    for e in 0..<count {
      let old = parameter[e]
      let new = old - rate * T(weightDecay) * old + step(e, gradient[e])
      parameter[e] = new
      delta?[e] = new - old
    }
  }
}

extension SGDUpdate: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    guard let update = Update(operands, slots: slotNames.count, hasCorrection: false, type) else { return }
    guard momentum != 0 else {
      return update.apply(weightDecay: weightDecay) { _, g in -update.rate * g }
    }
    let (mu, m) = (T(momentum), update.slots[0])
    update.apply(weightDecay: weightDecay) { e, g in
      m[e] = mu * m[e] - update.rate * g
      return nesterov ? mu * m[e] - update.rate * g : m[e]
    }
  }
}

extension RMSpropUpdate: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    guard let update = Update(operands, slots: slotNames.count, hasCorrection: false, type) else { return }
    // 1 − ρ before rounding: of a Float32 0.999 it would keep four digits.
    let (rho, share, epsilon, mu, v) = (T(self.rho), T(1 - self.rho), T(self.epsilon), T(momentum), update.slots[0])
    let average = centered ? update.slots[1] : nil
    let m = momentum == 0 ? nil : update.slots.last
    update.apply(weightDecay: weightDecay) { e, g in
      v[e] = rho * v[e] + share * g * g
      var variance = v[e]
      if let average {
        average[e] = rho * average[e] + share * g
        variance -= average[e] * average[e]
        if variance < 0 { variance = 0 }
      }
      let increment = update.rate * g / (variance + epsilon).squareRoot()
      guard let m else { return -increment }
      m[e] = mu * m[e] + increment
      return -m[e]
    }
  }
}

extension AdagradUpdate: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    guard let update = Update(operands, slots: 1, hasCorrection: false, type) else { return }
    let (epsilon, a) = (T(self.epsilon), update.slots[0])
    update.apply(weightDecay: weightDecay) { e, g in
      a[e] += g * g
      return -update.rate * g / (a[e] + epsilon).squareRoot()
    }
  }
}

extension AdamUpdate: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    guard let update = Update(operands, slots: 2, hasCorrection: true, type) else { return }
    // 1 − β before rounding: of a Float32 0.999 it would keep four digits.
    let (share1, share2, epsilon) = (T(1 - beta1), T(1 - beta2), T(self.epsilon))
    let (m, v) = (update.slots[0], update.slots[1])
    update.apply(weightDecay: weightDecay) { e, g in
      m[e] += (g - m[e]) * share1
      v[e] += (g * g - v[e]) * share2
      return -update.rate * update.correction * m[e] / (v[e].squareRoot() + epsilon)
    }
  }
}

extension Assign: ReferenceKernel {
  public func run(_ operands: ReferenceOperands) throws(BackendError) {
    guard let state = operands.outputs[0], state.bytes != operands.inputs[1].bytes else { return }
    state.bytes.copyMemory(from: operands.inputs[1].bytes, byteCount: state.type.byteCount)
  }
}

extension AllFinite: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    var isFinite = true
    for input in operands.inputs {
      let x = input.elements(type)
      for e in 0..<input.count where !x[e].isFinite { isFinite = false }
    }
    result.elements(UInt8.self)[0] = isFinite ? 1 : 0
  }
}
