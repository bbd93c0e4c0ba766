import SwitchbackCPUKernels
import SwitchbackPrograms

extension SGDUpdate: OpenBLASOperation {
  func work(_ maker: WorkMaker) -> Work {
    let (w, g, slots, kernels) = maker.updated(self)
    var constants = sb_update()
    (constants.momentum, constants.nesterov, constants.decay) = (
      Float(momentum), nesterov ? 1 : 0, Float(weightDecay)
    )
    return maker.update(self, constants) { constants, frame, delta in
      kernels.pointee.sgd(
        constants, Int64(frame.rows), frame.floats(w), frame.floats(g), slots.first.map { frame.floats($0) }, delta)
    }
  }
}

extension RMSpropUpdate: OpenBLASOperation {
  func work(_ maker: WorkMaker) -> Work {
    let (w, g, slots, kernels) = maker.updated(self)
    var constants = sb_update()
    (constants.rho, constants.share1, constants.momentum, constants.epsilon, constants.decay) = (
      Float(rho), Float(1 - rho), Float(self.momentum), Float(epsilon), Float(weightDecay)
    )
    let average = centered ? slots[1] : nil
    let momentum = self.momentum == 0 ? nil : slots.last
    return maker.update(self, constants) { constants, frame, delta in
      kernels.pointee.rmsprop(
        constants, Int64(frame.rows), frame.floats(w), frame.floats(g), frame.floats(slots[0]),
        average.map { frame.floats($0) },
        momentum.map { frame.floats($0) }, delta)
    }
  }
}

extension AdagradUpdate: OpenBLASOperation {
  func work(_ maker: WorkMaker) -> Work {
    let (w, g, slots, kernels) = maker.updated(self)
    var constants = sb_update()
    (constants.epsilon, constants.decay) = (Float(epsilon), Float(weightDecay))
    return maker.update(self, constants) { constants, frame, delta in
      kernels.pointee.adagrad(
        constants, Int64(frame.rows), frame.floats(w), frame.floats(g), frame.floats(slots[0]), delta)
    }
  }
}

extension AdamUpdate: OpenBLASOperation {
  func work(_ maker: WorkMaker) -> Work {
    let (w, g, slots, kernels) = maker.updated(self)
    var constants = sb_update()
    (constants.share1, constants.share2, constants.epsilon, constants.decay) = (
      Float(1 - beta1), Float(1 - beta2), Float(epsilon), Float(weightDecay)
    )
    return maker.update(self, constants) { constants, frame, delta in
      kernels.pointee.adam(
        constants, Int64(frame.rows), frame.floats(w), frame.floats(g), frame.floats(slots[0]), frame.floats(slots[1]),
        delta)
    }
  }
}

extension AllFinite: OpenBLASOperation {
  func work(_ maker: WorkMaker) -> Work { maker.allFinite() }
}

extension WorkMaker {
  /// The operands by name, for what an update does with them.
  fileprivate func updated(
    _ operation: some OptimizerUpdate
  ) -> (w: Int, g: Int, slots: [Int], kernels: UnsafePointer<sb_kernels>) {
    (input(0), input(1), operation.slotNames.indices.map { input(2 + $0) }, library.kernels)
  }

  /// `step` where the update is allowed, with this step's rate and correction among the constants.
  fileprivate func update(
    _ operation: some OptimizerUpdate, _ fixed: sb_update,
    _ step: @escaping (UnsafePointer<sb_update>, Work.Frame, UnsafeMutablePointer<Float>?) -> Void
  ) -> Work {
    let slotCount = operation.slotNames.count
    let rate = input(2 + slotCount)
    let hasCorrection = Swift.type(of: operation).takesCorrection
    let correction = hasCorrection ? input(3 + slotCount) : rate
    let allow = call.inputs.last!
    let delta = call.outputs[slotCount + 1]
    // Weights, gradient and slots by ranges of elements; rate, correction and permission are one number each.
    let access = call.inputs.indices.map { $0 < 2 + slotCount ? Work.Access.rows : .whole }
    return work(access: access, rows: type(0).shape.elementCount) { frame in
      let change = delta.map { frame.floats($0) }
      guard frame.pointers[allow].load(as: UInt8.self) != 0 else {
        change?.update(repeating: 0, count: frame.rows)
        return
      }
      var constants = fixed
      constants.rate = frame.floats(rate)[0]
      constants.correction = hasCorrection ? frame.floats(correction)[0] : 1
      withUnsafePointer(to: constants) { step($0, frame, change) }
    }
  }

  func allFinite() -> Work {
    let kernels = library.kernels
    var check = work(access: nil, rows: 1) { _ in }
    check.results[0].form = .flag(isOfSum: false)
    check.check = { kernels.pointee.all_finite(Int64($1), $0) != 0 }
    return check
  }
}
