import SwitchbackCPUKernels
import SwitchbackPrograms

extension SGDUpdate: OpenBLASOperation {
  func kernel(_ maker: KernelMaker) -> Kernel {
    let (w, g, slots, count, kernels) = maker.updated(self)
    var constants = sb_update()
    (constants.momentum, constants.nesterov, constants.decay) = (
      Float(momentum), nesterov ? 1 : 0, Float(weightDecay)
    )
    return maker.update(self, constants) { constants, frame, delta in
      kernels.pointee.sgd(
        constants, count, frame.floats(w), frame.floats(g), slots.first.map { frame.floats($0) }, delta)
    }
  }
}

extension RMSpropUpdate: OpenBLASOperation {
  func kernel(_ maker: KernelMaker) -> Kernel {
    let (w, g, slots, count, kernels) = maker.updated(self)
    var constants = sb_update()
    (constants.rho, constants.share1, constants.momentum, constants.epsilon, constants.decay) = (
      Float(rho), Float(1 - rho), Float(self.momentum), Float(epsilon), Float(weightDecay)
    )
    let average = centered ? slots[1] : nil
    let momentum = self.momentum == 0 ? nil : slots.last
    return maker.update(self, constants) { constants, frame, delta in
      kernels.pointee.rmsprop(
        constants, count, frame.floats(w), frame.floats(g), frame.floats(slots[0]), average.map { frame.floats($0) },
        momentum.map { frame.floats($0) }, delta)
    }
  }
}

extension AdagradUpdate: OpenBLASOperation {
  func kernel(_ maker: KernelMaker) -> Kernel {
    let (w, g, slots, count, kernels) = maker.updated(self)
    var constants = sb_update()
    (constants.epsilon, constants.decay) = (Float(epsilon), Float(weightDecay))
    return maker.update(self, constants) { constants, frame, delta in
      kernels.pointee.adagrad(
        constants, count, frame.floats(w), frame.floats(g), frame.floats(slots[0]), delta)
    }
  }
}

extension AdamUpdate: OpenBLASOperation {
  func kernel(_ maker: KernelMaker) -> Kernel {
    let (w, g, slots, count, kernels) = maker.updated(self)
    var constants = sb_update()
    (constants.share1, constants.share2, constants.epsilon, constants.decay) = (
      Float(1 - beta1), Float(1 - beta2), Float(epsilon), Float(weightDecay)
    )
    return maker.update(self, constants) { constants, frame, delta in
      kernels.pointee.adam(
        constants, count, frame.floats(w), frame.floats(g), frame.floats(slots[0]), frame.floats(slots[1]), delta)
    }
  }
}

extension AllFinite: OpenBLASOperation {
  func kernel(_ maker: KernelMaker) throws -> Kernel { try maker.allFinite() }
}

extension KernelMaker {
  /// The operands by name, for what an update does with them.
  fileprivate func updated(
    _ operation: some OptimizerUpdate
  ) -> (w: Int, g: Int, slots: [Int], count: Int64, kernels: UnsafePointer<sb_kernels>) {
    (
      input(0), input(1), operation.slotNames.indices.map { input(2 + $0) }, Int64(type(0).shape.elementCount),
      library.kernels
    )
  }

  /// `step` where the update is allowed, with this step's rate and correction among the constants.
  fileprivate func update(
    _ operation: some OptimizerUpdate, _ fixed: sb_update,
    _ step: @escaping (UnsafePointer<sb_update>, Kernel.Frame, UnsafeMutablePointer<Float>?) -> Void
  ) -> Kernel {
    let slotCount = operation.slotNames.count
    let rate = input(2 + slotCount)
    let hasCorrection = Swift.type(of: operation).takesCorrection
    let correction = hasCorrection ? input(3 + slotCount) : rate
    let allow = call.inputs.last!
    let (delta, count) = (call.outputs[slotCount + 1], type(0).shape.elementCount)
    return Kernel(access: nil, rows: 1) { frame in
      let change = delta.map { frame.floats($0) }
      guard frame.pointers[allow].load(as: UInt8.self) != 0 else {
        change?.update(repeating: 0, count: count)
        return
      }
      var constants = fixed
      constants.rate = frame.floats(rate)[0]
      constants.correction = hasCorrection ? frame.floats(correction)[0] : 1
      withUnsafePointer(to: constants) { step($0, frame, change) }
    }
  }

  func allFinite() throws -> Kernel {
    let operands = call.inputs.map { ($0, segment.values[$0].type.shape.elementCount) }
    let (y, kernels) = (output, library.kernels)
    return Kernel(access: nil, rows: 1) { frame in
      var isFinite = true
      for (operand, count) in operands where kernels.pointee.all_finite(Int64(count), frame.floats(operand)) == 0 {
        isFinite = false
      }
      frame.pointers[y].storeBytes(of: isFinite ? 1 : 0, as: UInt8.self)
    }
  }
}
